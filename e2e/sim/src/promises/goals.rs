//! What holds again once the faults have ended: I1, I2, all slots served once, everybody in sync and
//! in everybody's view, nothing left over. Told from the processes, and from status last.

use std::collections::{BTreeMap, BTreeSet};

use crate::redis::{Process, Upstream};
use crate::setup::Keep;
use crate::world::World;

/// Chunks that nobody takes writes for.
pub fn unserved(world: &World) -> Vec<usize> {
    let is_unserved = |chunk: &usize| {
        let mut members = world.alive();
        !members.any(|it| it.takes_writes(*chunk, world.now))
    };
    let chunks = 0..world.setup.leaders as usize;
    chunks.filter(is_unserved).collect()
}

/// What does not hold yet.
pub fn unmet(world: &World) -> Vec<String> {
    let mut unmet = Vec::new();
    let members: Vec<&Process> = world.alive().collect();
    let wanted = world.setup.leaders as usize * world.setup.members_per_shard();
    let mut want = |holds: bool, what: String| {
        if !holds {
            unmet.push(what);
        }
    };
    want(
        members.len() == wanted,
        format!("{} of {wanted} members live", members.len()),
    );
    want(
        world.pods.len() == wanted,
        format!("{} of {wanted} pods", world.pods.len()),
    );
    let made_from: BTreeSet<_> = world.pods.values().map(|it| &it.image).collect();
    let is_updated = made_from
        .iter()
        .all(|image| **image == world.resource.spec.image);
    want(is_updated, format!("pods run {made_from:?}"));
    if world.setup.keep != Keep::Memory {
        let count = world.volumes.len();
        want(count == wanted, format!("{count} of {wanted} volumes"));
    }
    for process in &members {
        want(
            is_whole(world, process, &members),
            format!("{} is not whole", process.pod),
        );
    }
    let mut leaders_in: BTreeMap<usize, usize> = BTreeMap::new();
    for chunk in 0..world.setup.leaders as usize {
        let takers: Vec<&&Process> = members
            .iter()
            .filter(|it| it.takes_writes(chunk, world.now))
            .collect();
        want(
            takers.len() == 1,
            format!("chunk {chunk} is served by {}", takers.len()),
        );
        for leader in takers {
            *leaders_in.entry(zone(world, leader)).or_default() += 1;
            let zones: BTreeSet<usize> = members
                .iter()
                .filter(|it| it.key == leader.key || it.table.leader == Some(leader.table.me))
                .map(|it| zone(world, it))
                .collect();
            let spread = zones.len() == world.setup.members_per_shard();
            want(spread, format!("chunk {chunk} is in zones {zones:?}"));
        }
    }
    let quota = (world.setup.leaders as usize).div_ceil(world.setup.zones);
    let most = leaders_in.values().max().copied().unwrap_or(0);
    want(
        most <= quota,
        format!("{most} leaders in one zone, {quota} may be"),
    );
    for kind in ["Ready", "Available"] {
        let status = world.status();
        let is_true = status
            .conditions
            .iter()
            .any(|it| it.type_ == kind && it.status == "True");
        want(is_true, format!("status says {kind} is not True"));
    }
    unmet
}

fn zone(world: &World, process: &Process) -> usize {
    world.hosts[process.addr.host as usize].zone
}

/// In sync, in step with the others, nobody unknown or failed in its view.
fn is_whole(world: &World, process: &Process, members: &[&Process]) -> bool {
    let table = &process.table;
    let knows_all = table.nodes.len() + 1 == members.len()
        && members
            .iter()
            .all(|it| it.key == process.key || table.nodes.contains_key(&it.table.me));
    let is_calm = table
        .nodes
        .values()
        .all(|node| !node.failed && !node.suspected && !node.handshake);
    let owners_agree = members.iter().all(|it| it.table.owners == table.owners);
    let is_fed = process.leads() || matches!(process.upstream, Upstream::Up { .. });
    let timeout = process.timeout == world.setup.node_timeout;
    let mut config = world.resource.spec.config.iter();
    let is_configured = config.all(|(name, value)| process.directives.get(name) == value);
    let passwords = &process.passwords;
    let generation = world.status().record.passwords.generation;
    let is_current = passwords.clients == [world.client_password].into()
        && passwords.operator == [generation].into()
        && passwords.followers == [generation].into()
        && passwords.follows_with == generation;
    knows_all
        && is_current
        && is_configured
        && is_calm
        && owners_agree
        && is_fed
        && timeout
        && process.is_open
}
