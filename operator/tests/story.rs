//! Stories of the loop: plan, check and status against a small world, fault by fault. Each ends
//! where the promises hold again and nothing is left to do.

#![cfg(test)]

#[path = "story/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use world::World;
use zoneward_operator::api::{
    RedisCluster, RedisClusterStatus, ShardLossPolicy, WhenUnsatisfiable,
};
use zoneward_operator::model::{Desired, HostName, MemberName, ZoneName};
use zoneward_operator::plan::{self, Deed};
use zoneward_operator::status;

fn desired(spec: &str) -> Desired {
    let yaml = format!(
        "apiVersion: zoneward.io/v1alpha1\nkind: RedisCluster\n\
         metadata: {{name: demo, namespace: default, uid: u}}\nspec:\n  image: redis:8\n{spec}"
    );
    let resource: RedisCluster = serde_saphyr::from_str(&yaml).unwrap();
    plan::validate(&resource).unwrap()
}

fn shape(leaders: u32, followers: u32) -> Desired {
    desired(&format!(
        "  leaders: {leaders}\n  followersPerLeader: {followers}\n"
    ))
}

/// Rounds until nothing but waiting is left, or the story is told to be endless.
fn settle(world: &mut World) {
    let mut calm = 0;
    for _ in 0..2000 {
        let plan = world.round();
        let acts = plan
            .actions
            .iter()
            .any(|a| !matches!(a.deed, Deed::Apply(_)));
        let is_ready = condition(world, "Ready") && !condition(world, "Progressing");
        calm = if acts || !is_ready { 0 } else { calm + 1 };
        if calm > 5 {
            return;
        }
        world.pass(100);
    }
    panic!(
        "no end in sight: {:#?}\nstory:\n{}",
        world.status.waiting_on,
        world
            .story
            .iter()
            .rev()
            .take(60)
            .rev()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn run(world: &mut World, millis: u64) {
    for _ in 0..millis / 100 {
        world.round();
        world.pass(100);
    }
}

fn condition(world: &World, kind: &str) -> bool {
    world
        .status
        .conditions
        .iter()
        .any(|c| c.type_ == kind && c.status == "True")
}

/// I1, I2 over these zones, all slots served once, the right number of members, nothing left
/// over; told from the processes and not from status.
fn assert_promises(world: &World, zones: usize) {
    let story = || world.story.join("\n");
    let per_shard = usize::try_from(world.desired.members_per_shard()).unwrap();
    let leaders = usize::try_from(world.desired.leaders).unwrap();
    let living: Vec<_> = world.living().collect();
    assert_eq!(living.len(), leaders * per_shard, "members\n{}", story());
    let zone_of = |name: &MemberName| world.pods[name].zone.clone();
    let mut slots = 0;
    let mut leaders_in: BTreeMap<ZoneName, usize> = BTreeMap::new();
    for (name, process) in living.iter().filter(|(_, p)| p.leader.is_none()) {
        slots += usize::from(process.slots.count());
        *leaders_in.entry(zone_of(name)).or_default() += 1;
        let shard: Vec<ZoneName> = living
            .iter()
            .filter(|(n, p)| n == name || p.leader.as_ref() == Some(&process.id))
            .map(|(n, _)| zone_of(n))
            .collect();
        let distinct: BTreeSet<_> = shard.iter().collect();
        assert_eq!(
            distinct.len(),
            per_shard,
            "shard of {name} in {shard:?}\n{}",
            story()
        );
    }
    assert_eq!(slots, 16384, "slots\n{}", story());
    let quota = leaders.div_ceil(zones);
    assert!(
        leaders_in.values().all(|n| *n <= quota),
        "{leaders_in:?}\n{}",
        story()
    );
}

fn formed(desired: Desired) -> World {
    let mut world = World::new(desired, &["a", "b", "c"], 2);
    settle(&mut world);
    world
}

fn member(world: &World, leads: bool) -> MemberName {
    world
        .living()
        .find(|(_, p)| p.leader.is_none() == leads)
        .map(|(n, _)| n.clone())
        .unwrap()
}

#[test]
fn new_clusters_of_all_shapes_become_ready_and_zone_safe() {
    for (leaders, followers) in [(1, 1), (3, 1), (5, 2), (3, 0), (2, 1), (6, 2)] {
        let world = formed(shape(leaders, followers));
        assert_promises(&world, 3);
        let expect_safe = leaders >= 3 && followers > 0;
        assert_eq!(
            condition(&world, "ZoneSafe"),
            expect_safe,
            "{leaders}x{followers}"
        );
        assert!(
            world
                .pods
                .values()
                .all(|pod| pod.gate_is_open && pod.role_label.is_some())
        );
    }
}

#[test]
fn a_dead_follower_is_replaced_and_forgotten() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, false);
    world.kill(&name);
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(!world.pods.contains_key(&name));
    assert!(
        world
            .story
            .iter()
            .any(|line| line.contains(&format!("forget id-{name}")))
    );
}

#[test]
fn a_dead_leader_is_succeeded_replaced_and_leaders_are_even_again() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, true);
    world.kill(&name);
    settle(&mut world);
    assert_promises(&world, 3);
}

/// How often a follower was told to take over without its leader.
fn forced(world: &World) -> usize {
    world
        .story
        .iter()
        .filter(|deed| deed.contains("(Force)"))
        .count()
}

fn leaders_in(world: &World, zone: &str) -> Vec<MemberName> {
    let leads = |process: &world::Process| !process.slots.is_empty();
    let names = world.living().filter(|(_, process)| leads(process));
    names
        .map(|(name, _)| name.clone())
        .filter(|name| world.pods[name].zone.as_str() == zone)
        .collect()
}

#[test]
fn a_third_of_the_leaders_is_succeeded_one_after_the_other_long_before_the_bus_votes() {
    for has_report in [true, false] {
        let mut world = formed(shape(9, 1));
        let dead = leaders_in(&world, "a");
        assert_eq!(dead.len(), 3);
        for name in &dead {
            if has_report {
                world.kill(name);
            } else {
                world.crash(name);
            }
        }
        let before = forced(&world);
        for done in 1..=dead.len() {
            world.round();
            assert_eq!(forced(&world) - before, done);
            world.pass(50);
        }
        let led = world
            .living()
            .filter(|(_, process)| !process.slots.is_empty());
        assert_eq!(led.count(), 9);
        if !has_report {
            for name in &dead {
                world.kill(name);
            }
        }
        settle(&mut world);
        assert_promises(&world, 3);
    }
}

#[test]
fn a_zone_that_falls_silent_is_succeeded_before_the_bus_notices() {
    let mut world = formed(shape(6, 1));
    let lost = leaders_in(&world, "a").len();
    let before = forced(&world);
    world.stop_zone("a");
    run(&mut world, 1_900);
    assert_eq!(forced(&world), before, "too early to tell");
    run(&mut world, 1_000);
    assert_eq!(forced(&world) - before, lost);
    run(&mut world, 60_000);
    world.start_zone("a");
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn hosts_without_zone_labels_are_spread_over_as_hosts_where_that_is_asked_for() {
    let mut world = World::new(shape(3, 1), &["a"], 6);
    world.desired.zones.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    for host in &mut world.hosts {
        host.zone = None;
    }
    settle(&mut world);
    assert!(condition(&world, "Ready"));
    let leader = member(&world, true);
    world.kill(&leader);
    settle(&mut world);
    assert!(condition(&world, "Ready"), "it is repaired, too");
}

#[test]
fn silence_that_is_not_a_zones_forces_nobody_to_lead() {
    type Fault = fn(&mut World);
    let faults: [(&str, usize, Fault); 4] = [
        ("one host of two", 2, |world| {
            world.down.insert(world.hosts[0].name.clone());
        }),
        ("a zone of one host", 1, |world| world.stop_zone("a")),
        ("the operator is cut off", 2, |world| {
            world.blind_for = Some(0);
        }),
        ("it is switched off", 2, |world| {
            world.desired.zone_loss_millis = 0;
            world.stop_zone("a");
        }),
    ];
    for (what, hosts_per_zone, fault) in faults {
        let mut world = World::new(shape(6, 1), &["a", "b", "c"], hosts_per_zone);
        settle(&mut world);
        let before = forced(&world);
        fault(&mut world);
        run(&mut world, 20_000);
        assert_eq!(forced(&world), before, "{what}");
    }
}

#[test]
fn a_follower_that_fell_behind_is_never_forced_to_lead() {
    let mut world = formed(shape(3, 1));
    let leader = leaders_in(&world, "a").remove(0);
    let shard = world.pods[&leader].shard;
    let follower = world
        .pods
        .values()
        .find(|pod| pod.shard == shard && pod.name != leader);
    let follower = follower.unwrap().name.clone();
    world.cut_off.insert(follower);
    run(&mut world, 10_000);
    let before = forced(&world);
    world.kill(&leader);
    run(&mut world, 60_000);
    assert_eq!(forced(&world), before);
    assert!(waits_for(&world, "Election"));
}

#[test]
fn a_follower_whose_link_is_up_and_quiet_is_not_in_sync() {
    let mut world = formed(shape(3, 1));
    let leader = leaders_in(&world, "a").remove(0);
    world.half_open.insert(follower_of(&world, &leader));
    run(&mut world, 10_000);
    assert!(!condition(&world, "ZoneSafe"));
    let before = forced(&world);
    world.kill(&leader);
    run(&mut world, 4_000);
    assert_eq!(forced(&world), before);
}

#[test]
fn a_lost_majority_with_volumes_is_taken_over_host_by_host_as_a_human_says() {
    let mut world = formed(desired(
        "  leaders: 6\n  followersPerLeader: 2\n  storage: {size: 1Gi}\n",
    ));
    world.stop_zone("a");
    world.stop_zone("b");
    run(&mut world, 10_000);
    assert!(waits_for(&world, "QuorumLost"));
    let hosts: Vec<HostName> = world.down.iter().cloned().collect();
    for host in hosts {
        mark_out_of_service(&mut world, &host);
        run(&mut world, 300);
    }
    run(&mut world, 30_000);
    assert!(
        condition(&world, "Available"),
        "{:#?}",
        world.status.waiting_on
    );
}

#[test]
fn the_word_about_a_host_holds_for_pods_that_were_evicted_before_it_was_heard() {
    let mut world = formed(shape(1, 1));
    let leader = member(&world, true);
    let host = world.pods[&leader].host.clone().unwrap();
    world.down.insert(host.clone());
    run(&mut world, 2_000);
    world.pods.remove(&leader);
    run(&mut world, 1_000);
    mark_out_of_service(&mut world, &host);
    run(&mut world, 5_000);
    assert!(
        condition(&world, "Available"),
        "{:#?}",
        world.status.waiting_on
    );
}

#[test]
fn a_single_leader_that_was_deleted_by_force_is_taken_over_once_its_kubelet_has_ended_it() {
    let mut world = formed(shape(1, 1));
    let leader = member(&world, true);
    world.delete_pod(&leader, true);
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn after_a_lost_election_the_shard_is_left_to_the_bus_for_four_node_timeouts() {
    let mut world = formed(shape(6, 1));
    world.no_votes = true;
    let dead = leaders_in(&world, "a");
    let before = forced(&world);
    for name in &dead {
        world.kill(name);
    }
    run(&mut world, 4_000);
    assert_eq!(forced(&world) - before, dead.len(), "each shard once");
    world.no_votes = false;
    settle(&mut world);
    assert_eq!(
        forced(&world) - before,
        dead.len(),
        "the bus elected meanwhile"
    );
    assert_promises(&world, 3);
}

#[test]
fn all_followers_at_once_are_rebuilt() {
    let mut world = formed(shape(5, 2));
    let all: Vec<MemberName> = world
        .living()
        .filter(|(_, p)| p.leader.is_some())
        .map(|(n, _)| n.clone())
        .collect();
    for name in &all {
        world.kill(name);
    }
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_zone_that_stops_is_made_good_elsewhere_and_goes_home_when_it_returns() {
    for (leaders, followers) in [(3, 1), (5, 2), (6, 1)] {
        let mut world = formed(shape(leaders, followers));
        world.stop_zone("a");
        run(&mut world, 60_000);
        assert!(condition(&world, "ZoneOutage") && condition(&world, "Available"));
        if followers == 1 {
            assert_promises(&world, 2);
        }
        world.start_zone("a");
        settle(&mut world);
        assert_promises(&world, 3);
        assert!(condition(&world, "ZoneSafe") && !condition(&world, "ZoneOutage"));
        // the next zone, right after
        world.stop_zone("b");
        run(&mut world, 60_000);
        assert!(condition(&world, "Available"), "{leaders}x{followers}");
        world.start_zone("b");
        settle(&mut world);
        assert_promises(&world, 3);
    }
}

#[test]
fn members_are_evened_out_in_quiet_times() {
    let mut world = formed(shape(6, 1));
    world.stop_zone("a");
    run(&mut world, 60_000);
    world.start_zone("a");
    settle(&mut world);
    run(&mut world, 600_000);
    settle(&mut world);
    let mut members_in: BTreeMap<ZoneName, usize> = BTreeMap::new();
    for (name, _) in world.living() {
        *members_in.entry(world.pods[name].zone.clone()).or_default() += 1;
    }
    assert_eq!(members_in.into_values().collect::<Vec<_>>(), [4, 4, 4]);
    assert_promises(&world, 3);
}

#[test]
fn a_single_leader_is_taken_over_only_when_its_death_is_proven() {
    let mut world = formed(shape(1, 1));
    let leader = member(&world, true);
    let host = world.pods[&leader].host.clone().unwrap();
    world.stop_zone(world.pods[&leader].zone.clone().as_str());
    run(&mut world, 40_000);
    assert!(!condition(&world, "Available"));
    assert!(
        world
            .status
            .waiting_on
            .iter()
            .any(|wait| wait.reason == "QuorumLost")
    );
    mark_out_of_service(&mut world, &host);
    run(&mut world, 2_000);
    assert!(
        condition(&world, "Available"),
        "{:#?}",
        world.status.waiting_on
    );
    settle(&mut world);
}

fn mark_out_of_service(world: &mut World, name: &HostName) {
    for host in world.hosts.iter_mut().filter(|host| &host.name == name) {
        host.is_out_of_service = true;
    }
}

#[test]
fn a_short_silence_moves_nobody() {
    let mut world = formed(shape(3, 1));
    let before: Vec<MemberName> = world.pods.keys().cloned().collect();
    let hosts: BTreeSet<HostName> = world
        .hosts
        .iter()
        .filter(|h| h.zone == Some("a".into()))
        .map(|h| h.name.clone())
        .collect();
    world.down.extend(hosts);
    run(&mut world, 20_000);
    world.down.clear();
    settle(&mut world);
    assert_eq!(world.pods.keys().cloned().collect::<Vec<_>>(), before);
    assert_promises(&world, 3);
}

#[test]
fn no_room_is_said_and_stops_nobody_else() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, false);
    let zone = world.pods[&name].zone.clone();
    world.full_zones.insert(zone.clone());
    world.kill(&name);
    run(&mut world, 30_000);
    settle(&mut world);
    assert_promises(&world, 3);

    let mut cramped = World::new(shape(3, 2), &["a", "b", "c"], 2);
    cramped.full_zones.insert(zone);
    run(&mut cramped, 30_000);
    assert!(
        cramped
            .status
            .waiting_on
            .iter()
            .any(|wait| wait.reason == "NoRoom")
    );
    assert!(!condition(&cramped, "PlacementSatisfied"));
    cramped.full_zones.clear();
    settle(&mut cramped);
    assert_promises(&cramped, 3);
}

#[test]
fn followers_are_added_and_taken_away_by_the_spec() {
    let mut world = formed(shape(3, 1));
    world.desired.followers_per_leader = 2;
    settle(&mut world);
    assert_promises(&world, 3);
    world.desired.followers_per_leader = 1;
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_paused_cluster_is_watched_and_not_touched() {
    let mut world = formed(shape(3, 1));
    world.desired.paused = true;
    let name = member(&world, false);
    world.kill(&name);
    for _ in 0..100 {
        assert_eq!(world.round().actions, []);
        world.pass(100);
    }
    assert!(condition(&world, "Paused") && condition(&world, "Degraded"));
    world.desired.paused = false;
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn missing_zone_labels_and_bad_images_are_named() {
    let mut world = World::new(shape(3, 1), &["a", "b", "c"], 2);
    for host in &mut world.hosts {
        host.zone = None;
    }
    run(&mut world, 1_000);
    assert_eq!(world.status.waiting_on[0].reason, "ZoneLabelMissing");
    assert!(world.pods.is_empty());

    let mut world = World::new(shape(3, 1), &["a", "b", "c"], 2);
    world.image_is_bad = true;
    run(&mut world, 3_000);
    assert!(
        world
            .status
            .waiting_on
            .iter()
            .any(|wait| wait.reason == "ImageProblem")
    );
}

#[test]
fn members_with_volumes_come_back_with_their_bodies() {
    let spec = "  leaders: 3\n  followersPerLeader: 1\n  storage: {size: 1Gi}\n";
    let mut world = formed(desired(spec));
    assert_promises(&world, 3);
    let name = member(&world, false);
    let volume = world.pods[&name].volume.clone();
    world.kill(&name);
    settle(&mut world);
    assert_promises(&world, 3);
    assert_eq!(world.volumes.len(), 6);
    assert!(
        world
            .pods
            .values()
            .any(|pod| pod.volume == volume && pod.name != name)
    );
}

#[test]
fn planning_is_deterministic_and_a_converged_world_yields_no_action() {
    let mut world = formed(shape(5, 1));
    let first = world.round();
    assert_eq!(first.actions, []);
    assert_eq!(world.round(), first);
}

#[test]
fn a_lost_internal_secret_is_told_and_never_made_anew_over_running_members() {
    let mut world = formed(shape(3, 1));
    world.secrets.internal_is_present = false;
    let plan = world.round();
    assert!(plan.actions.is_empty(), "{:?}", plan.actions);
    assert!(
        plan.waiting_on
            .iter()
            .any(|wait| wait.reason.to_string() == "SecretMissing")
    );
}

fn waits_for(world: &World, reason: &str) -> bool {
    world
        .status
        .waiting_on
        .iter()
        .any(|wait| wait.reason == reason)
}

fn with_volumes(leaders: u32, policy: &str) -> Desired {
    desired(&format!(
        "  leaders: {leaders}\n  followersPerLeader: 1\n  storage: {{size: 1Gi, retain: {policy}}}\n"
    ))
}

/// The follower of this leader.
fn follower_of(world: &World, leader: &MemberName) -> MemberName {
    let id = &world.processes[leader].id;
    world
        .living()
        .find(|(_, p)| p.leader.as_ref() == Some(id))
        .map(|(n, _)| n.clone())
        .unwrap()
}

fn names(world: &World) -> Vec<MemberName> {
    world.pods.keys().cloned().collect()
}

fn gates_are_open(world: &World) -> bool {
    world
        .pods
        .values()
        .all(|pod| pod.gate_is_open && pod.role_label.is_some())
}

#[test]
fn a_member_that_answers_is_alive_whatever_a_taint_says() {
    let mut world = formed(shape(1, 1));
    let before = names(&world);
    let leader = member(&world, true);
    let host = world.pods[&leader].host.clone().unwrap();
    mark_out_of_service(&mut world, &host);
    run(&mut world, 5_000);
    assert_eq!(names(&world), before, "{:#?}", world.story);
}

#[test]
fn a_lost_internal_secret_closes_no_gate() {
    let mut world = formed(shape(3, 1));
    world.secrets.internal_is_present = false;
    let before = names(&world);
    run(&mut world, 60_000);
    assert!(gates_are_open(&world));
    assert_eq!(names(&world), before);
}

#[test]
fn an_operator_that_hears_nobody_closes_no_gate_and_doubles_nobody() {
    let mut world = formed(shape(3, 1));
    let before = names(&world);
    world.blind_for = Some(0);
    run(&mut world, 60_000);
    assert!(gates_are_open(&world));
    assert_eq!(names(&world), before);
    world.blind_for = None;
    settle(&mut world);
    assert_eq!(names(&world), before);
}

#[test]
fn followers_are_taken_away_two_of_a_shard_one_after_the_other() {
    let mut world = formed(shape(3, 2));
    world.desired.followers_per_leader = 0;
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn nothing_is_formed_over_the_volumes_of_an_earlier_cluster() {
    let old = formed(with_volumes(3, "Retain"));
    let mut world = World::new(with_volumes(3, "Delete"), &["a", "b", "c"], 2);
    world.volumes.clone_from(&old.volumes);
    run(&mut world, 10_000);
    assert_eq!(world.volumes.len(), 6);
    assert!(world.pods.is_empty());
    assert!(waits_for(&world, "RecordMissing"));
    world.volumes.clear();
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_lost_status_touches_nothing_that_runs() {
    let mut world = formed(shape(3, 1));
    let before = names(&world);
    world.status = RedisClusterStatus::default();
    for _ in 0..50 {
        assert_eq!(world.round().actions, []);
        world.pass(100);
    }
    assert_eq!(names(&world), before);
    assert!(waits_for(&world, "RecordMissing") && condition(&world, "Degraded"));
}

#[test]
fn a_follower_that_fell_behind_does_not_lead_before_its_leaders_body() {
    for leaders in [1, 3] {
        let mut world = formed(with_volumes(leaders, "Retain"));
        let leader = member(&world, true);
        let id = world.processes[&leader].id.clone();
        let follower = follower_of(&world, &leader);
        world.cut_off.insert(follower);
        run(&mut world, 20_000);
        let had = world.processes[&leader].offset;
        world.kill(&leader);
        run(&mut world, 1_000);
        world.cut_off.clear();
        settle(&mut world);
        let leads = world
            .living()
            .find(|(_, p)| p.id == id)
            .map(|(_, p)| (p.leader.is_none(), p.offset));
        assert!(
            leads.is_some_and(|(leads, has)| leads && has >= had),
            "{leaders}: {leads:?}, had {had}\n{}",
            world.story.join("\n")
        );
    }
}

#[test]
fn after_a_power_cut_those_who_led_lead_again() {
    let mut world = formed(with_volumes(3, "Retain"));
    let led: BTreeSet<_> = world
        .living()
        .filter(|(_, p)| p.leader.is_none())
        .map(|(_, p)| p.id.clone())
        .collect();
    let before = world.story.len();
    for name in names(&world) {
        world.kill(&name);
    }
    settle(&mut world);
    assert_promises(&world, 3);
    let leads: BTreeSet<_> = world
        .living()
        .filter(|(_, p)| p.leader.is_none())
        .map(|(_, p)| p.id.clone())
        .collect();
    assert_eq!(leads, led, "{}", world.story[before..].join("\n"));
    assert!(
        !world.story[before..]
            .iter()
            .any(|line| line.contains("take over"))
    );
}

#[test]
fn a_store_that_lags_strikes_nobody_out() {
    let mut world = formed(shape(3, 1));
    let before = names(&world);
    world.hidden = before.iter().take(2).cloned().collect();
    run(&mut world, 5_000);
    world.hidden.clear();
    settle(&mut world);
    assert_eq!(names(&world), before, "{}", world.story.join("\n"));
}

#[test]
fn a_body_is_not_started_again_because_its_host_object_is_gone() {
    let mut world = formed(with_volumes(3, "Retain"));
    let name = member(&world, false);
    let (volume, host) = (
        world.pods[&name].volume.clone(),
        world.pods[&name].host.clone(),
    );
    world.down.extend(host.clone());
    world.hosts.retain(|h| Some(&h.name) != host.as_ref());
    world.pods.remove(&name);
    run(&mut world, 60_000);
    assert!(!world.pods.values().any(|pod| pod.volume == volume));
}

#[test]
fn a_body_that_ends_at_every_start_is_started_at_growing_distances() {
    let mut world = formed(with_volumes(3, "Retain"));
    let name = member(&world, false);
    world.broken.extend(world.pods[&name].volume.clone());
    let serial = world.status.record.next_serial;
    world.kill(&name);
    run(&mut world, 60_000);
    let tries = world.status.record.next_serial.0 - serial.0;
    assert!((2..=8).contains(&tries), "{tries} tries in a minute");
    assert!(waits_for(&world, "MemberFailsToStart"));
    world.broken.clear();
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(!waits_for(&world, "MemberFailsToStart"));
}

#[test]
fn a_bad_start_of_all_bodies_at_once_ends_in_waiting_and_not_in_a_busy_loop() {
    let mut world = World::new(with_volumes(3, "Retain"), &["a", "b", "c"], 2);
    world.fails_to_start = true;
    run(&mut world, 30_000);
    assert!(waits_for(&world, "MemberFailsToStart"));
    let mut writes = 0;
    for _ in 0..300 {
        let before = world.status.clone();
        world.round();
        writes += usize::from(world.status != before);
        world.pass(100);
    }
    assert!(writes < 30, "{writes} writes of the status in 300 rounds");
}

#[test]
fn a_spec_that_cannot_work_is_told_by_an_event() {
    let world = formed(shape(3, 1));
    let rejection = plan::Rejection {
        reason: "DirectiveOwned",
        message: "remove it".to_owned(),
    };
    let seen = world.observe();
    let kept = plan::Plan {
        record: seen.record.clone(),
        ..plan::Plan::default()
    };
    for before in [RedisClusterStatus::default(), world.status.clone()] {
        let input = status::Input {
            generation: 2,
            desired: Err(&rejection),
            seen: &seen,
            plan: &kept,
            refusals: &[],
            failures: &[],
            now: world.now,
        };
        let after = status::status(&before, &input);
        let told = status::transitions(&before, &after);
        assert!(
            told.iter()
                .any(|t| t.reason == "DirectiveOwned" && t.is_warning)
        );
    }
}

#[test]
fn a_clients_secret_that_is_removed_later_stops_no_repair() {
    let mut world = formed(shape(1, 1));
    world.desired.auth.secret_name = Some("mine".to_owned());
    world.secrets.client_is_present = false;
    let leader = member(&world, true);
    world.kill(&leader);
    run(&mut world, 5_000);
    assert!(condition(&world, "Available"));
    assert!(waits_for(&world, "SecretMissing"));
    world.secrets.client_is_present = true;
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_new_cluster_serves_while_a_follower_waits_for_room() {
    let mut world = World::new(shape(3, 2), &["a", "b", "c"], 2);
    world.full_zones.insert(ZoneName::from("c"));
    run(&mut world, 30_000);
    assert!(
        condition(&world, "Available") && waits_for(&world, "NoRoom"),
        "{:#?}",
        world.status
    );
}

#[test]
fn zone_labels_that_vanish_are_named_and_nobody_moves() {
    let mut world = formed(shape(3, 1));
    let before = names(&world);
    for host in &mut world.hosts {
        host.zone = None;
    }
    run(&mut world, 10_000);
    assert_eq!(names(&world), before);
    assert!(waits_for(&world, "ZoneLabelMissing"));
}

/// Everybody of a shard, the leader first.
fn members_of(world: &World, shard: u32) -> Vec<MemberName> {
    let own = world.pods.values().filter(|pod| pod.shard.0 == shard);
    own.map(|pod| pod.name.clone()).collect()
}

fn seizures(world: &World) -> usize {
    world
        .story
        .iter()
        .filter(|deed| deed.contains("begin slots"))
        .count()
}

#[test]
fn a_shard_whose_every_copy_is_lost_is_named_first_and_begun_anew_by_policy() {
    let mut world = formed(shape(3, 1));
    for name in members_of(&world, 1) {
        world.kill(&name);
    }
    world.round();
    assert_eq!(seizures(&world), 0, "first it is named");
    settle(&mut world);
    assert_eq!(seizures(&world), 1);
    assert!(condition(&world, "DataLost"), "it is told for a day");
    assert_promises(&world, 3);
    world.pass(25 * 3_600_000);
    settle(&mut world);
    assert!(!condition(&world, "DataLost"));
}

#[test]
fn a_whole_cluster_whose_every_copy_is_lost_is_begun_anew_shard_by_shard() {
    for leaders in [1, 3] {
        let mut world = formed(shape(leaders, 1));
        for name in names(&world) {
            world.kill(&name);
        }
        settle(&mut world);
        assert_eq!(seizures(&world), usize::try_from(leaders).unwrap());
        assert!(condition(&world, "DataLost"));
        assert_promises(&world, 3);
    }
}

#[test]
fn a_lost_shard_stays_unserved_where_the_policy_is_to_wait() {
    let mut world = formed(shape(3, 1));
    world.desired.shard_loss = ShardLossPolicy::Wait;
    for name in members_of(&world, 1) {
        world.kill(&name);
    }
    run(&mut world, 20_000);
    assert_eq!(seizures(&world), 0);
    assert!(condition(&world, "DataLost") && waits_for(&world, "DataLost"));
    world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
    settle(&mut world);
    assert_eq!(seizures(&world), 1);
}

#[test]
fn a_shard_that_was_deleted_by_force_is_lost_when_the_kubelets_have_ended_it_and_not_before() {
    let mut world = formed(shape(3, 1));
    for name in members_of(&world, 1) {
        world.delete_pod(&name, true);
    }
    run(&mut world, 50_000);
    assert_eq!(seizures(&world), 0);
    assert!(waits_for(&world, "SlotsUnserved"));
    settle(&mut world);
    assert_eq!(seizures(&world), 1);

    let mut world = formed(shape(3, 1));
    let members = members_of(&world, 1);
    let host = world.pods[&members[0]].host.clone().unwrap();
    world.down.insert(host.clone());
    for name in members {
        world.pods.remove(&name);
    }
    run(&mut world, 600_000);
    assert_eq!(
        seizures(&world),
        0,
        "one of them may live on a host that is silent"
    );
    assert!(waits_for(&world, "SlotsUnserved"));
    mark_out_of_service(&mut world, &host);
    run(&mut world, 60_000);
    assert_eq!(seizures(&world), 1, "a human's word");
}

#[test]
fn nothing_is_begun_anew_while_a_copy_may_live_or_come_back() {
    type Fault = fn(&mut World, &MemberName);
    let faults: [(&str, Desired, Fault); 3] = [
        ("a silent host", shape(3, 1), |world, name| {
            let host = world.pods[name].host.clone().unwrap();
            world.down.insert(host);
        }),
        ("a pod that is merely gone", shape(3, 1), |world, name| {
            let host = world.pods[name].host.clone().unwrap();
            world.down.insert(host);
            world.pods.remove(name);
        }),
        ("bodies", with_volumes(3, "Retain"), |world, name| {
            let volume = world.pods[name].volume.clone().unwrap();
            world.broken.insert(volume);
            world.kill(name);
        }),
    ];
    for (what, spec, fault) in faults {
        let mut world = formed(spec);
        world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
        let members = members_of(&world, 1);
        world.kill(&members[0]);
        fault(&mut world, &members[1]);
        run(&mut world, 120_000);
        assert_eq!(seizures(&world), 0, "{what}");
    }
}

#[test]
fn a_body_whose_place_was_given_away_is_started_when_it_is_the_only_copy() {
    let mut world = formed(with_volumes(3, "Retain"));
    let leader = member(&world, true);
    let follower = follower_of(&world, &leader);
    let zone = |name: &MemberName| world.pods[name].zone.as_str().to_owned();
    let (home, away) = (zone(&leader), zone(&follower));
    let volume = world.pods[&leader].volume.clone();
    world.kill(&leader);
    world.round();
    world.stop_zone(&home);
    world.stop_zone(&away);
    world.pass(100);
    run(&mut world, 10_000);
    world.start_zone(&home);
    run(&mut world, 20_000);
    assert!(
        world.living().any(|(n, _)| world.pods[n].volume == volume),
        "{}",
        world.story.join("\n")
    );
}

#[test]
fn a_record_that_is_older_than_the_members_touches_nothing() {
    let mut world = formed(shape(3, 1));
    let old = world.status.record.clone();
    let name = member(&world, false);
    world.kill(&name);
    settle(&mut world);
    let before = names(&world);
    world.status.record = old;
    run(&mut world, 5_000);
    assert_eq!(names(&world), before);
    assert!(waits_for(&world, "RecordMissing"));
}

#[test]
fn a_surplus_member_that_is_needed_after_all_is_taken_back_for_good() {
    let mut world = formed(shape(3, 2));
    world.stop_zone("a");
    run(&mut world, 3_000);
    world.desired.followers_per_leader = 1;
    run(&mut world, 40_000);
    world.start_zone("a");
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn members_move_when_the_allowed_zones_change() {
    let mut world = World::new(shape(3, 1), &["a", "b", "c", "d"], 2);
    world.desired.zones.allowed = vec!["a".into(), "b".into(), "c".into()];
    settle(&mut world);
    world.desired.zones.allowed = vec!["b".into(), "c".into(), "d".into()];
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(world.pods.values().all(|pod| pod.zone.as_str() != "a"));
}

#[test]
fn members_whose_pods_are_deleted_by_force_are_made_good() {
    for spec in [shape(3, 1), with_volumes(3, "Retain")] {
        let mut world = formed(spec);
        let followers: Vec<MemberName> = world
            .living()
            .filter(|(_, p)| p.leader.is_some())
            .map(|(n, _)| n.clone())
            .collect();
        for name in &followers {
            world.delete_pod(name, true);
        }
        settle(&mut world);
        let leader = member(&world, true);
        world.delete_pod(&leader, true);
        settle(&mut world);
        assert_promises(&world, 3);
    }
}
