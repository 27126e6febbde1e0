//! Leaders are succeeded: by whom, how soon, and when not.

use crate::scene::{
    assert_promises, condition, follower_of, forced, formed, leaders_in, member, run, settle,
    shape, waits_for,
};
use crate::world::World;

#[test]
fn a_dead_leader_is_succeeded_replaced_and_leaders_are_even_again() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, true);
    world.kill(&name);
    settle(&mut world);
    assert_promises(&world, 3);
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
fn a_follower_that_fell_behind_is_not_forced_to_lead_while_the_bus_may_elect() {
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
    run(&mut world, 50_000);
    assert_eq!(forced(&world), before);
    assert!(waits_for(&world, "Election") && !condition(&world, "DataLost"));
}

#[test]
fn a_follower_whose_link_is_up_and_quiet_is_not_in_sync() {
    let mut world = formed(shape(3, 1));
    let leader = leaders_in(&world, "a").remove(0);
    world.half_open.insert(follower_of(&world, &leader));
    run(&mut world, 10_000);
    assert!(!condition(&world, "ZoneSafe"));
    let told = format!("hears nothing from {leader}, its leader");
    let waits = &world.status.waiting_on;
    assert!(
        waits.iter().any(|wait| wait.message.ends_with(&told)),
        "{waits:#?}"
    );
    let before = forced(&world);
    world.kill(&leader);
    run(&mut world, 4_000);
    assert_eq!(forced(&world), before);
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
