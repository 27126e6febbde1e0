//! Rows of the decision table that need no Kubernetes, on real servers: the loop as it is, with a
//! writer that checks every acknowledged write. Limits are for a machine that is busy; how fast it
//! is in truth `make local-bench` measures.

#![cfg(test)]

use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use zoneward_local::{Disk, Settings, Survey, Testbed, Writers, server};
use zoneward_operator::model::{MemberName, ShardId};

/// What a busy machine may take for anything.
const LONG: Duration = Duration::from_secs(60);

/// One testbed at a time: two cores are few, and what is tested has time limits of its own.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

fn settings(label: &str) -> Settings {
    Settings::new(server(label).unwrap(), 3, 1)
}

fn on_volumes(label: &str) -> Settings {
    Settings {
        has_storage: true,
        ..settings(label)
    }
}

/// Whole, and written to.
async fn busy(settings: Settings) -> (Testbed, Writers) {
    let testbed = Testbed::whole(settings).await.unwrap();
    let writers = testbed.writers().unwrap();
    writers.until_all_write(LONG).await.unwrap();
    let lack = |_: &Survey| {
        let record = testbed.kubernetes.status().record;
        let mut members = record.members.iter();
        let unknown = members.find(|member| member.synced_run.is_none());
        unknown.map(|member| member.name.to_string())
    };
    let what = "the record knows who has a whole copy";
    testbed.until(what, LONG, lack).await.unwrap();
    writers.begin();
    writers.until_each_wrote(40, LONG).await.unwrap();
    (testbed, writers)
}

/// All is whole again, and nothing is missing but what only the ended leader had: a write that it
/// acknowledged in the very moment of its end.
async fn ends_well(testbed: &Testbed, writers: Writers, may_lose: usize) {
    testbed.until_whole(LONG).await.unwrap();
    writers.until_all_write(LONG).await.unwrap();
    println!("outages {:?}", writers.outages());
    let tally = writers.finish().await.unwrap();
    println!("{tally:?}");
    assert!(tally.acknowledged > 100, "{tally:?}");
    assert!(tally.lost <= may_lose, "{tally:?}");
}

fn pod_of(survey: &Survey, shard: u32) -> Option<&MemberName> {
    survey.leader(ShardId(shard)).map(|seen| &seen.pod.name)
}

/// Waits until somebody else than this one leads the shard.
async fn until_another_leads(testbed: &Testbed, shard: u32, than: &MemberName) -> Duration {
    let lack = |survey: &Survey| {
        let is_new = pod_of(survey, shard).is_some_and(|pod| pod != than);
        (!is_new).then(|| format!("shard {shard} waits for another leader"))
    };
    testbed.until("another leads", LONG, lack).await.unwrap()
}

async fn a_leader_that_ends_is_succeeded(label: &str) {
    let _turn = turn().await;
    // the bus would take 18 s and more
    let (testbed, writers) = busy(Settings {
        node_timeout_millis: 15_000,
        ..settings(label)
    })
    .await;
    let (start, killed) = (Instant::now(), testbed.leaders([0]).await);
    testbed.kill(&killed);
    let took = until_another_leads(&testbed, 0, &killed[0]).await;
    println!("{label}: another leads after {took:.2?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(testbed.count("failover-force", start), 1);
    ends_well(&testbed, writers, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_is_succeeded_on_redis() {
    a_leader_that_ends_is_succeeded("redis-8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_is_succeeded_on_valkey() {
    a_leader_that_ends_is_succeeded("valkey-9").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_followers_at_once_are_made_anew() {
    let _turn = turn().await;
    let (testbed, writers) = busy(settings("redis-8")).await;
    let (start, killed) = (Instant::now(), testbed.followers().await);
    assert_eq!(killed.len(), 3);
    testbed.kill(&killed);
    testbed
        .until("the dead are gone", LONG, |survey| {
            let mut members = survey.members.iter();
            let there = members.find(|seen| killed.contains(&seen.pod.name));
            there.map(|seen| seen.pod.name.to_string())
        })
        .await
        .unwrap();
    testbed.until_whole(LONG).await.unwrap();
    println!("whole after {:.1?}", start.elapsed());
    assert_eq!(testbed.count("failover-force", start), 0);
    assert!(
        writers
            .outages()
            .values()
            .all(|it| *it < Duration::from_secs(3))
    );
    ends_well(&testbed, writers, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_falls_silent_is_failed_over_and_goes_home() {
    let _turn = turn().await;
    let (testbed, writers) = busy(Settings {
        node_timeout_millis: 15_000,
        ..settings("redis-8")
    })
    .await;
    let survey = testbed.survey().await;
    let shards: Vec<u32> = (0..3)
        .filter(|shard| {
            let leader = survey.leader(ShardId(*shard)).unwrap();
            leader.pod.zone.as_str() == "a"
        })
        .collect();
    let [shard] = shards[..] else {
        panic!("zone a leads {shards:?}");
    };
    let before = pod_of(&survey, shard).unwrap().clone();
    let start = Instant::now();
    testbed.silence_zone("a").unwrap();
    let took = until_another_leads(&testbed, shard, &before).await;
    println!("another leads after {took:.2?}");
    // well before the bus; 2.5 s and some on a quiet machine
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(testbed.count("failover-force", start), 1);
    writers.until_all_write(LONG).await.unwrap();
    testbed.end_silence().unwrap();
    testbed.until_whole(LONG).await.unwrap();
    let survey = testbed.survey().await;
    println!(
        "zones hold up to {} leaders",
        survey.most_leaders_in_a_zone()
    );
    ends_well(&testbed, writers, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_that_is_proven_dead_is_taken_over_from() {
    let _turn = turn().await;
    let (testbed, writers) = busy(settings("redis-8")).await;
    let (start, killed) = (Instant::now(), testbed.leaders([0, 1]).await);
    testbed.kill(&killed);
    for (shard, pod) in (0..).zip(&killed) {
        until_another_leads(&testbed, shard, pod).await;
    }
    println!("all lead after {:.2?}", start.elapsed());
    assert_eq!(
        testbed.count("takeover", start),
        1,
        "the second has a majority again"
    );
    ends_well(&testbed, writers, 2).await;
}

/// The classic loss of all copies: the leader's process is back, empty, before anybody noticed.
async fn an_empty_restart_wipes_nobody(label: &str, disk: Disk) {
    let _turn = turn().await;
    let (testbed, writers) = busy(settings(label)).await;
    let leader = testbed.leaders([0]).await.remove(0);
    testbed.restart(&leader, disk).unwrap();
    let took = until_another_leads(&testbed, 0, &leader).await;
    println!("{label} {disk:?}: another leads after {took:.2?}");
    ends_well(&testbed, writers, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_restart_with_its_identity_wipes_nobody() {
    an_empty_restart_wipes_nobody("redis-8", Disk::NodesConf).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_restart_as_a_stranger_wipes_nobody() {
    an_empty_restart_wipes_nobody("redis-8", Disk::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_restart_on_valkey_wipes_nobody() {
    an_empty_restart_wipes_nobody("valkey-9", Disk::Empty).await;
}

/// Every process ends at once and each body comes back at another address, where it knows nobody:
/// a cold start, and what never heals by itself.
async fn a_cold_start_on_new_addresses_keeps_everything(label: &str) {
    let _turn = turn().await;
    let (mut testbed, mut writers) = busy(on_volumes(label)).await;
    let ids = |survey: &Survey| {
        let answers = survey
            .members
            .iter()
            .map(|seen| seen.answer.clone().unwrap());
        let mut ids: Vec<_> = answers.map(|answer| answer.id).collect();
        ids.sort();
        ids
    };
    let before = testbed.survey().await;
    writers.stop().await;
    testbed.stop_operator();
    testbed.kill_all();
    testbed.start_operator().unwrap();
    let start = Instant::now();
    let gone: Vec<_> = before.members.iter().map(|seen| &seen.pod.name).collect();
    testbed
        .until("the dead are gone", LONG, |survey| {
            let mut members = survey.members.iter();
            let there = members.find(|seen| gone.contains(&&seen.pod.name));
            there.map(|seen| seen.pod.name.to_string())
        })
        .await
        .unwrap();
    testbed.until_whole(LONG).await.unwrap();
    println!("{label}: whole after {:.1?}", start.elapsed());
    let after = testbed.survey().await;
    assert_eq!(ids(&before), ids(&after), "each body is who it was");
    let all_moved = after.members.iter().all(|seen| {
        let mut before = before.members.iter();
        before.all(|other| other.pod.address != seen.pod.address)
    });
    assert!(all_moved);
    let tally = writers.read_back().await.unwrap();
    assert!(tally.acknowledged > 100 && tally.lost == 0, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_on_new_addresses_keeps_everything_on_redis() {
    a_cold_start_on_new_addresses_keeps_everything("redis-8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_on_new_addresses_keeps_everything_on_valkey() {
    a_cold_start_on_new_addresses_keeps_everything("valkey-9").await;
}

/// Memory only and every copy gone: the loss is named, and then, as the policy says, begun anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_lost_every_copy_is_named_and_begun_anew() {
    let _turn = turn().await;
    let (testbed, writers) = busy(Settings {
        spec: json!({ "recovery": { "shardLoss": "AcceptEmpty" } }),
        ..settings("redis-8")
    })
    .await;
    let pods = testbed.kubernetes.pods();
    let of_shard = pods.into_iter().filter(|pod| pod.shard == ShardId(0));
    testbed.kill(&of_shard.map(|pod| pod.name).collect::<Vec<_>>());
    testbed
        .until("the loss is named", LONG, |_| {
            let status = testbed.kubernetes.status();
            let is_named = status.record.losses.iter().any(|it| it.shard == ShardId(0));
            (!is_named).then(|| "it is not".to_owned())
        })
        .await
        .unwrap();
    writers.until_all_write(LONG).await.unwrap();
    testbed.until_whole(LONG).await.unwrap();
    let tally = writers.finish().await.unwrap();
    assert!(tally.lost > 0, "{tally:?}");
}
