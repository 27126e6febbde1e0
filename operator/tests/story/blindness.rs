//! What the operator knows is lost, old or unheard: nobody pays for it.

use zoneward_operator::api::RedisClusterStatus;

use crate::scene::{
    assert_promises, condition, formed, gates_are_open, member, names, run, settle, shape,
    waits_for,
};

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
fn a_store_that_lags_strikes_nobody_out() {
    let mut world = formed(shape(3, 1));
    let before = names(&world);
    world.hidden = before.iter().take(2).cloned().collect();
    run(&mut world, 5_000);
    world.hidden.clear();
    settle(&mut world);
    assert_eq!(names(&world), before, "{}", world.story.join("\n"));
}
