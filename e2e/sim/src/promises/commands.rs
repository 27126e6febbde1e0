//! What a command of the operator's may not do, seen from the truth, when it arrives.

use zoneward_operator::api::QuorumLossPolicy;
use zoneward_operator::plan::{FailoverMode, MemberCommand};

use super::UNNOTICED_MILLIS;
use super::data::{self, SLACK};
use crate::redis::answer::{id_of, mask};
use crate::redis::{Id, Millis, ProcKey, Upstream};
use crate::setup::DEBOUNCE_SECONDS;
use crate::world::World;

/// A failover that was asked for is in flight for so long.
const IN_FLIGHT_MILLIS: Millis = 1500;
/// Who answers for no longer than this need not have been heard: members are asked once a second.
const UNHEARD_MILLIS: Millis = 1000;

/// Looks at a command that is about to be done.
pub fn check(world: &mut World, key: ProcKey, command: &MemberCommand) {
    let found = match command {
        MemberCommand::Failover { mode, of } => {
            let Some(of) = id_of(of) else { return };
            failover(world, key, *mode, of)
        }
        MemberCommand::SeizeSlots { slots, .. } => {
            world.promises.count("slots begun anew");
            mask(slots, world.setup.leaders).and_then(|mask| seize(world, mask))
        }
        MemberCommand::AddSlots(slots) => {
            mask(slots, world.setup.leaders).and_then(|mask| add(world, key, mask))
        }
        MemberCommand::Forget(id) => id_of(id).and_then(|id| forget(world, id)),
        MemberCommand::OpenToFollowers | MemberCommand::Open => open(world, key),
        _ => None,
    };
    if let Some((promise, what)) = found {
        let now = world.now;
        world.promises.break_one(promise, now, what);
    }
}

type Found = Option<(&'static str, String)>;

/// It came back a moment ago, and could not tell anybody yet.
fn is_back_only_now(world: &World, key: ProcKey) -> bool {
    let mut times = world.promises.disturbances(key).iter();
    times.any(|(_, end)| end + UNNOTICED_MILLIS >= world.now)
}

fn failover(world: &mut World, key: ProcKey, mode: FailoverMode, of: Id) -> Found {
    let old = world.alive().find(|it| it.table.me == of).map(|it| it.key);
    let now = world.now;
    world.promises.asked.insert(key, now);
    count(world, mode, old);
    if mode == FailoverMode::Graceful {
        return None;
    }
    let target = world.proc(key);
    let name = target.pod.clone();
    if let Some(old) = old {
        let leader = world.proc(old);
        let host = leader.addr.host;
        let is_there = world.is_running(old) && world.net.is_connected(&world.hosts, host);
        let is_back = is_back_only_now(world, old);
        let serves = leader.is_open && leader.leads() && leader.table.owns_any(of);
        if is_there && serves && !is_back {
            return Some((
                "I3",
                format!("{name} is forced over {}, which serves", leader.pod),
            ));
        }
    }
    // who was deposed, and was not fed since, holds another line's writes, be they more
    let line = target.data.reign();
    let best = world
        .alive()
        .filter(|it| line.is_none_or(|reign| it.data.came_by(reign)))
        .filter(|it| it.table.leader == Some(of) && world.is_running(it.key))
        .filter(|it| world.net.is_connected(&world.hosts, it.addr.host))
        .filter(|it| !is_back_only_now(world, it.key))
        .filter(|it| !matches!(it.upstream, Upstream::Syncing { .. }) && !it.is_loading(world.now))
        .map(|it| it.data.offset())
        .max();
    if best.is_some_and(|best| target.data.offset() + SLACK < best) {
        return Some((
            "I3",
            format!("{name} is forced to lead, and another copy is newer"),
        ));
    }
    if mode == FailoverMode::Takeover
        && let Some(found) = unfenced(world, &name)
    {
        return Some(found);
    }
    one_at_a_time(world, key, &name)
}

/// I5: who may serve out of sight is not taken over from. Who hears no majority of the leaders serves
/// no more, after some time; and the owner may want to run the risk.
fn unfenced(world: &mut World, name: &str) -> Found {
    let may_serve: Vec<ProcKey> = world
        .alive()
        .filter(|it| {
            let is_out_of_reach =
                !world.is_running(it.key) || !world.net.is_connected(&world.hosts, it.addr.host);
            let is_tainted = world.hosts[it.addr.host as usize].is_tainted;
            is_out_of_reach
                && !is_tainted
                && !world.is_deposed(it)
                && it.leads()
                && it.is_open
                && it.table.owns_any(it.table.me)
                && !was_seen_a_moment_ago(world, it.key)
        })
        .map(|it| it.key)
        .collect();
    let first = world.proc(*may_serve.first()?).pod.clone();
    let is_new = |key: &ProcKey| {
        // clocks of two operators differ by some seconds: the debounce need not be exact, what is safe is
        let waits = (DEBOUNCE_SECONDS * 1000 - 5_000).max(3 * world.setup.node_timeout);
        away_since(world, *key).is_none_or(|since| world.now < since + waits)
    };
    let chunks = 0..world.setup.leaders as usize;
    let serves = |key: &ProcKey| {
        let process = world.proc(*key);
        world.is_running(*key) && chunks.clone().any(|it| process.takes_writes(it, world.now))
    };
    let has_stopped =
        may_serve.len() * 2 <= world.setup.leaders as usize && !may_serve.iter().any(serves);
    let by_policy = world.setup.quorum_loss == QuorumLossPolicy::Unreachable;
    if !may_serve.iter().any(is_new) && (has_stopped || by_policy) {
        world.promises.count(if has_stopped {
            "takeover: the lost had stopped"
        } else {
            "takeover: silence, by policy"
        });
        if !has_stopped {
            world.promises.note_risk(may_serve);
        }
        return None;
    }
    Some(("I5", format!("{name} takes over while {first} may serve")))
}

/// Since when it is disturbed, for all that can be known: who was well for less than a second in between
/// need not have been heard.
fn away_since(world: &World, key: ProcKey) -> Option<Millis> {
    let mut times = world.promises.disturbances(key).iter().rev();
    let mut since = times.next()?.0;
    for (from, until) in times {
        if until.saturating_add(UNHEARD_MILLIS) < since {
            break;
        }
        since = since.min(*from);
    }
    Some(since)
}

/// What is asked for was decided on what was seen before: nobody can know of the last second.
fn was_seen_a_moment_ago(world: &World, key: ProcKey) -> bool {
    let times = world.promises.disturbances(key);
    times
        .last()
        .is_none_or(|(since, _)| world.now < since + UNHEARD_MILLIS)
}

/// Elections side by side collide (REDIS-LAB section 2).
fn one_at_a_time(world: &mut World, key: ProcKey, name: &str) -> Found {
    let now = world.now;
    let running: Vec<ProcKey> = world.promises.in_flight.keys().copied().collect();
    for other in running {
        let asked = world.promises.in_flight[&other];
        if now > asked + IN_FLIGHT_MILLIS || !world.is_running(other) || is_led(world, other) {
            world.promises.in_flight.remove(&other);
        } else if other != key {
            let other = world.proc(other).pod.clone();
            return Some((
                "one at a time",
                format!("{name} is forced while {other} stands"),
            ));
        }
    }
    world.promises.in_flight.insert(key, now);
    None
}

/// Whether its shard has a leader by now, elected by the bus: it stands no more.
fn is_led(world: &World, key: ProcKey) -> bool {
    let leader = world.proc(key).table.leader;
    let mut living = world.alive().filter(|it| world.is_running(it.key));
    living.any(|it| Some(it.table.me) == leader && it.leads() && it.table.owns_any(it.table.me))
}

fn count(world: &mut World, mode: FailoverMode, old: Option<ProcKey>) {
    let what = match (mode, old) {
        (FailoverMode::Graceful, _) => "switchover",
        (FailoverMode::Takeover, _) => "takeover",
        (FailoverMode::Force, None) => "force: the leader is dead",
        (FailoverMode::Force, Some(old)) if !world.proc(old).is_open_to_followers => {
            "force: the leader is closed"
        }
        (FailoverMode::Force, Some(_)) => "force: the leader is silent",
    };
    world.promises.count(what);
}

fn seize(world: &World, mask: crate::redis::Mask) -> Found {
    let record = world.status().record;
    for chunk in (0..world.setup.leaders).filter(|chunk| mask & (1 << chunk) != 0) {
        if record.losses.iter().all(|loss| loss.shard.0 != chunk) {
            return Some((
                "I9",
                format!("chunk {chunk} begins anew and no loss is told"),
            ));
        }
        if let Some(holder) = data::newest_holder(world, chunk as usize) {
            return Some((
                "I9",
                format!("chunk {chunk} begins anew while {holder} holds its data"),
            ));
        }
    }
    None
}

fn add(world: &World, key: ProcKey, mask: crate::redis::Mask) -> Found {
    let other = world
        .alive()
        .find(|it| it.key != key && it.leads() && it.table.mask(it.table.me) & mask != 0)?;
    let what = format!(
        "{} is given slots that {} owns",
        world.proc(key).pod,
        other.pod
    );
    Some(("I5", what))
}

fn forget(world: &World, id: Id) -> Found {
    let other = world.alive().find(|it| it.table.me == id)?;
    let host = other.addr.host;
    let is_there = world.is_running(other.key) && world.net.is_connected(&world.hosts, host);
    let owns = other.leads() && other.table.owns_any(id);
    let newest = data::newest_holder(world, other.table.mask(id).trailing_zeros() as usize);
    let serves = is_there
        && owns
        && !world.is_deposed(other)
        && newest.is_some_and(|name| name == other.pod);
    serves.then(|| {
        (
            "I7",
            format!("{} is to be forgotten and owns slots", other.pod),
        )
    })
}

/// I4: who opens feeds its followers from then on. Offsets compare within one history (`PSYNC` asks for the
/// replication id first): a follower that led once, beyond what parted it from this one, may have the larger
/// offset and nothing of what this one took.
fn open(world: &mut World, key: ProcKey) -> Found {
    let own = world.proc(key);
    let me = own.table.me;
    if !own.leads() || !own.table.owns_any(me) || own.is_open_to_followers {
        return None;
    }
    let newer = world.alive().find(|it| {
        let follows = it.table.leader == Some(me) && world.is_running(it.key);
        let goes_on = data::holds_all_of(&it.data, &own.data);
        let ahead = it.data.offset().saturating_sub(own.data.offset());
        let is_newer = || data::needed_beyond(world, &it.data, &own.data) > SLACK as usize;
        follows && goes_on && ahead > SLACK && is_newer()
    })?;
    Some((
        "I4",
        format!("{} is opened and {} has newer data", own.pod, newer.pod),
    ))
}
