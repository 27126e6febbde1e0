//! The model lies where real servers do something else: each trap of REDIS-LAB.md as a script that
//! runs on the model and on every server that there is, with the same outcome.

#![cfg(test)]

#[path = "traps/beds.rs"]
mod beds;
#[allow(dead_code, reason = "the operator's tests use the rest")]
#[path = "../../../operator/tests/support/redis_client.rs"]
mod redis_client;
#[allow(dead_code, reason = "the operator's tests use the rest")]
#[path = "../../../operator/tests/support/redis_cluster.rs"]
mod redis_cluster;
#[allow(dead_code, reason = "the operator's tests use the rest")]
#[path = "../../../operator/tests/support/redis_server.rs"]
mod redis_server;

use std::future::Future;
use std::pin::Pin;

use beds::{Bed, Modelled, Real};
use zoneward_operator::model::{ConfigEpoch, MemberAnswer, Role, SlotSet};
use zoneward_operator::plan::{FailoverMode, MemberCommand};
use zoneward_sim::redis::Engine;
use zoneward_sim::rig::Return;

/// What was seen in the end, in words that are compared.
type Facts = Vec<String>;
type Script = for<'a> fn(&'a mut dyn Bed) -> Pin<Box<dyn Future<Output = Facts> + 'a>>;

/// Runs it on the model and on the servers, side by side: most of it is waiting. What differs by engine
/// is named by the script itself.
async fn agrees(script: Script) {
    agrees_but_for("nobody", script).await;
}

/// The same without the server whose version is this.
async fn agrees_but_for(left_out: &str, script: Script) {
    let mut servers = redis_server::servers();
    servers.retain(|server| !server.version.contains(left_out));
    let servers = servers.into_iter();
    let together = tokio::task::LocalSet::new();
    together
        .run_until(async move {
            let running: Vec<_> = servers
                .map(|server| tokio::task::spawn_local(agrees_with(script, server)))
                .collect();
            for task in running {
                task.await.expect("it agrees");
            }
        })
        .await;
}

async fn agrees_with(script: Script, server: redis_server::ServerBinary) {
    let is_redis_7 = server.version.contains(" 7.");
    let engine = if is_redis_7 {
        Engine::Redis7
    } else {
        Engine::Redis8
    };
    let mut modelled = Modelled::start(engine);
    form(&mut modelled).await;
    let expected = script(&mut modelled).await;
    let mut real = Real::start(&server);
    form(&mut real).await;
    let facts = script(&mut real).await;
    assert_eq!(facts, expected, "{} and the model disagree", server.version);
    println!("{}: {facts:?}", server.version);
}

/// Member i leads shard i, member i + 3 follows it; T = 2000; closed.
async fn form(bed: &mut dyn Bed) {
    for member in 0..6u32 {
        let at = member as usize;
        let epoch = MemberCommand::SetConfigEpoch(ConfigEpoch(u64::from(member) + 1));
        assert!(bed.tell(at, epoch).await);
        if member < 3 {
            let share = SlotSet::even_share(member, 3);
            assert!(bed.tell(at, MemberCommand::AddSlots(share)).await);
        }
    }
    let others = (1..6).map(|member| bed.address(member)).collect();
    assert!(bed.tell(0, MemberCommand::Meet(others)).await);
    until(bed, "all know all", |all| all.iter().all(|it| knows(it, 6))).await;
    for member in 3..6 {
        let leader = id(bed, member - 3).await;
        assert!(bed.tell(member, MemberCommand::Replicate { leader }).await);
    }
    until(bed, "all are told who follows", |all| {
        let followers = |it: &MemberAnswer| {
            it.view
                .entries
                .iter()
                .filter(|entry| entry.role == Role::Follower)
                .count()
        };
        all.iter().all(|it| followers(it) == 3 && it.view.says_ok)
    })
    .await;
}

fn knows(answer: &MemberAnswer, count: usize) -> bool {
    let entries = &answer.view.entries;
    entries.len() == count && entries.iter().all(|entry| !entry.flags.handshake)
}

async fn until(bed: &mut dyn Bed, what: &str, holds: impl Fn(&[MemberAnswer]) -> bool) {
    for _ in 0..300 {
        let mut all = Vec::new();
        for member in 0..6 {
            all.extend(bed.ask(member).await);
        }
        if holds(&all) {
            return;
        }
        bed.pass(100).await;
    }
    panic!("never: {what}");
}

async fn id(bed: &mut dyn Bed, member: usize) -> zoneward_operator::model::MemberId {
    bed.ask(member).await.expect("it answers").id
}

async fn open_all(bed: &mut dyn Bed) {
    for member in 0..6 {
        assert!(bed.tell(member, MemberCommand::Open).await);
    }
    until(bed, "all followers are fed", |all| {
        all.iter()
            .all(|it| it.role() == Role::Leader || it.is_in_sync())
    })
    .await;
}

async fn failover(bed: &mut dyn Bed, member: usize, mode: FailoverMode, of: usize) -> bool {
    let of = bed.remembered_id(of);
    bed.tell(member, MemberCommand::Failover { mode, of }).await
}

/// Role and whether it holds keys.
async fn state(bed: &mut dyn Bed, member: usize) -> String {
    let Some(answer) = bed.ask(member).await else {
        return format!("{member} is gone");
    };
    let keys = if answer.keys > 0 {
        "with keys"
    } else {
        "empty"
    };
    let owns = answer
        .view
        .own_entry()
        .is_some_and(|own| !own.slots.is_empty());
    let role = match (answer.role(), owns) {
        (Role::Leader, true) => "leads",
        (Role::Leader, false) => "leads nothing",
        (Role::Follower, _) => "follows",
    };
    format!("{member} {role} {keys}")
}

/// How one member sees another.
async fn opinion(bed: &mut dyn Bed, member: usize, of: usize) -> String {
    let id = bed.remembered_id(of);
    let Some(answer) = bed.ask(member).await else {
        return format!("{member} is gone");
    };
    let Some(entry) = answer.view.entry(&id) else {
        return format!("{member} does not know {of}");
    };
    let flags = entry.flags;
    let word = match (flags.no_address, flags.failed) {
        (true, false) => "without an address",
        (true, true) => "failed and without an address",
        (false, true) => "failed",
        (false, false) => "there",
    };
    format!("{member} thinks {of} is {word}")
}

/// Whether one member lists another.
async fn knowledge(bed: &mut dyn Bed, member: usize, of: usize) -> String {
    let id = bed.remembered_id(of);
    let answer = bed.ask(member).await.expect("it lives");
    format!("{member} lists {of}: {}", answer.view.entry(&id).is_some())
}

async fn write(bed: &mut dyn Bed, member: usize) {
    bed.write(member).await;
    bed.pass(1500).await;
}

/// REDIS-LAB section 3: all copies lost, `cluster_state:ok` throughout.
#[tokio::test]
async fn a_leader_that_comes_back_empty_and_open_wipes_its_followers() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 0).await;
            let before = state(bed, 3).await;
            bed.kill(0).await;
            bed.start_again(0, Return::AsItWas).await;
            assert!(bed.tell(0, MemberCommand::Open).await);
            bed.pass(4000).await;
            vec![before, state(bed, 0).await, state(bed, 3).await]
        })
    })
    .await;
}

/// The cure: closed until a follower leads.
#[tokio::test]
async fn a_leader_that_comes_back_closed_harms_nobody_and_follows_whoever_is_forced() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 0).await;
            bed.kill(0).await;
            bed.start_again(0, Return::AsItWas).await;
            bed.pass(5000).await;
            let mut facts = vec![state(bed, 0).await, state(bed, 3).await];
            assert!(failover(bed, 3, FailoverMode::Force, 0).await);
            bed.pass(3000).await;
            facts.push(state(bed, 3).await);
            assert!(bed.tell(0, MemberCommand::Open).await);
            bed.pass(3000).await;
            facts.push(state(bed, 0).await);
            facts
        })
    })
    .await;
}

/// REDIS-LAB section 13: FORCE does not ask whether the follower ever had the data.
#[tokio::test]
async fn force_makes_a_follower_lead_that_never_had_a_copy() {
    agrees(|bed| {
        Box::pin(async move {
            write(bed, 0).await;
            bed.kill(0).await;
            bed.pass(300).await;
            assert!(failover(bed, 3, FailoverMode::Force, 0).await);
            bed.pass(2000).await;
            vec![state(bed, 3).await]
        })
    })
    .await;
}

/// REDIS-LAB section 10: OK means nothing where nobody can vote.
#[tokio::test]
async fn without_a_majority_force_does_nothing_and_takeover_works() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 0).await;
            bed.kill(0).await;
            bed.kill(1).await;
            bed.pass(3000).await;
            let mut facts = Vec::new();
            assert!(failover(bed, 3, FailoverMode::Force, 0).await);
            bed.pass(4000).await;
            facts.push(state(bed, 3).await);
            assert!(failover(bed, 3, FailoverMode::Takeover, 0).await);
            bed.pass(500).await;
            // with two of three leaders again, Valkey 9 elects it before it is told to
            failover(bed, 4, FailoverMode::Takeover, 1).await;
            bed.pass(5000).await;
            facts.push(state(bed, 3).await);
            facts.push(state(bed, 4).await);
            let answer = bed.ask(2).await.expect("it lives");
            facts.push(format!("2 says ok: {}", answer.view.says_ok));
            facts
        })
    })
    .await;
}

#[tokio::test]
async fn the_bus_elects_and_the_old_leader_follows_when_it_is_back() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 1).await;
            bed.kill(1).await;
            bed.pass(8000).await;
            let mut facts = vec![state(bed, 4).await, opinion(bed, 0, 1).await];
            bed.start_again(1, Return::AsItWas).await;
            assert!(bed.tell(1, MemberCommand::Open).await);
            bed.pass(6000).await;
            facts.extend([state(bed, 1).await, opinion(bed, 0, 1).await]);
            facts
        })
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_hangs_is_succeeded_and_follows_when_it_goes_on() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 2).await;
            bed.freeze(2).await;
            bed.pass(8000).await;
            let mut facts = vec![state(bed, 5).await];
            bed.thaw(2).await;
            bed.pass(5000).await;
            facts.extend([state(bed, 2).await, opinion(bed, 0, 2).await]);
            facts
        })
    })
    .await;
}

#[tokio::test]
async fn a_graceful_failover_changes_places() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            write(bed, 0).await;
            assert!(failover(bed, 3, FailoverMode::Graceful, 0).await);
            bed.pass(2500).await;
            vec![state(bed, 0).await, state(bed, 3).await]
        })
    })
    .await;
}

/// REDIS-LAB section 7: gossiped since Redis 8 and in Valkey.
#[tokio::test]
async fn forget_told_to_one_is_known_to_all_where_the_engine_gossips_it() {
    agrees(|bed| {
        Box::pin(async move {
            open_all(bed).await;
            bed.kill(3).await;
            bed.pass(500).await;
            let id = bed.remembered_id(3);
            assert!(bed.tell(1, MemberCommand::Forget(id)).await);
            bed.pass(2500).await;
            vec![knowledge(bed, 1, 3).await, knowledge(bed, 2, 3).await]
        })
    })
    .await;
}

/// REDIS-LAB section 13: peers with a blank address count as failed, so a lone leader takes no write.
#[tokio::test]
async fn a_body_with_blanked_addresses_dials_nobody_and_is_not_ok_alone() {
    // valkey 8.1.1 crashes over tables of its own where all members ended at once (shard-id)
    agrees_but_for("8.1.1", |bed| {
        Box::pin(async move {
            bed.settle().await;
            for member in 0..6 {
                bed.kill(member).await;
            }
            bed.start_again(0, Return::Blanked).await;
            bed.pass(5000).await;
            let alone = bed.ask(0).await.expect("it lives").view.says_ok;
            bed.start_again(1, Return::Blanked).await;
            bed.start_again(2, Return::Blanked).await;
            let others = vec![bed.address(1), bed.address(2)];
            assert!(bed.tell(0, MemberCommand::Meet(others)).await);
            bed.pass(9000).await;
            let together = bed.ask(1).await.expect("it lives").view.says_ok;
            vec![
                format!("alone ok: {alone}, together ok: {together}"),
                state(bed, 0).await,
                state(bed, 1).await,
            ]
        })
    })
    .await;
}
