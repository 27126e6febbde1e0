//! Rolling updates on real servers, with a writer that checks every acknowledged write: from version to
//! version, in memory and on volumes, a bad image and back. Limits are for a machine that is busy.

#![cfg(test)]

use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use zoneward_local::{Settings, Survey, Testbed, Writers, server};

/// What a busy machine may take for anything.
const LONG: Duration = Duration::from_secs(180);
/// No follower is elected by the bus meanwhile: at 5000 ms that takes 6 s and more.
const PAUSE_MAX: Duration = Duration::from_secs(3);

async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Waits until every member runs this server and all is whole.
async fn until_updated(testbed: &Testbed, image: &str) -> Duration {
    let start = Instant::now();
    let lack = |_: &Survey| {
        let status = testbed.kubernetes.status();
        let mut conditions = status.conditions.iter();
        let update = conditions.find(|it| it.type_ == "Progressing")?;
        (update.status == "True").then(|| update.message.clone())
    };
    testbed
        .until("the first is replaced", LONG, |survey| {
            let is_old = |it: &String| it != image;
            let images = testbed.kubernetes.images();
            let left = images.iter().filter(|it| is_old(it)).count();
            let all = survey.members.len();
            (left > 0).then(|| format!("{left} of {all} run another server"))
        })
        .await
        .unwrap();
    testbed
        .until("nothing is left to do", LONG, lack)
        .await
        .unwrap();
    testbed.until_whole(LONG).await.unwrap();
    start.elapsed()
}

async fn ends_well(testbed: &Testbed, writers: Writers, since: Instant) {
    writers.until_all_write(LONG).await.unwrap();
    let outages = writers.outages();
    println!(
        "longest pauses {outages:?}, {} switchovers",
        testbed.count("switchover", since)
    );
    let tally = writers.finish().await.unwrap();
    println!("{tally:?}");
    assert!(tally.acknowledged > 100 && tally.lost == 0, "{tally:?}");
    assert_eq!(testbed.count("failover-force", since), 0);
    assert_eq!(testbed.count("takeover", since), 0);
    assert!(outages.values().all(|it| *it < PAUSE_MAX), "{outages:?}");
}

async fn upgrade(from: &str, to: &str, change: impl FnOnce(&mut Settings)) {
    let _turn = turn().await;
    let mut settings = Settings::new(server(from).unwrap(), 3, 1);
    change(&mut settings);
    let (testbed, writers) = Testbed::busy(settings, LONG).await.unwrap();
    let start = Instant::now();
    let image = server(to).unwrap().label;
    testbed.kubernetes.edit(&json!({ "image": image })).unwrap();
    let took = until_updated(&testbed, &image).await;
    println!("{from} to {to}: {took:.1?}");
    ends_well(&testbed, writers, start).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test roll -- --ignored"]
async fn redis_7_becomes_redis_8_in_memory() {
    upgrade("redis-7", "redis-8", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test roll -- --ignored"]
async fn redis_7_becomes_redis_8_on_volumes() {
    upgrade("redis-7", "redis-8", |it| it.has_storage = true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_8_becomes_valkey_9_in_memory() {
    upgrade("valkey-8", "valkey-9", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_only_copy_is_upgraded() {
    upgrade("redis-7", "redis-8", |it| it.followers = 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test roll -- --ignored"]
async fn two_followers_are_upgraded_before_their_leader() {
    upgrade("redis-7", "redis-8", |it| it.followers = 2).await;
}

/// Stops at the first member, and back at once.
async fn stops_and_goes_back(from: &str, to: &str) {
    let _turn = turn().await;
    let (testbed, writers) = Testbed::busy(Settings::new(server(from).unwrap(), 3, 1), LONG)
        .await
        .unwrap();
    let start = Instant::now();
    let before = testbed.kubernetes.pods();
    let good = server(from).unwrap().label;
    let bad = server(to).map_or(to.to_owned(), |server| server.label);
    testbed.kubernetes.edit(&json!({ "image": bad })).unwrap();
    let is_stuck = || {
        let status = testbed.kubernetes.status();
        let mut waits = status.waiting_on.into_iter();
        waits.find(|it| it.reason == "RollStuck")
    };
    testbed
        .until("it is stuck", LONG, |_| {
            is_stuck().is_none().then(|| "it is not".to_owned())
        })
        .await
        .unwrap();
    println!("{}", is_stuck().map(|it| it.message).unwrap_or_default());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let there = testbed.kubernetes.pods();
    let has_stayed = |name| there.iter().any(|pod| &pod.name == name);
    assert!(before.iter().all(|pod| has_stayed(&pod.name)));
    testbed.kubernetes.edit(&json!({ "image": good })).unwrap();
    let took = until_updated(&testbed, &good).await;
    println!("back after {took:.1?}");
    let there = testbed.kubernetes.pods();
    assert!(
        before
            .iter()
            .all(|pod| there.iter().any(|it| it.name == pod.name))
    );
    ends_well(&testbed, writers, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_stops_at_the_first_member() {
    stops_and_goes_back("redis-8", "redis-none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_stops_at_the_first_member() {
    stops_and_goes_back("redis-8", "redis-7").await;
}
