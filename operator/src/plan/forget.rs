//! Has the bus forget members that departed.
//!
//! FORGET goes to every living member that lists the id, again until none does: Redis 7.0 does
//! not gossip it, and one member that was missed brings the id back after 60 s (REDIS-LAB 7).
//! Never named: a member that still owns slots or still answers (promise I7); nor one that may live among a
//! majority that is out of sight.

use super::census::{Round, follows};
use super::{Draft, MemberCommand, spacing};
use crate::model::{Asked, Departed, MemberId, SlotSet};

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
    let may_be_elected = may_be_elected_elsewhere(round);
    for gone in &round.record.departed {
        let owns = owns_slots(round, gone) && !is_superseded(round, gone);
        // a body that was started again under another name keeps its id
        let is_ours = round.seen.record.member_by_id(&gone.member_id).is_some();
        let may_lead = may_be_elected && !is_proven_dead(round, gone);
        if owns || is_ours || may_lead || still_answers(round, gone) {
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
    forget_ghosts(round, draft);
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

/// A member that ended before it ever told us its id, and that the others had met by then, looks like a
/// stranger. Strangers are left alone; one that owns no slots and that nobody can reach is nobody's any
/// more.
fn forget_ghosts(round: &Round<'_>, draft: &mut Draft) {
    // who came back as another this round is on record still
    let is_ours = |id: &&MemberId| round.seen.record.member_by_id(id).is_some();
    for id in round.census.strangers.iter().filter(|id| !is_ours(id)) {
        let views = || {
            let living = round.census.living();
            living.filter_map(|(member, answer)| Some((member, answer.view.entry(id)?)))
        };
        let is_ghost = views().all(|(_, entry)| {
            // those few that were introduced to it make no majority that could agree that it failed
            let is_lost = entry.flags.no_address || entry.flags.failed || entry.flags.suspected;
            is_lost && !entry.link_up && entry.slots.is_empty()
        });
        let targets = views().filter_map(|(member, _)| member.command_target());
        for target in targets.filter(|_| is_ghost) {
            let why = "nobody can reach it and it owns nothing";
            draft.tell(target, MemberCommand::Forget(id.clone()), why);
        }
    }
}

/// Whether leaders enough are out of sight to elect somebody there. Who was told to forget that one hears
/// nothing of it for a minute (`CLUSTER_BLACKLIST_TTL`), also once the cut is over: a leader that was succeeded
/// takes writes until then that are lost.
fn may_be_elected_elsewhere(round: &Round<'_>) -> bool {
    let (known, living) = round.census.voters();
    // newcomers may know of nobody's slots; nobody votes in a cluster that forms
    let all = known.max(round.seen.record.voters(round.desired.leaders));
    round.record.formed && living * 2 <= all
}

/// As it stands on record.
fn is_proven_dead(round: &Round<'_>, gone: &Departed) -> bool {
    let mut departed = round.seen.record.departed.iter();
    departed.any(|it| it.member_id == gone.member_id && it.is_proven_dead)
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

/// Anybody who answers thinks that it owns slots, also who is off the roster and on the way out.
fn owns_slots(round: &Round<'_>, gone: &Departed) -> bool {
    round.seen.members.values().any(|asked| match asked {
        Asked::Answered(answer) => {
            let entry = answer.view.entry(&gone.member_id);
            entry.is_some_and(|entry| !entry.slots.is_empty())
        }
        _ => false,
    })
}

/// Whether one that is proven dead, as it stands on record, was succeeded.
fn is_superseded(round: &Round<'_>, gone: &Departed) -> bool {
    is_proven_dead(round, gone) && is_succeeded(round, &gone.member_id)
}

/// Somebody else serves all its slots, by his own word, and nobody follows it: views that name it as their
/// owner still never change by themselves where its epoch is the higher one, as after two sides of a
/// partition led on, or the same. Its data is gone, and not with this.
pub(super) fn is_succeeded(round: &Round<'_>, id: &MemberId) -> bool {
    // as it is said by whoever answers, for the checker
    let answers = || round.seen.members.values().filter_map(Asked::answer);
    let (mut all, mut led) = (SlotSet::empty(), SlotSet::empty());
    for answer in answers() {
        if let Some(entry) = answer.view.entry(id) {
            all = all.union(&entry.slots);
        }
        if let Some(own) = answer.view.own_entry().filter(|_| answer.is_open) {
            led = led.union(&own.slots);
        }
    }
    !answers().any(|answer| follows(answer, id)) && all.difference(&led).is_empty()
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
            ended_unseen: false,
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
                said_goodbye: false,
            }),
        );
        assert!(is_remembered(&seen), "c-2-6 may bring it back");
    }

    #[test]
    fn nobody_is_forgotten_who_may_be_elected_out_of_sight() {
        // (leaders that are not heard, it is proven dead, members are told to forget it)
        let table = [
            (&[][..], false, true),
            (&["c-1-3"][..], false, true),
            (&["c-1-3", "c-2-5"][..], false, false),
            (&["c-1-3", "c-2-5"][..], true, true),
        ];
        for (unheard, is_proven_dead, expected) in table {
            let mut seen = formed();
            seen.record.departed.push(Departed {
                member_id: MemberId::from("id-c-0-0"),
                name: MemberName::from("c-0-0"),
                shard: crate::model::ShardId(0),
                host: None,
                is_proven_dead,
                ended_unseen: false,
                since: jiff::Timestamp::UNIX_EPOCH,
            });
            let view = &mut answer_of(&mut seen, "c-0-1").view;
            let mut entry = view.entries[1].clone();
            entry.id = MemberId::from("id-c-0-0");
            view.entries.push(entry);
            for name in unheard {
                seen.members.remove(&MemberName::from(*name));
            }
            let plan = plan(&desired(3, 1), &seen, jiff::Timestamp::UNIX_EPOCH);
            let tells = plan.actions.iter().any(|it| it.deed.kind() == "forget");
            assert_eq!(
                tells, expected,
                "{unheard:?}, proven dead: {is_proven_dead}"
            );
        }
    }
}
