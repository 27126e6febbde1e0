//! Spreads the slots evenly over the shards: after a change of `spec.leaders`, and whatever else left them
//! uneven. What moves is on record before it is opened; how it moves is the wire's (`wire::mover`).
//!
//! A slot that moves key by key is in two halves meanwhile, and its marks (`MIGRATING`, `IMPORTING`) die
//! with the process that holds them: a follower that takes over on Redis has none (REDIS-LAB section 9).
//! So each round says again what is on record and has not arrived; begun slots are seen through, with
//! whoever leads by then.

mod calm;
mod drain;
mod even;
mod found;
mod stray;

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Census, Round, Shard};
use super::{Draft, MemberCommand, MoveWay, WaitingReason};
use crate::model::{
    Engine, MemberAnswer, OpenSlot, Record, Reshard, ShardId, Share, SlotSet, Transfer, Version,
};

pub(super) use drain::retire_drained;
pub(super) use even::{count, moves};
pub(super) use found::found;

/// Slots on record for one source that moves key by key, at most: what may be in two halves after a
/// failover is among the first of them, and what the owner no longer wants goes on for as long as they
/// take.
const SLOTS_ON_RECORD_MAX: u16 = 256;
/// The same where ranges change hands as a whole.
const SLOTS_ON_RECORD_RANGES_MAX: u16 = 2_048;
/// Progress is told in so many steps: status must not change at each look.
const STEPS_TOLD: u16 = 50;
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
    let mut transfers = round.record.transfers().to_vec();
    if transfers.is_empty() {
        note_shares(round, &mut draft.record);
    }
    for transfer in &mut transfers {
        let arrived = arrived(round, transfer);
        transfer.slots = transfer.slots.difference(&arrived);
    }
    transfers.retain(|transfer| !transfer.slots.is_empty());
    let hindrance = calm::hindrance(round);
    carry_on(round, draft, &transfers, hindrance.is_none());
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
    report(draft, total, &transfers, &to_come, hindrance);
    draft.record.reshard = Some(Reshard {
        total,
        leaders: round.desired.leaders,
        transfers,
    });
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

/// Slots that the new owner owns by its own word, and the old one neither owns nor has open.
fn arrived(round: &Round<'_>, transfer: &Transfer) -> SlotSet {
    let own = |shard: ShardId| {
        let shard = round.census.shard(shard)?;
        shard.living_leader()?.1.view.own_entry()
    };
    let Some(there) = own(transfer.to) else {
        return SlotSet::empty();
    };
    let living = round.census.living();
    let open: SlotSet = living
        .filter_map(|(_, answer)| answer.view.own_entry())
        .flat_map(|own| own.open_slots.iter().map(OpenSlot::slot))
        .collect();
    let arrived = transfer.slots.intersection(&there.slots);
    let arrived = arrived.difference(&open);
    match own(transfer.from) {
        Some(here) => arrived.difference(&here.slots),
        // nobody is left of it
        None if round
            .census
            .shard(transfer.from)
            .is_none_or(|it| it.members.is_empty()) =>
        {
            arrived
        }
        None => SlotSet::empty(),
    }
}

/// Says again what is on record: one target for each source at a time, all sources side by side.
fn carry_on(round: &Round<'_>, draft: &mut Draft, transfers: &[Transfer], is_calm: bool) {
    let mut busy = BTreeSet::new();
    for transfer in transfers {
        let leader = |shard: ShardId| {
            let shard = round.census.shard(shard)?;
            let (member, answer) = shard.living_leader()?;
            (answer.is_open && !answer.loading).then_some((shard, member, answer))
        };
        let (Some((_, from, here)), Some((_, to, there))) =
            (leader(transfer.from), leader(transfer.to))
        else {
            continue;
        };
        let (Some(source), Some(target)) = (from.command_target(), to.command_target()) else {
            continue;
        };
        if !busy.insert(transfer.from) {
            continue;
        }
        let knows = here.view.entry(&there.id).is_some() && there.view.entry(&here.id).is_some();
        if !knows || draft.asks_for_failover_by(from.name()) {
            continue;
        }
        let (slots, unheard) = known_there(there, &transfer.slots);
        if !unheard.is_empty() {
            let why = "it imports them and cannot hear who owns them";
            draft.tell(target, MemberCommand::CloseSlots(unheard), why);
            continue;
        }
        if slots.is_empty() {
            continue;
        }
        draft.tell(
            source,
            MemberCommand::MoveSlots {
                slots,
                to: target,
                way: way(here, there),
                begins: is_calm,
            },
            format!(
                "slots of shard {} go to shard {}",
                transfer.from, transfer.to
            ),
        );
    }
}

/// Which of these slots the target has heard an owner of, and which it cannot hear of. Only an owner tells
/// of its slots, a server takes no news of a slot that it imports, and declines keys of one that nobody
/// owns (`CLUSTERDOWN`, redis 7.0.15: a new member was told to import before it had heard of the source).
fn known_there(there: &MemberAnswer, slots: &SlotSet) -> (SlotSet, SlotSet) {
    let entries = there.view.entries.iter();
    let owned = entries.fold(SlotSet::empty(), |all, it| all.union(&it.slots));
    let open: SlotSet = there
        .view
        .own_entry()
        .map(|own| own.open_slots.iter().map(OpenSlot::slot).collect())
        .unwrap_or_default();
    let known = slots.intersection(&owned);
    let unheard = slots.difference(&owned).intersection(&open);
    (known, unheard)
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
    hindrance: Option<String>,
) {
    let moved = total.saturating_sub(count(transfers) + count(to_come));
    let step = (total / STEPS_TOLD).max(1);
    let told = moved / step * step;
    let how = match hindrance {
        None => String::new(),
        Some(why) => format!("; no further slot is begun until {why}"),
    };
    draft.wait(
        WaitingReason::Resharding,
        format!("{told} of {total} slots moved{how}"),
    );
}
