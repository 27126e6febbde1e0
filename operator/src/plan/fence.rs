//! The fence: what must be known of the lost leaders before a follower leads without a vote.
//!
//! A takeover over a leader that serves clients elsewhere loses what those write (51,584 of 58,000
//! acknowledged writes, REDIS-LAB section 10). Proof of death opens the fence. So does silence, where
//! the lost leaders are too few to go on by themselves: a leader that hears no majority refuses
//! writes after a node timeout. Beyond that the owner decides (`recovery.quorumLoss`).

mod elected;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::census::{Round, Shard};
use super::evidence::Verdict;
use crate::api::QuorumLossPolicy;
use crate::model::{DataLoss, HostView, MemberId, ShardId};
use elected::elected_unseen;

/// Leaders stop serving about one node timeout after the last sign of a majority; as long again for
/// signs on their way, and once more for clocks that run unevenly.
const STOPPED_TIMEOUTS: u64 = 3;
/// The silence may have been noted by another operator, whose clock differs by so much from ours.
pub(super) const SKEW_MILLIS: u64 = 5_000;

/// Whether followers may take over from these lost leaders.
pub(super) enum Fence {
    /// They may, for this reason.
    Open(&'static str),
    /// Not, or not yet, in words.
    Shut(String),
    /// The owner wants to do it himself.
    Manual(String),
}

/// A lost leader that nothing proves dead.
pub(super) struct Unproven<'a> {
    id: MemberId,
    shard: ShardId,
    name: String,
    host: Option<&'a HostView>,
    silent_since: Option<Timestamp>,
}

/// The shard's lost leader, where nothing proves that it is dead.
pub(super) fn unproven_leader<'a>(round: &Round<'a>, shard: &Shard<'a>) -> Option<Unproven<'a>> {
    let id = shard.leader.clone()?;
    if let Some(entry) = round.record.member_by_id(&id) {
        let member = shard
            .members
            .iter()
            .find(|member| member.name() == &entry.name);
        // a body that is to start again, closed: the process that led is no more
        let is_over = entry.has_ended
            || member.is_some_and(|member| matches!(member.verdict, Verdict::Dead(_)));
        return (!is_over).then(|| Unproven {
            id,
            shard: shard.id,
            name: entry.name.to_string(),
            host: member.and_then(|member| member.host),
            silent_since: entry.silent_since,
        });
    }
    // off the roster: was its death proven when it was struck out, or was its pod merely gone?
    // as it stands on record: what was proven this round is acted on in the next, for the checker
    // goes by what was seen
    let mut departed = round.seen.record.departed.iter();
    let gone = departed.find(|gone| gone.member_id == id);
    let is_proven = gone.is_some_and(|gone| gone.is_proven_dead);
    (!is_proven).then(|| Unproven {
        shard: shard.id,
        name: gone.map_or_else(|| id.to_string(), |gone| gone.name.to_string()),
        host: gone
            .and_then(|gone| gone.host.as_ref())
            .and_then(|host| round.seen.host(host)),
        silent_since: gone.map(|gone| gone.since),
        id,
    })
}

/// Of shards whose leader nobody alive has heard of: whoever of them may lead, and is not proven dead. Those
/// that answer may all be younger than the outage.
fn unknown_leaders<'a>(round: &Round<'a>) -> Vec<Unproven<'a>> {
    let is_unknown =
        |shard: &&Shard<'_>| shard.leader.is_none() && shard.id.0 < round.desired.leaders;
    let unknown = round.census.shards.iter().filter(is_unknown);
    unknown
        .flat_map(|shard| elected::unheard(round, shard))
        .collect()
}

/// How many leaders there are, whether anybody alive has heard of them or not.
fn leaders(round: &Round<'_>) -> usize {
    let (known, _) = round.census.voters();
    known.max(round.seen.record.voters(round.desired.leaders))
}

/// Weighs what is known of the leaders of all these shards.
pub(super) fn of(round: &Round<'_>, lost: &[&Shard<'_>]) -> Fence {
    let mut unproven: Vec<Unproven<'_>> = lost
        .iter()
        .filter_map(|shard| unproven_leader(round, shard))
        .chain(unknown_leaders(round))
        .collect();
    let elected = elected_unseen(round, lost, &unproven);
    unproven.extend(elected);
    if round.desired.quorum_loss == QuorumLossPolicy::Manual {
        return Fence::Manual(silence(round, &unproven));
    }
    if unproven.is_empty() {
        return Fence::Open("its leader is proven dead and no majority is left that could vote");
    }
    let is_heard = |it: &&Unproven<'_>| round.census.is_in_touch_with(&it.id);
    if let Some(it) = unproven.iter().find(is_heard) {
        let name = &it.name;
        return Fence::Shut(format!(
            "{}, and other members are in touch with {name}, so it may serve",
            silence(round, &unproven)
        ));
    }
    let has_stopped = have_stopped(round, &unproven);
    if !has_stopped && round.desired.quorum_loss == QuorumLossPolicy::Fenced {
        return Fence::Shut(format!(
            "{}. {}",
            silence(round, &unproven),
            what_to_do(round, &unproven)
        ));
    }
    let opens = unproven.iter().map(|it| opens_at(round, it)).max();
    match opens.filter(|at| *at > round.now) {
        Some(at) => Fence::Shut(format!(
            "{}. Followers take over at {at:.0} if that lasts. {}",
            silence(round, &unproven),
            what_to_do(round, &unproven)
        )),
        None if has_stopped => Fence::Open(
            "its leader hears no majority, its host is NotReady, and it was silent for long enough to \
             have stopped",
        ),
        None => Fence::Open(
            "its leader is silent for debounceSeconds, and recovery.quorumLoss is Unreachable",
        ),
    }
}

/// Whether they can make no majority wherever they are, and Kubernetes does not hear their hosts
/// either.
fn have_stopped(round: &Round<'_>, unproven: &[Unproven<'_>]) -> bool {
    let is_unheard = |it: &Unproven<'_>| it.host.is_none_or(|host| !host.is_ready);
    // one of each shard leads
    let shards: BTreeSet<ShardId> = unproven.iter().map(|it| it.shard).collect();
    let is_minority = |it: &Unproven<'_>| shards.len() * 2 <= leaders_known_to(round, it);
    unproven.iter().all(|it| is_unheard(it) && is_minority(it))
}

/// How many leaders this one knew of when it fell silent, at least. Slots whose loss was told had no owner
/// in the tables of members that were new then, until they were begun anew: a server counts the leaders
/// that own slots, and one that knows of none but itself is a majority.
fn leaders_known_to(round: &Round<'_>, lost: &Unproven<'_>) -> usize {
    let was_unowned = |loss: &&DataLoss| {
        let began = loss.accepted;
        began.is_none_or(|at| lost.silent_since.is_none_or(|since| at >= since))
    };
    let unowned = round.seen.record.losses.iter().filter(was_unowned).count();
    leaders(round).saturating_sub(unowned)
}

/// When this one was silent for long enough. Silence that is on no record begins now, and what we did not hear
/// ourselves is none: it may have been heard by all the others.
fn opens_at(round: &Round<'_>, lost: &Unproven<'_>) -> Timestamp {
    let stopped = STOPPED_TIMEOUTS * round.desired.node_timeout_millis + SKEW_MILLIS;
    let millis = round.desired.debounce_millis.max(stopped);
    let wait = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    let since = lost.silent_since.unwrap_or(round.now);
    let since = round.seen.listening_since.map_or(since, |it| since.max(it));
    since.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Who is missing.
fn silence(round: &Round<'_>, unproven: &[Unproven<'_>]) -> String {
    let (all, living) = (leaders(round), round.census.voters().1);
    let counts = format!(
        "{living} of {all} leaders answer, {} that know the lost one must vote",
        all / 2 + 1
    );
    if unproven.is_empty() {
        return counts;
    }
    let names: Vec<&str> = unproven.iter().map(|it| it.name.as_str()).collect();
    format!(
        "{counts}. {} may still serve clients on the other side of a partition",
        names.join(", ")
    )
}

/// The next step, which nobody but a human can take. A host object that is gone cannot be tainted.
fn what_to_do(round: &Round<'_>, unproven: &[Unproven<'_>]) -> String {
    let taint = "If a host is really off, say so for each: kubectl taint node HOST \
                 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    if unproven.iter().all(|it| it.host.is_some()) {
        return taint.to_owned();
    }
    format!(
        "{taint}; where its Node object is gone: kubectl annotate rdc {} -n {} \
         zoneward.io/lost-hosts=HOST,HOST --overwrite",
        round.desired.key.name, round.desired.key.namespace
    )
}

#[cfg(test)]
mod tests;
