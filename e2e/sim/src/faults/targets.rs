//! Whom a fault strikes.

use crate::redis::ProcKey;
use crate::world::World;

pub(super) fn zone_hosts(world: &World, pick: usize) -> Vec<usize> {
    let zone = pick % world.setup.zones;
    let hosts = world.hosts.iter().enumerate();
    hosts
        .filter(|(_, host)| host.zone == zone)
        .map(|(at, _)| at)
        .collect()
}

pub(super) fn processes(world: &World, leader: Option<bool>) -> Vec<ProcKey> {
    let fits = |leads: bool, owns: bool| match leader {
        Some(true) => leads && owns,
        Some(false) => !leads,
        None => true,
    };
    world
        .alive()
        .filter(|it| fits(it.leads(), it.table.owns_any(it.table.me)))
        .map(|it| it.key)
        .collect()
}

pub(super) fn nth(keys: &[ProcKey], pick: usize) -> std::option::IntoIter<ProcKey> {
    let key = (!keys.is_empty()).then(|| keys[pick % keys.len()]);
    key.into_iter()
}

pub(super) fn shard_of(world: &World, leader: ProcKey) -> Vec<ProcKey> {
    let me = world.proc(leader).table.me;
    let follows = |it: &&crate::redis::Process| it.key == leader || it.table.leader == Some(me);
    world.alive().filter(follows).map(|it| it.key).collect()
}
