//! Nobody is left to vote: what counts as proof of death, and what does not.

use zoneward_operator::model::HostName;

use crate::scene::{
    assert_promises, condition, desired, formed, mark_out_of_service, member, names, run, settle,
    shape, waits_for,
};
use crate::world::World;

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

#[test]
fn a_single_leader_that_was_deleted_by_force_is_taken_over_once_its_kubelet_has_ended_it() {
    let mut world = formed(shape(1, 1));
    let leader = member(&world, true);
    world.delete_pod(&leader, true);
    settle(&mut world);
    assert_promises(&world, 3);
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
fn a_member_that_answers_is_alive_whatever_a_taint_says() {
    let mut world = formed(shape(1, 1));
    let before = names(&world);
    let leader = member(&world, true);
    let host = world.pods[&leader].host.clone().unwrap();
    mark_out_of_service(&mut world, &host);
    run(&mut world, 5_000);
    assert_eq!(names(&world), before, "{:#?}", world.story);
}

/// Four leaders over two zones: half of them are lost with a zone.
fn two_zones(recovery: &str) -> World {
    let spec = format!("  leaders: 4\n  followersPerLeader: 1\n  recovery: {{{recovery}}}\n");
    let mut world = World::new(desired(&spec), &["a", "b"], 2);
    settle(&mut world);
    world
}

fn taken_over(world: &World) -> usize {
    let is_takeover = |deed: &&String| deed.contains("(Takeover)");
    world.story.iter().filter(is_takeover).count()
}

#[test]
fn half_of_the_leaders_have_stopped_once_they_were_silent_for_long_and_are_taken_over() {
    let mut world = two_zones("debounceSeconds: 20");
    assert!(condition(&world, "ZoneSafe"), "either zone may be lost");
    world.stop_zone("a");
    run(&mut world, 19_000);
    assert_eq!(taken_over(&world), 0);
    assert!(waits_for(&world, "QuorumLost"));
    run(&mut world, 3_000);
    assert!(
        condition(&world, "Available"),
        "{:#?}",
        world.status.waiting_on
    );
    // three of four can vote then: the bus does the rest
    assert_eq!(taken_over(&world), 1, "{:#?}", world.story);
}

#[test]
fn a_majority_that_is_silent_is_taken_over_only_where_the_owner_runs_the_risk() {
    for (policy, expected) in [("Fenced", false), ("Unreachable", true)] {
        let spec = format!(
            "  recovery: {{quorumLoss: {policy}, debounceSeconds: 20, rehomeAfterSeconds: 600}}\n"
        );
        let mut world = formed(desired(&spec));
        world.stop_zone("a");
        world.stop_zone("b");
        run(&mut world, 18_000);
        assert_eq!(taken_over(&world), 0, "{policy}");
        run(&mut world, 60_000);
        assert_eq!(taken_over(&world) > 0, expected, "{policy}");
    }
}

#[test]
fn by_hand_the_next_command_is_told_and_nobody_takes_over() {
    let mut world = two_zones("quorumLoss: Manual");
    assert!(!condition(&world, "ZoneSafe"), "nobody but a human goes on");
    world.stop_zone("a");
    run(&mut world, 90_000);
    assert_eq!(taken_over(&world), 0);
    let mut waits = world.status.waiting_on.iter();
    let wait = waits.find(|wait| wait.reason == "QuorumLost").unwrap();
    assert!(
        wait.message.contains("kubectl exec -n default demo-"),
        "{}",
        wait.message
    );
}
