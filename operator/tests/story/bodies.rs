//! Members with volumes: their data comes back with them, and leads where it must.

use std::collections::BTreeSet;

use zoneward_operator::model::MemberName;

use crate::scene::{
    assert_promises, desired, follower_of, formed, member, names, run, settle, waits_for,
    with_volumes,
};
use crate::world::World;

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
