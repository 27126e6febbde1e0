//! Shards whose every copy is lost, or every whole one: says so, and goes on without the data only as
//! the policy says.
//!
//! Lost means that every member that held the data is proven dead, never only silent (promise I9),
//! and that no volume of one is left. It is on record, and so in status, before a slot is given to an
//! older copy or an empty member.

use super::census::{Member, Round, Shard, follows};
use super::fence::{self, Fence};
use super::holders::{self, Left};
use super::{
    Draft, FailoverMode, MemberCommand, WaitingReason, failover, placing, reshard, spacing, votes,
};
use crate::api::ShardLossPolicy;
use crate::model::{DataLoss, MemberAnswer, Role, SlotSet, ViewEntry};

/// How long a loss stands in status after the cluster went on without the data.
const TOLD_MILLIS: u64 = 24 * 3_600_000;

/// Keeps the record of losses true.
pub(super) fn note(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    draft.record.losses.retain(|loss| {
        let is_led = is_led(round, loss);
        match loss.accepted {
            // somebody came back with the data after all
            None => !is_led,
            Some(at) => !is_led || round.millis_since(at) < TOLD_MILLIS,
        }
    });
    for shard in &round.census.shards {
        let Some((slots, copies)) = lost_slots(round, shard) else {
            continue;
        };
        let known = draft
            .record
            .losses
            .iter_mut()
            .find(|it| it.shard == shard.id);
        let is_new = |loss: &DataLoss| {
            loss.accepted.is_some() && !spacing::was_asked_a_moment_ago(round, shard)
        };
        let noticed = DataLoss {
            shard: shard.id,
            slots,
            older_copy: copies.first().map(|copy| copy.name().clone()),
            noticed: round.now,
            accepted: None,
        };
        match known {
            Some(loss) if is_new(loss) => *loss = noticed,
            // the older copy is lost, too
            Some(loss) if loss.accepted.is_none() && loss.older_copy != noticed.older_copy => {
                loss.older_copy = noticed.older_copy;
            }
            Some(_) => {}
            None => draft.record.losses.push(noticed),
        }
    }
}

fn is_led(round: &Round<'_>, loss: &DataLoss) -> bool {
    let shard = round.census.shard(loss.shard);
    shard.is_some_and(|shard| shard.living_leader().is_some())
}

/// Goes on with an older copy, or else with an empty member, where the policy lets it. One shard at a
/// time: both raise the configuration epoch as an election does.
pub(super) fn go_on_without(round: &Round<'_>, draft: &mut Draft) {
    for loss in &round.record.losses {
        let Some(shard) = round.census.shard(loss.shard) else {
            continue;
        };
        let Some((_, copies)) = lost_slots(round, shard) else {
            continue;
        };
        // of an earlier loss; this one is noted now, and on record when the next round begins
        if loss.accepted.is_some() && !spacing::was_asked_a_moment_ago(round, shard) {
            continue;
        }
        if round.desired.shard_loss == ShardLossPolicy::Wait {
            draft.wait(WaitingReason::DataLost, wait_message(round, loss));
            continue;
        }
        draft.wait(WaitingReason::DataLost, go_on_message(loss));
        if spacing::is_in_flight(round) || draft.asks_for_failover() {
            continue;
        }
        let has_gone_on = match copies.first() {
            // as it was told, and stands on record
            Some(copy) if loss.older_copy.as_ref() == Some(copy.name()) => {
                lead_on(round, draft, shard, copy)
            }
            Some(_) => false,
            None if loss.older_copy.is_some() => false,
            None => begin_anew(round, draft, shard, loss),
        };
        if has_gone_on {
            let mut losses = draft.record.losses.iter_mut();
            if let Some(entry) = losses.find(|entry| entry.shard == loss.shard) {
                entry.accepted = Some(round.now);
            }
            return;
        }
    }
}

/// Has the older copy lead: by vote where there can be one.
fn lead_on(round: &Round<'_>, draft: &mut Draft, shard: &Shard<'_>, copy: &Member<'_>) -> bool {
    if spacing::is_too_soon(round, shard) {
        return false;
    }
    let (Some(of), Some(target)) = (shard.leader.clone(), copy.command_target()) else {
        return false;
    };
    // who has not heard of its leader's slots never stands: it is to lead nothing, and then to begin them anew
    let knows = |answer| holders::knows_as_owner(answer, &of);
    let may_stand = copy.answer().is_some_and(knows);
    let mode = if may_stand && votes::can_be_elected(round, shard) {
        FailoverMode::Force
    } else {
        let lost: Vec<&Shard<'_>> = failover::leaderless(round.census).collect();
        if !matches!(fence::of(round, &lost), Fence::Open(_)) {
            return false; // `take_over` says what is waited for
        }
        FailoverMode::Takeover
    };
    draft
        .record
        .note_role_change(shard.id, of.clone(), target.id.clone(), round.now);
    draft.tell(
        target,
        MemberCommand::Failover { mode, of },
        format!(
            "shard {}: every whole copy is lost, and the policy is AcceptEmpty",
            shard.id
        ),
    );
    true
}

/// Has an empty member own the slots.
fn begin_anew(round: &Round<'_>, draft: &mut Draft, shard: &Shard<'_>, loss: &DataLoss) -> bool {
    let heir = heir(round, draft, shard);
    let Some((target, answer)) = heir.and_then(|it| Some((it.command_target()?, it.answer()?)))
    else {
        let follower = blank_follower(round, shard);
        return follower.is_some_and(|it| lead_on(round, draft, shard, it));
    };
    // whom its own table has to give up; views differ where an owner died soon after another
    let is_theirs = |it: &&ViewEntry| it.slots.difference(&loss.slots).count() != it.slots.count();
    let owner = answer
        .view
        .entries
        .iter()
        .find(is_theirs)
        .map(|it| it.id.clone());
    let of = owner.or_else(|| shard.leader.clone());
    let old = of.clone().unwrap_or_else(|| target.id.clone());
    let heir = target.id.clone();
    draft
        .record
        .note_role_change(shard.id, old, heir, round.now);
    let slots = loss.slots.clone();
    draft.tell(
        target,
        MemberCommand::SeizeSlots { slots, of },
        format!(
            "shard {}: every copy is lost, and the policy is AcceptEmpty",
            loss.shard
        ),
    );
    true
}

/// One that was told to follow the lost leader and has copied nothing: nobody else may be left to lead the
/// shard, and no other is made while it keeps its place.
fn blank_follower<'a, 'b>(round: &Round<'_>, shard: &'b Shard<'a>) -> Option<&'b Member<'a>> {
    let lost = shard.leader.as_ref()?;
    shard.members.iter().find(|member| {
        let is_its = member.answer().is_some_and(|it| follows(it, lost));
        is_its && holders::is_blank(round, member) && !member.entry.surplus && !member.is_leaving()
    })
}

/// What is lost, and what is left.
fn lost_words(loss: &DataLoss) -> String {
    match &loss.older_copy {
        Some(copy) => format!(
            "shard {}: no copy of slots {} that is left is known to be whole; {copy} has the newest, without \
             what was written since it was cut off from its leader",
            loss.shard, loss.slots
        ),
        None => format!(
            "shard {}: every copy of slots {} is lost",
            loss.shard, loss.slots
        ),
    }
}

fn go_on_message(loss: &DataLoss) -> String {
    let next = match &loss.older_copy {
        Some(_) => "it is to lead",
        None => "an empty member is to take them over",
    };
    format!("{}; {next}", lost_words(loss))
}

fn wait_message(round: &Round<'_>, loss: &DataLoss) -> String {
    format!(
        "{}, and recovery.shardLoss is Wait. To go on without \
         the data: kubectl patch rdc {} -n {} --type merge -p \
         '{{\"spec\":{{\"recovery\":{{\"shardLoss\":\"AcceptEmpty\"}}}}}}'",
        lost_words(loss),
        round.desired.key.name,
        round.desired.key.namespace
    )
}

/// The slots of a shard that nobody can ever serve again with all the data that was in them, and who
/// has an older copy.
fn lost_slots<'a, 'b>(
    round: &Round<'_>,
    shard: &'b Shard<'a>,
) -> Option<(SlotSet, Vec<&'b Member<'a>>)> {
    let is_wanted = shard.id.0 < reshard::shards_kept(round);
    if shard.living_leader().is_some() || shard.is_empty || !is_wanted {
        return None;
    }
    let copies = match holders::left(round, shard) {
        Left::Whole => return None,
        Left::OlderCopies(copies) => copies,
        Left::Nothing => Vec::new(),
    };
    let slots = if shard.leader.is_some() {
        shard.slots.clone()
    } else {
        let had = round.record.share_of(shard.id).cloned();
        had.unwrap_or_else(|| SlotSet::even_share(shard.id.0, round.desired.leaders))
            .difference(&round.census.owned_slots())
    };
    (!slots.is_empty()).then_some((slots, copies))
}

/// The empty member that is to lead, in the zone that the solver wants where there is one.
fn heir<'a, 'b>(round: &Round<'a>, draft: &Draft, shard: &'b Shard<'a>) -> Option<&'b Member<'a>> {
    let homes = placing::wanted_leaders(round, draft).unwrap_or_default();
    let home = homes.get(&shard.id);
    let fits = shard.members.iter().filter(|member| {
        let is_fit = |answer| is_empty_leader(answer) && knows_the_others(round, answer);
        let is_empty = member.answer().is_some_and(is_fit);
        is_empty && !member.entry.surplus && !member.is_leaving()
    });
    fits.max_by_key(|member| {
        (
            home == Some(member.zone()),
            std::cmp::Reverse(member.name()),
        )
    })
}

/// Its claim is believed for its epoch, which is higher than any that it heard of (BUMPEPOCH goes beyond the
/// current epoch and beyond every member's in its table): it must have heard of all.
fn knows_the_others(round: &Round<'_>, answer: &MemberAnswer) -> bool {
    let table = answer.view.entries.iter().map(|it| it.config_epoch.0);
    let highest = table.fold(answer.view.current_epoch.0, u64::max);
    round.census.living().all(|(_, other)| {
        let knows = other.id == answer.id || answer.view.entry(&other.id).is_some();
        knows
            && other
                .view
                .entries
                .iter()
                .all(|it| it.config_epoch.0 <= highest)
    })
}

fn is_empty_leader(answer: &MemberAnswer) -> bool {
    answer.keys == 0 && answer.is_open && answer.role() == Role::Leader
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Asked, CurrentEpoch, Departed, MemberId, MemberName, Observation, PodPhase, ShardId,
    };
    use crate::plan::testing::{answer_of, desired, enrolled, formed, pod};
    use crate::plan::{Deed, plan};
    use jiff::Timestamp;

    /// Shard 0 has lost both copies, said so, and has an empty member that was met.
    fn lost() -> Observation {
        let mut seen = formed();
        let mut heir = answer_of(&mut seen, "c-2-5").clone();
        let id = MemberId::from("id-c-0-7");
        (heir.id, heir.view.myself, heir.keys) = (id.clone(), id.clone(), 0);
        for name in ["c-0-1", "c-0-2"] {
            let name = MemberName::from(name);
            seen.members.remove(&name);
            seen.pods.retain(|pod| pod.name != name);
            seen.record.members.retain(|entry| entry.name != name);
            seen.record.departed.push(Departed {
                member_id: MemberId::new(format!("id-{name}")),
                name,
                shard: ShardId(0),
                host: None,
                is_proven_dead: true,
                ended_unseen: false,
                since: Timestamp::UNIX_EPOCH,
            });
        }
        seen.record.losses.push(DataLoss {
            shard: ShardId(0),
            slots: SlotSet::even_share(0, 3),
            noticed: Timestamp::UNIX_EPOCH,
            older_copy: None,
            accepted: None,
        });
        let mut entry = enrolled("c-0-7", 0, "a");
        let mut pod = pod("c-0-7", 0, "a");
        (pod.address, pod.phase) = (Some([10, 0, 0, 7].into()), PodPhase::Running);
        (entry.pod_uid, entry.member_id) = (Some(pod.uid.clone()), Some(id.clone()));
        seen.record.next_serial = crate::model::Serial(8);
        seen.record.members.push(entry);
        seen.pods.push(pod);
        let mut own = heir.view.entries[0].clone();
        (own.id, own.slots, own.config_epoch.0) = (id, SlotSet::empty(), 0);
        for view in &mut heir.view.entries {
            view.flags.myself = false;
        }
        own.flags.myself = true;
        heir.view.entries.push(own);
        seen.members
            .insert(MemberName::from("c-0-7"), Asked::Answered(Box::new(heir)));
        seen
    }

    /// To the leader that is lost.
    fn broken_link() -> crate::model::UpstreamLink {
        crate::model::UpstreamLink {
            host: "10.0.0.1".to_owned(),
            port: 6379,
            is_up: false,
            is_syncing: false,
            last_io_seconds: None,
            down_seconds: None,
        }
    }

    #[test]
    fn a_follower_that_was_wiped_holds_nothing() {
        let mut seen = lost();
        seen.record.losses.clear();
        let mut wiped = answer_of(&mut seen, "c-0-7").clone();
        wiped.replication.upstream = Some(broken_link());
        let mut entries = wiped.view.entries.iter_mut();
        let own = entries.find(|it| it.flags.myself).unwrap();
        own.leader = Some(MemberId::from("id-c-0-1"));
        for entry in &mut seen.record.members {
            entry.joined |= entry.name.as_str() == "c-0-7";
        }
        let name = MemberName::from("c-0-7");
        seen.members.insert(name, Asked::Answered(Box::new(wiped)));
        let is_told = |seen: &Observation| {
            let record = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH).record;
            !record.losses.is_empty()
        };
        assert!(is_told(&seen));
        for entry in &mut seen.record.members {
            entry.synced_run = Some(crate::model::RunId::new(format!("run-id-{}", entry.name)));
            entry.synced_with = Some("id-c-0-1".into());
        }
        answer_of(&mut seen, "c-0-7").run_id = "run-id-c-0-7".into();
        assert!(!is_told(&seen), "its leader had nothing, either");
    }

    #[test]
    fn who_was_heard_and_fell_silent_may_have_copied_all_unseen() {
        let mut seen = lost();
        seen.record.losses.clear();
        let name = MemberName::from("c-0-7");
        let is_told = |seen: &Observation| {
            let record = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH).record;
            !record.losses.is_empty()
        };
        assert!(is_told(&seen), "it answers that it has nothing");
        let silence = crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 60_000,
            said_goodbye: false,
        };
        seen.members.insert(name.clone(), Asked::Silent(silence));
        assert!(!is_told(&seen), "it may have it all");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == name) {
            let reason = "exit code 137".to_owned();
            pod.phase = PodPhase::Ended { reason };
        }
        assert!(is_told(&seen), "it was in memory");
        for entry in seen.record.members.iter_mut().filter(|it| it.name == name) {
            entry.volume = Some(crate::model::VolumeName::new("body"));
        }
        assert!(!is_told(&seen), "it may be on the volume");
    }

    #[test]
    fn a_shard_whose_only_member_copied_nothing_begins_anew_with_it() {
        let mut seen = lost();
        seen.record.losses[0].noticed = Timestamp::new(-60, 0).unwrap();
        let mut follower = answer_of(&mut seen, "c-0-7").clone();
        follower.replication.upstream = Some(broken_link());
        for own in follower
            .view
            .entries
            .iter_mut()
            .filter(|it| it.flags.myself)
        {
            (own.role, own.leader) = (Role::Follower, Some(MemberId::from("id-c-0-1")));
        }
        let name = MemberName::from("c-0-7");
        let asked = Asked::Answered(Box::new(follower));
        seen.members.insert(name.clone(), asked);
        let kinds = |seen: &Observation| -> Vec<&str> {
            let (desired, now) = (desired(3, 1), Timestamp::UNIX_EPOCH);
            let plan = plan(&desired, seen, now);
            assert_eq!(crate::plan::check(&desired, seen, &plan, now), []);
            let kinds = plan.actions.iter().map(|it| it.deed.kind());
            kinds
                .filter(|it| it.starts_with("failover") || *it == "takeover")
                .collect()
        };
        assert_eq!(kinds(&seen), ["failover-force"]);
        for entry in &mut answer_of(&mut seen, "c-0-7").view.entries {
            if entry.id == MemberId::from("id-c-0-1") {
                entry.slots = SlotSet::empty();
            }
        }
        assert_eq!(kinds(&seen), ["takeover"], "it has not heard of its slots");
        answer_of(&mut seen, "c-0-7").keys = 1;
        assert!(kinds(&seen).is_empty(), "it is told as an older copy first");
    }

    fn seizes(seen: &Observation) -> bool {
        let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
        let is_claim =
            |command: &MemberCommand| matches!(command, MemberCommand::SeizeSlots { .. });
        plan.actions
            .iter()
            .any(|it| matches!(&it.deed, Deed::Command { command, .. } if is_claim(command)))
    }

    #[test]
    fn a_loss_is_told_before_slots_are_begun_anew_also_the_second_one() {
        let mut seen = lost();
        seen.record.losses[0].noticed = Timestamp::new(-60, 0).unwrap();
        seen.record.losses[0].accepted = Some(Timestamp::new(-50, 0).unwrap());
        assert!(!seizes(&seen), "what is on record is the first one");
        seen.record = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH).record;
        assert_eq!(seen.record.losses[0].noticed, Timestamp::UNIX_EPOCH);
        assert!(seizes(&seen));
    }

    #[test]
    fn slots_are_begun_anew_by_who_knows_the_highest_epoch() {
        let mut seen = lost();
        let heir = |seen: &mut Observation, epoch| {
            answer_of(seen, "c-0-7").view.current_epoch = CurrentEpoch(epoch);
        };
        heir(&mut seen, 2);
        assert!(seizes(&seen), "shard 2's is 3, and in its table");
        for entry in &mut answer_of(&mut seen, "c-0-7").view.entries {
            entry.config_epoch.0 = entry.config_epoch.0.min(2);
        }
        assert!(!seizes(&seen), "shard 2's is 3");
        heir(&mut seen, 3);
        assert!(seizes(&seen));
    }
}
