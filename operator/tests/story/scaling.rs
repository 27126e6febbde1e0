//! Shards and followers come and go while clients write.

use std::collections::BTreeMap;

use zoneward_operator::model::{MemberName, ShardId, Slot, SlotSet};

use crate::scene::{
    assert_promises, condition, desired, formed, run, settle, shape, waits_for, with_volumes,
};
use crate::world::World;

/// What each leader owns.
fn sizes(world: &World) -> Vec<u16> {
    let owners = world.living().filter(|(_, it)| !it.slots.is_empty());
    owners.map(|(_, it)| it.slots.count()).collect()
}

fn assert_even(world: &World) {
    let sizes = sizes(world);
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(most - least <= 1, "{sizes:?}");
    assert_eq!(sizes.len(), world.desired.leaders as usize);
    assert!(world.status.record.reshard.is_none());
    assert!(!waits_for(world, "Resharding"));
}

fn scaled(world: &mut World, leaders: u32) {
    world.desired.leaders = leaders;
    settle(world);
    assert_promises(world, 3);
    assert_even(world);
}

#[test]
fn leaders_out_and_in_again() {
    for spec in [shape(3, 1), shape(3, 2), with_volumes(3, "Delete")] {
        let mut world = formed(spec);
        scaled(&mut world, 5);
        assert_eq!(world.status.leaders, 5);
        scaled(&mut world, 3);
        assert_eq!(world.status.leaders, 3);
        assert_eq!(world.volumes.len() % 3, 0, "{:?}", world.volumes);
        assert!(world.pods.values().all(|pod| pod.shard.0 < 3));
        assert!(
            world.story.iter().all(|line| !line.contains("begin slots")),
            "{:?}",
            world.story
        );
    }
}

#[test]
fn one_leader_to_many_and_back() {
    let mut world = formed(shape(1, 1));
    scaled(&mut world, 6);
    scaled(&mut world, 2);
    scaled(&mut world, 1);
}

/// What others still say of a leader that has given its last slot away counts for nothing: those slots
/// were put on record once more, and the reshard stood still (seen live, redis 8.0.2, scale in 5 to 3).
#[test]
fn news_of_slots_may_come_late() {
    for spec in [shape(3, 1), shape(3, 0)] {
        let mut world = formed(spec);
        world.hears_late = true;
        scaled(&mut world, 5);
        scaled(&mut world, 3);
        scaled(&mut world, 4);
    }
}

#[test]
fn leaders_without_followers() {
    let mut world = formed(shape(3, 0));
    scaled(&mut world, 4);
    scaled(&mut world, 3);
}

#[test]
fn followers_up_and_down() {
    let mut world = formed(shape(3, 1));
    for followers in [2, 0, 1] {
        world.desired.followers_per_leader = followers;
        settle(&mut world);
        assert_promises(&world, 3);
    }
}

#[test]
fn the_owner_may_think_again_at_any_time() {
    for rounds in (0..40).step_by(4) {
        let mut world = formed(shape(3, 1));
        world.desired.leaders = 5;
        run(&mut world, rounds * 300);
        scaled(&mut world, 3);
    }
}

#[test]
fn a_spec_that_changes_while_the_cluster_forms_is_followed_by_a_reshard() {
    for rounds in (0..12).step_by(3) {
        for leaders in [2, 5] {
            let mut world = World::new(shape(3, 1), &["a", "b", "c"], 2);
            run(&mut world, rounds * 100);
            scaled(&mut world, leaders);
        }
    }
}

fn leader_of(world: &World, shard: u32) -> Option<MemberName> {
    let of_shard = world
        .living()
        .filter(|(name, it)| world.pods[*name].shard.0 == shard && it.leader.is_none());
    of_shard.map(|(name, _)| name.clone()).next()
}

/// Each member of the source and of the target dies once, at each moment.
#[test]
fn a_leader_that_ends_on_the_way_is_succeeded_and_the_reshard_goes_on() {
    for shard in [0, 3, 4] {
        for rounds in (2..40).step_by(6) {
            let mut world = formed(shape(3, 1));
            world.desired.leaders = 5;
            run(&mut world, rounds * 100);
            if let Some(name) = leader_of(&world, shard) {
                world.kill(&name);
            }
            settle(&mut world);
            assert_promises(&world, 3);
            assert_even(&world);
            assert!(!condition(&world, "DataLost"));
        }
    }
}

#[test]
fn no_slot_is_begun_while_a_zone_is_silent() {
    let mut world = formed(shape(3, 1));
    world.desired.leaders = 5;
    run(&mut world, 2_000);
    world.stop_zone("b");
    run(&mut world, 10_000);
    let before = sizes(&world);
    run(&mut world, 10_000);
    assert_eq!(sizes(&world), before);
    let told = world.status.waiting_on.iter();
    let told: Vec<_> = told
        .filter(|it| it.reason == "Resharding")
        .map(|it| it.message.clone())
        .collect();
    assert!(told[0].contains("zone b"), "{told:?}");
    world.start_zone("b");
    settle(&mut world);
    assert_promises(&world, 3);
    assert_even(&world);
}

#[test]
fn a_zone_may_go_in_the_middle_of_scaling_in() {
    for rounds in (0..30).step_by(7) {
        let mut world = formed(shape(5, 1));
        world.desired.leaders = 3;
        run(&mut world, rounds * 100);
        world.stop_zone("c");
        run(&mut world, 60_000);
        world.start_zone("c");
        settle(&mut world);
        assert_promises(&world, 3);
        assert_even(&world);
    }
}

#[test]
fn slots_that_were_moved_by_hand_are_evened_out() {
    let mut world = formed(shape(3, 1));
    let names: BTreeMap<u32, MemberName> = (0..2)
        .map(|shard| (shard, leader_of(&world, shard).unwrap()))
        .collect();
    let moved: SlotSet = (0..100).filter_map(Slot::new).collect();
    for (shard, name) in &names {
        let process = world.processes.get_mut(name).unwrap();
        process.slots = match shard {
            0 => process.slots.difference(&moved),
            _ => process.slots.union(&moved),
        };
    }
    settle(&mut world);
    assert_even(&world);
}

#[test]
fn a_shard_that_is_lost_on_the_way_is_named() {
    let mut world = formed(desired(
        "  leaders: 3\n  followersPerLeader: 1\n  recovery: {shardLoss: AcceptEmpty}\n",
    ));
    world.desired.leaders = 4;
    run(&mut world, 3_000);
    let of_shard = world.pods.values().filter(|pod| pod.shard == ShardId(3));
    let names: Vec<MemberName> = of_shard.map(|pod| pod.name.clone()).collect();
    assert!(names.iter().any(|it| !world.processes[it].slots.is_empty()));
    for name in names {
        world.kill(&name);
    }
    run(&mut world, 1_000);
    assert!(condition(&world, "DataLost"));
    settle(&mut world);
    assert_promises(&world, 3);
    assert_even(&world);
}
