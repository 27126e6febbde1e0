//! I3: a leader that serves is not kept from it.

use super::{Refusal, World, refuse};
use crate::model::{MemberAnswer, SlotSet};
use crate::plan::Action;

/// Only who was succeeded, by the word of who serves its slots now, is kept from taking writes.
pub(super) fn refuse_holding(
    action: &Action,
    answer: &MemberAnswer,
    world: &World<'_>,
) -> Option<Refusal> {
    let own = answer.view.own_entry();
    let (slots, epoch) = own.map(|own| (own.slots.clone(), own.config_epoch))?;
    let others = world.answers.values().filter(|it| it.id != answer.id);
    let later = others
        .filter_map(|it| it.view.own_entry())
        .filter(|it| it.config_epoch > epoch && it.leader.is_none())
        .fold(SlotSet::empty(), |all, it| all.union(&it.slots));
    (slots.difference(&later) == slots).then(|| {
        refuse(
            "I3",
            action,
            "writes are held where another one who answers owns the slots by a later epoch, and nowhere else",
        )
    })
}
