//! The two sides: the model, and real servers. What a script may ask of either.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use zoneward_operator::model::{Address, MemberAnswer, MemberId};
use zoneward_operator::plan::MemberCommand;
use zoneward_operator::ports::RedisAdmin;
use zoneward_sim::redis::{Engine, Millis};
use zoneward_sim::rig::{Return, Rig};

use crate::redis_client::{OPERATOR, say};
use crate::redis_cluster::{Cluster, LIMIT, shards_agree, target};
use crate::redis_server::ServerBinary;

pub(crate) type Done<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Six members.
pub(crate) trait Bed {
    fn address(&self, member: usize) -> Address;
    fn ask(&mut self, member: usize) -> Done<'_, Option<MemberAnswer>>;
    /// Whether it was accepted.
    fn tell(&mut self, member: usize, command: MemberCommand) -> Done<'_, bool>;
    fn kill(&mut self, member: usize) -> Done<'_, ()>;
    fn freeze(&mut self, member: usize) -> Done<'_, ()>;
    fn thaw(&mut self, member: usize) -> Done<'_, ()>;
    fn start_again(&mut self, member: usize, how: Return) -> Done<'_, ()>;
    /// One write to a leader's shard, by the operator's user.
    fn write(&mut self, member: usize) -> Done<'_, ()>;
    fn pass(&mut self, millis: Millis) -> Done<'_, ()>;
    /// Until every table can be started over.
    fn settle(&mut self) -> Done<'_, ()>;
    /// The id that it had when it was asked last.
    fn remembered_id(&self, member: usize) -> MemberId;
}

/// The model.
pub(crate) struct Modelled {
    rig: Rig,
    ids: Vec<MemberId>,
}

impl Modelled {
    pub(crate) fn start(engine: Engine) -> Self {
        let rig = Rig::new(engine, 7);
        let ids = (0..6)
            .filter_map(|member| rig.ask(member))
            .map(|it| it.id)
            .collect();
        Self { rig, ids }
    }
}

impl Bed for Modelled {
    fn address(&self, member: usize) -> Address {
        self.rig.address(member)
    }

    fn ask(&mut self, member: usize) -> Done<'_, Option<MemberAnswer>> {
        Box::pin(async move { self.rig.ask(member) })
    }

    fn tell(&mut self, member: usize, command: MemberCommand) -> Done<'_, bool> {
        Box::pin(async move {
            // as the real side takes a few milliseconds
            self.rig.pass(20);
            self.rig.tell(member, &command)
        })
    }

    fn kill(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.rig.kill(member) })
    }

    fn freeze(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.rig.freeze(member) })
    }

    fn thaw(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.rig.thaw(member) })
    }

    fn start_again(&mut self, member: usize, how: Return) -> Done<'_, ()> {
        Box::pin(async move { self.rig.start_again(member, how) })
    }

    fn write(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.rig.write(member) })
    }

    fn pass(&mut self, millis: Millis) -> Done<'_, ()> {
        Box::pin(async move { self.rig.pass(millis) })
    }

    fn settle(&mut self) -> Done<'_, ()> {
        Box::pin(async move { self.rig.pass(3000) })
    }

    fn remembered_id(&self, member: usize) -> MemberId {
        self.ids[member].clone()
    }
}

/// Real servers.
pub(crate) struct Real {
    cluster: Cluster,
    ids: Vec<Option<MemberId>>,
}

impl Real {
    pub(crate) fn start(server: &ServerBinary) -> Self {
        Self {
            cluster: Cluster::start(server),
            ids: vec![None; 6],
        }
    }
}

impl Bed for Real {
    fn address(&self, member: usize) -> Address {
        self.cluster.address(member)
    }

    fn ask(&mut self, member: usize) -> Done<'_, Option<MemberAnswer>> {
        Box::pin(async move {
            let asked = self
                .cluster
                .wire
                .ask(&target(self.address(member)), LIMIT)
                .await;
            let answer = asked.ok()?;
            self.ids[member].get_or_insert(answer.id.clone());
            Some(answer)
        })
    }

    fn tell(&mut self, member: usize, command: MemberCommand) -> Done<'_, bool> {
        Box::pin(async move {
            self.ask(member).await;
            self.cluster.tell(member, command).await.is_ok()
        })
    }

    fn kill(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.cluster.members[member].kill() })
    }

    fn freeze(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.cluster.members[member].freeze() })
    }

    fn thaw(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move { self.cluster.members[member].thaw() })
    }

    fn start_again(&mut self, member: usize, how: Return) -> Done<'_, ()> {
        Box::pin(async move {
            let file = self.cluster.members[member].directory().join("nodes.conf");
            match how {
                Return::AsItWas => {}
                Return::Blanked => {
                    let text = fs::read_to_string(&file).unwrap();
                    fs::write(&file, blanked(&text)).unwrap();
                }
                Return::Empty => fs::remove_file(&file).unwrap(),
            }
            self.cluster.members[member].restart();
            // the kept connection ended with the old process
            while self.ask(member).await.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if how == Return::Blanked {
                let millis = 1000;
                let command = MemberCommand::SetNodeTimeout { millis };
                self.cluster.tell(member, command).await.unwrap();
            }
        })
    }

    fn write(&mut self, member: usize) -> Done<'_, ()> {
        Box::pin(async move {
            let address = self.address(member);
            for number in 0..100 {
                if say(address, OPERATOR, &format!("SET key-{number} value"))
                    .await
                    .is_ok()
                {
                    return;
                }
            }
            panic!("no key of a hundred is {address}'s");
        })
    }

    fn pass(&mut self, millis: Millis) -> Done<'_, ()> {
        Box::pin(async move { tokio::time::sleep(Duration::from_millis(millis)).await })
    }

    fn settle(&mut self) -> Done<'_, ()> {
        Box::pin(async move {
            for _ in 0..300 {
                let tables = self.cluster.members.iter().map(|member| {
                    fs::read_to_string(member.directory().join("nodes.conf")).unwrap()
                });
                if tables.into_iter().all(|table| shards_agree(&table)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("the tables never agree on the shards' ids");
        })
    }

    fn remembered_id(&self, member: usize) -> MemberId {
        self.ids[member].clone().expect("it was asked before")
    }
}

/// What resources/scripts/start.sh does to nodes.conf.
fn blanked(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if line.starts_with("vars ") || line.contains("myself") || words.len() < 3 {
            return line.to_owned();
        }
        words[1] = ":0@0".to_owned();
        words[2] = words[2].replace(",noaddr", "");
        words.join(" ")
    });
    lines.map(|line| line + "\n").collect()
}
