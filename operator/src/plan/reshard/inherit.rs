//! Slots of a second leader (`second`) that ended before it had given them back: nobody's, and no follower of it is left
//! that could be elected. The leader of their shard takes them over, with what it has of them: what had come to it
//! before it led, and not what the other one took. That is a loss, and told as one before it is done (promise I9).

use super::super::census::{Round, Shard};
use super::super::evidence::Verdict;
use super::super::{Draft, MemberCommand, WaitingReason, spacing};
use crate::api::ShardLossPolicy;
use crate::model::{DataLoss, MemberAnswer, MemberId, SlotSet};

/// Notes the loss, and in a later round has the leader own them, where the policy lets it. One at a time: it raises
/// the configuration epoch, as an election does.
pub(in super::super) fn inherit(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    for shard in &round.census.shards {
        let Some((leader, answer)) = shard.living_leader() else {
            continue;
        };
        let Some((of, slots)) = orphaned(round, shard, answer) else {
            continue;
        };
        let name = leader.name();
        let mut told = round.seen.record.losses.iter();
        let told = told.find(|loss| {
            let is_of_these = slots.difference(&loss.slots).is_empty();
            loss.shard == shard.id && loss.accepted.is_none() && is_of_these
        });
        let mut loss = told.cloned().unwrap_or(DataLoss {
            shard: shard.id,
            slots: slots.clone(),
            older_copy: Some(name.clone()),
            noticed: round.now,
            accepted: None,
        });
        let words = format!(
            "slots {slots} were taken by a member that had been succeeded, and has ended: {name} has what was in them \
             before"
        );
        let is_wanted = round.desired.shard_loss == ShardLossPolicy::AcceptEmpty;
        let policy = "recovery.shardLoss is Wait";
        let next = if is_wanted {
            "it is to own them"
        } else {
            policy
        };
        draft.wait(WaitingReason::DataLost, format!("{words}; {next}"));
        let may_begin = !spacing::is_in_flight(round) && !draft.asks_for_failover();
        let can_take = answer.is_open && !answer.loading;
        let target = leader.command_target().filter(|_| can_take && may_begin);
        if let Some(target) = target.filter(|_| is_wanted && told.is_some()) {
            loss.accepted = Some(round.now);
            let of = Some(of);
            let why = format!(
                "who owned them has ended, and shard {} is led by it",
                shard.id
            );
            draft.tell(target, MemberCommand::SeizeSlots { slots, of }, why);
        }
        draft.record.losses.push(loss);
        return;
    }
}

/// The slots of a dead second leader of this shard that nobody else can have.
fn orphaned(
    round: &Round<'_>,
    shard: &Shard<'_>,
    leader: &MemberAnswer,
) -> Option<(MemberId, SlotSet)> {
    // one of these may own them by a later epoch
    let may_be_unheard = shard.members.iter().any(|member| {
        let is_known = matches!(member.verdict, Verdict::Alive(_) | Verdict::Dead(_));
        !is_known && member.entry.member_id.is_some()
    });
    let departed = &round.seen.record.departed;
    let of_shard = departed.iter().filter(|gone| gone.shard == shard.id);
    if may_be_unheard || of_shard.clone().any(|gone| !gone.is_proven_dead) {
        return None;
    }
    let mut dead = of_shard.map(|gone| &gone.member_id).filter(|id| {
        // a body that is started again keeps its id, and gives them back itself
        round.seen.record.member_by_id(id).is_none()
    });
    dead.find_map(|id| {
        let slots = leader.view.entry(id)?.slots.clone();
        let is_agreed = round.census.living().all(|(_, answer)| {
            let entry = answer.view.entry(id);
            let gives = entry.is_some_and(|it| slots.difference(&it.slots).is_empty());
            let own = answer.view.own_entry();
            gives && own.is_none_or(|own| own.leader.as_ref() != Some(id))
        });
        (!slots.is_empty() && &leader.id != id && is_agreed).then(|| (id.clone(), slots))
    })
}
