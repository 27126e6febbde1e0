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
    let needs_leader = |desired| {
        let plan = plan(desired, seen, parts.clock.now());
        is_urgent(&plan.waiting_on) || plan.actions.iter().any(|it| it.deed.elects())
    };
    let is_overdue = desired.is_some_and(needs_leader);
    parts.overdue.set(key, is_overdue);
    delay(if is_overdue {
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
    use crate::model::MemberName;
    use crate::plan::testing::{desired, formed};

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
        bereft.members.remove(&MemberName::from("c-0-1"));
        for (seen, is_overdue) in [(&well, false), (&bereft, true), (&well, false)] {
            let again_in = stand_by(&parts, &key(), Some(&desired), seen);
            assert_eq!(parts.overdue.is_any(), is_overdue);
            assert_eq!(again_in < STEADY, is_overdue);
        }
    }
}
