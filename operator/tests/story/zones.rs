//! Zones stop, return, and lose their labels.

use std::collections::BTreeMap;

use zoneward_operator::api::WhenUnsatisfiable;
use zoneward_operator::model::ZoneName;

use crate::scene::{
    assert_promises, condition, forced, formed, leaders_in, member, names, run, settle, shape,
    waits_for,
};
use crate::world::World;

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
