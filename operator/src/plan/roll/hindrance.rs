//! What keeps a rolling update from going on: itself, or something else that is amiss.

use placement::ZoneState;

use super::super::census::{Member, Round, Shard, follows};
use super::super::evidence::Verdict;
use super::super::{Draft, placing, zones};
use crate::model::{MemberAnswer, PodPhase, Version};

/// Why the members that were made from the present spec do not get along. Nothing but another spec
/// (or an image that appears) helps.
pub(super) fn stuck(round: &Round<'_>) -> Option<String> {
    round.census.shards.iter().find_map(|shard| {
        let mut members = shard.members.iter().filter(|member| !member.is_outdated);
        members.find_map(|member| does_not_start(member).or_else(|| cannot_copy(shard, member)))
    })
}

/// Which member of the present spec ended before it joined.
pub(super) fn failed_start(round: &Round<'_>) -> Option<String> {
    let failures = round.record.start_failures.as_ref()?;
    Some(format!(
        "{} ended at its start: {} (kubectl logs {})",
        failures.pod, failures.reason, failures.pod
    ))
}

fn does_not_start(member: &Member<'_>) -> Option<String> {
    match &member.pod?.phase {
        PodPhase::Waiting {
            kubelet: Some(why), ..
        } => Some(format!("pod {} does not start: {why}", member.name())),
        _ => None,
    }
}

/// A server reads no data of a later version: the copy fails, again and again. The pair may get along
/// all the same, then this passes.
fn cannot_copy(shard: &Shard<'_>, member: &Member<'_>) -> Option<String> {
    let (leader, its) = shard.living_leader()?;
    let own = member.answer()?;
    let release = |Version(major, minor, _): Version| (major, minor);
    let is_older = own.engine != its.engine || release(own.version) < release(its.version);
    let is_cut = |it: &MemberAnswer| follows(it, &its.id) && !it.is_in_sync() && !it.loading;
    (is_older && is_cut(own)).then(|| {
        format!(
            "{} ({:?} {}) does not copy from {} ({:?} {}): a server reads no data of a later one or \
             of another engine",
            member.name(),
            own.engine,
            own.version,
            leader.name(),
            its.engine,
            its.version
        )
    })
}

/// What else is amiss. Zones are lost in the middle of updates, too: all hands are needed then.
pub(super) fn disturbed(round: &Round<'_>, draft: &Draft) -> Option<String> {
    let counting = || {
        round
            .census
            .members()
            .filter(|it| placing::counts(round, it))
    };
    let states = zones::states(round.desired, round.seen, round.census);
    let gone = states
        .iter()
        .filter(|(_, state)| **state == ZoneState::Gone)
        .find(|(zone, _)| counting().any(|member| member.zone() == *zone));
    if let Some((zone, _)) = gone {
        return Some(format!("zone {zone} is silent"));
    }
    let is_silent = |it: &Member<'_>| matches!(it.verdict, Verdict::Silent(_)) && !it.is_leaving();
    if let Some(member) = counting().find(|it| is_silent(it)) {
        return Some(format!("{} does not answer", member.name()));
    }
    if let Some(transfer) = draft.record.transfers().first() {
        let (from, to) = (transfer.from, transfer.to);
        return Some(format!("slots of shard {from} go to shard {to}"));
    }
    let mut shards = round.census.shards.iter();
    let leaderless =
        shards.find(|shard| shard.id.0 < round.desired.leaders && shard.living_leader().is_none());
    leaderless.map(|shard| format!("nobody leads shard {}", shard.id))
}
