//! I3 and I4: no acknowledged write is lost that a live copy held.
//!
//! Whenever a process (or a volume) stops holding writes, it is asked who else holds them. Where
//! nobody does, they are lost, and that needs an excuse: the last holder was ended by a fault, or all
//! that ever held them were disturbed since, or the bus elected somebody who was parted from their
//! leader by a fault.

use super::Cause;
use crate::redis::{Data, Millis, ProcKey, Reign};
use crate::world::World;

/// Writes that replication may be behind, and so much may always be lost of a leader that dies.
pub const SLACK: u64 = 60;
/// How long before a leader's fault its writes may not have been copied yet.
pub(super) const LAG_MILLIS: Millis = 1500;

/// This process held `old`, and holds what it holds now.
pub fn note_dropped(world: &mut World, key: ProcKey, old: &Data, cause: Cause) {
    let now = world.now;
    match cause {
        Cause::Fault => world.promises.note_end(key, now),
        Cause::Operator => world.promises.note_removed(key),
        Cause::Copied => {}
    }
    let body = world
        .volume_of(key)
        .filter(|_| !world.proc(key).is_alive)
        .and_then(|volume| world.bodies.get(&volume).map(|it| it.data.clone()));
    let kept = body.unwrap_or_else(|| world.proc(key).data.clone());
    let name = world.proc(key).pod.clone();
    account(world, Some(key), old, &kept, cause, &name);
}

/// A volume was deleted with this in it.
pub fn note_volume_deleted(world: &mut World, name: &str, data: &Data) {
    account(world, None, data, &Data::default(), Cause::Operator, name);
}

fn account(
    world: &mut World,
    key: Option<ProcKey>,
    old: &Data,
    kept: &Data,
    cause: Cause,
    name: &str,
) {
    for (reign, upto) in old.parts() {
        let others = world
            .alive()
            .filter(|it| Some(it.key) != key)
            .map(|it| it.data.upto(reign))
            .chain(idle_bodies(world).map(|data| data.upto(reign)))
            .max();
        let left = kept.upto(reign).max(others.unwrap_or(0));
        if left >= upto {
            continue;
        }
        let info = world.reigns.all[reign.0 as usize].clone();
        let lost = info.acked[left as usize..upto as usize].to_vec();
        let is_open =
            |number: &u64| cause != Cause::Fault && !is_excused(world, reign, *number, key);
        let unexcused: Vec<u64> = (left + 1..=upto).filter(is_open).collect();
        world.promises.lost_writes += lost.len() as u64;
        let (from, until) = (lost[0], lost[lost.len() - 1]);
        world.tell(&format!(
            "{} writes to chunk {} are lost with {name} ({cause:?}), acknowledged by {} from {:.2} to {:.2} s",
            lost.len(),
            info.chunk,
            world.proc(info.leader).pod,
            from as f64 / 1000.0,
            until as f64 / 1000.0,
        ));
        if !unexcused.is_empty() {
            let holders = info.holders.keys().chain([&info.leader]);
            let calm: Vec<String> = holders
                .filter(|it| !is_disturbed_since(world, **it, lost[0]))
                .map(|it| {
                    format!(
                        "{} (removed: {})",
                        world.proc(*it).pod,
                        world.promises.was_removed(*it)
                    )
                })
                .collect();
            world.tell(&format!(
                "held, and not disturbed since: {}",
                calm.join(", ")
            ));
            let what = format!(
                "{} of {} writes to chunk {} were lost with {name} ({cause:?}) without an excuse",
                unexcused.len(),
                lost.len(),
                info.chunk
            );
            let now = world.now;
            world.promises.break_one("I3", now, what);
        }
    }
}

/// Who starts on a body holds what is on it, like anybody else; but where its chunk is led already, only
/// what that leader has, too: it went on without the rest. What a body took right before it ended may be
/// lost: a follower that was in sync is made to lead before anybody knows whether the body comes back.
pub fn note_started(world: &mut World, key: ProcKey) {
    let data = world.proc(key).data.clone();
    let Some(reign) = data.reign() else {
        return;
    };
    let chunk = world.reigns.all[reign.0 as usize].chunk;
    let leads_it = |it: &&crate::redis::Process| {
        let me = Some(it.table.me);
        it.key != key && it.leads() && it.table.owners.get(chunk) == Some(&me)
    };
    let led_on = world.alive().find(leads_it).map(|it| it.data.clone());
    let ended = ended_before(world, key).saturating_sub(LAG_MILLIS);
    let before = before_on_its_volume(world, key).next();
    for (reign, upto) in data.parts() {
        let info = &mut world.reigns.all[reign.0 as usize];
        let settled = info.acked.partition_point(|at| *at < ended) as u64;
        // what an earlier process there was not held to is no more this one's
        let earlier = before.filter(|before| before != &info.leader);
        let held = earlier.and_then(|before| info.holders.get(&before).copied());
        let kept = led_on.as_ref().map_or(settled, |led| led.upto(reign));
        info.holders
            .insert(key, upto.min(kept).min(held.unwrap_or(upto)));
    }
}

/// When the last process before this one ended that ran on its volume, or hung, if it never went on.
fn ended_before(world: &World, key: ProcKey) -> Millis {
    let last = before_on_its_volume(world, key).find_map(|it| {
        let (from, _) = world.promises.disturbances(it).last()?;
        Some(world.promises.stood_still_since(it, *from))
    });
    last.unwrap_or(world.now)
}

/// The processes that ran on its volume before, the last one first.
fn before_on_its_volume(world: &World, key: ProcKey) -> impl Iterator<Item = ProcKey> {
    let volume = world.volume_of(key);
    let earlier = (0..key.0).rev().map(ProcKey);
    earlier.filter(move |it| volume.is_some() && world.volume_of(*it) == volume)
}

/// Whether everybody that ever held this write was disturbed since it was acknowledged: who was not has
/// lost it by what the operator did.
fn is_excused(world: &World, reign: Reign, number: u64, key: Option<ProcKey>) -> bool {
    let info = &world.reigns.all[reign.0 as usize];
    let at = info.acked[number as usize - 1];
    if was_given_up(world, reign, number) {
        return true;
    }
    let is_disturbed = |holder: ProcKey| {
        let promises = &world.promises;
        is_disturbed_since(world, holder, at)
            || promises.was_unseen_at_the_end(holder, info.leader, at)
    };
    // whom the operator took away was not needed then
    let counts = |holder: ProcKey| Some(holder) == key || !world.promises.was_removed(holder);
    let mut holders = info.holders.iter().filter(|(_, upto)| **upto >= number);
    is_disturbed(info.leader)
        && holders.all(|(holder, _)| is_disturbed(*holder) || !counts(*holder))
}

/// Whether it was taken by a leader that was parted from the others, who went on without it, or while the owner
/// had agreed to such a loss: from then on it may be found again, and need not be.
fn was_given_up(world: &World, reign: Reign, number: u64) -> bool {
    let info = &world.reigns.all[reign.0 as usize];
    let at = info.acked[number as usize - 1];
    let timeout = world.setup.node_timeout;
    world.promises.was_outvoted(info.leader, at, timeout) || world.promises.was_risked(at)
}

/// How many writes the first holds, and the second not, that were not given up before.
pub fn needed_beyond(world: &World, first: &Data, second: &Data) -> usize {
    let beyond = first.parts().flat_map(|(reign, upto)| {
        let numbers = second.upto(reign) + 1..=upto;
        numbers.filter(move |number| !was_given_up(world, reign, *number))
    });
    beyond.count()
}

fn is_disturbed_since(world: &World, holder: ProcKey, at: Millis) -> bool {
    world.promises.was_disturbed_since(holder, at)
}

/// What is on volumes that no process uses.
fn idle_bodies(world: &World) -> impl Iterator<Item = &Data> {
    world.bodies.values().map(|body| &body.data)
}

/// Whether one's writes go on where the other's are.
pub fn shares_history(a: &Data, b: &Data) -> bool {
    a.parts().any(|(reign, _)| b.upto(reign) > 0)
}

/// Whether the first goes on from what the second holds, as far as replication may be behind.
pub fn holds_all_of(a: &Data, b: &Data) -> bool {
    b.parts().all(|(reign, upto)| a.upto(reign) + SLACK >= upto)
}

/// Whether its copy is of no use to anybody: its chunk is served by somebody who does not build on what it
/// holds, or it is about to be replaced by that one's. (What is lost with it is asked about on its own.)
pub fn is_obsolete(world: &World, key: ProcKey) -> bool {
    let process = world.proc(key);
    let Some(reign) = process.data.reign() else {
        return true;
    };
    let chunk = world.reigns.all[reign.0 as usize].chunk;
    let mut others = world.alive().filter(|it| it.key != key);
    others.any(|it| {
        let succeeds = process.table.leader == Some(it.table.me) && it.leads();
        (succeeds || it.takes_writes(chunk, world.now)) && world.is_running(it.key)
    })
}

/// Who holds the newest writes to this chunk, dead hosts' volumes included.
pub fn newest_holder(world: &World, chunk: usize) -> Option<String> {
    let last = world
        .reigns
        .all
        .iter()
        .rposition(|it| it.chunk == chunk && !it.acked.is_empty())?;
    let reign = crate::redis::Reign(u32::try_from(last).unwrap_or(u32::MAX));
    let process = world.alive().find(|it| it.data.upto(reign) > 0);
    let body = world
        .bodies
        .iter()
        .find(|(_, body)| body.data.upto(reign) > 0);
    process
        .map(|it| it.pod.clone())
        .or_else(|| body.map(|(name, _)| format!("volume {name}")))
}

/// Who holds every acknowledged write of the last reign over this chunk, dead hosts' volumes included. That
/// the last leader took nothing before it ended nobody can know; nor who followed one to the last that led
/// out of sight and ended there.
pub fn whole_holder(world: &World, chunk: usize) -> Option<String> {
    let reigns = &world.reigns.all;
    let last = reigns
        .iter()
        .rposition(|it| it.chunk == chunk && !it.acked.is_empty())?;
    let leader = world.promises.promoted_last(chunk);
    if leader.is_some_and(|leader| leader != reigns[last].leader) {
        return None;
    }
    let (first, end) = (reigns[last].acked.first()?, reigns[last].acked.last()?);
    let mut times = world.promises.disturbances(reigns[last].leader).iter();
    if times.any(|(from, until)| from <= first && end <= until) {
        return None;
    }
    let upto = reigns[last].acked.len() as u64;
    let reign = Reign(u32::try_from(last).unwrap_or(u32::MAX));
    let is_whole = |data: &Data| data.upto(reign) >= upto;
    let process = world.alive().find(|it| is_whole(&it.data));
    let mut bodies = world.bodies.iter();
    let body = bodies.find(|(_, body)| is_whole(&body.data));
    process
        .map(|it| it.pod.clone())
        .or_else(|| body.map(|(name, _)| format!("volume {name}")))
}
