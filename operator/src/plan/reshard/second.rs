//! A second leader of a shard: one that was succeeded out of sight, and took slots before it heard of that. Their
//! owner is whoever took them last, so nobody else gets them, and it leads a shard of its own within the shard.
//!
//! (Measured, valkey 8.1: a zone fell silent while slots moved to a leader in it. When it went on it carried out the
//! `SETSLOT NODE` that lay in its socket, with an epoch above its successor's.)

use super::super::census::{Member, Round, Shard};
use super::super::{Draft, MemberCommand, WaitingReason};
use super::way;
use crate::model::{MemberAnswer, MemberId, Role, SlotSet};

/// Has it give them to the leader of the shard, with their keys; then it follows as everybody else.
///
/// Not on record: the next round sees from the slots' owner whether any are left, whoever leads by then.
pub(super) fn give_up(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, there)) = shard.living_leader() else {
            continue;
        };
        let Some(to) = leader.command_target() else {
            continue;
        };
        for (member, here) in seconds(shard, &there.id) {
            let own = here.view.own_entry();
            let Some((source, own)) = member.command_target().zip(own) else {
                continue;
            };
            let can_take = there.is_open && !there.loading && there.view.entry(&here.id).is_some();
            if !can_take || !is_agreed(round, &here.id, &own.slots) {
                continue;
            }
            let (slots, name) = (own.slots.clone(), leader.name());
            let why = format!("{name} leads shard {}", shard.id);
            let told = format!("{} gives slots {slots} back: {why}", source.name);
            draft.wait(WaitingReason::Resharding, told);
            let command = MemberCommand::MoveSlots {
                slots,
                to: to.clone(),
                way: way(here, there),
                begins: true,
            };
            draft.tell(source, command, why);
        }
    }
}

/// The other members of the shard that lead slots.
fn seconds<'s, 'a>(
    shard: &'s Shard<'a>,
    leader: &'s MemberId,
) -> impl Iterator<Item = (&'s Member<'a>, &'a MemberAnswer)> {
    let leads = move |answer: &&'a MemberAnswer| {
        let own = answer.view.own_entry();
        let has_slots = own.is_some_and(|own| own.role == Role::Leader && !own.slots.is_empty());
        &answer.id != leader && has_slots
    };
    let members = shard.members.iter();
    members.filter_map(move |member| Some((member, member.answer().filter(leads)?)))
}

/// Everybody who answers says that they are its: else it is about to hear that they are not.
fn is_agreed(round: &Round<'_>, id: &MemberId, slots: &SlotSet) -> bool {
    round.census.living().all(|(_, answer)| {
        let entry = answer.view.entry(id);
        entry.is_some_and(|entry| slots.difference(&entry.slots).is_empty())
    })
}
