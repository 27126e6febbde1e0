//! The closed start: lets clients and followers in where that can harm no data (DESIGN section 4).

mod unheard;

pub(super) use unheard::may_hold_newer_unheard;
use unheard::{
    is_body_on_its_way, is_to_start_again, may_hold_newer, may_lead_unseen, unseen_message,
};

use super::census::{Member, Round, Shard, follows};
use super::evidence::Verdict;
use super::{
    Draft, MemberCommand, WaitingReason, histories, holders, objects, placing, roster, spacing,
};
use crate::api::Persistence;
use crate::model::{ClusterView, LeftAddress, MemberAnswer, MemberId};

/// Lets clients and followers in where that can harm no data.
///
/// A process that remembers slots may have come back empty, and its followers would copy that.
/// So it stays closed until it owns none, or someone else owns them, or no follower of it lives
/// (DESIGN section 4).
pub(super) fn open(round: &Round<'_>, draft: &mut Draft) {
    if !objects::clients_can_be_let_in(round) {
        return; // said in `objects`
    }
    for (member, answer) in round.census.living() {
        // nobody writes to a cluster that may begin again (`form`)
        let is_forming = !round.record.formed;
        let is_done = answer.is_open || is_forming && answer.is_open_to_followers;
        if is_done || answer.loading {
            continue;
        }
        let shard = round.census.shard(member.shard());
        let (Some(target), Some(shard)) = (member.command_target(), shard) else {
            continue;
        };
        if answer.is_open_to_followers {
            draft.tell(target, MemberCommand::Open, "the cluster is formed");
        } else if let Some(why) = stays_closed(round, shard, member, answer) {
            draft.wait(WaitingReason::ClosedStart, why);
        } else {
            let command = if is_forming {
                MemberCommand::OpenToFollowers
            } else {
                MemberCommand::Open
            };
            draft.tell(target, command, "its opening endangers no copy");
        }
    }
}

/// Why nobody is let in yet, in words; none where that endangers no copy.
fn stays_closed(
    round: &Round<'_>,
    shard: &Shard<'_>,
    member: &Member<'_>,
    answer: &MemberAnswer,
) -> Option<String> {
    let closed = |why: &str| Some(format!("{} stays closed: {why}", member.name()));
    if may_be_copied_unseen(round, member) {
        return closed(
            "its address was a member's, and a follower of that one which is silent may copy from there",
        );
    }
    if let Some(other) = listed_under_another_id(round, member, answer) {
        return closed(&format!("its address is still listed as {other}'s"));
    }
    if let Some(other) = may_lead_unseen(round, shard, answer) {
        return Some(unseen_message(member, other));
    }
    if may_be_outvoted(round, answer) {
        let (all, living) = round.census.voters();
        return closed(&format!(
            "{living} of {all} leaders answer, and the others may have elected somebody in its place. Bring \
             their hosts back, or say which are off for good"
        ));
    }
    if is_succeeded(shard, answer) {
        return closed("it has not heard yet who leads in its place");
    }
    if is_about_to_be_succeeded(round, shard, answer) {
        return closed(
            "the others hold it for dead still, or one of its followers was told to lead, and may be elected",
        );
    }
    endangers_followers(round, shard, answer).then(|| endangered_message(round, shard, member))
}

/// It believes that it owns slots, and too few leaders answer to know that no others agreed on another
/// owner. It could not serve for long anyway: it would hear no majority.
fn may_be_outvoted(round: &Round<'_>, answer: &MemberAnswer) -> bool {
    let own = answer.view.own_entry();
    let owns = own.is_some_and(|own| !own.slots.is_empty());
    let (all, living) = round.census.voters();
    owns && round.record.formed && living * 2 <= all
}

fn endangered_message(round: &Round<'_>, shard: &Shard<'_>, member: &Member<'_>) -> String {
    let name = member.name();
    let mut others = shard.members.iter().filter(|it| it.name() != name);
    let silent = others.find(|it| it.answer().is_none() && may_hold_newer(round, true, it));
    match silent.and_then(|it| Some((it.name(), it.entry.host.as_ref()?))) {
        Some((other, host)) => format!(
            "{name} stays closed: its snapshot may be older than what {other} on host {host} holds, which does \
             not answer. Bring the host back; if it is off for good, say so: kubectl taint node {host} \
             node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        ),
        None => format!(
            "{name} stays closed: it may be older than its followers, one of which is to lead first"
        ),
    }
}

/// Addresses are given out again: who is silent may copy from this one as soon as it goes on. Somebody
/// on the roster whose pod is gone has left his, too, and is struck out later.
fn may_be_copied_unseen(round: &Round<'_>, member: &Member<'_>) -> bool {
    let Some(address) = member.address() else {
        return false;
    };
    let others = || {
        let members = round.census.members();
        members.filter(|other| other.name() != member.name())
    };
    let is_copied = |left: &LeftAddress| {
        let is_its_own = |other: &Member<'_>| other.entry.member_id == left.member_id;
        let mut copying =
            others().filter(|other| other.shard() == left.shard && !is_its_own(other));
        let mut departed = round.record.departed.iter();
        copying.any(roster::may_copy_unseen) || departed.any(|gone| roster::may_copy_on(gone, left))
    };
    let left = round.record.left_addresses.iter().cloned();
    let leaving = others().filter(|other| other.entry.joined && other.answer().is_none());
    let leaving = leaving.filter_map(|other| {
        Some(LeftAddress {
            shard: other.shard(),
            address: other.entry.address?,
            member_id: other.entry.member_id.clone(),
        })
    });
    let mut all = left.chain(leaving);
    all.any(|left| left.address == address.ip && is_copied(&left))
}

/// A follower of whoever had this address before would take this process for its leader: it copies
/// from an address, also when the bus has noticed that somebody else lives there.
fn listed_under_another_id(
    round: &Round<'_>,
    member: &Member<'_>,
    answer: &MemberAnswer,
) -> Option<MemberId> {
    let address = member.address()?;
    let others = || {
        let living = round.census.living();
        living.filter(|(other, _)| other.name() != member.name())
    };
    let listed = others()
        .flat_map(|(_, other)| &other.view.entries)
        .find(|entry| {
            entry.address == Some(address)
                && entry.id != answer.id
                && !entry.flags.handshake
                && !entry.slots.is_empty()
        })
        .map(|entry| entry.id.clone());
    listed.or_else(|| {
        others().find_map(|(copying, other)| {
            let up = other.replication.upstream.as_ref()?;
            let leader = other.view.own_entry()?.leader.clone()?;
            let copies = up.host == address.ip.to_string() && leader != answer.id;
            // Who holds nothing has nothing to lose, and is not to hold another shard's. (A whole copy of
            // nothing could not lead: its link would be up, as if its leader lived.)
            let is_harmed = !holders::is_blank(round, copying) || copying.shard() != member.shard();
            (copies && is_harmed).then_some(leader)
        })
    })
}

/// It believes that it owns slots, and somebody else leads them by now: what clients write to it would be
/// lost as soon as it hears of that.
fn is_succeeded(shard: &Shard<'_>, answer: &MemberAnswer) -> bool {
    let owns = answer
        .view
        .own_entry()
        .is_some_and(|own| !own.slots.is_empty());
    owns && shard
        .leader
        .as_ref()
        .is_some_and(|leader| leader != &answer.id)
}

/// The others have agreed that it is dead, and do not take that back for two node timeouts, or a follower was told
/// to lead a moment ago: what it is given to write meanwhile would be lost to the one that they elect.
fn is_about_to_be_succeeded(round: &Round<'_>, shard: &Shard<'_>, answer: &MemberAnswer) -> bool {
    let owns = |view: &ClusterView| view.own_entry().is_some_and(|own| !own.slots.is_empty());
    let is_failed = round.census.living().any(|(_, other)| {
        let entry = other.view.entry(&answer.id);
        owns(&other.view) && entry.is_some_and(|it| it.flags.failed && !it.slots.is_empty())
    });
    let may_stand = |member: &Member<'_>| {
        let stands = |it: &MemberAnswer| follows(it, &answer.id) && !it.loading;
        member.answer().is_some_and(stands)
    };
    let may_be_elected = is_failed || spacing::may_still_be_succeeded(round, shard, &answer.id);
    may_be_elected && owns(&answer.view) && shard.members.iter().any(may_stand)
}

/// It believes that it owns slots, and a follower of it may have newer data: one whose copy was
/// whole to the last. (One that was started again too, as after a power cut, or that had fallen
/// behind, has less than its leader's body.) A follower that is silent may live: where the body
/// may be older than it, it is waited for as long as it keeps its place.
pub(super) fn endangers_followers(
    round: &Round<'_>,
    shard: &Shard<'_>,
    answer: &MemberAnswer,
) -> bool {
    let owns = answer
        .view
        .own_entry()
        .is_some_and(|own| !own.slots.is_empty());
    let is_fresh = answer.view.entries.len() <= 1;
    let may_be_old = round.desired.persistence != Persistence::Aof || answer.keys == 0;
    owns && !is_fresh
        && shard.members.iter().any(|other| match other.verdict {
            Verdict::Alive(a) => {
                let is_newer = may_be_old && histories::is_ahead_of(a, answer);
                // it ended in order, and saved what it had not sent yet
                let is_behind = histories::is_ahead_of_copy(answer, a);
                let is_copy = other.was_in_sync() && !is_behind || is_newer;
                a.id != answer.id && follows(a, &answer.id) && is_copy
            }
            Verdict::Silent(_) | Verdict::Gone => {
                let keeps_its_place = other.entry.joined && placing::counts(round, other);
                may_be_old && (keeps_its_place || may_hold_newer(round, answer.keys == 0, other))
            }
            Verdict::NotMade | Verdict::Starting => may_be_old && is_body_on_its_way(round, other),
            Verdict::Dead(_) => may_be_old && is_to_start_again(other),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Asked, MemberName, Observation, PodPhase, RunId, ShardId, Silence, SilenceReason,
    };
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    /// Shard 0's leader came back with a snapshot; its follower is silent, and its place was given away.
    fn back_with_a_snapshot() -> Observation {
        let mut seen = formed();
        let back = answer_of(&mut seen, "c-0-1");
        (back.is_open, back.is_open_to_followers) = (false, false);
        let silence = Silence {
            reason: SilenceReason::Timeout,
            millis: 600_000,
            said_goodbye: false,
        };
        let silent = MemberName::from("c-0-2");
        seen.members.insert(silent.clone(), Asked::Silent(silence));
        for entry in &mut seen.record.members {
            if entry.name == silent {
                entry.surplus = true;
                entry.silent_since = Some(Timestamp::UNIX_EPOCH);
                entry.synced_run = Some(RunId::from("run-id-c-0-2"));
            }
        }
        seen
    }

    #[test]
    fn a_snapshot_is_not_opened_while_a_whole_copy_is_silent() {
        let opens = |seen: &Observation, persistence| {
            let mut desired = desired(3, 1);
            desired.persistence = persistence;
            let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(600);
            let plan = plan(&desired, seen, later);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        let mut seen = back_with_a_snapshot();
        assert!(!opens(&seen, Persistence::Rdb));
        assert!(opens(&seen, Persistence::Aof), "it holds every write");
        for (silent_since, is_opened) in [(301, false), (300, true)] {
            for entry in &mut seen.record.members {
                let since = Timestamp::new(silent_since, 0).unwrap();
                entry.silent_since = entry.silent_since.map(|_| since);
                entry.synced_run = None;
            }
            let opened = opens(&seen, Persistence::Rdb);
            assert_eq!(opened, is_opened, "the snapshot may be five minutes old");
        }
        answer_of(&mut seen, "c-0-1").keys = 0;
        assert!(!opens(&seen, Persistence::Rdb), "and better than nothing");
        assert!(!opens(&seen, Persistence::Aof), "its volume was emptied");
    }

    #[test]
    fn a_snapshot_is_not_opened_while_its_followers_body_is_to_start_again() {
        let mut seen = back_with_a_snapshot();
        let ended = MemberName::from("c-0-2");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == ended) {
            let reason = "exit code 137".to_owned();
            pod.phase = PodPhase::Ended { reason };
        }
        let opens = |seen: &Observation| {
            let mut desired = desired(3, 1);
            desired.persistence = Persistence::Rdb;
            let plan = plan(&desired, seen, Timestamp::UNIX_EPOCH);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        assert!(opens(&seen), "in memory, nothing is left of it");
        for entry in &mut seen.record.members {
            entry.volume = Some(crate::model::VolumeName::new(entry.name.as_str()));
        }
        assert!(!opens(&seen));
    }

    #[test]
    fn a_body_that_saved_more_than_its_follower_got_is_opened() {
        let opens = |offset: u64, former: &str| {
            let mut seen = formed();
            for entry in &mut seen.record.members {
                if entry.name.as_str() == "c-0-2" {
                    entry.synced_run = Some(RunId::from("run-id-c-0-2"));
                    entry.synced_with = Some(MemberId::from("id-c-0-1"));
                }
            }
            let copy = &mut answer_of(&mut seen, "c-0-2").replication;
            (copy.replication_id, copy.offset) = ("old".to_owned(), 1000);
            let up = copy.upstream.as_mut().unwrap();
            (up.is_up, up.last_io_seconds) = (false, None);
            let back = answer_of(&mut seen, "c-0-1");
            (back.is_open, back.is_open_to_followers) = (false, false);
            let own = &mut back.replication;
            (own.replication_id, own.offset) = ("new".to_owned(), offset);
            (own.former_id, own.former_until) = (Some(former.to_owned()), Some(offset));
            let mut desired = desired(3, 1);
            desired.persistence = Persistence::Rdb;
            let plan = plan(&desired, &seen, Timestamp::UNIX_EPOCH);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        assert!(opens(1001, "old"), "it ended in order");
        assert!(!opens(1000, "old"), "who was fed to the last leads first");
        assert!(!opens(2000, "another"), "offsets of two histories");
    }

    #[test]
    fn a_body_stays_closed_while_its_follower_that_was_told_to_lead_may_still_be_elected() {
        let mut seen = formed();
        let back = answer_of(&mut seen, "c-0-1");
        (back.is_open, back.is_open_to_followers) = (false, false);
        for entry in &mut seen.record.members {
            // it ended in order, with more than that one got
            entry.synced_run = None;
        }
        let id = |name: &str| MemberId::from(name);
        seen.record.note_role_change(
            ShardId(0),
            id("id-c-0-1"),
            id("id-c-0-2"),
            Timestamp::UNIX_EPOCH,
        );
        let opens = |second: i64| {
            let now = Timestamp::new(second, 0).unwrap();
            let mut desired = desired(3, 1);
            desired.persistence = Persistence::Aof;
            let plan = plan(&desired, &seen, now);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        assert!(!opens(4));
        assert!(opens(7), "it has given up by then");
    }

    #[test]
    fn a_body_stays_closed_while_who_was_told_to_lead_instead_is_unheard() {
        let opens = |seen: &Observation| {
            let mut desired = desired(3, 1);
            desired.persistence = Persistence::Aof;
            let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(600);
            let plan = plan(&desired, seen, later);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        let mut seen = back_with_a_snapshot();
        assert!(opens(&seen), "it holds every write");
        let id = MemberId::from("id-c-0-1");
        let told = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
        let other = || MemberId::from("id-c-0-2");
        seen.record
            .note_role_change(ShardId(0), id.clone(), other(), told);
        assert!(!opens(&seen), "silent since before");
        let told = Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_secs(60);
        seen.record.note_role_change(ShardId(0), id, other(), told);
        assert!(opens(&seen), "heard since, and it did not lead");
        let ended = MemberName::from("c-0-2");
        seen.members.remove(&ended);
        let its = |entry: &&mut crate::model::Enrolled| entry.name == ended;
        for entry in seen.record.members.iter_mut().filter(its) {
            entry.volume = Some(crate::model::VolumeName::from("c-0-2"));
        }
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == ended) {
            let reason = "exit code 137".to_owned();
            pod.phase = PodPhase::Ended { reason };
        }
        assert!(!opens(&seen), "its body is to start again");
        seen.pods.retain(|pod| pod.name != ended);
        for entry in seen.record.members.iter_mut().filter(its) {
            entry.pod_uid = None;
        }
        assert!(!opens(&seen), "its body is about to start");
    }

    #[test]
    fn clients_are_let_in_when_the_cluster_is_formed_and_not_before() {
        let openings = |seen: &Observation| -> Vec<&'static str> {
            let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
            let kinds = plan.actions.iter().map(|it| it.deed.kind());
            kinds.filter(|kind| kind.starts_with("open")).collect()
        };
        let mut seen = formed();
        seen.record.formed = false;
        for name in ["c-0-1", "c-0-2", "c-1-3", "c-1-4", "c-2-5", "c-2-6"] {
            let answer = answer_of(&mut seen, name);
            (answer.keys, answer.is_open) = (0, false);
        }
        answer_of(&mut seen, "c-0-1").is_open_to_followers = false;
        assert_eq!(openings(&seen), ["open-to-followers"]);
        answer_of(&mut seen, "c-0-1").is_open_to_followers = true;
        assert!(openings(&seen).is_empty());
        seen.record.formed = true;
        assert_eq!(openings(&seen), ["open"; 6]);
    }
}
