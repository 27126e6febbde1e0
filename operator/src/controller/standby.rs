//! The end of a standby's round: it has looked, tells what cannot wait, and does nothing.

use std::time::Duration;

use super::ContextParts;
use super::retry::{Pace, delay, is_urgent};
use crate::model::{ClusterKey, Desired, Observation};
use crate::plan::plan;

/// When to look again. What the active operator would do now and has not done is told to the lease's keeper.
pub(super) fn stand_by(
    parts: &ContextParts,
    key: &ClusterKey,
    desired: Option<&Desired>,
    seen: &Observation,
) -> Duration {
    let plan = desired.map(|desired| plan(desired, seen, parts.clock.now()));
    let has_urgent_wait = plan.as_ref().is_some_and(|it| is_urgent(&it.waiting_on));
    let is_overdue = plan.is_some_and(|plan| plan.actions.iter().any(|it| it.deed.elects()));
    parts.overdue.set(key, is_overdue);
    delay(if is_overdue || has_urgent_wait {
        Pace::Urgent
    } else {
        Pace::Steady
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::act::Fence;
    use crate::controller::{Context, RoundEnd, STEADY, reconcile};
    use crate::fakes::{World, key, objects, pod};
    use crate::lease::LeaseGuard;
    use crate::model::{MemberId, MemberName, PodPhase};
    use crate::plan::testing::{answer_of, desired, formed};

    #[tokio::test]
    async fn a_standby_looks_and_touches_nothing() {
        let world = World::default();
        let mut seen = objects(&json!({ "image": "redis" }));
        seen.pods.push(pod("cache-0-1"));
        *world.objects.lock().unwrap() = Some(seen);
        let world = Arc::new(world);
        let guard = LeaseGuard::until(Duration::ZERO);
        let context = Context::new(ContextParts {
            fence: Fence::by_lease(guard, world.clone()),
            ..world.parts()
        });
        let round = reconcile(&context, &key()).await.unwrap();
        assert_eq!(round.end, RoundEnd::Standby);
        assert_eq!(world.lines(), ["view", "retain 1", "ask cache-0-1"]);
        assert!(!context.parts().overdue.is_any());
    }

    #[tokio::test]
    async fn a_shard_without_a_leader_is_overdue_until_it_is_led_again() {
        let parts = Arc::new(World::default()).parts();
        let desired = desired(3, 1);
        let well = formed();
        let mut bereft = formed();
        let ended = MemberName::from("c-0-1");
        bereft.members.remove(&ended);
        for pod in bereft.pods.iter_mut().filter(|pod| pod.name == ended) {
            let reason = "exit code 137".to_owned();
            pod.phase = PodPhase::Ended { reason };
        }
        let run = answer_of(&mut bereft, "c-0-2").run_id.clone();
        for entry in &mut bereft.record.members {
            if entry.name.as_str() == "c-0-2" {
                entry.synced_run = Some(run.clone());
                entry.synced_with = Some(MemberId::from("id-c-0-1"));
            }
        }
        let up = answer_of(&mut bereft, "c-0-2")
            .replication
            .upstream
            .as_mut();
        up.unwrap().is_up = false;
        for (seen, is_overdue) in [(&well, false), (&bereft, true), (&well, false)] {
            let again_in = stand_by(&parts, &key(), Some(&desired), seen);
            assert_eq!(parts.overdue.is_any(), is_overdue);
            assert_eq!(again_in < STEADY, is_overdue);
        }
    }
}
