//! I5: a takeover needs nobody's vote, so nobody but us keeps it from splitting a shard.

use std::collections::BTreeSet;

use super::super::fence::SKEW_MILLIS;
use super::World;
use crate::api::QuorumLossPolicy;
use crate::model::{Desired, MemberId, Role, ShardId, SlotSet, ViewEntry};

/// Why nobody may take over now; none where it may.
pub(super) fn refusal(desired: &Desired, world: &World<'_>) -> Option<&'static str> {
    if desired.quorum_loss == QuorumLossPolicy::Manual {
        return Some("the policy leaves it to a human");
    }
    let lost = lost_owners(world);
    let unknown = unknown_owners(desired, world);
    let mut unproven: Vec<&MemberId> = lost
        .iter()
        .copied()
        .chain(unknown)
        .filter(|id| !world.is_id_proven_dead(id))
        .collect();
    let all = voters(desired, world, &lost);
    let timeout = desired.node_timeout_millis;
    let unseen = lost.iter().filter(|id| acted_unseen(world, id, timeout));
    let elected_by_the_dead = unseen.count() * 2 > all;
    unproven.extend(possible_heirs(world, &unproven, elected_by_the_dead));
    if unproven.is_empty() {
        return None;
    }
    let is_heard = |id: &&MemberId| {
        let mut entries = world.answers.values().filter_map(|it| it.view.entry(id));
        entries.any(|entry| entry.link_up && !entry.flags.failed && !entry.flags.suspected)
    };
    if unproven.iter().any(is_heard) {
        return Some("a lost leader is heard by another member");
    }
    let stopped = 3 * desired.node_timeout_millis + SKEW_MILLIS;
    let wait = desired.debounce_millis.max(stopped);
    let listened = world.seen.listening_since.map_or(u64::MAX, |since| {
        let millis = world.now.as_millisecond() - since.as_millisecond();
        u64::try_from(millis).unwrap_or(0)
    });
    let was_silent = |id: &&MemberId| silent_millis(world, id).is_some_and(|it| it >= wait);
    if listened < wait || !unproven.iter().all(was_silent) {
        return Some(
            "nothing proves that a lost leader is dead, and it is not silent for long enough",
        );
    }
    // whoever leads of a shard, it is one of them
    let of: BTreeSet<Option<ShardId>> = unproven.iter().map(|id| shard_of(world, id)).collect();
    let is_few = unproven
        .iter()
        .all(|id| of.len() * 2 <= all.saturating_sub(unowned_when_silent(world, id)));
    let is_unheard = unproven.iter().all(|id| !host_is_ready(world, id));
    let has_stopped = is_few && is_unheard;
    (!has_stopped && desired.quorum_loss != QuorumLossPolicy::Unreachable)
        .then_some("nothing proves that a lost leader is dead, and it may serve with others")
}

/// How many leaders there are or were.
fn voters(desired: &Desired, world: &World<'_>, lost: &BTreeSet<&MemberId>) -> usize {
    let all: BTreeSet<Option<ShardId>> = lost
        .iter()
        .copied()
        .chain(living_owners(world))
        .map(|id| shard_of(world, id))
        .collect();
    all.len().max(world.seen.record.voters(desired.leaders))
}

/// Whether a lost leader lived, for all that is known, for a node timeout in which we did not hear it.
fn acted_unseen(world: &World<'_>, id: &MemberId, timeout_millis: u64) -> bool {
    let record = &world.seen.record;
    if let Some(entry) = record.member_by_id(id) {
        let silent = silent_millis(world, id).unwrap_or(0);
        return entry.ended_unseen || !entry.has_ended && silent >= timeout_millis;
    }
    let departed = record.departed.iter().find(|gone| &gone.member_id == id);
    departed.is_none_or(|gone| gone.ended_unseen || !gone.is_proven_dead)
}

/// Of each shard without an unproven leader, the members that may have been elected beyond a cut: by those
/// that are dead now, or in the moment after their leader was lost.
fn possible_heirs<'a>(
    world: &'a World<'_>,
    unproven: &[&MemberId],
    elected_by_the_dead: bool,
) -> Vec<&'a MemberId> {
    let record = &world.seen.record;
    let outlived_its_leader = |shard: ShardId, id: &MemberId| {
        let millis = silent_millis(world, id).unwrap_or(0);
        let mut clocks = record.clocks.leaderless.iter();
        let clock = clocks.find(|clock| clock.shard == shard);
        clock.is_some_and(|it| {
            let lost = world.now.as_millisecond() - it.since.as_millisecond();
            millis <= u64::try_from(lost).unwrap_or(0)
        })
    };
    let counted: BTreeSet<ShardId> = unproven
        .iter()
        .filter_map(|id| shard_of(world, id))
        .collect();
    let enrolled = record
        .members
        .iter()
        .filter(|entry| entry.may_have_copied(false) && !world.answers.contains_key(&entry.name))
        .filter_map(|entry| Some((entry.shard, entry.member_id.as_ref()?)));
    let departed = record
        .departed
        .iter()
        .map(|gone| (gone.shard, &gone.member_id));
    enrolled
        .chain(departed)
        .filter(|(shard, id)| !counted.contains(shard) && !world.is_id_proven_dead(id))
        .filter(|(shard, id)| elected_by_the_dead || outlived_its_leader(*shard, id))
        .map(|(_, id)| id)
        .collect()
}

/// How many shards had no owner that this one, silent now, can have known of: their loss was told, and
/// nobody had begun their slots anew.
fn unowned_when_silent(world: &World<'_>, id: &MemberId) -> usize {
    let silent = silent_millis(world, id).unwrap_or(u64::MAX);
    let losses = world.seen.record.losses.iter();
    let unowned = losses.filter(|loss| {
        loss.accepted.is_none_or(|at| {
            let ago = world.now.as_millisecond() - at.as_millisecond();
            u64::try_from(ago).unwrap_or(0) <= silent
        })
    });
    unowned.count()
}

fn living_owners<'a>(world: &'a World<'_>) -> impl Iterator<Item = &'a MemberId> {
    let leads = |answer: &&&crate::model::MemberAnswer| {
        let own = answer.view.own_entry();
        answer.role() == Role::Leader && own.is_some_and(|own| !own.slots.is_empty())
    };
    world
        .answers
        .values()
        .filter(leads)
        .map(|answer| &answer.id)
}

/// Whom somebody alive believes to own slots that nobody alive says are his own.
fn lost_owners<'a>(world: &'a World<'_>) -> BTreeSet<&'a MemberId> {
    let owned = world
        .answers
        .values()
        .filter(|answer| answer.role() == Role::Leader)
        .filter_map(|answer| answer.view.own_entry())
        .fold(SlotSet::empty(), |all, own| all.union(&own.slots));
    world
        .answers
        .values()
        .flat_map(|answer| &answer.view.entries)
        .filter(|entry| !world.answers_as(&entry.id))
        .filter(|entry| !entry.slots.difference(&owned).is_empty())
        .filter(|entry| !is_superseded(world, entry))
        .map(|entry| &entry.id)
        .collect()
}

/// Whether others own all its slots by later epochs, in anybody's view: who comes back on an old body tells
/// of owners that were deposed since.
fn is_superseded(world: &World<'_>, old: &ViewEntry) -> bool {
    world
        .answers
        .values()
        .flat_map(|answer| &answer.view.entries)
        .filter(|entry| entry.id != old.id && entry.config_epoch > old.config_epoch)
        .fold(old.slots.clone(), |left, it| left.difference(&it.slots))
        .is_empty()
}

/// Members of shards that nobody alive has heard an owner of, as far as they do not answer.
fn unknown_owners<'a>(desired: &Desired, world: &'a World<'_>) -> Vec<&'a MemberId> {
    let entries = world.answers.values().flat_map(|it| &it.view.entries);
    let owners = entries.filter(|entry| !entry.slots.is_empty());
    let heard: BTreeSet<ShardId> = owners
        .filter_map(|entry| shard_of(world, &entry.id))
        .collect();
    let members = world.seen.record.members.iter();
    let is_unknown = |shard: &ShardId| shard.0 < desired.leaders && !heard.contains(shard);
    members
        .filter(|entry| entry.may_have_copied(false) && is_unknown(&entry.shard))
        .filter(|entry| !world.answers.contains_key(&entry.name))
        .filter_map(|entry| entry.member_id.as_ref())
        .collect()
}

fn shard_of(world: &World<'_>, id: &MemberId) -> Option<ShardId> {
    let record = &world.seen.record;
    let departed = || record.departed.iter().find(|gone| &gone.member_id == id);
    record
        .member_by_id(id)
        .map(|entry| entry.shard)
        .or_else(|| departed().map(|gone| gone.shard))
}

fn silent_millis(world: &World<'_>, id: &MemberId) -> Option<u64> {
    let record = &world.seen.record;
    let mut departed = record.departed.iter();
    let since = match record.member_by_id(id) {
        Some(entry) => entry.silent_since?,
        None => departed.find(|gone| &gone.member_id == id)?.since,
    };
    u64::try_from(world.now.as_millisecond() - since.as_millisecond()).ok()
}

fn host_is_ready(world: &World<'_>, id: &MemberId) -> bool {
    let record = &world.seen.record;
    let departed = || record.departed.iter().find(|gone| &gone.member_id == id);
    let host = match record.member_by_id(id) {
        Some(entry) => entry.host.as_ref(),
        None => departed().and_then(|gone| gone.host.as_ref()),
    };
    host.and_then(|host| world.seen.host(host))
        .is_some_and(|host| host.is_ready)
}
