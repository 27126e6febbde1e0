//! Has the bus forget members that departed.
//!
//! FORGET goes to every living member that lists the id, again until none does: Redis 7.0 does
//! not gossip it, and one member that was missed brings the id back after 60 s (REDIS-LAB 7).
//! Never named: a member that still owns slots or still answers (promise I7).

use super::census::Round;
use super::{Draft, MemberCommand, spacing};
use crate::model::{Asked, Departed};

/// How long an id that nobody lists any more stays on record: past the bus' ban of 60 s, so that
/// its return is recognised.
const REMEMBERED_MILLIS: u64 = 120_000;

/// Forgets the departed, and strikes from the record whom nobody remembers.
///
/// Not while failovers go on, one a round: a command to each member, for each of the departed, held
/// the next shard up for as long as its own election took (10 of 30 leaders lost, two processors).
pub(super) fn forget(round: &Round<'_>, draft: &mut Draft) {
    if draft.asks_for_failover() || spacing::is_in_flight(round) {
        return;
    }
    let mut done = Vec::new();
    let mut listed = Vec::new();
    let may_be_remembered = unheard_members(round);
    for gone in &round.record.departed {
        if round.census.owns_slots(&gone.member_id) || still_answers(round, gone) {
            continue;
        }
        let mut is_listed = false;
        for (member, answer) in round.census.living() {
            if answer.view.entry(&gone.member_id).is_none() {
                continue;
            }
            is_listed = true;
            if let Some(target) = member
                .command_target()
                .filter(|_| answer.id != gone.member_id)
            {
                let why = format!("{} departed", gone.name);
                draft.tell(target, MemberCommand::Forget(gone.member_id.clone()), why);
            }
        }
        if is_listed {
            listed.push(gone.member_id.clone());
        } else if !may_be_remembered
            && !is_waited_for(round, gone)
            && round.millis_since(gone.since) >= REMEMBERED_MILLIS
        {
            done.push(gone.member_id.clone());
        }
    }
    draft
        .record
        .departed
        .retain(|gone| !done.contains(&gone.member_id));
    for gone in &mut draft.record.departed {
        // whole minutes: the record must not change at each look
        if listed.contains(&gone.member_id) && round.millis_since(gone.since) >= REMEMBERED_MILLIS {
            gone.since = round.now;
        }
    }
}

/// Whether it may hold the last copy of a shard that nobody leads: that it is not proven dead must not
/// be forgotten with it (promise I9).
fn is_waited_for(round: &Round<'_>, gone: &Departed) -> bool {
    let shard = round.census.shard(gone.shard);
    !gone.is_proven_dead && shard.is_some_and(|shard| shard.living_leader().is_none())
}

/// Whether a member that does not answer now may bring the ids back that it remembers: a zone that
/// returns, a body that starts again.
fn unheard_members(round: &Round<'_>) -> bool {
    round
        .census
        .members()
        .any(|member| member.entry.member_id.is_some() && member.answer().is_none())
}

/// It answers from whatever pod: its name is off the roster, its process may not be gone yet.
fn still_answers(round: &Round<'_>, gone: &Departed) -> bool {
    round
        .seen
        .members
        .values()
        .any(|asked| matches!(asked, Asked::Answered(answer) if answer.id == gone.member_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberId, MemberName, Observation, Silence, SilenceReason};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};

    /// Whether the departed is still on record after a round three minutes later.
    fn is_remembered(seen: &Observation) -> bool {
        let now = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(180);
        !plan(&desired(3, 1), seen, now).record.departed.is_empty()
    }

    #[test]
    fn who_departed_is_remembered_until_every_member_was_heard_without_it() {
        let mut seen = formed();
        seen.record.departed.push(Departed {
            member_id: MemberId::from("id-c-0-0"),
            name: MemberName::from("c-0-0"),
            shard: crate::model::ShardId(0),
            host: None,
            is_proven_dead: true,
            since: jiff::Timestamp::UNIX_EPOCH,
        });
        assert!(!is_remembered(&seen));
        let mut listing = seen.clone();
        let view = &mut answer_of(&mut listing, "c-0-2").view;
        let mut entry = view.entries[0].clone();
        entry.id = MemberId::from("id-c-0-0");
        entry.slots = crate::model::SlotSet::empty();
        view.entries.push(entry);
        assert!(is_remembered(&listing));
        seen.members.insert(
            MemberName::from("c-2-6"),
            Asked::Silent(Silence {
                reason: SilenceReason::Timeout,
                millis: 0,
            }),
        );
        assert!(is_remembered(&seen), "c-2-6 may bring it back");
    }
}
