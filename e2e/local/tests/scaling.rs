//! Shards come and go under clients that follow redirections and check what they read, on each server.

#![cfg(test)]

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use zoneward_local::{Roamer, Settings, Survey, Testbed, program, server};
use zoneward_operator::model::{MemberName, ShardId, SlotSet};

const LONG: Duration = Duration::from_secs(400);
const KEYS: usize = 20_000;

/// One testbed at a time: two cores are few, and what is tested has time limits of its own.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

async fn out_and_in(label: &str) {
    let _turn = turn().await;
    let mut testbed = Testbed::whole(Settings::new(server(label).unwrap(), 3, 1))
        .await
        .unwrap();
    let roamer = Roamer::new(&testbed.kubernetes, KEYS, 20, &SlotSet::all());
    roamer.fill().await.unwrap();
    let roaming = roamer.roam(4, 250);
    for leaders in [5, 3] {
        let start = Instant::now();
        testbed.scale(leaders);
        testbed.until_even(LONG).await.unwrap();
        println!("{label}: {leaders} leaders after {:.1?}", start.elapsed());
    }
    let (mut clients, trip) = roaming.finish().await.unwrap();
    println!(
        "{label}: {} operations, {} asked, p99 {:?}, longest {:?}",
        trip.took.len(),
        trip.asked,
        trip.percentile(0.99),
        trip.percentile(1.0)
    );
    assert_eq!(trip.wrong, Vec::<String>::new());
    assert_eq!(trip.errors, Vec::<String>::new());
    let lost = roamer.lost(&mut clients).await.unwrap();
    assert_eq!(lost, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn out_and_in_on_redis_7() {
    out_and_in("redis-7").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test scaling -- --ignored"]
async fn out_and_in_on_redis_8() {
    out_and_in("redis-8").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test scaling -- --ignored"]
async fn out_and_in_on_valkey_8() {
    out_and_in("valkey-8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_and_in_on_valkey_9() {
    out_and_in("valkey-9").await;
}

/// Leaders that give and take slots end in the middle of it, and the operator with them.
async fn ends_on_the_way(label: &str) {
    let _turn = turn().await;
    let mut testbed = Testbed::whole(Settings::new(server(label).unwrap(), 3, 1))
        .await
        .unwrap();
    let roamer = Roamer::new(&testbed.kubernetes, KEYS, 20, &SlotSet::all());
    roamer.fill().await.unwrap();
    testbed.scale(4);
    testbed.until_moving(200, LONG).await.unwrap();
    testbed.stop_operator();
    sleep(Duration::from_secs(2)).await;
    testbed.start_operator().unwrap();
    testbed.until_moving(400, LONG).await.unwrap();
    for shard in [0, 3] {
        let leader = testbed.leaders([shard]).await;
        testbed.kill(&leader);
        testbed.until_moving(600, LONG).await.unwrap();
    }
    let start = Instant::now();
    testbed.until_even(LONG).await.unwrap();
    println!("{label}: even {:.1?} later", start.elapsed());
    let (mut clients, _) = roamer.roam(1, 100).finish().await.unwrap();
    let lost = roamer.lost(&mut clients).await.unwrap();
    // a target that ends had keys for a moment that its follower did not have yet
    println!("{label}: {} of {KEYS} lost", lost.len());
    assert!(lost.len() < 200, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_end_on_the_way_leave_nothing_open_on_redis_7() {
    ends_on_the_way("redis-7").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test scaling -- --ignored"]
async fn leaders_that_end_on_the_way_leave_nothing_open_on_valkey_9() {
    ends_on_the_way("valkey-9").await;
}

/// What a member says to a command of its owner's.
fn say(testbed: &Testbed, cli: &str, ip: IpAddr, words: &str) -> String {
    let credentials = testbed.kubernetes.credentials();
    let done = std::process::Command::new(program("valkey-8", cli).unwrap())
        .args(["--user", "zoneward", "-h", &ip.to_string()])
        .args(words.split(' '))
        .env("REDISCLI_AUTH", credentials.operator.unwrap().reveal())
        .output()
        .unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Whom the operator told to do that, in the order of its telling.
fn asked_to(testbed: &Testbed, kind: &str) -> Vec<String> {
    let story = testbed.story();
    let told = story.iter().filter(|it| it.kind == kind);
    told.map(|it| it.target.clone()).collect()
}

/// A shard whose follower leads slot 6000, beside its leader, and no operator.
struct TwoLeaders {
    testbed: Testbed,
    leader: IpAddr,
    second: MemberName,
}

const SHARD: ShardId = ShardId(1);

/// As a zone leaves it that falls silent while slots move to a leader in it.
async fn two_lead_a_shard() -> TwoLeaders {
    let settings = Settings::new(server("valkey-8").unwrap(), 3, 1);
    let mut testbed = Testbed::whole(settings).await.unwrap();
    let roamer = Roamer::new(&testbed.kubernetes, 2_000, 20, &SlotSet::all());
    roamer.fill().await.unwrap();
    let survey = testbed.survey().await;
    let leader = survey.leader(SHARD).unwrap().pod.address.unwrap();
    let pod = &survey.followers(SHARD).next().unwrap().pod;
    let second = pod.address.unwrap();
    testbed.stop_operator();
    let tell = |ip: IpAddr, words: &str| say(&testbed, "valkey-cli", ip, words);
    let id = tell(second, "CLUSTER MYID");
    let leads = tell(leader, "CLUSTER MYID");
    assert_eq!(tell(second, "CLUSTER RESET SOFT"), "OK");
    assert_eq!(tell(second, &format!("CLUSTER MEET {leader} 6379")), "OK");
    sleep(Duration::from_secs(3)).await;
    tell(second, &format!("CLUSTER SETSLOT 6000 IMPORTING {leads}"));
    tell(leader, &format!("CLUSTER SETSLOT 6000 MIGRATING {id}"));
    for key in tell(leader, "CLUSTER GETKEYSINSLOT 6000 100").lines() {
        tell(leader, &format!("DEL {key}"));
    }
    for ip in [second, leader] {
        let done = tell(ip, &format!("CLUSTER SETSLOT 6000 NODE {id}"));
        assert_eq!(done, "OK");
    }
    sleep(Duration::from_secs(3)).await;
    let view = tell(leader, "CLUSTER NODES");
    let owns = |line: &str| line.starts_with(&id) && line.ends_with(" 6000");
    assert!(view.lines().any(owns), "{view}");
    let second = pod.name.clone();
    TwoLeaders {
        testbed,
        leader,
        second,
    }
}

/// The soak found that on Valkey 8, and everything stood still for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_leader_of_a_shard_gives_back_what_it_owns() {
    let _turn = turn().await;
    let TwoLeaders {
        mut testbed,
        leader,
        second,
    } = two_lead_a_shard().await;
    let second = format!("Pod/{second}");
    let before = ["replicate", "move-slots"].map(|kind| asked_to(&testbed, kind).len());
    testbed.start_operator().unwrap();
    testbed.until_whole(Duration::from_secs(60)).await.unwrap();
    let survey = testbed.survey().await;
    let led_by = survey.leader(SHARD).unwrap().pod.address.unwrap();
    assert_eq!(led_by, leader, "one slot moves, not all others");
    let follower = survey.followers(SHARD).next().unwrap();
    assert_eq!(format!("Pod/{}", follower.pod.name), second);
    let moved = asked_to(&testbed, "move-slots").split_off(before[1]);
    assert!(!moved.is_empty());
    assert!(moved.iter().all(|it| *it == second), "{moved:?}");
    // Valkey has it follow by itself when its last slot goes to a leader of its own shard: it may be the quicker one
    let following = asked_to(&testbed, "replicate").split_off(before[0]);
    assert!(following.iter().all(|it| *it == second), "{following:?}");
}

/// Nobody follows it, so nobody is elected; who has led the shard before owns the slot again, and that is told.
#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_second_leader_that_ended_are_owned_by_the_first_again() {
    let _turn = turn().await;
    let TwoLeaders {
        mut testbed,
        leader,
        second,
    } = two_lead_a_shard().await;
    testbed.kill(&[second]);
    testbed.start_operator().unwrap();
    testbed.until_whole(Duration::from_secs(60)).await.unwrap();
    let survey = testbed.survey().await;
    let led_by = survey.leader(SHARD).unwrap().pod.address.unwrap();
    assert_eq!(led_by, leader);
    let status = testbed.kubernetes.status();
    let mut conditions = status.conditions.iter();
    let lost = conditions.find(|it| it.type_ == "DataLost").unwrap();
    assert_eq!(lost.status, "True");
    assert!(
        lost.message.contains("slots 6000 lost every whole copy"),
        "{}",
        lost.message
    );
}

/// As a zone leaves it that is lost while slots move to a leader in it: the voters heard of the last slot, its
/// followers did not, and nobody was elected in place of its former owner (found by a drill on kind).
#[tokio::test(flavor = "multi_thread")]
async fn voters_that_know_a_lost_owner_by_a_slot_too_many_elect_all_the_same() {
    let _turn = turn().await;
    let settings = Settings::new(server("redis-8").unwrap(), 5, 1);
    let mut testbed = Testbed::whole(settings).await.unwrap();
    let survey = testbed.survey().await;
    let zone_of = |shard| survey.leader(ShardId(shard)).unwrap().pod.zone.clone();
    let address = |shard| survey.leader(ShardId(shard)).unwrap().pod.address.unwrap();
    let pairs = (0..5).flat_map(|giver| (giver + 1..5).map(move |taker| (giver, taker)));
    let in_one_zone = |(giver, taker): &(u32, u32)| zone_of(*giver) == zone_of(*taker);
    let (giver, taker) = pairs.into_iter().find(in_one_zone).unwrap();
    let is_elsewhere = |shard: &u32| zone_of(*shard) != zone_of(giver);
    let voters: Vec<IpAddr> = (0..5).filter(is_elsewhere).map(address).collect();
    let tell = |ip: IpAddr, words: &str| say(&testbed, "valkey-cli", ip, words);
    let id = tell(address(taker), "CLUSTER MYID");
    let first = giver * 16384 / 5 + 10;
    testbed.stop_operator();
    testbed.silence_zone(zone_of(giver).as_str()).unwrap();
    let tell = |ip: IpAddr, words: &str| say(&testbed, "valkey-cli", ip, words);
    for voter in voters {
        let done = tell(voter, &format!("CLUSTER SETSLOT {first} NODE {id}"));
        assert_eq!(done, "OK");
    }
    testbed.start_operator().unwrap();
    let all_lead = |survey: &Survey| {
        let is_led = |shard| survey.leader(ShardId(shard)).is_some();
        let lost = (0..5).find(|shard| !is_led(*shard));
        lost.map(|shard| format!("shard {shard} has no leader"))
    };
    let led = testbed.until("all lead", Duration::from_secs(15), all_lead);
    led.await.unwrap();
    testbed.end_silence().unwrap();
    testbed.until_whole(Duration::from_secs(90)).await.unwrap();
}

/// Few keys, so that slots change hands as fast as they can: news of owners is behind at each end of a
/// source, which is where reshards stood still.
async fn again_and_again(label: &str) {
    let _turn = turn().await;
    let mut testbed = Testbed::whole(Settings::new(server(label).unwrap(), 3, 1))
        .await
        .unwrap();
    let roamer = Roamer::new(&testbed.kubernetes, 2_000, 20, &SlotSet::all());
    roamer.fill().await.unwrap();
    for leaders in [5, 3, 5, 3, 4, 3] {
        let start = Instant::now();
        testbed.scale(leaders);
        testbed.until_even(LONG).await.unwrap();
        println!("{label}: {leaders} leaders after {:.1?}", start.elapsed());
    }
    let (mut clients, trip) = roamer.roam(1, 100).finish().await.unwrap();
    assert_eq!(trip.wrong, Vec::<String>::new());
    let lost = roamer.lost(&mut clients).await.unwrap();
    assert_eq!(lost, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test scaling -- --ignored"]
async fn again_and_again_on_redis_8() {
    again_and_again("redis-8").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more: cargo test -p zoneward-local --test scaling -- --ignored"]
async fn again_and_again_on_valkey_8() {
    again_and_again("valkey-8").await;
}
