//! Members are lost and made good.

use std::collections::BTreeSet;

use zoneward_operator::model::{HostName, MemberName};

use crate::scene::{assert_promises, formed, member, run, settle, shape, with_volumes};

#[test]
fn a_dead_follower_is_replaced_and_forgotten() {
    let mut world = formed(shape(3, 1));
    let name = member(&world, false);
    world.kill(&name);
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(!world.pods.contains_key(&name));
    assert!(
        world
            .story
            .iter()
            .any(|line| line.contains(&format!("forget id-{name}")))
    );
}

#[test]
fn all_followers_at_once_are_rebuilt() {
    let mut world = formed(shape(5, 2));
    let all: Vec<MemberName> = world
        .living()
        .filter(|(_, p)| p.leader.is_some())
        .map(|(n, _)| n.clone())
        .collect();
    for name in &all {
        world.kill(name);
    }
    settle(&mut world);
    assert_promises(&world, 3);
}

#[test]
fn a_short_silence_moves_nobody() {
    let mut world = formed(shape(3, 1));
    let before: Vec<MemberName> = world.pods.keys().cloned().collect();
    let hosts: BTreeSet<HostName> = world
        .hosts
        .iter()
        .filter(|h| h.zone == Some("a".into()))
        .map(|h| h.name.clone())
        .collect();
    world.down.extend(hosts);
    run(&mut world, 20_000);
    world.down.clear();
    settle(&mut world);
    assert_eq!(world.pods.keys().cloned().collect::<Vec<_>>(), before);
    assert_promises(&world, 3);
}

#[test]
fn members_whose_pods_are_deleted_by_force_are_made_good() {
    for spec in [shape(3, 1), with_volumes(3, "Retain")] {
        let mut world = formed(spec);
        let followers: Vec<MemberName> = world
            .living()
            .filter(|(_, p)| p.leader.is_some())
            .map(|(n, _)| n.clone())
            .collect();
        for name in &followers {
            world.delete_pod(name, true);
        }
        settle(&mut world);
        let leader = member(&world, true);
        world.delete_pod(&leader, true);
        settle(&mut world);
        assert_promises(&world, 3);
    }
}
