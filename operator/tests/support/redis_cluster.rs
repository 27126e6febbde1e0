//! Asking and telling real members, and a whole cluster of them, through `RedisAdmin` alone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zoneward_operator::model::{
    Address, ClusterKey, ConfigEpoch, MemberAnswer, MemberId, MemberName, PodUid, SlotSet,
};
use zoneward_operator::plan::{MemberCommand, MemberRef};
use zoneward_operator::ports::{AskTarget, Credentials, ErrorClass, Password, RedisAdmin};
use zoneward_operator::wire::{self, RedisWire, Wakes};

use crate::redis_server::{Member, OPERATOR_PASSWORD, REPLICATION_PASSWORD, ServerBinary};

pub(crate) const LIMIT: Duration = Duration::from_secs(2);
pub(crate) const CLIENT_PASSWORD: &str = "the clients'";

pub(crate) fn credentials() -> Credentials {
    Credentials {
        operator: Some(Password::new(OPERATOR_PASSWORD)),
        replication: Some(Password::new(REPLICATION_PASSWORD)),
        client: Some(Password::new(CLIENT_PASSWORD)),
        client_needs_password: true,
        ..Credentials::default()
    }
}

pub(crate) fn key() -> ClusterKey {
    ClusterKey {
        namespace: "shop".to_owned(),
        name: "cart".to_owned(),
    }
}

pub(crate) fn target(address: Address) -> AskTarget {
    AskTarget {
        cluster: key(),
        name: MemberName::new(format!("cart-{}", address.ip)),
        pod_uid: PodUid::new(address.to_string()),
        address,
        credentials: Arc::new(credentials()),
        settings: Arc::default(),
    }
}

pub(crate) fn wired() -> (RedisWire, Wakes) {
    // What the wire says to itself: RUST_LOG=zoneward_operator=debug.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let (alarm, wakes) = wire::wakes();
    (RedisWire::new(alarm), wakes)
}

pub(crate) async fn ask(wire: &RedisWire, address: Address) -> MemberAnswer {
    let asked = wire.ask(&target(address), LIMIT).await;
    asked.unwrap_or_else(|reason| panic!("{address}: {reason:?}"))
}

pub(crate) fn member_ref(address: Address, answer: &MemberAnswer) -> MemberRef {
    MemberRef {
        name: target(address).name,
        id: answer.id.clone(),
        run_id: answer.run_id.clone(),
        address,
    }
}

/// Tells the process that is there now.
pub(crate) async fn tell(
    wire: &RedisWire,
    address: Address,
    command: MemberCommand,
) -> Result<(), ErrorClass> {
    let member = member_ref(address, &ask(wire, address).await);
    let told = wire.command(&target(address), &member, &command).await;
    told.map_err(|error| error.class)
}

pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Three leaders and three followers; member `i + 3` follows member `i`.
pub(crate) struct Cluster {
    pub(crate) wire: RedisWire,
    pub(crate) wakes: Wakes,
    pub(crate) members: Vec<Member>,
    pub(crate) credentials: Credentials,
}

impl Cluster {
    pub(crate) fn address(&self, index: usize) -> Address {
        self.members[index].address
    }

    /// How to reach a member with what is known of the passwords and certificates.
    pub(crate) fn to(&self, index: usize) -> AskTarget {
        AskTarget {
            credentials: Arc::new(self.credentials.clone()),
            ..target(self.address(index))
        }
    }

    pub(crate) async fn ask(&self, index: usize) -> MemberAnswer {
        let asked = self.wire.ask(&self.to(index), LIMIT).await;
        asked.unwrap_or_else(|reason| panic!("{index}: {reason:?}"))
    }

    pub(crate) async fn tell(
        &self,
        index: usize,
        command: MemberCommand,
    ) -> Result<(), ErrorClass> {
        let member = member_ref(self.address(index), &self.ask(index).await);
        let told = self.wire.command(&self.to(index), &member, &command).await;
        told.map_err(|error| error.class)
    }

    pub(crate) async fn id(&self, index: usize) -> MemberId {
        self.ask(index).await.id
    }

    pub(crate) fn start(server: &ServerBinary) -> Self {
        Self::start_with(server, "", credentials())
    }

    /// The same with more lines of configuration.
    pub(crate) fn start_with(server: &ServerBinary, more: &str, credentials: Credentials) -> Self {
        let (wire, wakes) = wired();
        Self {
            wire,
            wakes,
            members: (0..6).map(|_| Member::start_with(server, more)).collect(),
            credentials,
        }
    }

    pub(crate) async fn formed(server: &ServerBinary) -> Self {
        let cluster = Self::start(server);
        cluster.form().await;
        cluster.open().await;
        cluster
    }

    /// As `plan` does, up to where everybody is still closed.
    pub(crate) async fn form(&self) {
        for index in 0..6u32 {
            let at = usize::try_from(index).unwrap();
            let epoch = MemberCommand::SetConfigEpoch(ConfigEpoch(u64::from(index) + 1));
            self.tell(at, epoch).await.unwrap();
            if index < 3 {
                let share = MemberCommand::AddSlots(SlotSet::even_share(index, 3));
                self.tell(at, share).await.unwrap();
            }
        }
        let others: Vec<Address> = (1..6).map(|index| self.address(index)).collect();
        self.tell(0, MemberCommand::Meet(others)).await.unwrap();
        until("all know all", || async {
            let mut all = true;
            for index in 0..6 {
                let view = self.ask(index).await.view;
                all &= view.entries.len() == 6;
                all &= view.entries.iter().all(|entry| !entry.flags.handshake);
            }
            all
        })
        .await;
        for index in 3..6 {
            let leader = self.id(index - 3).await;
            let replicate = MemberCommand::Replicate { leader };
            until("the follower follows", || async {
                match self.tell(index, replicate.clone()).await {
                    Ok(()) => true,
                    Err(class) => {
                        assert_eq!(class, ErrorClass::Transient);
                        false
                    }
                }
            })
            .await;
        }
    }

    pub(crate) async fn open(&self) {
        for index in 0..6 {
            self.tell(index, MemberCommand::Open).await.unwrap();
        }
        until("followers are in sync", || async {
            let mut all = true;
            for index in 3..6 {
                all &= self.ask(index).await.is_in_sync();
            }
            all
        })
        .await;
        until("all views are equal", || async {
            let mut views = Vec::new();
            for index in 0..6 {
                views.push(self.opinion(index).await);
            }
            views.iter().all(|view| view == &views[0])
        })
        .await;
    }

    /// What a member believes, less what each member says of itself only.
    pub(crate) async fn opinion(&self, index: usize) -> Vec<String> {
        let view = self.ask(index).await.view;
        let line = |entry: &zoneward_operator::model::ViewEntry| {
            let slots = &entry.slots;
            format!("{} {:?} {:?} {slots}", entry.id, entry.role, entry.leader)
        };
        let mut opinion = vec![format!("ok {}", view.says_ok)];
        opinion.extend(view.entries.iter().map(line));
        opinion
    }
}

/// Whether followers have their leaders' `shard-id`. valkey 8.1.1 now and then writes a table where
/// they have not, for a while after REPLICATE, and then does not start over it ("corrupted cluster
/// config file").
pub(crate) fn shards_agree(table: &str) -> bool {
    let shard = |line: &str| {
        line.split([',', ' '])
            .find(|part| part.starts_with("shard-id="))
            .map(str::to_owned)
    };
    let followers = table.lines().filter(|line| line.contains("slave "));
    let mut pairs = followers.map(|line| {
        let leader = line.split(' ').nth(3).unwrap();
        (
            shard(line),
            table
                .lines()
                .find(|line| line.starts_with(leader))
                .and_then(shard),
        )
    });
    pairs.all(|(follower, leader)| follower == leader)
}
