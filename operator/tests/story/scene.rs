//! Setting a scene, letting it run, and what must be true at its end.

use std::collections::{BTreeMap, BTreeSet};

use zoneward_operator::api::RedisCluster;
use zoneward_operator::model::{Desired, HostName, MemberName, ZoneName};
use zoneward_operator::plan::{self, Deed};

use crate::world::{Process, World};

pub(crate) fn desired(spec: &str) -> Desired {
    let yaml = format!(
        "apiVersion: zoneward.io/v1alpha1\nkind: RedisCluster\n\
         metadata: {{name: demo, namespace: default, uid: u}}\nspec:\n  image: redis:8\n{spec}"
    );
    let resource: RedisCluster = serde_saphyr::from_str(&yaml).unwrap();
    plan::validate(&resource).unwrap()
}

pub(crate) fn shape(leaders: u32, followers: u32) -> Desired {
    desired(&format!(
        "  leaders: {leaders}\n  followersPerLeader: {followers}\n"
    ))
}

/// Rounds until nothing but waiting is left, or the story is told to be endless.
pub(crate) fn settle(world: &mut World) {
    let mut calm = 0;
    for _ in 0..2000 {
        let plan = world.round();
        let acts = plan
            .actions
            .iter()
            .any(|a| !matches!(a.deed, Deed::Apply(_)));
        let is_ready = condition(world, "Ready") && !condition(world, "Progressing");
        calm = if acts || !is_ready { 0 } else { calm + 1 };
        if calm > 5 {
            return;
        }
        world.pass(100);
    }
    panic!(
        "no end in sight: {:#?}\nstory:\n{}",
        world.status.waiting_on,
        world
            .story
            .iter()
            .rev()
            .take(60)
            .rev()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

pub(crate) fn run(world: &mut World, millis: u64) {
    for _ in 0..millis / 100 {
        world.round();
        world.pass(100);
    }
}

pub(crate) fn condition(world: &World, kind: &str) -> bool {
    world
        .status
        .conditions
        .iter()
        .any(|c| c.type_ == kind && c.status == "True")
}

/// I1, I2 over these zones, all slots served once, the right number of members, nothing left
/// over; told from the processes and not from status.
pub(crate) fn assert_promises(world: &World, zones: usize) {
    let story = || world.story.join("\n");
    let per_shard = usize::try_from(world.desired.members_per_shard()).unwrap();
    let leaders = usize::try_from(world.desired.leaders).unwrap();
    let living: Vec<_> = world.living().collect();
    assert_eq!(living.len(), leaders * per_shard, "members\n{}", story());
    let zone_of = |name: &MemberName| world.pods[name].zone.clone();
    let mut slots = 0;
    let mut leaders_in: BTreeMap<ZoneName, usize> = BTreeMap::new();
    for (name, process) in living.iter().filter(|(_, p)| p.leader.is_none()) {
        slots += usize::from(process.slots.count());
        *leaders_in.entry(zone_of(name)).or_default() += 1;
        let shard: Vec<ZoneName> = living
            .iter()
            .filter(|(n, p)| n == name || p.leader.as_ref() == Some(&process.id))
            .map(|(n, _)| zone_of(n))
            .collect();
        let distinct: BTreeSet<_> = shard.iter().collect();
        assert_eq!(
            distinct.len(),
            per_shard,
            "shard of {name} in {shard:?}\n{}",
            story()
        );
    }
    assert_eq!(slots, 16384, "slots\n{}", story());
    let quota = leaders.div_ceil(zones);
    assert!(
        leaders_in.values().all(|n| *n <= quota),
        "{leaders_in:?}\n{}",
        story()
    );
}

pub(crate) fn formed(desired: Desired) -> World {
    let mut world = World::new(desired, &["a", "b", "c"], 2);
    settle(&mut world);
    world
}

pub(crate) fn member(world: &World, leads: bool) -> MemberName {
    world
        .living()
        .find(|(_, p)| p.leader.is_none() == leads)
        .map(|(n, _)| n.clone())
        .unwrap()
}

/// How often a follower was told to take over without its leader.
pub(crate) fn forced(world: &World) -> usize {
    world
        .story
        .iter()
        .filter(|deed| deed.contains("(Force)"))
        .count()
}

pub(crate) fn leaders_in(world: &World, zone: &str) -> Vec<MemberName> {
    let leads = |process: &Process| !process.slots.is_empty();
    let names = world.living().filter(|(_, process)| leads(process));
    names
        .map(|(name, _)| name.clone())
        .filter(|name| world.pods[name].zone.as_str() == zone)
        .collect()
}

pub(crate) fn mark_out_of_service(world: &mut World, name: &HostName) {
    for host in world.hosts.iter_mut().filter(|host| &host.name == name) {
        host.is_out_of_service = true;
    }
}

pub(crate) fn waits_for(world: &World, reason: &str) -> bool {
    world
        .status
        .waiting_on
        .iter()
        .any(|wait| wait.reason == reason)
}

pub(crate) fn with_volumes(leaders: u32, policy: &str) -> Desired {
    desired(&format!(
        "  leaders: {leaders}\n  followersPerLeader: 1\n  storage: {{size: 1Gi, retain: {policy}}}\n"
    ))
}

/// The follower of this leader.
pub(crate) fn follower_of(world: &World, leader: &MemberName) -> MemberName {
    let id = &world.processes[leader].id;
    world
        .living()
        .find(|(_, p)| p.leader.as_ref() == Some(id))
        .map(|(n, _)| n.clone())
        .unwrap()
}

pub(crate) fn names(world: &World) -> Vec<MemberName> {
    world.pods.keys().cloned().collect()
}

pub(crate) fn gates_are_open(world: &World) -> bool {
    world
        .pods
        .values()
        .all(|pod| pod.gate_is_open && pod.role_label.is_some())
}

/// Everybody of a shard, the leader first.
pub(crate) fn members_of(world: &World, shard: u32) -> Vec<MemberName> {
    let own = world.pods.values().filter(|pod| pod.shard.0 == shard);
    own.map(|pod| pod.name.clone()).collect()
}
