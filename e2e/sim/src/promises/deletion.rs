//! I3 and I6, when the operator takes a pod away: somebody else holds what it holds.

use super::{FOR_GOOD, UNNOTICED_MILLIS, data};
use crate::redis::ProcKey;
use crate::world::World;
use crate::world::kube::Pod;

/// It hangs or has ended since a moment ago, which nobody could have noticed before the pod was taken away.
fn stopped_only_now(world: &World, key: ProcKey) -> bool {
    let since = world.promises.stood_still_since(key, world.now);
    let hangs = world.proc(key).is_alive && world.now - since < UNNOTICED_MILLIS;
    let mut ends = world.promises.disturbances(key).iter();
    hangs || ends.any(|(at, until)| *until >= FOR_GOOD && world.now - at < UNNOTICED_MILLIS)
}

/// I3 and I6, when the operator takes a pod away.
pub fn check_deletion(world: &mut World, pod: &Pod, is_dead: bool) {
    let now = world.now;
    let Some(key) = pod.proc.filter(|key| world.proc(*key).is_alive) else {
        return;
    };
    let process = world.proc(key);
    let host = &world.hosts[process.addr.host as usize];
    let name = process.pod.clone();
    if is_dead && !host.is_tainted {
        let what = format!("{name} is taken for dead and lives");
        world.promises.break_one("I3", now, what);
        return;
    }
    if process.data.is_empty() || is_dead {
        return;
    }
    let (mine, process_host) = (process.data.offset(), process.addr.host);
    let has_other = world.procs.iter().any(|other| {
        let was_whole = other.lost_its_link_within(UNNOTICED_MILLIS, now);
        other.key != key
            && (other.is_in_sync() || other.leads() || was_whole)
            && (world.is_running(other.key) || stopped_only_now(world, other.key))
            && other.data.offset() + data::SLACK >= mine
            && data::shares_history(&other.data, &process.data)
    });
    // who was silent for so long that it was replaced is given up, with what only it holds
    let is_given_up = !world.is_running(key) || !world.net.is_connected(&world.hosts, process_host);
    // what started again closed took nothing: all that it holds is on its volume, and that stays its member's
    let volume = world.mounts.get(&name);
    let record = world.status().record;
    let mut members = record.members.iter();
    let is_enrolled = volume.is_some_and(|volume| {
        members.any(|it| it.volume.as_ref().is_some_and(|it| it.as_str() == volume))
    });
    let process = world.proc(key);
    let keeps_body = is_enrolled && !process.is_open && !process.is_open_to_followers;
    if !has_other && !is_given_up && !keeps_body && !data::is_obsolete(world, key) {
        let what = format!("{name} is deleted and nobody else holds what it holds");
        world.promises.break_one("I3", now, what);
    }
}
