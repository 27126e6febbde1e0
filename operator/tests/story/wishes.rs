//! Owners ask that a pod leads: the annotation `zoneward.io/lead`.

use zoneward_operator::api::RedisClusterStatus;
use zoneward_operator::model::MemberName;

use crate::scene::{
    assert_promises, condition, follower_of, forced, formed, leaders_in, names, run, settle, shape,
};
use crate::world::World;

fn wish(world: &mut World, name: &MemberName, wish: bool) {
    world.pods.get_mut(name).unwrap().is_to_lead = wish;
}

fn leads(world: &World, name: &MemberName) -> bool {
    let process = world.living().find(|(it, _)| *it == name);
    process.is_some_and(|(_, process)| process.leader.is_none())
}

/// How often somebody was told to lead as planned.
fn switchovers(world: &World) -> usize {
    let told = world.story.iter();
    told.filter(|deed| deed.contains("(Graceful)")).count()
}

fn message<'a>(status: &'a RedisClusterStatus, kind: &str) -> &'a str {
    let mut conditions = status.conditions.iter();
    let found = conditions.find(|it| it.type_ == kind);
    found.map_or("", |it| it.message.as_str())
}

#[test]
fn a_wished_leader_leads_stays_and_takes_the_zone_safety_of_nobody() {
    let mut world = formed(shape(3, 1));
    let old = leaders_in(&world, "a").remove(0);
    let new = follower_of(&world, &old);
    wish(&mut world, &new, true);
    run(&mut world, 120_000);
    settle(&mut world);
    assert!(leads(&world, &new));
    assert_promises(&world, 3);
    assert!(condition(&world, "ZoneSafe") && condition(&world, "PlacementSatisfied"));
    let before = switchovers(&world);
    run(&mut world, 300_000);
    assert_eq!(switchovers(&world), before, "there it rests");
    assert_eq!(forced(&world), 0);
}

#[test]
fn leaders_that_are_uneven_by_wish_stay_so_and_status_says_whose_wish_it_is() {
    let mut world = formed(shape(3, 2));
    let in_zone: Vec<MemberName> = names(&world)
        .into_iter()
        .filter(|name| world.pods[name].zone.as_str() == "a")
        .collect();
    for name in &in_zone {
        wish(&mut world, name, true);
    }
    let before = names(&world);
    // evening out in quiet times included
    run(&mut world, 300_000);
    assert_eq!(names(&world), before, "no member is moved for a wish");
    assert_eq!(leaders_in(&world, "a").len(), 3);
    assert!(condition(&world, "Ready") && !condition(&world, "Progressing"));
    assert!(!condition(&world, "PlacementSatisfied"));
    let told = message(&world.status, "PlacementSatisfied").to_owned();
    assert!(told.contains("zone a has 3 leaders"), "{told}");
    assert!(
        told.contains("its owner wants that these lead there"),
        "{told}"
    );
    for name in &in_zone {
        assert!(told.contains(name.as_str()), "{told}");
        wish(&mut world, name, false);
    }
    run(&mut world, 120_000);
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(condition(&world, "PlacementSatisfied"));
}

#[test]
fn a_zone_that_is_lost_takes_its_wishes_with_it() {
    let mut world = formed(shape(3, 1));
    let new = follower_of(&world, &leaders_in(&world, "a").remove(0));
    let zone = world.pods[&new].zone.clone();
    wish(&mut world, &new, true);
    run(&mut world, 120_000);
    world.stop_zone(zone.as_str());
    run(&mut world, 10_000);
    assert!(condition(&world, "Available") && !leads(&world, &new));
    world.start_zone(zone.as_str());
    run(&mut world, 120_000);
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(!world.pods.contains_key(&new));
    assert!(condition(&world, "ZoneSafe") && condition(&world, "PlacementSatisfied"));
}

#[test]
fn an_update_is_not_held_up_by_a_wish_and_ends_it_with_its_pod() {
    let mut world = formed(shape(3, 1));
    let new = follower_of(&world, &leaders_in(&world, "a").remove(0));
    wish(&mut world, &new, true);
    run(&mut world, 120_000);
    world.desired.image = "redis:9".to_owned();
    world.desired.generation += 1;
    run(&mut world, 300_000);
    settle(&mut world);
    assert_promises(&world, 3);
    assert!(!world.pods.contains_key(&new));
    assert!(condition(&world, "PlacementSatisfied"));
    assert_eq!(forced(&world), 0);
}
