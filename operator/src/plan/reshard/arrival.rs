//! Which of the slots on record have arrived, and which of the others can be asked for.
//!
//! Members answer one after another, and slots move meanwhile: a slot may be seen with both ends, or with
//! neither. Only what a leader says of itself counts here.

use super::super::census::Round;
use crate::model::{MemberAnswer, OpenSlot, Role, ShardId, SlotSet, Transfer};

/// Slots that need not move any more: they have arrived, or were given to somebody else meanwhile.
pub(super) fn over(round: &Round<'_>, transfer: &Transfer) -> SlotSet {
    arrived(round, transfer).union(&taken(round, transfer))
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

/// Slots that a third shard's leader owns by its own word, and neither end.
fn taken(round: &Round<'_>, transfer: &Transfer) -> SlotSet {
    let ends = [transfer.from, transfer.to];
    let leads = |shard: &ShardId| {
        let shard = round.census.shard(*shard);
        shard.is_some_and(|shard| shard.living_leader().is_some())
    };
    if !ends.iter().all(leads) {
        return SlotSet::empty();
    }
    let (mut here, mut elsewhere) = (SlotSet::empty(), SlotSet::empty());
    for (member, answer) in round.census.living() {
        let own = answer.view.own_entry();
        let Some(own) = own.filter(|own| own.role == Role::Leader) else {
            continue;
        };
        let owned = if ends.contains(&member.shard()) {
            &mut here
        } else {
            &mut elsewhere
        };
        *owned = owned.union(&own.slots);
    }
    transfer.slots.intersection(&elsewhere).difference(&here)
}

/// Which of these slots the target has heard an owner of, and which it cannot hear of. Only an owner tells
/// of its slots, a server takes no news of a slot that it imports, and declines keys of one that nobody
/// owns (`CLUSTERDOWN`, redis 7.0.15: a new member was told to import before it had heard of the source).
pub(super) fn known_there(there: &MemberAnswer, slots: &SlotSet) -> (SlotSet, SlotSet) {
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
