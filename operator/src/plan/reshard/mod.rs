//! Spreads the slots evenly over the shards: after a change of `spec.leaders`, and whatever else left them
//! uneven. What moves is on record before it is opened; how it moves is the wire's (`wire::mover`).
//!
//! A slot that moves key by key is in two halves meanwhile, and its marks (`MIGRATING`, `IMPORTING`) die
//! with the process that holds them: a follower that takes over on Redis has none (REDIS-LAB section 9).
//! So each round says again what is on record and has not arrived; begun slots are seen through, with
//! whoever leads by then.

mod arrival;
mod calm;
mod drain;
mod even;
mod found;
mod inherit;
mod second;
mod stray;

pub use calm::in_service;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::census::{Census, Member, Round, Shard};
use super::{Draft, MemberCommand, MoveWay, WaitingReason};
use crate::model::{
    Engine, MemberAnswer, MemberId, Record, Reshard, Role, ShardId, Share, SlotSet, Transfer,
    Version,
};

pub(super) use drain::retire_drained;
pub(super) use even::{count, moves};
pub(super) use found::found;
pub(super) use inherit::inherit;

/// Slots on record for one source that moves key by key, at most: what may be in two halves after a
/// failover is among the first of them, and what the owner no longer wants goes on for as long as they
/// take.
const SLOTS_ON_RECORD_MAX: u16 = 256;
/// The same where ranges change hands as a whole.
const SLOTS_ON_RECORD_RANGES_MAX: u16 = 2_048;
/// Progress is told in so many steps: status must not change at each look.
const STEPS_TOLD: u16 = 50;
/// A reshard that moves nothing for so long stands still, and says so.
const STALLED_AFTER_MILLIS: u64 = 60_000;
/// The first version of Valkey with `CLUSTER MIGRATESLOTS`.
const VALKEY_RANGES: Version = Version(9, 0, 0);

/// How many shards there are to be looked after: those that the owner wants, and any past them that has
/// slots still. (The solver counts from 0, so a shard in between stays until those above it are gone.)
pub(super) fn shards_kept(round: &Round<'_>) -> u32 {
    let owners = round.census.shards.iter();
    let owners = owners.filter(|shard| !shard.slots.is_empty());
    let moving = round.record.transfers().iter();
    let ids = owners.map(|shard| shard.id.0).chain(
        moving
            .filter(|it| !it.slots.is_empty())
            .flat_map(|it| [it.from.0, it.to.0]),
    );
    ids.map(|id| id + 1).fold(round.desired.leaders, u32::max)
}

/// Whether slots of this shard are on the move.
pub(super) fn is_on_the_move(round: &Round<'_>, shard: ShardId) -> bool {
    let mut transfers = round.record.transfers().iter();
    transfers.any(|it| it.from == shard || it.to == shard)
}

/// Moves slots to where they shall be, and says how far it is.
pub(super) fn reshard(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    second::give_up(round, draft);
    let mut transfers = round.record.transfers().to_vec();
    if transfers.is_empty() {
        note_shares(round, &mut draft.record);
    }
    for transfer in &mut transfers {
        transfer.slots = transfer.slots.difference(&arrival::over(round, transfer));
    }
    transfers.retain(|transfer| !transfer.slots.is_empty());
    let hindrance = calm::hindrance(round);
    let held_up = carry_on(round, draft, &transfers, hindrance.is_none());
    transfers.extend(stray::adopt(round, draft, &transfers));

    let owned = owned(round.census);
    let left = |transfers: &[Transfer]| {
        let then = even::after(&owned, transfers);
        moves(&then, round.desired.leaders)
    };
    let mut to_come = left(&transfers);
    if transfers.is_empty() && to_come.is_empty() {
        draft.record.reshard = None;
        return;
    }
    let total = total(round, &transfers, &to_come);
    if hindrance.is_none() && begin(round, &owned, &mut transfers, &to_come) {
        to_come = left(&transfers);
        draft.record.shares = shares(round);
    }
    let before = round.record.reshard.as_ref();
    let still =
        before.filter(|it| it.leaders == round.desired.leaders && it.transfers == transfers);
    let moved = still.and_then(|it| it.moved).unwrap_or(round.now);
    let trouble = match hindrance {
        Some(why) => Some(format!("no further slot is begun until {why}")),
        None => stalled(round, moved, held_up),
    };
    report(draft, total, &transfers, &to_come, trouble);
    draft.record.reshard = Some(Reshard {
        total,
        leaders: round.desired.leaders,
        moved: Some(moved),
        transfers,
    });
}

/// Why it stands still, where it does.
fn stalled(round: &Round<'_>, moved: Timestamp, held_up: Option<String>) -> Option<String> {
    if round.millis_since(moved) < STALLED_AFTER_MILLIS {
        return None;
    }
    let why = held_up.unwrap_or_else(|| {
        "they are asked for in each round; look for `move ended` in the operator's log, and at \
         `CLUSTER NODES` and the log of the leaders of both shards"
            .to_owned()
    });
    Some(format!("none for a minute: {why}"))
}

/// The slots that each shard owns, by the best claim.
fn owned(census: &Census<'_>) -> BTreeMap<ShardId, SlotSet> {
    let shards = census.shards.iter();
    shards
        .filter(|shard| !shard.slots.is_empty())
        .map(|shard| (shard.id, shard.slots.clone()))
        .collect()
}

fn shares(round: &Round<'_>) -> Vec<Share> {
    let owned = owned(round.census).into_iter();
    owned.map(|(shard, slots)| Share { shard, slots }).collect()
}

/// Remembers who has which slots, for the day when nobody is left to tell.
fn note_shares(round: &Round<'_>, record: &mut Record) {
    if round.census.views_are_equal && round.census.served.is_all() {
        record.shares = shares(round);
    }
}

/// Says again what is on record: one target for each source at a time, all sources side by side. Tells
/// what holds one up.
fn carry_on(
    round: &Round<'_>,
    draft: &mut Draft,
    transfers: &[Transfer],
    is_calm: bool,
) -> Option<String> {
    let mut busy = BTreeSet::new();
    let mut held_up = None;
    for transfer in transfers {
        if busy.contains(&transfer.from) {
            continue;
        }
        match order(round, draft, transfer, is_calm) {
            Ok(()) => {
                busy.insert(transfer.from);
            }
            Err(why) => {
                let (from, to) = (transfer.from, transfer.to);
                held_up.get_or_insert(format!("shard {from} gives to shard {to} once {why}"));
            }
        }
    }
    held_up
}

/// Has the source of this move go on; else what has to be so before.
fn order(
    round: &Round<'_>,
    draft: &mut Draft,
    transfer: &Transfer,
    is_calm: bool,
) -> Result<(), String> {
    let leader = |shard: ShardId| {
        let found = round.census.shard(shard).and_then(Shard::living_leader);
        let open = found.filter(|(_, answer)| answer.is_open && !answer.loading);
        let named = open.and_then(|(member, answer)| Some((member.command_target()?, answer)));
        named.ok_or_else(|| format!("shard {shard} has a leader that is open"))
    };
    let ((source, here), (target, there)) = (leader(transfer.from)?, leader(transfer.to)?);
    let knows = here.view.entry(&there.id).is_some() && there.view.entry(&here.id).is_some();
    if !knows {
        return Err(format!(
            "{} and {} know each other",
            source.name, target.name
        ));
    }
    if draft.asks_for_failover_by(&source.name) {
        return Err(format!("{} has taken over", source.name));
    }
    if let Some(third) = claimed_by(round, &transfer.slots, [&here.id, &there.id]) {
        return Err(format!(
            "{} has heard that it owns them no more",
            third.name()
        ));
    }
    let (slots, unheard) = arrival::known_there(there, &transfer.slots);
    let is_heard = format!(
        "{} has heard who owns slots {}",
        target.name, transfer.slots
    );
    if !unheard.is_empty() {
        let why = "it imports them and cannot hear who owns them";
        draft.tell(target, MemberCommand::CloseSlots(unheard), why);
        return Err(is_heard);
    }
    if slots.is_empty() {
        return Err(is_heard);
    }
    let why = format!(
        "slots of shard {} go to shard {}",
        transfer.from, transfer.to
    );
    let command = MemberCommand::MoveSlots {
        slots,
        to: target,
        way: way(here, there),
        begins: is_calm,
    };
    draft.tell(source, command, why);
    Ok(())
}

/// Who else says of itself that it owns some of these: a leader that was succeeded and comes back with what it
/// knew before.
fn claimed_by<'a>(
    round: &Round<'a>,
    slots: &SlotSet,
    ends: [&MemberId; 2],
) -> Option<&'a Member<'a>> {
    let claims = |answer: &MemberAnswer| {
        let own = answer.view.own_entry();
        let leads = own.filter(|own| own.role == Role::Leader);
        leads.is_some_and(|own| !own.slots.intersection(slots).is_empty())
    };
    let mut living = round.census.living();
    let third = living.find(|(_, answer)| !ends.contains(&&answer.id) && claims(answer));
    third.map(|(member, _)| member)
}

/// Ranges at once where both servers can, and neither has a slot open (MIGRATESLOTS is refused then).
fn way(here: &MemberAnswer, there: &MemberAnswer) -> MoveWay {
    let can = |answer: &MemberAnswer| {
        let is_closed = answer
            .view
            .own_entry()
            .is_some_and(|own| own.open_slots.is_empty());
        answer.engine == Engine::Valkey && answer.version >= VALKEY_RANGES && is_closed
    };
    if can(here) && can(there) {
        MoveWay::Ranges
    } else {
        MoveWay::Keys
    }
}

/// Puts the next slots of each source on record, where few are left there; whether any were.
fn begin(
    round: &Round<'_>,
    owned: &BTreeMap<ShardId, SlotSet>,
    transfers: &mut Vec<Transfer>,
    to_come: &[Transfer],
) -> bool {
    let before = even::count(transfers);
    let sources: BTreeSet<ShardId> = to_come.iter().map(|it| it.from).collect();
    for from in sources {
        let of_source = |it: &&Transfer| it.from == from;
        let on_record: u16 = transfers
            .iter()
            .filter(of_source)
            .map(|it| it.slots.count())
            .sum();
        let most = most_on_record(round, from);
        if on_record > most / 2 {
            continue;
        }
        // the target that the fewest others give to, so that no one of them takes all at once
        let load = |to: ShardId| transfers.iter().filter(|it| it.to == to).count();
        let Some(next) = to_come
            .iter()
            .filter(of_source)
            .min_by_key(|it| (load(it.to), it.to))
        else {
            continue;
        };
        // a leader without slots cannot be succeeded by an election: its first one goes ahead alone
        let is_first = !owned.contains_key(&next.to);
        if is_first && load(next.to) > 0 {
            continue;
        }
        let room = if is_first { 1 } else { most - on_record };
        let slots = next.slots.first(room);
        match transfers
            .iter_mut()
            .find(|it| it.from == from && it.to == next.to)
        {
            Some(transfer) => transfer.slots = transfer.slots.union(&slots),
            None => transfers.push(Transfer {
                slots,
                ..next.clone()
            }),
        }
    }
    even::count(transfers) > before
}

fn most_on_record(round: &Round<'_>, from: ShardId) -> u16 {
    let leader = round.census.shard(from).and_then(Shard::living_leader);
    let moves_ranges = leader.is_some_and(|(_, answer)| way(answer, answer) == MoveWay::Ranges);
    if moves_ranges {
        SLOTS_ON_RECORD_RANGES_MAX
    } else {
        SLOTS_ON_RECORD_MAX
    }
}

/// How many slots were to move when this began.
fn total(round: &Round<'_>, transfers: &[Transfer], to_come: &[Transfer]) -> u16 {
    let left = count(transfers) + count(to_come);
    let known = round.record.reshard.as_ref();
    let known = known.filter(|it| it.leaders == round.desired.leaders);
    known.map_or(left, |it| it.total.max(left))
}

fn report(
    draft: &mut Draft,
    total: u16,
    transfers: &[Transfer],
    to_come: &[Transfer],
    trouble: Option<String>,
) {
    let moved = total.saturating_sub(count(transfers) + count(to_come));
    let step = (total / STEPS_TOLD).max(1);
    let told = moved / step * step;
    let how = trouble.map_or_else(String::new, |why| format!("; {why}"));
    draft.wait(
        WaitingReason::Resharding,
        format!("{told} of {total} slots moved{how}"),
    );
}

#[cfg(test)]
mod tests;
