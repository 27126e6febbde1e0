//! A shard without slots whose leader died: nobody votes for a successor of a leader that owns nothing,
//! neither by itself nor with FORCE, so a follower takes over without a vote. There is nothing that two
//! leaders could disagree about.

use super::super::census::{Round, Shard};
use super::super::{Draft, FailoverMode, MemberCommand, spacing};
use crate::model::{MemberAnswer, MemberId};

/// Has a follower of a dead leader lead a shard that owns nothing yet.
pub(in super::super) fn found(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed || draft.asks_for_failover() || spacing::is_in_flight(round) {
        return;
    }
    for shard in &round.census.shards {
        if shard.leader.is_some()
            || !shard.is_empty
            || spacing::was_asked_a_moment_ago(round, shard)
        {
            continue;
        }
        let Some((member, of)) = heir(round, shard) else {
            continue;
        };
        if let Some(target) = member.command_target() {
            let why = format!(
                "shard {} owns nothing yet, and its leader is dead",
                shard.id
            );
            draft
                .record
                .note_role_change(shard.id, of.clone(), target.id.clone(), round.now);
            let mode = FailoverMode::Takeover;
            draft.tell(target, MemberCommand::Failover { mode, of }, why);
            return;
        }
    }
}

/// The follower with the most keys: slots may have been on their way.
fn heir<'a, 'b>(
    round: &Round<'_>,
    shard: &'b Shard<'a>,
) -> Option<(&'b super::super::Member<'a>, MemberId)> {
    let leader_of = |answer: &MemberAnswer| answer.view.own_entry()?.leader.clone();
    let living = shard
        .members
        .iter()
        .filter_map(|member| Some((member, member.answer()?)));
    living
        .filter(|(member, _)| !member.is_leaving())
        .filter_map(|(member, answer)| Some((member, answer, leader_of(answer)?)))
        .filter(|(_, _, of)| is_proven_dead(round, of))
        .max_by_key(|(member, answer, _)| (answer.keys, std::cmp::Reverse(member.name())))
        .map(|(member, _, of)| (member, of))
}

/// As it stands on record, like the checker.
fn is_proven_dead(round: &Round<'_>, id: &MemberId) -> bool {
    let mut departed = round.seen.record.departed.iter();
    departed.any(|gone| &gone.member_id == id && gone.is_proven_dead)
}
