//! The spec of a cluster that runs is changed.

use zoneward_operator::api::RedisClusterStatus;
use zoneward_operator::{plan, status};

use crate::scene::{assert_promises, condition, formed, member, run, settle, shape};
use crate::world::World;

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
fn followers_are_taken_away_two_of_a_shard_one_after_the_other() {
    let mut world = formed(shape(3, 2));
    world.desired.followers_per_leader = 0;
    settle(&mut world);
    assert_promises(&world, 3);
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
