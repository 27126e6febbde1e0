//! Has the bus forget members that departed.
//!
//! FORGET goes to every living member that lists the id, again until none does: Redis 7.0 does
//! not gossip it, and one member that was missed brings the id back after 60 s (REDIS-LAB 7).
//! Never named: a member that still owns slots or still answers (promise I7).

use super::census::Round;
use super::{Draft, MemberCommand};
use crate::model::{Asked, Departed};

/// How long an id that nobody lists any more stays on record: past the bus' ban of 60 s, so that
/// its return is recognised.
const REMEMBERED_MILLIS: u64 = 120_000;

/// Forgets the departed, and strikes from the record whom nobody remembers.
pub(super) fn forget(round: &Round<'_>, draft: &mut Draft) {
    let mut done = Vec::new();
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
        if !is_listed && round.millis_since(gone.since) >= REMEMBERED_MILLIS {
            done.push(gone.member_id.clone());
        }
    }
    draft
        .record
        .departed
        .retain(|gone| !done.contains(&gone.member_id));
}

/// It answers from whatever pod: its name is off the roster, its process may not be gone yet.
fn still_answers(round: &Round<'_>, gone: &Departed) -> bool {
    round
        .seen
        .members
        .values()
        .any(|asked| matches!(asked, Asked::Answered(answer) if answer.id == gone.member_id))
}
