//! Passwords of a cluster that runs are changed: of clients, and of our own users.

use std::collections::BTreeSet;

use crate::scene::{
    assert_promises, condition, formed, member, names, run, settle, shape, waits_for,
};
use crate::world::World;

fn all(world: &World, of: impl Fn(&crate::world::Process) -> BTreeSet<u32>) -> Vec<BTreeSet<u32>> {
    let mut found: Vec<_> = world.living().map(|(_, process)| of(process)).collect();
    found.dedup();
    found
}

fn clients(world: &World) -> Vec<BTreeSet<u32>> {
    all(world, |process| process.passwords.clients.clone())
}

fn own(world: &World) -> Vec<BTreeSet<u32>> {
    all(world, |it| {
        it.passwords
            .operator
            .union(&it.passwords.followers)
            .copied()
            .collect()
    })
}

fn ask_for_new_ones(world: &mut World) {
    world.desired.auth.rotate_internal = Some("2026-11".to_owned());
}

/// Every follower is fed at every step.
fn run_fed(world: &mut World, millis: u64) {
    for _ in 0..millis / 100 {
        run(world, 100);
        let is_fed = |it: &crate::world::Process| it.leader.is_none() || it.in_sync;
        assert!(
            world.living().all(|(_, it)| is_fed(it)),
            "{}",
            world.story.join("\n")
        );
    }
}

#[test]
fn clients_are_let_in_with_both_passwords_until_the_grace_is_over() {
    let mut world = formed(shape(3, 1));
    world.desired.auth.grace_seconds = 60;
    world.client_password = 1;
    run(&mut world, 500);
    assert_eq!(clients(&world), [[0, 1].into()]);
    assert!(waits_for(&world, "PasswordRotation") && condition(&world, "Ready"));
    run(&mut world, 50_000);
    assert_eq!(clients(&world), [[0, 1].into()]);
    // a member that joins meanwhile lets in who has not moved, too
    let name = member(&world, false);
    world.kill(&name);
    run(&mut world, 5_000);
    assert_eq!(clients(&world), [[0, 1].into()]);
    settle(&mut world);
    run(&mut world, 15_000);
    assert_eq!(clients(&world), [[1].into()]);
    assert!(!waits_for(&world, "PasswordRotation"));
    assert_promises(&world, 3);
}

#[test]
fn without_a_grace_the_former_password_goes_as_soon_as_the_new_one_is_taken() {
    let mut world = formed(shape(3, 1));
    world.desired.auth.grace_seconds = 0;
    world.client_password = 1;
    run(&mut world, 1_000);
    assert_eq!(clients(&world), [[1].into()]);
}

#[test]
fn an_operator_that_forgot_when_it_began_lets_the_grace_begin_anew() {
    let mut world = formed(shape(3, 1));
    world.desired.auth.grace_seconds = 60;
    world.client_password = 1;
    run(&mut world, 50_000);
    world.status.record.passwords.former_since = None;
    run(&mut world, 50_000);
    assert_eq!(clients(&world), [[0, 1].into()]);
    run(&mut world, 12_000);
    assert_eq!(clients(&world), [[1].into()]);
}

#[test]
fn our_own_passwords_change_and_no_follower_is_without_its_leader() {
    let mut world = formed(shape(3, 1));
    ask_for_new_ones(&mut world);
    run_fed(&mut world, 3_000);
    assert_eq!(own(&world), [[1].into()]);
    assert!(world.living().all(|(_, it)| it.passwords.follows_with == 1));
    let passwords = &world.status.record.passwords;
    assert!(!passwords.is_rotating && passwords.asked == "2026-11");
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_member_that_is_silent_holds_the_change_and_is_not_locked_out() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, false);
    let host = world.pods[&name].host.clone().unwrap();
    ask_for_new_ones(&mut world);
    world.round();
    world.down.insert(host.clone());
    run(&mut world, 5_000);
    assert!(waits_for(&world, "PasswordRotation"));
    assert!(world.status.record.passwords.is_rotating);
    world.down.remove(&host);
    run(&mut world, 5_000);
    assert_eq!(own(&world), [[1].into()]);
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn members_that_are_lost_and_made_in_the_middle_of_a_change_fit_in() {
    for rounds in 1..8 {
        let mut world = formed(shape(3, 1));
        ask_for_new_ones(&mut world);
        for _ in 0..rounds {
            world.round();
            world.pass(100);
        }
        let name = names(&world)[rounds % 6].clone();
        world.kill(&name);
        run(&mut world, 60_000);
        assert_eq!(own(&world), [[1].into()], "{rounds}");
        settle(&mut world);
        assert_promises(&world, 3);
    }
}

#[test]
fn a_second_change_waits_for_the_first() {
    let mut world = formed(shape(3, 1));
    ask_for_new_ones(&mut world);
    world.round();
    world.desired.auth.rotate_internal = Some("again".to_owned());
    run_fed(&mut world, 5_000);
    assert_eq!(own(&world), [[2].into()]);
}
