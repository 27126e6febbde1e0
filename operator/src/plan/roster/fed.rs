//! Who tells itself that it was fed to the end, though nobody saw it in sync: by its leader's history, by how far
//! it has come, and by when its link broke. Stage: plan, pure.

use jiff::Timestamp;

use super::super::FED_SECONDS;
use super::super::census::{Census, follows};
use crate::model::{
    Desired, History, MemberAnswer, MemberId, Observation, Record, ShardId, UpstreamLink,
};

/// What is heard of a leader may be a second old, and INFO counts in whole seconds at both ends.
const TOLERANCE_MILLIS: u64 = 2000;
/// A link breaks at once when the process at its other end does; both times are told in whole seconds.
const BROKE_WITHIN_MILLIS: u64 = 2_500;
/// A link may break long after the last that came over it: by `repl-timeout`, or by a reset when a cut is
/// over. So only of a process that was as young as this when its link broke does that tell anything: as
/// long as a follower that hears nothing is taken for fed.
const YOUNG_SECONDS: u64 = 5;

/// A follower that became whole a moment before its leader was lost was never seen in sync with one that
/// was heard. It tells itself: it shares its leader's history, so this process has made its copy, and its
/// link held until that one's container ended, or it has all that that one had when it ended; or, of a young
/// process, until nobody heard that one any more, where nobody knows when it ended. (What this says is acted
/// on in the next round, when it is on record.)
pub(super) fn note(desired: &Desired, seen: &Observation, record: &mut Record, now: Timestamp) {
    let before = record.clone();
    let census = Census::new(desired, seen, &before);
    for shard in &census.shards {
        let mut clocks = before.clocks.leaderless.iter();
        let (Some(lost), Some(clock)) = (
            shard.leader.as_ref(),
            clocks.find(|clock| clock.shard == shard.id),
        ) else {
            continue;
        };
        let millis = now.as_millisecond() - clock.since.as_millisecond();
        let lost_millis = u64::try_from(millis).unwrap_or(0);
        let leader = shard.members.iter().find(|it| shard.is_led_by(it));
        let ended = leader.and_then(|it| it.pod?.ended_at());
        let was_fed = |answer: &&MemberAnswer| {
            // what happened while we listened we saw: a link that breaks may have stood still before
            let unheard = ended.filter(|at| seen.listening_since.is_some_and(|since| *at < since));
            let broke_then = unheard.is_some_and(|ended| broke_with(answer, ended, now));
            let mut histories = before.histories.iter();
            let history = histories.find(|it| it.shard == shard.id && &it.leader == lost);
            let came_as_far = history.is_some_and(|it| has_come_as_far(answer, it, lost_millis));
            broke_then || came_as_far || was_fed_until(answer, lost_millis)
        };
        for member in &shard.members {
            let holds_copy = member.answer().is_some_and(|it| holds_a_copy(lost, it));
            if let Some(entry) = record.members.iter_mut().find(|e| &e.name == member.name()) {
                entry.joined |= holds_copy;
            }
            let run = member
                .answer()
                .filter(|answer| {
                    shares_history(&before, shard.id, lost, answer)
                        || is_fed_unheard(&before, lost, answer)
                })
                .filter(was_fed)
                .map(|answer| answer.run_id.clone());
            let mut entries = record.members.iter_mut();
            let entry = entries.find(|entry| &entry.name == member.name());
            let Some((entry, run)) = entry.zip(run) else {
                continue;
            };
            entry.joined = true;
            (entry.synced_run, entry.synced_with) = (Some(run), Some(lost.clone()));
        }
    }
}

fn shares_history(record: &Record, shard: ShardId, lost: &MemberId, answer: &MemberAnswer) -> bool {
    let mut histories = record.histories.iter();
    let history = histories.find(|it| it.shard == shard && &it.leader == lost);
    let own = &answer.replication.replication_id;
    follows(answer, lost) && history.is_some_and(|it| &it.replication_id == own)
}

/// It is fed by one that nobody of us ever heard to lead, as a pod that was taken away by force the moment it was
/// elected: the bus knows it at that address, and the link comes up when the copy is done.
fn is_fed_unheard(record: &Record, lost: &MemberId, answer: &MemberAnswer) -> bool {
    let was_heard = record.histories.iter().any(|it| &it.leader == lost);
    let is_up = |up: &UpstreamLink| {
        up.is_up && !up.is_syncing && up.last_io_seconds.is_some_and(|age| age < FED_SECONDS)
    };
    let is_linked = answer.view.entry(lost).is_some_and(|it| {
        it.link_up && !it.flags.failed && !it.flags.suspected && !it.slots.is_empty()
    });
    let up = answer.replication.upstream.as_ref();
    !was_heard && follows(answer, lost) && is_linked && up.is_some_and(is_up)
}

/// It follows the lost leader and has something, made by a copy that was done: nobody saw it in sync, and it
/// may be all that is left of the shard. A copy that breaks off leaves nothing.
fn holds_a_copy(lost: &MemberId, answer: &MemberAnswer) -> bool {
    let up = answer.replication.upstream.as_ref();
    let is_made = up.is_some_and(|up| !up.is_syncing) && !answer.loading;
    follows(answer, lost) && is_made && answer.keys > 0
}

/// Whether it has what its leader had when that one ended: it did not answer just then, and has read the rest
/// since. One that was started again since has what was on its volume, and the leader's may have more.
fn has_come_as_far(answer: &MemberAnswer, history: &History, lost_millis: u64) -> bool {
    let up = answer.replication.upstream.as_ref();
    let is_settled = up.is_some_and(|up| !up.is_syncing) && !answer.loading;
    let was_there = answer.uptime_seconds.saturating_mul(1000) >= lost_millis;
    let own = &answer.replication;
    let is_its = own.replication_id == history.replication_id;
    let reaches = |end: u64| end > 0 && own.offset >= end;
    is_settled && was_there && is_its && history.ended_with.is_some_and(reaches)
}

/// Whether its link to its leader broke when that one's process ended, which both tell in whole seconds.
fn broke_with(answer: &MemberAnswer, ended: Timestamp, now: Timestamp) -> bool {
    let up = answer.replication.upstream.as_ref();
    let is_settled = |up: &&UpstreamLink| !up.is_up && !up.is_syncing && !answer.loading;
    let Some(seconds) = up.filter(is_settled).and_then(|up| up.down_seconds) else {
        return false;
    };
    let since_end = now.as_millisecond() - ended.as_millisecond();
    let since_end = u64::try_from(since_end).unwrap_or(0);
    let broke = seconds.saturating_mul(1000);
    broke <= since_end && since_end - broke <= BROKE_WITHIN_MILLIS
}

/// Whether its leader was heard until it was lost, so long ago.
fn was_fed_until(answer: &MemberAnswer, lost_millis: u64) -> bool {
    let quiet = |up: &UpstreamLink| {
        let heard = up.last_io_seconds.filter(|_| up.is_up);
        heard.or(up.down_seconds.filter(|_| !up.is_up))
    };
    let up = answer.replication.upstream.as_ref();
    let settled = up.filter(|up| !up.is_syncing && !answer.loading);
    settled
        .zip(settled.and_then(quiet))
        .is_some_and(|(up, seconds)| {
            let was_young = answer.uptime_seconds <= seconds.saturating_add(YOUNG_SECONDS);
            // its leader is lost to us alone, or what it sent last is read only now
            let is_fed_still = up.is_up && seconds < FED_SECONDS;
            let is_known = was_young || is_fed_still;
            is_known && seconds.saturating_mul(1000) <= lost_millis + TOLERANCE_MILLIS
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LastWord, MemberName, RunId};
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::plan::{check, plan};

    #[test]
    fn who_was_fed_to_the_end_is_whole_although_nobody_saw_it() {
        // (the history is its leader's, the link broke so many seconds ago, it runs for so many seconds,
        // whole); its leader was lost 10 s ago
        let table = [
            (true, Some(10), 15, true, "fed to the end"),
            (true, Some(12), 15, true, "as far as can be told"),
            (true, Some(13), 15, false, "cut off before"),
            (true, None, 15, false, "it never had a link"),
            (false, Some(10), 15, false, "its first copy is not done"),
            (true, Some(10), 16, false, "nothing may have come for long"),
        ];
        for (is_same, down_seconds, uptime, expected, why) in table {
            let mut seen = formed();
            let desired = desired(3, 1);
            let at = |seconds| Timestamp::new(seconds, 0).unwrap();
            let (leader, follower) = (MemberName::from("c-0-1"), MemberName::from("c-0-2"));
            seen.record = plan(&desired, &seen, at(0)).record;
            seen.members.remove(&leader);
            for entry in &mut seen.record.members {
                entry.joined &= entry.name != follower;
                (entry.synced_run, entry.synced_with) = (None, None);
            }
            let answer = answer_of(&mut seen, "c-0-2");
            if !is_same {
                answer.replication.replication_id = "its own".to_owned();
            }
            let up = answer.replication.upstream.as_mut().unwrap();
            (up.is_up, up.last_io_seconds, up.down_seconds) = (false, None, Some(1));
            seen.record = {
                let mut cut_off = seen.clone();
                let up = answer_of(&mut cut_off, "c-0-2")
                    .replication
                    .upstream
                    .as_mut();
                up.unwrap().down_seconds = None;
                plan(&desired, &cut_off, at(90)).record
            };
            let answer = answer_of(&mut seen, "c-0-2");
            answer.uptime_seconds = uptime;
            answer.replication.upstream.as_mut().unwrap().down_seconds = down_seconds;
            let first = plan(&desired, &seen, at(100));
            assert!(check(&desired, &seen, &first, at(100)).is_empty(), "{why}");
            let record = first.record;
            let entry = record.member(&follower).unwrap();
            let found = entry.synced_run == Some(RunId::from("run-id-c-0-2"));
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn who_has_what_its_leader_told_last_is_whole_although_it_hung_then() {
        // (the follower's offset, its history is its leader's, it runs for so many seconds, when its leader was
        // heard, whole); that one was found to have ended at 90, 10 s ago
        let table = [
            (1000, true, 3600, 88, true, "it has all of it"),
            (1001, true, 3600, 88, true, "and what came after"),
            (999, true, 3600, 88, false, "something is missing"),
            (1000, false, 3600, 88, false, "offsets of two histories"),
            (1000, true, 9, 88, false, "it was started again since"),
            (1000, true, 3600, 87, false, "its leader may have gone on"),
        ];
        for (offset, is_same, uptime, heard, expected, why) in table {
            let mut seen = formed();
            let desired = desired(3, 1);
            let at = |seconds| Timestamp::new(seconds, 0).unwrap();
            seen.record = plan(&desired, &seen, at(0)).record;
            let its_own = answer_of(&mut seen, "c-0-1").replication.clone();
            let leader = MemberName::from("c-0-1");
            seen.members.remove(&leader);
            for pod in seen.pods.iter_mut().filter(|pod| pod.name == leader) {
                let reason = "exit code 137".to_owned();
                pod.phase = crate::model::PodPhase::Ended { reason };
            }
            let word = LastWord {
                replication_id: its_own.replication_id,
                offset: 1000,
                at: at(heard),
            };
            let id = MemberId::from("id-c-0-1");
            seen.last_words.insert(id, word);
            for entry in &mut seen.record.members {
                (entry.synced_run, entry.synced_with) = (None, None);
            }
            let answer = answer_of(&mut seen, "c-0-2");
            (answer.uptime_seconds, answer.replication.offset) = (3600, 0);
            if !is_same {
                answer.replication.replication_id = "its own".to_owned();
            }
            let up = answer.replication.upstream.as_mut().unwrap();
            (up.is_up, up.last_io_seconds, up.down_seconds) = (false, None, None);
            seen.record = plan(&desired, &seen, at(90)).record;
            answer_of(&mut seen, "c-0-2").replication.offset = offset;
            answer_of(&mut seen, "c-0-2").uptime_seconds = uptime;
            seen.last_words.clear();
            let record = plan(&desired, &seen, at(100)).record;
            let entry = record.member(&MemberName::from("c-0-2")).unwrap();
            assert_eq!(entry.synced_run.is_some(), expected, "{why}");
        }
    }

    #[test]
    fn who_is_fed_by_one_that_was_never_heard_to_lead_is_whole() {
        type Change = fn(&mut MemberAnswer);
        let table: [(Change, bool, &str); 4] = [
            (|_| {}, true, "it is fed now"),
            (
                |it| it.replication.upstream.as_mut().unwrap().last_io_seconds = Some(2),
                false,
                "something may be on its way to nowhere",
            ),
            (
                |it| it.replication.upstream.as_mut().unwrap().is_up = false,
                false,
                "its copy may not be done",
            ),
            (
                |it| it.view.entries[0].link_up = false,
                false,
                "somebody else may live at that address by now",
            ),
        ];
        for (change, expected, why) in table {
            let (mut seen, desired) = (formed(), desired(3, 1));
            let at = |seconds| Timestamp::new(seconds, 0).unwrap();
            seen.record = plan(&desired, &seen, at(0)).record;
            seen.members.remove(&MemberName::from("c-0-1"));
            for history in &mut seen.record.histories {
                history.leader = MemberId::from("the one before");
            }
            for entry in &mut seen.record.members {
                (entry.synced_run, entry.synced_with) = (None, None);
            }
            let answer = answer_of(&mut seen, "c-0-2");
            answer.uptime_seconds = 3600;
            change(answer);
            seen.record = plan(&desired, &seen, at(90)).record;
            let record = plan(&desired, &seen, at(100)).record;
            let entry = record.member(&MemberName::from("c-0-2")).unwrap();
            assert_eq!(entry.synced_run.is_some(), expected, "{why}");
        }
    }

    #[test]
    fn whose_link_broke_when_its_leaders_process_ended_is_whole_although_nobody_saw_it() {
        // (the link broke so long ago, the leader's container ended so long ago, whole), of an old process
        let table = [
            (Some(20), Some(20), true, "when it ended"),
            (Some(18), Some(20), true, "a moment later, in whole seconds"),
            (
                Some(17),
                Some(20),
                false,
                "later: there may have been a cut between the two",
            ),
            (Some(21), Some(20), false, "before"),
            (Some(20), None, false, "nobody knows when it ended"),
            (None, Some(20), false, "it never had a link"),
            (
                Some(3),
                Some(3),
                false,
                "we listened then, and it was not in sync",
            ),
        ];
        for (down_seconds, ended, expected, why) in table {
            let mut seen = formed();
            seen.listening_since = Timestamp::new(95, 0).ok();
            let desired = desired(3, 1);
            let at = |seconds| Timestamp::new(seconds, 0).unwrap();
            seen.record = plan(&desired, &seen, at(0)).record;
            let leader = MemberName::from("c-0-1");
            seen.members.remove(&leader);
            for entry in &mut seen.record.members {
                (entry.synced_run, entry.synced_with) = (None, None);
            }
            for pod in seen.pods.iter_mut().filter(|pod| pod.name == leader) {
                let reason = "exit code 137".to_owned();
                pod.phase = crate::model::PodPhase::Ended { reason };
                pod.end = ended.map(|ago| crate::model::ContainerEnd::Seen(at(100 - ago)));
            }
            let answer = answer_of(&mut seen, "c-0-2");
            answer.uptime_seconds = 3600;
            let up = answer.replication.upstream.as_mut().unwrap();
            (up.is_up, up.last_io_seconds, up.down_seconds) = (false, None, down_seconds);
            let record = plan(&desired, &seen, at(100)).record;
            let entry = record.member(&MemberName::from("c-0-2")).unwrap();
            assert_eq!(entry.synced_run.is_some(), expected, "{why}");
        }
    }

    #[test]
    fn who_is_fed_by_a_leader_that_we_do_not_hear_is_whole() {
        // (seconds since something came, its history is its leader's, whole)
        let table = [
            (Some(1), true, true, "it is fed now"),
            (
                Some(2),
                true,
                false,
                "something may be on its way to nowhere",
            ),
            (None, true, false, "nobody can tell"),
            (Some(0), false, false, "its copy is another's"),
        ];
        for (quiet, is_same, expected, why) in table {
            let mut seen = formed();
            let desired = desired(3, 1);
            let at = |seconds| Timestamp::new(seconds, 0).unwrap();
            seen.record = plan(&desired, &seen, at(0)).record;
            seen.members.remove(&MemberName::from("c-0-1"));
            for entry in &mut seen.record.members {
                (entry.synced_run, entry.synced_with) = (None, None);
            }
            let answer = answer_of(&mut seen, "c-0-2");
            answer.uptime_seconds = 3600;
            if !is_same {
                answer.replication.replication_id = "its own".to_owned();
            }
            let up = answer.replication.upstream.as_mut().unwrap();
            up.last_io_seconds = quiet;
            seen.record = plan(&desired, &seen, at(90)).record;
            let record = plan(&desired, &seen, at(100)).record;
            let entry = record.member(&MemberName::from("c-0-2")).unwrap();
            let found = entry.synced_run == Some(RunId::from("run-id-c-0-2"));
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn who_has_a_copy_of_a_lost_leader_has_joined_although_nobody_saw_it_in_sync() {
        // (keys, a copy is being made, its own data is being read, has joined)
        let table = [
            (100, false, false, true, "a copy, if an older one"),
            (0, false, false, false, "nothing"),
            (100, true, false, false, "a copy that may break off"),
            (100, false, true, false, "what may be the half of it"),
        ];
        for (keys, is_syncing, loading, expected, why) in table {
            let mut seen = formed();
            let (leader, follower) = (MemberName::from("c-0-1"), MemberName::from("c-0-2"));
            let answer = answer_of(&mut seen, "c-0-2");
            (answer.keys, answer.loading) = (keys, loading);
            let up = answer.replication.upstream.as_mut().unwrap();
            (up.is_up, up.is_syncing) = (false, is_syncing);
            for entry in &mut seen.record.members {
                entry.joined &= entry.name != follower;
            }
            let has_joined = |seen: &crate::model::Observation| {
                let record = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH).record;
                record.member(&follower).unwrap().joined
            };
            assert!(!has_joined(&seen), "its leader tells: {why}");
            seen.members.remove(&leader);
            assert_eq!(has_joined(&seen), expected, "{why}");
        }
    }
}
