//! Holds the writes of leaders that were succeeded beyond a cut. Stage: plan, pure.
//!
//! A leader that was cut off hears of its successor when one of their connections stands again: seconds
//! after the cut is over for a long node timeout. Clients reach it at once, and what it takes until then is
//! lost with its copy. We see both at the first answer.

use super::census::{Round, Shard};
use super::{Draft, MemberCommand, WaitingReason};
use crate::model::{MemberAnswer, Role};

/// For how long it waits with writes: longer than until the next round, which comes after a second where
/// nothing fails and says it again. No longer, for one that follows by then would not hear its leader's
/// writes either (a server that holds writes answers followers only). Clients are told where to go then.
const HOLD_MILLIS: u64 = 2_000;

/// Tells every deposed leader that answers to wait with its clients' writes.
pub(super) fn hold_writes(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        for member in &shard.members {
            let is_to_wait = member.answer().is_some_and(|it| is_deposed(shard, it));
            let Some(target) = member.command_target().filter(|_| is_to_wait) else {
                continue;
            };
            let millis = HOLD_MILLIS;
            let why = "it was succeeded while it was cut off, and has not heard of it";
            draft.tell(target, MemberCommand::HoldWrites { millis }, why);
            draft.wait(
                WaitingReason::ViewsDiffer,
                format!(
                    "{} has not heard who leads in its place; its writes are held",
                    member.name()
                ),
            );
        }
    }
}

/// It takes writes for slots that another one, who answers, owns by a later epoch.
fn is_deposed(shard: &Shard<'_>, answer: &MemberAnswer) -> bool {
    let Some((_, successor)) = shard.living_leader() else {
        return false;
    };
    let (Some(own), Some(later)) = (answer.view.own_entry(), successor.view.own_entry()) else {
        return false;
    };
    let shares_slots = own.slots.difference(&later.slots).count() < own.slots.count();
    answer.is_open
        && answer.role() == Role::Leader
        && successor.id != answer.id
        && shares_slots
        && later.config_epoch > own.config_epoch
}

#[cfg(test)]
mod tests {
    use crate::model::{Observation, Role, SlotSet};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    #[test]
    fn who_was_succeeded_and_has_not_heard_of_it_takes_no_more_writes() {
        let held = |seen: &Observation| -> Vec<String> {
            let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
            let deeds = plan.actions.iter().map(|it| &it.deed);
            let holding = deeds.filter(|deed| deed.kind() == "hold-writes");
            holding.map(ToString::to_string).collect()
        };
        let mut seen = formed();
        assert!(held(&seen).is_empty());
        // all but c-0-1 itself have heard that c-0-2 leads
        for name in ["c-0-2", "c-1-3", "c-1-4", "c-2-5", "c-2-6"] {
            for entry in &mut answer_of(&mut seen, name).view.entries {
                match entry.id.as_str() {
                    "id-c-0-1" => entry.slots = SlotSet::empty(),
                    "id-c-0-2" => {
                        entry.slots = SlotSet::even_share(0, 3);
                        (entry.role, entry.leader) = (Role::Leader, None);
                        entry.config_epoch.0 = 7;
                    }
                    _ => {}
                }
            }
        }
        answer_of(&mut seen, "c-0-2").replication.upstream = None;
        assert_eq!(held(&seen), ["tell c-0-1: hold writes for 2000 ms"]);
        answer_of(&mut seen, "c-0-1").is_open = false;
        assert!(held(&seen).is_empty(), "it takes none");
    }
}
