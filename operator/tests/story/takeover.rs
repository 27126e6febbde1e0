//! Nobody is left to vote: what counts as proof of death, and what does not.

use zoneward_operator::model::HostName;

use crate::scene::{
    assert_promises, condition, desired, formed, mark_out_of_service, member, names, run, settle,
    shape, waits_for,
};

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
