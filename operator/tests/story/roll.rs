//! Rolling updates: image and pod are changed under a cluster that runs, and hosts are drained.

use std::collections::BTreeSet;

use zoneward_operator::model::{Desired, HostName, MemberName};

use crate::scene::{
    assert_promises, condition, desired, forced, formed, leaders_in, member, members_of, run,
    settle, shape, waits_for, with_volumes,
};
use crate::world::World;

/// Rounds until everybody was made from the present spec. Looks each time that no shard has fewer
/// copies than may be missing, and that nobody outside of one zone is touched.
fn roll(world: &mut World, may_lack: usize) {
    let per_shard = usize::try_from(world.desired.members_per_shard()).unwrap();
    for _ in 0..6000 {
        world.round();
        world.pass(100);
        for shard in 0..world.desired.leaders {
            let copies = copies(world, shard);
            assert!(
                copies + may_lack >= per_shard,
                "shard {shard} has {copies} copies\n{}",
                tail(world)
            );
        }
        if is_updated(world) && condition(world, "Ready") && !condition(world, "Progressing") {
            settle(world);
            return;
        }
    }
    panic!("{:#?}\n{}", world.status.waiting_on, tail(world));
}

fn tail(world: &World) -> String {
    let from = world.story.len().saturating_sub(60);
    world.story[from..].join("\n")
}

/// Processes that lead the shard or are in sync.
fn copies(world: &World, shard: u32) -> usize {
    let of_shard = |name: &MemberName| {
        let pod = world.pods.get(name);
        pod.is_some_and(|pod| pod.shard.0 == shard && !pod.is_leaving)
    };
    world
        .living()
        .filter(|(name, process)| of_shard(name) && (process.in_sync || !process.slots.is_empty()))
        .count()
}

/// Everybody's pod was made from one and the same spec, the present one.
fn is_updated(world: &World) -> bool {
    let wanted = zoneward_operator::resources::fingerprint(&world.desired);
    world
        .pods
        .values()
        .all(|pod| pod.fingerprint.as_ref() == Some(&wanted))
}

/// Somebody of the present spec has joined.
fn is_begun(world: &World) -> bool {
    let wanted = zoneward_operator::resources::fingerprint(&world.desired);
    world.living().any(|(name, process)| {
        process.in_sync && world.pods[name].fingerprint.as_ref() == Some(&wanted)
    })
}

fn switchovers(world: &World) -> usize {
    let is_one = |deed: &&String| deed.contains("(Graceful)");
    world.story.iter().filter(is_one).count()
}

fn image(world: &mut World, image: &str) {
    world.desired.image = image.to_owned();
}

#[test]
fn in_memory_each_member_is_replaced_beside_itself_and_no_copy_is_missing() {
    for (leaders, followers) in [(3, 1), (6, 1), (4, 2), (1, 1)] {
        let mut world = formed(shape(leaders, followers));
        let before = switchovers(&world);
        image(&mut world, "redis:8.2");
        roll(&mut world, 0);
        assert_promises(&world, 3);
        assert_eq!(forced(&world), 0, "{}", tail(&world));
        let needed = usize::try_from(leaders).unwrap();
        assert_eq!(switchovers(&world) - before, needed, "{}", tail(&world));
    }
}

#[test]
fn one_zone_is_worked_on_at_a_time_and_its_followers_first() {
    let mut world = formed(shape(6, 1));
    let leaders: BTreeSet<MemberName> = ["a", "b", "c"]
        .iter()
        .flat_map(|zone| leaders_in(&world, zone))
        .collect();
    image(&mut world, "redis:8.2");
    let mut gone: Vec<(bool, String)> = Vec::new();
    let zone_of = |world: &World, name: &MemberName| world.pods[name].zone.to_string();
    let mut zones: std::collections::BTreeMap<MemberName, String> = world
        .pods
        .keys()
        .map(|name| (name.clone(), zone_of(&world, name)))
        .collect();
    for _ in 0..300 {
        world.round();
        world.pass(100);
        let left: Vec<MemberName> = zones
            .keys()
            .filter(|name| !world.pods.contains_key(*name))
            .cloned()
            .collect();
        for name in left {
            gone.push((leaders.contains(&name), zones.remove(&name).unwrap()));
        }
    }
    assert_eq!(gone.len(), 12, "{}", tail(&world));
    let mut met = gone;
    met.dedup();
    let each_once: BTreeSet<(bool, String)> = met.iter().cloned().collect();
    assert_eq!(
        met.len(),
        each_once.len(),
        "no zone is gone back to: {met:?}"
    );
    assert!(met.is_sorted_by_key(|(leads, _)| *leads), "{met:?}");
}

#[test]
fn with_volumes_members_start_again_on_them_after_they_handed_over() {
    let mut world = formed(with_volumes(3, "Retain"));
    let volumes: BTreeSet<_> = world.volumes.iter().map(|it| it.name.clone()).collect();
    image(&mut world, "redis:8.2");
    roll(&mut world, 1);
    assert_promises(&world, 3);
    let after: BTreeSet<_> = world.volumes.iter().map(|it| it.name.clone()).collect();
    assert_eq!(volumes, after, "bodies stay\n{}", tail(&world));
    assert_eq!(forced(&world), 0, "{}", tail(&world));
}

#[test]
fn an_only_copy_gets_a_follower_for_the_time() {
    for spec in [
        shape(3, 0),
        desired("  leaders: 3\n  followersPerLeader: 0\n  storage: {size: 1Gi, retain: Delete}\n"),
    ] {
        let mut world = formed(spec);
        image(&mut world, "redis:8.2");
        roll(&mut world, 0);
        assert_promises(&world, 3);
        assert_eq!(forced(&world), 0, "{}", tail(&world));
    }
}

#[test]
fn an_only_copy_whose_zone_has_one_host_moves_to_another_zone() {
    let mut world = World::new(shape(3, 0), &["a", "b", "c"], 1);
    settle(&mut world);
    image(&mut world, "redis:8.2");
    roll(&mut world, 0);
    assert_eq!(forced(&world), 0, "{}", tail(&world));
    run(&mut world, 400_000);
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn where_a_zone_has_one_host_members_are_replaced_in_place() {
    let mut world = World::new(shape(3, 1), &["a", "b", "c"], 1);
    settle(&mut world);
    image(&mut world, "redis:8.2");
    roll(&mut world, 1);
    assert_promises(&world, 3);
    assert_eq!(forced(&world), 0, "{}", tail(&world));
}

#[test]
fn where_the_scheduler_has_no_room_for_another_members_are_replaced_in_place() {
    let mut world = formed(shape(3, 1));
    world.full_beyond = Some(6);
    image(&mut world, "redis:8.2");
    roll(&mut world, 1);
    assert_eq!(forced(&world), 0, "{}", tail(&world));
}

/// A spec whose first member does not get along, and the word for it.
fn stops_at_the_first(spec: Desired, bad: &str) {
    let mut world = formed(spec);
    image(&mut world, bad);
    let before: BTreeSet<MemberName> = world.pods.keys().cloned().collect();
    run(&mut world, 60_000);
    let there = before.iter().filter(|it| world.pods.contains_key(*it));
    assert!(there.count() + 1 >= before.len(), "{}", tail(&world));
    assert!(
        waits_for(&world, "RollStuck"),
        "{:?}",
        world.status.waiting_on
    );
    assert!(condition(&world, "Degraded") && !condition(&world, "Progressing"));
    assert!(condition(&world, "Available"));
    image(&mut world, "redis:8");
    run(&mut world, 5_000);
    assert!(condition(&world, "Ready"), "at once\n{}", tail(&world));
    assert!(!waits_for(&world, "RollStuck"));
    settle(&mut world);
    assert!(is_updated(&world));
    assert_promises(&world, 3);
    assert_eq!(forced(&world), 0, "{}", tail(&world));
}

#[test]
fn a_bad_image_stops_at_the_first_member_and_the_way_back_waits_for_nothing() {
    for bad in ["redis:missing", "redis:broken"] {
        stops_at_the_first(shape(3, 1), bad);
        stops_at_the_first(with_volumes(3, "Retain"), bad);
        stops_at_the_first(shape(3, 0), bad);
    }
}

#[test]
fn a_bad_image_that_is_corrected_is_rolled_out() {
    for spec in [shape(3, 1), with_volumes(3, "Retain")] {
        let mut world = formed(spec);
        image(&mut world, "redis:missing");
        run(&mut world, 30_000);
        image(&mut world, "redis:8.2");
        roll(&mut world, 1);
        assert_promises(&world, 3);
    }
}

#[test]
fn a_spec_that_is_changed_back_midway_is_followed() {
    for spec in [
        shape(3, 1),
        shape(3, 2),
        with_volumes(3, "Retain"),
        shape(3, 0),
    ] {
        for after in [600, 3_000, 9_000] {
            let mut world = formed(spec.clone());
            image(&mut world, "redis:8.2");
            run(&mut world, after);
            image(&mut world, "redis:8");
            roll(&mut world, 1);
            assert_promises(&world, 3);
            assert_eq!(forced(&world), 0, "{}", tail(&world));
        }
    }
}

/// Role changes come one after another over all shards (`spacing`): 300 ms each, no more. Who handed over stays
/// 2 s for clients to hear of it, while others hand over: that is waited for in the last shard of a zone only.
#[test]
fn three_times_the_shards_take_no_longer_but_for_their_switchovers() {
    let takes = |leaders: u32| {
        let mut world = formed(shape(leaders, 1));
        world.desired.rollout.max_shards_at_once = 500;
        let (since, before) = (world.now, switchovers(&world));
        image(&mut world, "redis:8.2");
        roll(&mut world, 0);
        let millis = world.now.duration_since(since).as_millis();
        let role_changes = switchovers(&world) - before;
        assert_eq!(role_changes, usize::try_from(leaders).unwrap());
        millis - 300 * i128::from(leaders)
    };
    let (few, many) = (takes(10), takes(30));
    assert!(many - few <= 500, "{few} ms, then {many} ms");
}

#[test]
fn no_more_shards_are_worked_on_at_once_than_the_owner_says() {
    let mut world = formed(shape(9, 1));
    world.desired.rollout.max_shards_at_once = 2;
    image(&mut world, "redis:8.2");
    let mut most = 0;
    for _ in 0..2000 {
        world.round();
        world.pass(100);
        let record = &world.status.record;
        most = most.max(record.members.iter().filter(|it| it.surplus).count());
        if is_updated(&world) && condition(&world, "Ready") {
            assert_eq!(most, 2);
            return;
        }
    }
    panic!("{}", tail(&world));
}

#[test]
fn a_directive_that_is_taken_at_a_start_only_is_rolled_out() {
    for (spec, may_lack) in [
        (shape(3, 1), 0),
        (with_volumes(3, "Retain"), 1),
        (shape(3, 0), 0),
    ] {
        let mut world = formed(spec);
        let before: BTreeSet<MemberName> = world.pods.keys().cloned().collect();
        let config = &mut world.desired.config;
        config.insert("tcp-backlog".to_owned(), "900".to_owned());
        let has_it = |world: &World| {
            let mut living = world.living();
            living.all(|(_, process)| process.directives.get("tcp-backlog") == "900")
        };
        for _ in 0..20 {
            run(&mut world, 1_000);
        }
        let there = |world: &World| world.pods.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(there(&world), before, "who starts now has not read it yet");
        run(&mut world, 20_000);
        roll(&mut world, may_lack);
        assert!(has_it(&world), "{}", tail(&world));
        assert!(!waits_for(&world, "RestartNeeded"));
        assert_promises(&world, 3);
        assert_eq!(forced(&world), 0, "{}", tail(&world));
        let after = there(&world);
        run(&mut world, 60_000);
        assert_eq!(there(&world), after, "once is enough");
    }
}

#[test]
fn members_that_are_as_wanted_stay_when_the_spec_is_changed_back() {
    let mut world = formed(shape(6, 1));
    let before: BTreeSet<MemberName> = world.pods.keys().cloned().collect();
    image(&mut world, "redis:8.2");
    run(&mut world, 900);
    let is_there = |world: &World, name: &MemberName| {
        let pod = world.pods.get(name);
        pod.is_some_and(|pod| !pod.is_leaving)
    };
    let stayed: Vec<_> = before.iter().filter(|it| is_there(&world, it)).collect();
    assert!(world.pods.len() > 12, "a successor is on its way");
    image(&mut world, "redis:8");
    roll(&mut world, 0);
    assert!(
        stayed.iter().all(|it| is_there(&world, it)),
        "{}",
        tail(&world)
    );
}

#[test]
fn an_update_pauses_while_a_zone_is_silent_and_goes_on_after() {
    for spec in [shape(6, 1), with_volumes(6, "Retain")] {
        let mut world = formed(spec);
        image(&mut world, "redis:8.2");
        while !is_begun(&world) {
            run(&mut world, 100);
        }
        world.stop_zone("c");
        run(&mut world, 4_000);
        assert!(
            waits_for(&world, "RollPaused"),
            "{:?}",
            world.status.waiting_on
        );
        run(&mut world, 20_000);
        world.start_zone("c");
        settle(&mut world);
        assert!(is_updated(&world), "{}", tail(&world));
        assert_promises(&world, 3);
    }
}

#[test]
fn a_zone_that_is_gone_for_good_locks_no_update_out() {
    let mut world = formed(shape(3, 1));
    world.stop_zone("c");
    run(&mut world, 60_000);
    image(&mut world, "redis:8.2");
    run(&mut world, 60_000);
    let wanted = zoneward_operator::resources::fingerprint(&world.desired);
    let is_made = |name: &MemberName| world.pods[name].fingerprint.as_ref() == Some(&wanted);
    assert!(
        world.living().all(|(name, _)| is_made(name)),
        "{}",
        tail(&world)
    );
    assert_promises(&world, 2);
}

#[test]
fn a_leader_that_ends_in_the_middle_is_made_good_first() {
    for spec in [shape(6, 1), with_volumes(6, "Retain")] {
        for after in [1_000, 4_000] {
            let mut world = formed(spec.clone());
            image(&mut world, "redis:8.2");
            run(&mut world, after);
            let leader = member(&world, true);
            world.kill(&leader);
            settle(&mut world);
            assert!(is_updated(&world));
            assert_promises(&world, 3);
        }
    }
}

#[test]
fn pods_that_are_older_than_fingerprints_are_replaced_when_the_spec_changes_and_not_before() {
    let mut world = formed(shape(3, 1));
    for pod in world.pods.values_mut() {
        pod.fingerprint = None;
    }
    for entry in &mut world.status.record.members {
        entry.made_from = None;
    }
    let before: Vec<MemberName> = world.pods.keys().cloned().collect();
    run(&mut world, 10_000);
    assert_eq!(world.pods.keys().cloned().collect::<Vec<_>>(), before);
    image(&mut world, "redis:8.2");
    roll(&mut world, 0);
    assert!(before.iter().all(|name| !world.pods.contains_key(name)));
}

#[test]
fn a_drain_of_a_zones_hosts_one_by_one_ends_without_a_failover() {
    for spec in [shape(3, 1), shape(6, 1), with_volumes(3, "Delete")] {
        let mut world = formed(spec);
        for host in ["a0", "a1"].map(HostName::from) {
            cordon(&mut world, &host, true);
            drain(&mut world, &host);
            cordon(&mut world, &host, false);
            settle(&mut world);
        }
        assert_promises(&world, 3);
        assert_eq!(forced(&world), 0, "{}", tail(&world));
    }
}

fn cordon(world: &mut World, name: &HostName, is_cordoned: bool) {
    let hosts = world.hosts.iter_mut();
    for host in hosts.filter(|host| &host.name == name) {
        host.is_schedulable = !is_cordoned;
    }
}

/// As `kubectl drain` does: evicts whoever may go, until nobody is left.
fn drain(world: &mut World, host: &HostName) {
    for _ in 0..3000 {
        let on_host = |pod: &&zoneward_operator::model::PodView| pod.host.as_ref() == Some(host);
        let left: Vec<MemberName> = world
            .pods
            .values()
            .filter(on_host)
            .map(|pod| pod.name.clone())
            .collect();
        if left.is_empty() {
            return;
        }
        for name in left {
            if !world.pods[&name].is_leaving && may_be_evicted(world, &name) {
                world.evict(&name);
            }
        }
        run(world, 100);
    }
    panic!("{host} is not drained\n{}", tail(world));
}

/// The budget: all but one of a shard stay ready, and never none.
fn may_be_evicted(world: &World, name: &MemberName) -> bool {
    let shard = members_of(world, world.pods[name].shard.0);
    let ready = shard.iter().filter(|it| {
        let pod = &world.pods[*it];
        pod.gate_is_open && !pod.is_leaving
    });
    let kept = usize::try_from(world.desired.followers_per_leader.max(1)).unwrap();
    ready.count() > kept
}
