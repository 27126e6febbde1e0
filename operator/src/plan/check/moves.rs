//! I5: no slot loses its owner or gets two by a move, and none is left in two halves.

use std::collections::BTreeSet;

use super::{Refusal, World, refuse};
use crate::model::{
    Enrolled, MemberAnswer, MemberId, OpenSlot, Record, Role, ShardId, SlotSet, Transfer,
};
use crate::plan::{Action, Deed, MemberCommand, MemberRef, Plan};

/// What moves is on record (before it is opened), from the shard that owns it to the leader of the other,
/// and nobody else's. Within a shard it needs no record: all of it is its owner's until it has arrived.
pub(super) fn refuse_move(
    world: &World<'_>,
    action: &Action,
    source: (&Enrolled, &MemberAnswer),
    slots: &SlotSet,
    to: &MemberRef,
) -> Option<Refusal> {
    let (entry, answer) = source;
    let refused = |why: &str| Some(refuse("I5", action, why));
    let Some(target) = world.seen.record.member(&to.name) else {
        return refused("its target is not on the roster");
    };
    let transfers = world.seen.record.transfers();
    let on_record = transfers
        .iter()
        .filter(|it| it.from == entry.shard && it.to == target.shard)
        .fold(SlotSet::empty(), |all, it| all.union(&it.slots));
    let is_within = entry.shard == target.shard;
    if is_within && !slots.difference(&own_slots(answer)).is_empty() {
        return refused("they are not its own");
    }
    if !is_within && !slots.difference(&on_record).is_empty() {
        return refused("slots are opened only once that is on record");
    }
    if answer.role() != Role::Leader {
        return refused("it does not lead");
    }
    let leads = world
        .answers
        .get(&to.name)
        .is_some_and(|it| it.id == to.id && it.role() == Role::Leader && it.is_open);
    if !leads {
        return refused("its target does not lead, or is closed");
    }
    let is_third = |id: &MemberId| id != &to.id && id != &answer.id;
    let owners = world.answers.values().filter(|it| is_third(&it.id));
    let owned = owners.fold(SlotSet::empty(), |all, it| all.union(&own_slots(it)));
    (!owned.intersection(slots).is_empty())
        .then(|| refuse("I5", action, "a third member owns some of them"))
}

/// A leader's word about itself.
fn own_slots(answer: &MemberAnswer) -> SlotSet {
    let own = answer.view.own_entry();
    let leads = own.filter(|own| own.role == Role::Leader);
    leads.map(|own| own.slots.clone()).unwrap_or_default()
}

/// A slot in two halves is never closed over them; but for the moment that its target needs to hear who
/// owns it: servers take no news of a slot that they import.
pub(super) fn refuse_closing(
    world: &World<'_>,
    action: &Action,
    answer: &MemberAnswer,
    slots: &SlotSet,
) -> Option<Refusal> {
    let mut entries = answer.view.entries.iter();
    if entries.all(|it| it.slots.intersection(slots).is_empty()) {
        return None;
    }
    let transfers = world.seen.record.transfers();
    let is_moving = transfers
        .iter()
        .any(|it| !it.slots.intersection(slots).is_empty());
    is_moving.then(|| refuse("I5", action, "they are on the move"))
}

/// Nobody gives up its own slots like that, nor those of one that lives; and who is lost is succeeded, or his
/// followers would be elected without them.
pub(super) fn refuse_disowning(
    world: &World<'_>,
    action: &Action,
    answer: &MemberAnswer,
    slots: &SlotSet,
    of: &MemberId,
) -> Option<Refusal> {
    let refused = |why: &str| Some(refuse("I5", action, why));
    if !own_slots(answer).intersection(slots).is_empty() {
        return refused("it owns some of them itself");
    }
    let record = &world.seen.record;
    let shard = record.shard_of(of);
    let lives = world.answers.values().any(|it| &it.id == of);
    if lives || shard.is_none() {
        return refused("their owner answers, or is not ours");
    }
    let leads = |it: &&MemberAnswer| record.shard_of(&it.id) == shard && !own_slots(it).is_empty();
    let mut answers = world.answers.values().copied();
    match answers.find(leads) {
        Some(_) => None,
        None => refused("nobody leads in place of their owner"),
    }
}

/// A source gives to one target at a time.
pub(super) fn one_target_each(plan: &Plan) -> Option<Refusal> {
    let mut sources = BTreeSet::new();
    let second = plan.actions.iter().find(|action| match &action.deed {
        Deed::Command {
            member,
            command: MemberCommand::MoveSlots { .. },
        } => !sources.insert(&member.name),
        _ => false,
    })?;
    Some(refuse(
        "I5",
        second,
        "it moves slots to another member already",
    ))
}

/// What may be in two halves is struck off the record only when its new owner says so, and nobody has it
/// open any more; or when neither end owns it, and a third says that it does.
pub(super) fn forgotten(world: &World<'_>, plan: &Plan) -> Option<Refusal> {
    let seen = world.seen;
    let on = |record: &Record| -> SlotSet {
        let transfers = record.transfers().iter();
        transfers.fold(SlotSet::empty(), |all, it| all.union(&it.slots))
    };
    let struck = on(&seen.record).difference(&on(&plan.record));
    let owned_in = |of: &dyn Fn(ShardId) -> bool| {
        let answers = world.answers.values();
        let shard = |answer: &MemberAnswer| Some(seen.record.member_by_id(&answer.id)?.shard);
        let own = answers.filter(|it| shard(it).is_some_and(of));
        own.fold(SlotSet::empty(), |all, it| all.union(&own_slots(it)))
    };
    let open: SlotSet = world
        .answers
        .values()
        .filter_map(|it| it.view.own_entry())
        .flat_map(|own| own.open_slots.iter().map(OpenSlot::slot))
        .collect();
    let is_early = |transfer: &Transfer| {
        let is_end = |shard: ShardId| shard == transfer.from || shard == transfer.to;
        let arrived = owned_in(&|shard| shard == transfer.to).difference(&open);
        let taken = owned_in(&|shard| !is_end(shard)).difference(&owned_in(&is_end));
        let gone = struck.intersection(&transfer.slots);
        !gone.difference(&arrived).difference(&taken).is_empty()
    };
    let transfer = seen.record.transfers().iter().find(|it| is_early(it))?;
    Some(Refusal {
        promise: "I5",
        message: format!(
            "would take slots off the record that may be in two halves between shards {} and {}",
            transfer.from, transfer.to
        ),
    })
}

/// Nothing of this shard's is needed any more: leaders of others serve every slot, by their own word, and
/// none is on its way.
pub(super) fn is_drained(world: &World<'_>, shard: ShardId) -> bool {
    let record = &world.seen.record;
    let is_own = |id: &MemberId| {
        let entry = record.member_by_id(id);
        entry.is_none_or(|entry| entry.shard == shard)
    };
    let answers = || world.answers.values();
    let others = answers().filter(|it| !is_own(&it.id) && it.is_open && !it.loading);
    let served = others.fold(SlotSet::empty(), |all, it| all.union(&own_slots(it)));
    let claims = answers().any(|it| is_own(&it.id) && !own_slots(it).is_empty());
    let is_moving = record
        .transfers()
        .iter()
        .any(|it| it.from == shard || it.to == shard);
    served.is_all() && !claims && !is_moving
}
