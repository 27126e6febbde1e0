//! The wire edge against real servers on loopback, without Kubernetes. Every test runs on every
//! server that is found (`support/redis_server.rs`); where none is found, it fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may fail by panicking, and says what it measured"
)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "redis_live/connection.rs"]
mod connection;
#[path = "redis_live/disk.rs"]
mod disk;
#[path = "redis_live/passwords.rs"]
mod passwords;
#[path = "support/redis_client.rs"]
mod redis_client;
#[path = "support/redis_cluster.rs"]
mod redis_cluster;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "redis_live/settings.rs"]
mod settings;
#[path = "redis_live/tls.rs"]
mod tls;
#[path = "redis_live/users.rs"]
mod users;
#[path = "redis_live/writes.rs"]
mod writes;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use zoneward_operator::model::{
    ConfigEpoch, MemberAnswer, MemberId, Role, Silence, SilenceReason, SlotSet,
};
use zoneward_operator::plan::{FailoverMode, MemberCommand};
use zoneward_operator::ports::{ErrorClass, RedisAdmin};

use redis_cluster::{Cluster, LIMIT, ask, key, member_ref, shards_agree, target, tell, until};
use redis_server::{Member, for_each_server};

/// What came of a question, without how long it was silent.
fn reason(asked: Result<MemberAnswer, Silence>) -> Result<MemberAnswer, SilenceReason> {
    asked.map_err(|silence| silence.reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_forms_and_its_closed_members_feed_nobody() {
    for_each_server(|server| async move {
        let cluster = Cluster::start(&server);
        let alone = cluster.ask(0).await;
        assert!(!alone.is_open && !alone.loading);
        assert_eq!(alone.view.entries.len(), 1);
        assert_eq!(alone.node_timeout_millis, 2000);
        let shown = format!("{:?} {}", alone.engine, alone.version).to_lowercase();
        assert_eq!(shown, server.version);

        cluster.form().await;
        sleep(Duration::from_millis(1500)).await;
        for index in 3..6 {
            let answer = cluster.ask(index).await;
            assert_eq!(answer.role(), Role::Follower);
            assert!(!answer.is_in_sync(), "a closed leader feeds nobody");
        }
        cluster.open().await;

        let leader = cluster.ask(1).await;
        assert!(leader.is_open && leader.view.says_ok);
        assert!(leader.view.current_epoch.0 >= 6);
        assert_eq!(leader.replication.followers.len(), 1);
        assert_eq!(
            leader.replication.followers[0].ip,
            Some(cluster.address(4).ip)
        );
        let own = leader.view.own_entry().unwrap();
        assert_eq!(own.slots, SlotSet::even_share(1, 3));
        assert_eq!(own.config_epoch, ConfigEpoch(2));
        assert_eq!(own.address, Some(cluster.address(1)));

        // What was done once is refused as a conflict, or is content.
        let epoch = MemberCommand::SetConfigEpoch(ConfigEpoch(9));
        assert_eq!(cluster.tell(1, epoch).await, Err(ErrorClass::Conflict));
        let slots = MemberCommand::AddSlots(SlotSet::even_share(1, 3));
        assert_eq!(cluster.tell(1, slots).await, Err(ErrorClass::Conflict));
        let again = MemberCommand::Replicate { leader: leader.id };
        assert_eq!(cluster.tell(4, again).await, Ok(()));
        let unknown = MemberCommand::Replicate {
            leader: MemberId::new("0".repeat(40)),
        };
        assert_eq!(cluster.tell(4, unknown).await, Err(ErrorClass::Transient));
        let millis = MemberCommand::SetNodeTimeout { millis: 5000 };
        cluster.tell(1, millis).await.unwrap();
        assert_eq!(cluster.ask(1).await.node_timeout_millis, 5000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_is_checked_before_it_is_sent() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let graceful = |of: &MemberId| MemberCommand::Failover {
            mode: FailoverMode::Graceful,
            of: of.clone(),
        };
        let (old, other) = (cluster.id(0).await, cluster.id(1).await);
        let refused = [(3, &other), (0, &old), (1, &old)];
        for (index, of) in refused {
            let outcome = cluster.tell(index, graceful(of)).await;
            assert_eq!(outcome, Err(ErrorClass::Conflict), "{index} of {of}");
        }
        cluster.tell(3, graceful(&old)).await.unwrap();
        let took = until("roles are swapped", || async {
            let (was, is) = (cluster.ask(0).await, cluster.ask(3).await);
            was.role() == Role::Follower && is.role() == Role::Leader
        })
        .await;
        println!("{}: switchover seen after {took:?}", server.version);
        assert_eq!(
            cluster.tell(3, graceful(&old)).await,
            Err(ErrorClass::Conflict)
        );

        // With the link down the server would say OK and nothing would happen.
        let leader = cluster.id(1).await;
        cluster.members[1].kill();
        until("the link is down", || async {
            !cluster.ask(4).await.is_in_sync()
        })
        .await;
        assert_eq!(
            cluster.tell(4, graceful(&leader)).await,
            Err(ErrorClass::Conflict)
        );
        let force = MemberCommand::Failover {
            mode: FailoverMode::Force,
            of: leader,
        };
        cluster.tell(4, force).await.unwrap();
        let took = until("the follower leads", || async {
            cluster.ask(4).await.role() == Role::Leader
        })
        .await;
        println!("{}: FORCE seen after {took:?}", server.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_wakes_at_once_and_the_dead_is_forgotten() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let dead = cluster.ask(5).await;
        let start = Instant::now();
        cluster.members[5].kill();
        let woken = timeout(Duration::from_secs(5), cluster.wakes.next()).await;
        let took = start.elapsed();
        println!("{}: woken {took:?} after kill -9", server.version);
        assert_eq!(woken, Ok(key()));
        assert!(took < Duration::from_secs(1), "woken after {took:?}");
        let asked = cluster.wire.ask(&target(cluster.address(5)), LIMIT).await;
        assert_eq!(reason(asked), Err(SilenceReason::Refused));

        // Twice each: one that does not know it any more is content (and redis 8.0 and valkey
        // pass the ban on, so most do not by then).
        for index in (0..5).chain(0..5) {
            let forget = MemberCommand::Forget(dead.id.clone());
            cluster.tell(index, forget).await.unwrap();
        }
        for index in 0..5 {
            assert_eq!(cluster.ask(index).await.view.entry(&dead.id), None);
        }

        // The same body in a new process: commands meant for the old one are refused.
        cluster.members[5].restart();
        let old = member_ref(cluster.address(5), &dead);
        let to = target(cluster.address(5));
        let outcome = cluster.wire.command(&to, &old, &MemberCommand::Open).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        let now = cluster.ask(5).await;
        assert_eq!(now.id, dead.id);
        assert_ne!(now.run_id, dead.run_id);
        assert!(!now.is_open, "a new process is closed again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_member_begins_the_slots_of_a_lost_shard_anew() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let lost = cluster.id(2).await;
        cluster.members[2].kill();
        cluster.members[5].kill();
        let new = Member::start(&server);
        let meet = MemberCommand::Meet(vec![new.address]);
        cluster.tell(0, meet).await.unwrap();
        let view = async |at| ask(&cluster.wire, at).await.view;
        // only an owner tells of its slots, so it never hears of those of the dead
        until("the new one knows the owners that live", || async {
            let entries = view(new.address).await.entries;
            let owned = entries
                .iter()
                .fold(SlotSet::empty(), |all, it| all.union(&it.slots));
            let living = SlotSet::even_share(0, 3).union(&SlotSet::even_share(1, 3));
            living.difference(&owned).is_empty()
        })
        .await;

        let slots = SlotSet::even_share(2, 3);
        let seize = |slots: &SlotSet| MemberCommand::SeizeSlots {
            slots: slots.clone(),
            of: Some(lost.clone()),
        };
        let at = new.address;
        let others = tell(&cluster.wire, at, seize(&SlotSet::even_share(1, 3))).await;
        assert_eq!(others, Err(ErrorClass::Conflict), "somebody else's");
        for again in 0..2 {
            let told = tell(&cluster.wire, at, seize(&slots)).await;
            assert_eq!(told, Ok(()), "time {again}");
        }
        let own = view(at).await.myself;
        let took = until("all agree", || async {
            let mut all = true;
            for address in [cluster.address(0), cluster.address(1), at] {
                let view = view(address).await;
                let owned = |id| view.entry(id).map(|entry| entry.slots.clone());
                all &= owned(&own) == Some(slots.clone())
                    && owned(&lost).is_none_or(|it| it.is_empty());
            }
            all
        })
        .await;
        println!("{}: all agree {took:?} later", server.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_leader_has_no_address_still_says_that_it_follows() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let leader = cluster.id(2).await;
        let path = cluster.members[5].directory().join("nodes.conf");
        until("the table on disk can be read again", || async {
            shards_agree(&std::fs::read_to_string(&path).unwrap())
        })
        .await;
        for member in &mut cluster.members {
            member.kill();
        }
        // As the start script does.
        let table = std::fs::read_to_string(&path).unwrap();
        let blank = |line: &str| match line.split_once(' ') {
            Some((id, rest)) if id != "vars" && !rest.contains("myself") => {
                let end = rest.find([',', ' ']).unwrap();
                format!("{id} :0@0{}\n", &rest[end..])
            }
            _ => format!("{line}\n"),
        };
        let blanked: String = table.lines().map(blank).collect();
        // INFO says `role:slave` of the first, and `role:master` of the second.
        let known = format!("{leader} :0@0");
        let unknown = blanked.lines().map(|line| {
            if line.starts_with(&known) {
                format!("{}\n", line.replacen(" master", " master,noaddr", 1))
            } else {
                format!("{line}\n")
            }
        });
        for table in [blanked.clone(), unknown.collect()] {
            std::fs::write(&path, table).unwrap();
            cluster.members[5].restart();
            let answer = cluster.ask(5).await;
            assert_eq!(answer.role(), Role::Follower);
            assert!(!answer.is_in_sync());
            assert_eq!(
                answer.view.own_entry().unwrap().leader,
                Some(leader.clone())
            );
            assert_eq!(answer.view.entry(&leader).unwrap().address, None);
            cluster.members[5].kill();
        }
    })
    .await;
}
