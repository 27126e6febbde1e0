//! I5 and I9: slots that nobody owns go to members that hold nothing: once when the cluster is formed, and
//! where their loss is told.

use super::{Refusal, World, refuse};
use crate::api::ShardLossPolicy;
use crate::model::{Desired, Enrolled, MemberAnswer, MemberId, ShardId, SlotSet};
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

/// Anew, after nobody is left who may hold what was in them; or by the leader of their shard, after who took them out
/// of its hands has ended.
pub(super) fn refuse_seizing(
    desired: &Desired,
    world: &World<'_>,
    action: &Action,
    heir: (&Enrolled, &MemberAnswer),
    (slots, of): (&SlotSet, Option<&MemberId>),
) -> Option<Refusal> {
    let (entry, answer) = heir;
    let begins_anew = answer.keys == 0 && !world.may_be_held(entry.shard, slots, &answer.id);
    let inherits = world.leads(answer)
        && of.is_some_and(|of| was_of_shard(world, of, entry.shard))
        && !world.is_owned_by_the_living(slots, Some(&answer.id));
    let is_told = world.is_loss_on_record(entry.shard, slots);
    let is_wanted = desired.shard_loss == ShardLossPolicy::AcceptEmpty;
    (!is_told || !is_wanted || !(begins_anew || inherits)).then(|| {
        refuse(
            "I9",
            action,
            "only slots whose loss is on record and whose every holder is proven dead go to an empty \
             member, or to the leader of their shard, and only by policy",
        )
    })
}

/// It left this shard's roster, proven dead.
fn was_of_shard(world: &World<'_>, id: &MemberId, shard: ShardId) -> bool {
    let record = &world.seen.record;
    let mut departed = record.departed.iter();
    let has_left = departed.any(|it| &it.member_id == id && it.shard == shard && it.is_proven_dead);
    has_left && record.member_by_id(id).is_none()
}
