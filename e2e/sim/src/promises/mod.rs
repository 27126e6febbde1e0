//! The promises I1 to I12 (DESIGN section 3), watched from the side of the truth: what the operator
//! cannot see is seen here. Safety is watched at every step; goals once the faults have ended.

pub mod commands;
pub mod data;
mod deletion;
pub mod goals;

use std::collections::{BTreeMap, BTreeSet};

use zoneward_operator::api::RedisClusterStatus;
use zoneward_operator::model::{PodPhase, ShardId};

pub use commands::check as check_command;
pub use data::{note_dropped, note_volume_deleted};
pub use deletion::check_deletion;

use crate::redis::{Millis, ProcKey};
use crate::world::World;

/// Why something that a process held is held no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A fault, or a user.
    Fault,
    /// The operator had the process ended.
    Operator,
    /// It copied somebody.
    Copied,
}

/// Replication may be behind by this much at any time.
const IN_FLIGHT_MILLIS: Millis = 200;
/// What an operator decides on may be as old as this when it happens.
pub(super) const UNNOTICED_MILLIS: Millis = 1000;
/// Twice the time between two looks of `watch`: what lasts is seen at each.
const WATCHED_WITHIN_MILLIS: Millis = 200;

/// Until when one is disturbed that has ended.
const FOR_GOOD: Millis = Millis::MAX / 2;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// How.
    pub what: String,
    /// When.
    pub at: Millis,
}

/// What the checkers remember.
#[derive(Debug, Default)]
pub struct Promises {
    /// The first promise that was broken.
    pub broken: Option<Violation>,
    /// Writes that were acknowledged and that nobody holds any more, with an excuse.
    pub lost_writes: u64,
    /// Names that pods had.
    names: BTreeSet<String>,
    /// When each process could not act as it should.
    disturbed: BTreeMap<ProcKey, Vec<(Millis, Millis)>>,
    /// From when to when each hung last.
    standstill: BTreeMap<ProcKey, (Millis, Millis)>,
    /// Who was promoted in each leader's place, when, and when it had heard that one last.
    outvoted: BTreeMap<ProcKey, Vec<(ProcKey, Millis, Millis)>>,
    /// Who was promoted last to lead each chunk.
    promoted: BTreeMap<usize, ProcKey>,
    /// Processes that the operator took away.
    removed: BTreeSet<ProcKey>,
    unseen: BTreeSet<ProcKey>,
    /// Leaders that were out of sight when the owner's policy had one taken over from.
    risked: BTreeSet<ProcKey>,
    /// Since when two leaders take writes to a chunk.
    doubled: BTreeMap<usize, Millis>,
    /// Role changes that the operator asked for, and when.
    pub(crate) asked: BTreeMap<ProcKey, Millis>,
    /// Failovers that were asked for and have not shown.
    pub(crate) in_flight: BTreeMap<ProcKey, Millis>,
    /// How often each row of the decision table was reached, and each fault happened.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Promises {
    /// A promise is broken. The first counts.
    pub fn break_one(&mut self, promise: &'static str, at: Millis, what: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { promise, what, at });
        }
    }

    /// Something happened that a run of histories is to contain.
    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A follower leads now, in the place of these: where nobody asked for it but the bus, what they
    /// acknowledged a moment before is the price of asynchronous replication. So is, whoever asked, what they
    /// acknowledged since it heard them last, where a fault parted the two: a leader in a minority takes
    /// writes for a node timeout and more (REDIS-LAB section 5), and one that hung until it is told.
    pub fn note_promotion(
        &mut self,
        now: Millis,
        key: ProcKey,
        heard: Millis,
        (deposed, unasked): (&[ProcKey], &[ProcKey]),
    ) {
        self.in_flight.remove(&key);
        let was_asked = self.asked.remove(&key).is_some_and(|at| at + 5000 > now);
        if !was_asked {
            self.count("elected by the bus");
        }
        // the bus asks for no bodies
        let unasked = unasked.iter().filter(|_| !was_asked);
        for old in deposed.iter().chain(unasked) {
            self.outvoted
                .entry(*old)
                .or_default()
                .push((key, heard, now));
            if !was_asked {
                self.disturbed.entry(*old).or_default().push((now, now));
            }
        }
    }

    /// Whether it could not act as it should at some time since then, or shortly before.
    pub(crate) fn was_disturbed_since(&self, key: ProcKey, at: Millis) -> bool {
        let mut times = self.disturbances(key).iter();
        times.any(|(_, end)| *end >= at.saturating_sub(data::LAG_MILLIS))
    }

    /// Whether another one was promoted without what this one acknowledged then, because a fault parted the
    /// two: from when they heard each other last until the fault is over. (One that hears no majority
    /// stops by itself, after a node timeout and more, REDIS-LAB section 5; one that hung is told as soon as it
    /// is heard.) One that wakes while a cut parts the two was parted all the time; where the other has died by then, it
    /// may hear of it from nobody until it stops.
    pub(crate) fn was_outvoted(&self, leader: ProcKey, at: Millis, timeout: Millis) -> bool {
        let mut promotions = self.outvoted.get(&leader).into_iter().flatten();
        promotions.any(|(successor, heard, now)| {
            let since = heard.saturating_sub(IN_FLIGHT_MILLIS);
            let end = self.parted_until(leader, *successor, (*heard, *now));
            end.is_some_and(|end| {
                let mut faults = self.disturbances(*successor).iter();
                let is_dead = faults.any(|(from, until)| *from <= end && *until >= FOR_GOOD);
                let stops = end + if is_dead { timeout * 3 / 2 } else { 0 };
                (since..=(*now).max(stops + data::LAG_MILLIS)).contains(&at)
            })
        })
    }

    /// When the faults were over that parted these two at the time of a promotion, and those that began
    /// before these were over.
    fn parted_until(
        &self,
        leader: ProcKey,
        successor: ProcKey,
        (heard, promoted): (Millis, Millis),
    ) -> Option<Millis> {
        let of = |key: ProcKey| self.disturbances(key).iter();
        let mut faults: Vec<(Millis, Millis)> = of(leader)
            .chain(of(successor))
            .map(|(from, until)| {
                let has_ended = *until >= FOR_GOOD;
                (*from, if has_ended { *from } else { *until })
            })
            .collect();
        faults.sort_unstable();
        faults.into_iter().fold(None, |end, (from, until)| {
            let parted = from <= promoted + 200 && until + data::LAG_MILLIS >= heard;
            let goes_on = end.is_some_and(|end| from <= end);
            if parted || goes_on {
                end.max(Some(until))
            } else {
                end
            }
        })
    }

    /// It leads these chunks now.
    pub fn note_leader(&mut self, key: ProcKey, chunks: impl Iterator<Item = usize>) {
        self.promoted.extend(chunks.map(|chunk| (chunk, key)));
    }

    /// Who was promoted last to lead it.
    pub(crate) fn promoted_last(&self, chunk: usize) -> Option<ProcKey> {
        self.promoted.get(&chunk).copied()
    }

    /// When this process was disturbed.
    pub(crate) fn disturbances(&self, key: ProcKey) -> &[(Millis, Millis)] {
        self.disturbed.get(&key).map_or(&[], Vec::as_slice)
    }

    /// It hangs, or its host does.
    fn note_standstill(&mut self, key: ProcKey, now: Millis) {
        let begun = (now.saturating_sub(100), now);
        let last = self.standstill.entry(key).or_insert(begun);
        *last = if last.1 + WATCHED_WITHIN_MILLIS < now {
            begun
        } else {
            (last.0, now)
        };
    }

    /// Since when it took nothing that ended then: it may have hung before.
    pub(crate) fn stood_still_since(&self, key: ProcKey, end: Millis) -> Millis {
        let before = self.standstill.get(&key);
        let lasted = before.filter(|(_, until)| until + WATCHED_WITHIN_MILLIS >= end);
        lasted.map_or(end, |(since, _)| *since)
    }

    /// By the owner's policy there may be two sides with a majority each, for as long as these are out of
    /// sight: one of them loses what it takes.
    pub(crate) fn note_risk(&mut self, leaders: Vec<ProcKey>) {
        self.risked.extend(leaders);
    }

    /// Whether there may have been then.
    pub(crate) fn was_risked(&self, at: Millis) -> bool {
        let of = |leader: &ProcKey| self.disturbances(*leader).iter();
        let mut times = self.risked.iter().flat_map(of);
        times.any(|(from, until)| (*from..=until.saturating_add(data::LAG_MILLIS)).contains(&at))
    }

    /// The operator takes it away.
    pub(crate) fn note_removed(&mut self, key: ProcKey) {
        self.removed.insert(key);
    }

    /// Whether it did.
    pub(crate) fn was_removed(&self, key: ProcKey) -> bool {
        self.removed.contains(&key)
    }

    /// Its pod was taken away under it: it lives, and whoever goes by the pods cannot ask it.
    pub(crate) fn note_unseen(&mut self, key: ProcKey) {
        self.unseen.insert(key);
    }

    /// Whether this holder of a write cannot be asked, and all who can may have missed it: it was taken in the
    /// moment before its leader was struck.
    pub(crate) fn was_unseen_at_the_end(
        &self,
        holder: ProcKey,
        leader: ProcKey,
        at: Millis,
    ) -> bool {
        let last = at..=at + data::LAG_MILLIS;
        let mut faults = self.disturbances(leader).iter();
        self.unseen.contains(&holder) && faults.any(|(from, _)| last.contains(from))
    }

    /// It ends now.
    pub(crate) fn note_end(&mut self, key: ProcKey, now: Millis) {
        self.disturbed.entry(key).or_default().push((now, FOR_GOOD));
    }
}

/// Watches the whole, every 100 ms.
pub fn watch(world: &mut World) {
    note_disturbances(world);
    watch_doubles(world);
}

fn note_disturbances(world: &mut World) {
    let now = world.now;
    let disturbed: Vec<ProcKey> = world
        .alive()
        .filter(|process| {
            let host = &world.hosts[process.addr.host as usize];
            !world.is_running(process.key) || world.net.cut_zones.contains(&host.zone)
        })
        .map(|process| process.key)
        .collect();
    let mut hung: Vec<ProcKey> = world.alive().map(|it| it.key).collect();
    hung.retain(|key| !world.is_running(*key));
    for key in hung {
        world.promises.note_standstill(key, now);
    }
    for key in disturbed {
        let times = world.promises.disturbed.entry(key).or_default();
        match times
            .last_mut()
            .filter(|(_, end)| *end + WATCHED_WITHIN_MILLIS >= now)
        {
            Some((_, end)) => *end = (*end).max(now),
            None => times.push((now.saturating_sub(100), now)),
        }
    }
}

/// I5: two leaders that hear each other do not both serve a chunk for long.
fn watch_doubles(world: &mut World) {
    let limit = world.setup.node_timeout.max(3000) + 2000;
    for chunk in 0..world.setup.leaders as usize {
        let takers: Vec<ProcKey> = world
            .alive()
            .filter(|it| it.takes_writes(chunk, world.now) && world.is_running(it.key))
            .filter(|it| {
                let zone = world.hosts[it.addr.host as usize].zone;
                !world.net.cut_zones.contains(&zone)
            })
            .map(|it| it.key)
            .collect();
        if takers.len() < 2 {
            world.promises.doubled.remove(&chunk);
            continue;
        }
        let now = world.now;
        let since = *world.promises.doubled.entry(chunk).or_insert(now);
        if now > since + limit {
            let names: Vec<&str> = takers
                .iter()
                .map(|key| world.proc(*key).pod.as_str())
                .collect();
            let what = format!("chunk {chunk} is served by {}", names.join(" and "));
            world.promises.break_one("I5", now, what);
        }
    }
}

/// I1 and I8, when a pod is made.
pub fn check_new_pod(world: &mut World, name: &str, shard: ShardId, zone: &str) {
    let now = world.now;
    // one that was never seen is made again: its pod was taken away before any store showed it
    let record = world.status().record;
    let own = record
        .members
        .iter()
        .find(|entry| entry.name.as_str() == name);
    // off the roster: a call that came late, twice; two processes of one name are what must not be
    let has_run = world.procs.iter().any(|it| it.pod == name);
    let was_seen = own.map_or(has_run, |entry| entry.pod_uid.is_some());
    let is_new = world.promises.names.insert(name.to_owned());
    if !is_new && was_seen {
        world
            .promises
            .break_one("I8", now, format!("the name {name} is used twice"));
    }
    // two processes on one volume: the second writes over what the first holds
    let volume = own.and_then(|entry| entry.volume.as_ref());
    let user = volume.and_then(|volume| {
        let uses = |it: &&crate::redis::Process| {
            world.mounts.get(&it.pod).map(String::as_str) == Some(volume.as_str())
        };
        world.alive().find(uses).map(|it| it.pod.clone())
    });
    if let Some(user) = user.filter(|user| user != name) {
        let what = format!("{name} is made on the volume that {user} writes on");
        world.promises.break_one("I3", now, what);
    }
    // a body whose place is given away is started all the same where it may hold the last copy (I3)
    // (and one that is off the roster has no place: it is taken away)
    if own.map_or(!is_new, |entry| entry.surplus) {
        return;
    }
    let beside = world.pods.values().find(|pod| {
        let entry = record.member(&pod.view.name);
        let is_running = pod.proc.is_none_or(|key| world.is_running(key));
        pod.view.shard == shard
            && pod.view.zone.as_str() == zone
            && !pod.view.is_leaving
            && !matches!(pod.view.phase, PodPhase::Ended { .. })
            && is_running
            && entry.is_some_and(|entry| !entry.surplus && entry.silent_since.is_none())
    });
    if let Some(other) = beside {
        let what = format!("{name} is made beside {} in zone {zone}", other.view.name);
        world.promises.break_one("I1", now, what);
    }
}

/// I9: a loss that is told is one.
pub fn note_status(world: &mut World, status: &RedisClusterStatus) {
    let before = world.status().record;
    let told: Vec<(ShardId, bool)> = status
        .record
        .losses
        .iter()
        .filter(|loss| before.losses.iter().all(|old| old.shard != loss.shard))
        .map(|loss| (loss.shard, loss.older_copy.is_some()))
        .collect();
    for (shard, has_older_copy) in told {
        let holder = if has_older_copy {
            world
                .promises
                .count("data lost is told: an older copy is left");
            data::whole_holder(world, shard.0 as usize)
        } else {
            world.promises.count("data lost is told");
            data::newest_holder(world, shard.0 as usize)
        };
        if let Some(holder) = holder {
            let what = format!("shard {shard} is told lost while {holder} holds its data");
            let now = world.now;
            world.promises.break_one("I9", now, what);
        }
    }
    for waiting in &status.waiting_on {
        world.promises.count(waiting_word(&waiting.reason));
    }
    // the planner keeps the promises by itself; the checker is there for its bugs
    let refused = status
        .conditions
        .iter()
        .find(|it| it.reason == "PlanRefused");
    if let Some(condition) = refused {
        let (now, what) = (world.now, condition.message.clone());
        world.promises.break_one("a plan was refused", now, what);
    }
}

/// Rows of the decision table, as they are counted when a history reaches them.
pub const ROWS: [&str; 21] = [
    "force: the leader is dead",
    "force: the leader is silent",
    "force: the leader is closed",
    "takeover",
    "takeover: the lost had stopped",
    "takeover: silence, by policy",
    "switchover",
    "elected by the bus",
    "slots begun anew",
    "data lost is told",
    "data lost is told: an older copy is left",
    "placement infeasible",
    "waits for an election",
    "waits: majority lost",
    "waits: closed start",
    "waits for a body",
    "waits for room",
    "waits for a departure",
    "waits for the distance between role changes",
    "waits: data lost",
    "a human says which hosts are off",
];

/// The reasons for waiting that stand for rows of the decision table.
fn waiting_word(reason: &str) -> &'static str {
    match reason {
        "Election" => "waits for an election",
        "QuorumLost" => "waits: majority lost",
        "ClosedStart" => "waits: closed start",
        "SlotsUnserved" => "waits for a body",
        "NoRoom" => "waits for room",
        "Departure" => "waits for a departure",
        "RoleChangeTooSoon" => "waits for the distance between role changes",
        "DataLost" => "waits: data lost",
        "PlacementInfeasible" => "placement infeasible",
        _ => "waits for something else",
    }
}
