//! Whose copy is whole no more: its leader lived on, heard by neither it nor us, and has what it took then on
//! its volume. Stage: plan, pure.
//!
//! A leader that was cut off from its followers may be on the side of the majority, and take writes for as long
//! as the cut lasts. Where its process ends there, its body has them, and a follower that was made to lead in
//! its place would have the body give them up.

use jiff::Timestamp;

use super::super::census::{Census, Member, Shard, follows};
use crate::api::Persistence;
use crate::model::{Desired, Observation, PodView, Record};

/// A link and a process that end together may do so in two seconds, as these are told.
const TOLERANCE_MILLIS: i64 = 1_000;
/// A follower that heard its leader later than this is not asked when that one ended: clocks of hosts differ,
/// and the end of a leader that was fed to the last is not to be waited for.
const UNFED_SECONDS: u64 = 5;

/// Strikes out that a follower was in sync to the last whose leader's container ended later than anything came
/// from it. The body is waited for then, as it is where no copy is known to be whole.
pub(super) fn note(desired: &Desired, seen: &Observation, record: &mut Record, now: Timestamp) {
    // a snapshot is older than what was fed; memory is gone
    if desired.persistence != Persistence::Aof || !record.formed {
        return;
    }
    let before = record.clone();
    let census = Census::new(desired, seen, &before);
    for shard in &census.shards {
        let Some((lost, ended)) = end_of_body(shard) else {
            continue;
        };
        for member in &shard.members {
            let was_outlived = fed_last(lost, member, now)
                .is_some_and(|fed| millis_between(fed, ended) > TOLERANCE_MILLIS);
            let mut entries = record.members.iter_mut();
            let entry = entries.find(|entry| &entry.name == member.name());
            if let Some(entry) = entry.filter(|_| was_outlived) {
                (entry.synced_run, entry.synced_with) = (None, None);
            }
        }
    }
}

/// The lost leader whose body may start, and when its container ended. Where its host went down with it nobody
/// knows that, and a follower may have what the body lacks: its last second (`appendfsync everysec`).
fn end_of_body<'a, 'b>(shard: &'b Shard<'a>) -> Option<(&'b Member<'a>, Timestamp)> {
    if shard.living_leader().is_some() {
        return None;
    }
    let lost = shard.members.iter().find(|it| shard.is_led_by(it))?;
    let has_body = lost.entry.volume.is_some();
    let ended = lost.pod.and_then(PodView::ended_at)?;
    has_body.then_some((lost, ended))
}

fn millis_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond() - from.as_millisecond()
}

/// When something came from that one last to a follower of it; none where it was a moment ago, or cannot be
/// told. (In whole seconds, as the end of a container: it lived on for longer than the two say.)
fn fed_last(lost: &Member<'_>, member: &Member<'_>, now: Timestamp) -> Option<Timestamp> {
    let answer = member.answer()?;
    let id = lost.entry.member_id.as_ref()?;
    let its_link = answer.replication.upstream.as_ref();
    let up = its_link.filter(|_| follows(answer, id))?;
    let seconds = if up.is_up {
        up.last_io_seconds
    } else {
        up.down_seconds
    };
    let seconds = seconds.filter(|seconds| *seconds > UNFED_SECONDS)?;
    let millis = i64::try_from(seconds.saturating_mul(1000)).ok()?;
    now.checked_sub(jiff::SignedDuration::from_millis(millis))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContainerEnd, MemberName, PodPhase};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};

    #[test]
    fn a_leader_that_lived_on_unheard_is_waited_for_with_what_it_took_then() {
        let at = |seconds| Timestamp::new(seconds, 0).unwrap();
        let seen_to_end = |ago: i64| Some(ContainerEnd::Seen(at(100 - ago)));
        let found = Some(ContainerEnd::Found);
        // (nothing came to the follower for so many seconds, the leader's end, AOF, FORCE)
        let table = [
            (40, seen_to_end(40), true, true, "it ended with the link"),
            (40, seen_to_end(39), true, true, "as far as can be told"),
            (40, seen_to_end(38), true, false, "it lived on"),
            (40, seen_to_end(1), true, false, "until a moment ago"),
            (40, seen_to_end(1), false, true, "nothing of it is left"),
            (5, seen_to_end(0), true, true, "clocks differ by as much"),
            (40, found, true, true, "its host went down with it"),
            (40, None, true, true, "nothing is known of its end"),
        ];
        for (unfed, end, has_body, expected, why) in table {
            for is_up in [false, true] {
                let (mut seen, mut desired) = (formed(), desired(3, 1));
                if has_body {
                    desired.persistence = Persistence::Aof;
                }
                for entry in &mut seen.record.members {
                    entry.volume = has_body.then(|| entry.name.as_str().into());
                }
                seen.record = plan(&desired, &seen, at(0)).record;
                let leader = MemberName::from("c-0-1");
                seen.members.remove(&leader);
                for pod in seen.pods.iter_mut().filter(|pod| pod.name == leader) {
                    pod.phase = PodPhase::Ended {
                        reason: "exit code 137".to_owned(),
                    };
                    pod.end = end;
                }
                let up = answer_of(&mut seen, "c-0-2").replication.upstream.as_mut();
                let up = up.unwrap();
                (up.is_up, up.last_io_seconds) = (is_up, is_up.then_some(unfed));
                up.down_seconds = (!is_up).then_some(unfed);
                let plan = plan(&desired, &seen, at(100));
                let mut kinds = plan.actions.iter().map(|it| it.deed.kind());
                assert_eq!(kinds.any(|it| it == "failover-force"), expected, "{why}");
            }
        }
    }
}
