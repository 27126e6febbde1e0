//! `spec.config` of a cluster that runs is changed.

use zoneward_operator::model::MemberName;
use zoneward_operator::plan::{Deed, MemberCommand, Plan};

use crate::scene::{assert_promises, condition, desired, formed, member, run, settle, waits_for};
use crate::world::World;
use crate::world::settings::BAD;

fn with(config: &str) -> zoneward_operator::model::Desired {
    desired(&format!(
        "  leaders: 3\n  followersPerLeader: 1\n  config: {{{config}}}\n"
    ))
}

fn change(world: &mut World, name: &str, value: &str) {
    let config = &mut world.desired.config;
    config.insert(name.to_owned(), value.to_owned());
}

fn values(world: &World, name: &str) -> Vec<String> {
    let mut found: Vec<String> = world
        .living()
        .map(|(_, process)| process.directives.get(name))
        .collect();
    found.dedup();
    found
}

fn configured(plan: &Plan) -> Vec<&MemberName> {
    let told = plan.actions.iter().filter_map(|action| match &action.deed {
        Deed::Command {
            member,
            command: MemberCommand::Configure(_),
        } => Some(&member.name),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_new_value_is_tried_by_one_follower_and_then_told_to_all() {
    let mut world = formed(with("hz: '20'"));
    assert_eq!(values(&world, "hz"), ["20"]);
    assert!(world.redis_conf().contains("\nhz 20\n"));
    change(&mut world, "maxmemory", "1gb");
    let plan = world.round();
    let first = configured(&plan);
    assert_eq!(first.len(), 1);
    assert!(world.processes[first[0]].leader.is_some(), "a follower");
    assert!(!world.redis_conf().contains("maxmemory"));
    settle(&mut world);
    assert_eq!(values(&world, "maxmemory"), ["1gb"]);
    assert!(world.redis_conf().contains("\nmaxmemory 1gb\n"));
    assert_promises(&world, 3);
}

#[test]
fn a_value_that_is_refused_changes_nothing_and_holds_up_no_other_and_no_repair() {
    let mut world = formed(with("hz: '20'"));
    change(&mut world, "hz", BAD);
    change(&mut world, "maxmemory", "1gb");
    run(&mut world, 3_000);
    assert_eq!(values(&world, "hz"), ["20"]);
    assert_eq!(values(&world, "maxmemory"), ["1gb"]);
    assert!(waits_for(&world, "DirectiveRefused"));
    assert!(condition(&world, "Degraded") && condition(&world, "Ready"));
    let name = member(&world, true);
    world.kill(&name);
    run(&mut world, 40_000);
    assert_promises(&world, 3);
    assert_eq!(values(&world, "hz"), ["20"], "the new member, too");

    change(&mut world, "hz", "30");
    settle(&mut world);
    assert_eq!(values(&world, "hz"), ["30"]);
    assert!(!condition(&world, "Degraded"));
}

#[test]
fn what_a_server_takes_at_its_start_waits_for_that() {
    let mut world = formed(with(""));
    change(&mut world, "tcp-backlog", "900");
    run(&mut world, 10_000);
    assert_eq!(values(&world, "tcp-backlog"), ["511"]);
    assert!(waits_for(&world, "RestartNeeded"));
    assert!(world.redis_conf().contains("tcp-backlog 900"));
    run(&mut world, 60_000);
    settle(&mut world);
    assert_eq!(values(&world, "tcp-backlog"), ["900"]);
    assert!(!waits_for(&world, "RestartNeeded"));
}

#[test]
fn drift_is_corrected_on_ours_and_on_the_owners() {
    let mut world = formed(with("hz: '20'"));
    let name = member(&world, true);
    let process = world.processes.get_mut(&name).unwrap();
    process.directives.set("hz", "99");
    process
        .directives
        .set("cluster-require-full-coverage", "yes");
    assert_eq!(configured(&world.round()), [&name]);
    settle(&mut world);
    assert_eq!(values(&world, "hz"), ["20"]);
    assert_eq!(values(&world, "cluster-require-full-coverage"), ["no"]);
}

#[test]
fn a_directive_that_is_removed_goes_back_to_what_was_there_before() {
    let mut world = formed(with("hz: '20'"));
    change(&mut world, "maxmemory", "1gb");
    settle(&mut world);
    world.desired.config.clear();
    run(&mut world, 2_000);
    assert_eq!(values(&world, "maxmemory"), ["0"]);
    assert!(!world.redis_conf().contains("maxmemory"));
    // it was there from the start: nobody knows what a server has without it, until one starts so
    assert_eq!(values(&world, "hz"), ["20"]);
    assert!(waits_for(&world, "RestartNeeded"));
    run(&mut world, 60_000);
    settle(&mut world);
    assert_eq!(values(&world, "hz"), ["10"]);
    assert!(world.status.record.settings.is_empty());
}

#[test]
fn a_spec_that_changes_back_midway_leaves_nothing_behind() {
    let mut world = formed(with("hz: '20'"));
    change(&mut world, "hz", "30");
    world.round();
    change(&mut world, "hz", "20");
    settle(&mut world);
    assert_eq!(values(&world, "hz"), ["20"]);
    change(&mut world, "hz", BAD);
    world.round();
    world.pass(100);
    world.round();
    change(&mut world, "hz", "20");
    settle(&mut world);
    assert_eq!(world.status.record.settings.refused, []);
}
