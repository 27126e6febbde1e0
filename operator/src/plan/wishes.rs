//! Who leads a shard because its owner asks for it: the annotation `zoneward.io/lead` on a pod.
//!
//! A wish stands for as long as it is on the pod, and chooses among those who could lead anyhow: nothing is
//! risked for it, and what it waits for is said. The change itself is `leadership`'s.

use std::collections::BTreeMap;

use super::census::{Member, Round, Shard};
use super::failover::leaderless;
use super::leadership::{gets_along, heir};
use super::{Draft, WaitingReason, reshard};
use crate::model::{MemberName, ShardId};

/// By shard, the one whose owner's wish holds.
pub(super) type Wishes<'a> = BTreeMap<ShardId, &'a Member<'a>>;

/// Of each shard the one whose owner's wish holds: who leads it already and may stay, or who could lead it now.
pub(super) fn heeded<'a>(round: &Round<'a>, draft: &Draft) -> Wishes<'a> {
    let shards = round.census.shards.iter();
    shards
        .filter_map(|shard| Some((shard.id, heeded_in(round, draft, shard)?)))
        .collect()
}

/// Two of a shard may be wished for: the one that leads stays, else the first by name goes first.
fn heeded_in<'a>(round: &Round<'_>, draft: &Draft, shard: &'a Shard<'a>) -> Option<&'a Member<'a>> {
    let (leader, _) = shard.living_leader()?;
    if is_wished(leader) && !leaves(draft, leader) {
        return Some(leader);
    }
    let wished = shard.members.iter().filter(|it| is_wished(it));
    wished
        .filter(|it| why_not(round, draft, shard, it).is_none())
        .min_by_key(|it| it.name())
}

/// Whether its owner asks that it leads.
pub(super) fn is_wished(member: &Member<'_>) -> bool {
    member.pod.is_some_and(|pod| pod.is_to_lead)
}

fn leaves(draft: &Draft, member: &Member<'_>) -> bool {
    let entry = draft.record.member(member.name());
    member.is_leaving() || entry.is_none_or(|entry| entry.surplus)
}

/// Why it cannot be handed over to now; none where it can, as far as it is its own matter: the distance between
/// role changes, and who has heard of whom, are `hand_over`'s.
fn why_not(
    round: &Round<'_>,
    draft: &Draft,
    shard: &Shard<'_>,
    member: &Member<'_>,
) -> Option<String> {
    let is_it = |other: &Member<'_>| other.name() == member.name();
    let leader_leaves = || {
        let leader = shard.living_leader();
        leader.is_some_and(|(leader, _)| leader.is_leaving())
    };
    if leaves(draft, member) {
        return Some("it leaves, and the wish with it: name another pod of the shard".to_owned());
    }
    if shard.is_empty || reshard::is_on_the_move(round, shard.id) {
        return Some("the shard gives or takes slots".to_owned());
    }
    if leader_leaves() {
        return Some("the leader was asked to go, and hands over".to_owned());
    }
    if let Some(other) = leaderless(round.census).next() {
        return Some(format!("shard {} has nobody to lead it", other.id));
    }
    if !shard.is_current(member) {
        return Some("it is not in sync".to_owned());
    }
    if !gets_along(shard, member) {
        let why = "in this update it cannot lead: leadership goes to an updated pod once all that follow are";
        return Some(why.to_owned());
    }
    let is_close = heir(shard, is_it).is_some();
    (!is_close).then(|| "it is too far behind its leader".to_owned())
}

/// Says which wishes are not fulfilled, and why.
pub(super) fn report(round: &Round<'_>, draft: &mut Draft, heeded: &Wishes<'_>) {
    for shard in &round.census.shards {
        // who has none has more to wait for, and that is said
        let Some((leader, _)) = shard.living_leader() else {
            continue;
        };
        let heeded = heeded.get(&shard.id).map(|it| it.name());
        for member in shard.members.iter().filter(|it| is_wished(it)) {
            let is_first = heeded == Some(member.name());
            if is_first || heeded.is_none() && member.name() == leader.name() {
                continue;
            }
            let why = unfulfilled(round, draft, shard, member, heeded);
            let (name, id) = (member.name(), shard.id);
            let words = format!("{name} is to lead shard {id}, by its annotation: {why}");
            draft.wait(WaitingReason::LeadWish, words);
        }
    }
}

fn unfulfilled(
    round: &Round<'_>,
    draft: &Draft,
    shard: &Shard<'_>,
    member: &Member<'_>,
    heeded: Option<&MemberName>,
) -> String {
    let name = member.name();
    if let Some(other) = heeded {
        return format!(
            "{other} is, too, and goes before it; take one back: kubectl zoneward switchover {name} --release"
        );
    }
    let why = why_not(round, draft, shard, member);
    why.unwrap_or_else(|| "no placement is known in which it leads".to_owned())
}

#[cfg(test)]
mod tests;
