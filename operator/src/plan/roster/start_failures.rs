//! Members that end before they join: the next try follows after a pause, that gets longer. Stage: plan, pure.

use super::super::census::Round;
use super::super::{Draft, WaitingReason};
use crate::model::{Enrolled, Observation, PodFingerprint, Record, StartFailures};

/// Pauses after members that end before they ever join: doubled each time, up to this.
const START_PAUSE_MILLIS_MAX: u64 = 60_000;

/// Members that ended at their start by a spec that is wanted no more tell nothing of the present one: it
/// is tried without a pause.
pub(super) fn forgive(record: &mut Record, seen: &Observation, wanted: &PodFingerprint) {
    let failed = record.start_failures.as_ref();
    let pod = failed.and_then(|failures| seen.pod(&failures.pod));
    let made_from = pod.and_then(|pod| pod.fingerprint.as_ref());
    if made_from.is_some_and(|made_from| made_from != wanted) {
        record.start_failures = None;
    }
}

/// Notes that this member ended before it joined.
pub(super) fn note(round: &Round<'_>, draft: &mut Draft, entry: &Enrolled, reason: &str) {
    let before = draft.record.start_failures.take();
    if before
        .as_ref()
        .is_some_and(|failures| failures.pod == entry.name)
    {
        draft.record.start_failures = before;
        return;
    }
    // those that are found in one round were one try
    let tries = before.as_ref().map_or(0, |failures| {
        let is_another = failures.last != round.now;
        failures.count - u32::from(!is_another)
    });
    draft.record.start_failures = Some(StartFailures {
        count: tries + 1,
        pod: entry.name.clone(),
        reason: reason.to_owned(),
        last: round.now,
    });
}

/// How long no new member is started because the last ones ended right away.
pub(in super::super) fn pause_left_millis(round: &Round<'_>, record: &Record) -> u64 {
    record.start_failures.as_ref().map_or(0, |failures| {
        let pause = 1000_u64
            .saturating_mul(1 << failures.count.min(16))
            .min(START_PAUSE_MILLIS_MAX);
        pause.saturating_sub(round.millis_since(failures.last))
    })
}

/// Says so while members end right after their start.
pub(in super::super) fn report(round: &Round<'_>, draft: &mut Draft) {
    let Some(failures) = draft.record.start_failures.clone() else {
        return;
    };
    let left_seconds = pause_left_millis(round, &draft.record).div_ceil(1000);
    draft.wait(
        WaitingReason::MemberFailsToStart,
        format!(
            "members ended before they joined, {} times in a row; the last one, {}: {}. Read `kubectl logs {}`, \
             then correct spec.image, spec.pod or spec.config{}",
            failures.count,
            failures.pod,
            failures.reason,
            failures.pod,
            if left_seconds > 0 { "; the next try follows by itself" } else { "" },
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContainerEnd, PodPhase};
    use crate::plan::plan;
    use crate::plan::testing::{desired, formed};
    use jiff::Timestamp;

    /// All six started on their volumes, and ended before any was in sync.
    fn all_ended(found_so: bool) -> Observation {
        let mut seen = formed();
        seen.members.clear();
        for entry in &mut seen.record.members {
            entry.volume = Some(entry.name.as_str().into());
            (entry.synced_run, entry.synced_with) = (None, None);
        }
        for pod in &mut seen.pods {
            let reason = "exit code 1".to_owned();
            pod.phase = PodPhase::Ended { reason };
            pod.end = found_so.then_some(ContainerEnd::Found);
        }
        seen
    }

    fn names(record: &Record) -> Vec<&str> {
        record.members.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn bodies_that_ended_are_tried_again_all_at_once_after_one_pause() {
        let (seen, at) = (all_ended(false), |seconds| {
            Timestamp::new(seconds, 0).unwrap()
        });
        let first = plan(&desired(3, 1), &seen, at(0)).record;
        assert_eq!(first.start_failures.as_ref().unwrap().count, 1);
        let mut again = seen.clone();
        again
            .record
            .start_failures
            .clone_from(&first.start_failures);
        for (seconds, count, are_tried) in [(1, 1, false), (2, 2, true)] {
            let next = plan(&desired(3, 1), &again, at(seconds)).record;
            let before = names(&again.record);
            let new = names(&next).into_iter().filter(|it| !before.contains(it));
            assert_eq!(new.count(), if are_tried { 6 } else { 0 }, "{seconds} s");
            assert_eq!(next.start_failures.unwrap().count, count, "{seconds} s");
        }
    }

    #[test]
    fn who_ended_with_the_host_did_not_fail_to_start() {
        let seen = all_ended(true);
        let next = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH).record;
        assert_eq!(next.start_failures, None);
        let before = names(&seen.record);
        assert!(names(&next).iter().all(|it| !before.contains(it)));
    }
}
