//! Promise I7: who may own slots, or come to own them, is not forgotten.

use super::{Action, Refusal, World, refuse as refusal};
use crate::model::{Departed, MemberAnswer, MemberId};

/// Refuses to have this one forgotten who owns slots, lives, or may be elected where nobody is heard.
pub(super) fn refuse(world: &World<'_>, action: &Action, id: &MemberId) -> Option<Refusal> {
    let owns = !world.slots_of(id).is_empty() && !world.is_superseded(id);
    let is_ours = world.seen.record.member_by_id(id).is_some();
    if owns || is_ours || world.answers_as(id) {
        let why = "it owns slots, answers, or is on the roster";
        return Some(refusal("I7", action, why));
    }
    may_be_elected_out_of_sight(world, id).then(|| {
        let why = "it is not proven dead, and no majority of the leaders answers: it may be elected \
                   among the others";
        refusal("I7", action, why)
    })
}

/// It left the roster unproven, and the leaders that do not answer are enough to elect it.
fn may_be_elected_out_of_sight(world: &World<'_>, id: &MemberId) -> bool {
    let record = &world.seen.record;
    let is_unproven = |gone: &Departed| &gone.member_id == id && !gone.is_proven_dead;
    let owners = record.shares.iter().filter(|it| !it.slots.is_empty());
    let votes = |answer: &&&MemberAnswer| {
        let own = answer.view.own_entry();
        own.is_some_and(|own| own.leader.is_none() && !own.slots.is_empty())
    };
    let heard = world.answers.values().filter(votes).count();
    // nobody votes in a cluster that forms
    record.formed && record.departed.iter().any(is_unproven) && heard * 2 <= owners.count()
}
