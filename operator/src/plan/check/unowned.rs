//! I5 and I9: slots that nobody owns go to members that hold nothing: once when the cluster is formed, and
//! where their loss is told.

use super::{Refusal, World, refuse};
use crate::api::ShardLossPolicy;
use crate::model::{Desired, Enrolled, MemberAnswer, SlotSet};
use crate::plan::Action;

/// Once, to who is empty.
pub(super) fn refuse_dealing(
    world: &World<'_>,
    action: &Action,
    answer: &MemberAnswer,
    slots: &SlotSet,
) -> Option<Refusal> {
    let owned = world.owned_slots();
    let taken = slots.count() != slots.difference(&owned).count();
    (world.seen.record.formed || taken || answer.keys > 0).then(|| {
        refuse(
            "I5",
            action,
            "slots are dealt out to empty members of a cluster that never was whole, once",
        )
    })
}

/// Anew, after nobody is left who may hold what was in them.
pub(super) fn refuse_seizing(
    desired: &Desired,
    world: &World<'_>,
    action: &Action,
    heir: (&Enrolled, &MemberAnswer),
    slots: &SlotSet,
) -> Option<Refusal> {
    let (entry, answer) = heir;
    let is_empty = answer.keys == 0;
    let may_be_held = world.may_be_held(entry.shard, slots, &answer.id);
    let is_told = world.is_loss_on_record(entry.shard, slots);
    let is_wanted = desired.shard_loss == ShardLossPolicy::AcceptEmpty;
    (!is_told || !is_wanted || !is_empty || may_be_held).then(|| {
        refuse(
            "I9",
            action,
            "only slots whose loss is on record and whose every holder is proven dead go to an empty \
             member, and only by policy",
        )
    })
}
