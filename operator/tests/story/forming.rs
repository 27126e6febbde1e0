//! New clusters: what they become, and what is said while they cannot.

use zoneward_operator::model::ZoneName;

use crate::scene::{assert_promises, condition, formed, member, run, settle, shape, waits_for};
use crate::world::World;

#[test]
fn new_clusters_of_all_shapes_become_ready_and_zone_safe() {
    for (leaders, followers) in [(1, 1), (3, 1), (5, 2), (3, 0), (2, 1), (6, 2)] {
        let world = formed(shape(leaders, followers));
        assert_promises(&world, 3);
        // one of two leaders that is lost has stopped, and may be taken over from
        let expect_safe = leaders >= 2 && followers > 0;
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
fn planning_is_deterministic_and_a_converged_world_yields_no_action() {
    let mut world = formed(shape(5, 1));
    let first = world.round();
    assert_eq!(first.actions, []);
    assert_eq!(world.round(), first);
}
