//! One round.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;

use super::context::Context;
use super::retry::{Pace, STEADY, delay, is_moving, is_short_lived, is_urgent};
use super::standby::stand_by;
use crate::act::{ActError, Outcome, act};
use crate::api::{RedisCluster, RedisClusterStatus};
use crate::api_call::CALL_LIMIT;
use crate::metrics::{self, Stage};
use crate::model::{ClusterKey, Desired, Observation, Settings};
use crate::observe::{ask_members, hear_neighbours, snapshot};
use crate::plan::{Action, Deed, Plan, Refusal, check, plan, validate, wanted_settings};
use crate::ports::{ClusterObjects, ErrorClass, ObjectError};
use crate::rounds::World;
use crate::status::{Input, status, transitions};
use crate::telemetry::chain;

/// What to do about an object that the API server refuses. The fields that it is made from cannot be
/// changed yet; nobody shall delete data for that, as where a policy of the Kubernetes cluster is new.
const CORRECT_THE_SPEC: &str = "It is made from the spec: if the cluster holds no data yet, make the \
                                RedisCluster anew with that corrected";

/// What a round came to.
#[derive(Debug)]
pub struct Round {
    /// How it ended.
    pub end: RoundEnd,
    /// When to look again, before jitter.
    pub again_in: Duration,
    /// What came of its actions.
    pub outcomes: Vec<Outcome>,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundEnd {
    /// The RedisCluster does not exist, or is being deleted.
    Gone,
    /// The spec cannot work.
    Rejected,
    /// The checker refused the plan.
    Refused,
    /// `spec.paused` is set.
    Paused,
    /// Another operator is active: this one looked.
    Standby,
    /// There was nothing to do.
    Steady,
    /// There was nothing to do but to wait.
    Waiting,
    /// All actions were done.
    Acted,
    /// An action failed.
    ActionFailed,
}

impl RoundEnd {
    /// One stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Standby => "standby",
            Self::Steady => "steady",
            Self::Waiting => "waiting",
            Self::Acted => "acted",
            Self::ActionFailed => "action-failed",
        }
    }
}

/// Why a round ended before it could act.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The RedisCluster and its objects could not be seen.
    #[error("failed to view RedisCluster {key}")]
    View {
        /// Which.
        key: ClusterKey,
        /// The cause.
        #[source]
        source: ObjectError,
    },
    /// The status, and with it the record, could not be written: nothing was done.
    #[error("failed to record RedisCluster {key}")]
    Record {
        /// Which.
        key: ClusterKey,
        /// The cause.
        #[source]
        source: ObjectError,
    },
}

impl RoundError {
    /// What it means for the next try.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::View { source, .. } | Self::Record { source, .. } => source.class,
        }
    }
}

/// Runs one round: view, validate, ask, plan, check, record, act.
pub async fn reconcile(context: &Context, key: &ClusterKey) -> Result<Round, RoundError> {
    let parts = context.parts();
    let started = parts.clock.monotonic();
    let view = parts.objects.view(key).await;
    let view = view.map_err(|source| {
        context.listening().lost(key);
        let key = key.clone();
        RoundError::View { key, source }
    })?;
    let stays = |it: &ClusterObjects| it.resource.metadata.deletion_timestamp.is_none();
    let Some(objects) = view.filter(stays) else {
        context.forget(key);
        return Ok(ended(RoundEnd::Gone, STEADY));
    };

    let desired = validate(&objects.resource);
    let settings = settings_of(&objects, desired.as_ref().ok());
    let members = ask_members(parts.admin.as_ref(), key, &objects, settings).await;
    let now = parts.clock.now();
    let neighbours = hear_neighbours(parts.objects.as_ref(), parts.admin.as_ref(), key, &members);
    let heard = context.listening().heard(key, &members, now);
    let seen = heard.told_in(snapshot(&objects, members, neighbours, now));
    took(context, Stage::Observe, started);
    if !parts.fence.is_active() {
        let pause = stand_by(parts, key, desired.as_ref().ok(), &seen);
        return Ok(ended(RoundEnd::Standby, pause));
    }
    let (plan, refusals) = decide(context, desired.as_ref().ok(), &seen, now);

    let memory = context.recall(key);
    let input = Input {
        generation: objects.resource.metadata.generation.unwrap_or_default(),
        desired: desired.as_ref(),
        seen: &seen,
        plan: &plan,
        refusals: &refusals,
        failures: &memory.failures,
        now,
    };
    let told = record(context, key, &objects.resource, &input).await?;
    let at = parts.clock.monotonic();
    let round = metrics::Round {
        desired: desired.as_ref().ok(),
        seen: &seen,
        status: told,
        at,
    };
    parts.metrics.observed(key, round);
    let does = matches!(&desired, Ok(desired) if refusals.is_empty() && !desired.paused);
    if does {
        parts.metrics.ordered(key, &plan, &seen, at);
        announce(context, key, &plan, now);
    }
    show(context, key, desired.as_ref().ok(), &seen, now);

    let end = match &desired {
        Err(_) => RoundEnd::Rejected,
        Ok(_) if !refusals.is_empty() => RoundEnd::Refused,
        Ok(desired) if desired.paused => RoundEnd::Paused,
        Ok(_) => {
            let outcomes = act(&context.hands(), key, &objects, &plan.actions).await;
            let has_recorded = plan.record != seen.record;
            return Ok(close(context, key, &plan, has_recorded, outcomes));
        }
    };
    context.remember(key, |memory| *memory = super::context::Memory::default());
    Ok(ended(end, STEADY))
}

/// Plans and checks. Timed here: the plan knows no clock.
fn decide(
    context: &Context,
    desired: Option<&Desired>,
    seen: &Observation,
    now: Timestamp,
) -> (Plan, Vec<Refusal>) {
    let Some(desired) = desired else {
        return (unchanged(&seen.record), Vec::new());
    };
    let started = context.parts().clock.monotonic();
    let plan = plan(desired, seen, now);
    let refusals = check(desired, seen, &plan, now);
    took(context, Stage::Plan, started);
    context.parts().metrics.refused(&refusals);
    (plan, refusals)
}

fn took(context: &Context, stage: Stage, started: Duration) {
    let parts = context.parts();
    let took = parts.clock.monotonic().saturating_sub(started);
    parts.metrics.took(stage, took);
}

/// What the members are to be asked about.
fn settings_of(objects: &ClusterObjects, desired: Option<&Desired>) -> Settings {
    let record = objects.resource.status.as_ref().map(|it| &it.record);
    let record = record.cloned().unwrap_or_default();
    desired.map_or_else(Settings::default, |it| wanted_settings(it, &record))
}

/// Writes the status, with the record that the actions rely on, where it has changed.
async fn record(
    context: &Context,
    key: &ClusterKey,
    resource: &Arc<RedisCluster>,
    input: &Input<'_>,
) -> Result<RedisClusterStatus, RoundError> {
    let parts = context.parts();
    let previous = resource.status.clone().unwrap_or_default();
    let next = status(&previous, input);
    if next == previous && resource.status.is_some() {
        return Ok(next);
    }
    let failed = |source| RoundError::Record {
        key: key.clone(),
        source,
    };
    if !parts.fence.permits(CALL_LIMIT) {
        return Err(failed(ObjectError {
            operation: format!("write status of RedisCluster {key}"),
            class: ErrorClass::NotActive,
            source: None,
        }));
    }
    let written = parts.objects.write_status(resource, &next).await;
    let written = written.map_err(failed)?;
    let flipped = transitions(&previous, &next);
    parts.rounds.flipped(key, input.now, &flipped);
    parts.events.publish(&written.object_ref(&()), flipped);
    Ok(next)
}

/// One line for each thing that is about to be done; a loop that has nothing to do is silent.
fn announce(context: &Context, key: &ClusterKey, plan: &Plan, now: Timestamp) {
    for waiting in &plan.waiting_on {
        tracing::debug!(cluster = %key, reason = %waiting.reason, "waiting: {}", waiting.message);
    }
    let news = |action: &&Action| !action.deed.is_reminder();
    for action in plan.actions.iter().filter(news) {
        tracing::info!(cluster = %key, kind = action.deed.kind(), why = %action.why, "{}", action.deed);
        // marks and other objects follow from what is told already
        if !matches!(action.deed, Deed::MarkPod { .. } | Deed::Apply(_)) {
            let (text, why) = (action.deed.to_string(), action.why.clone());
            context.parts().rounds.announced(key, now, text, why);
        }
    }
}

/// Hands the round out to whoever looks: after the status, which they read beside it.
fn show(
    context: &Context,
    key: &ClusterKey,
    desired: Option<&Desired>,
    seen: &Observation,
    now: Timestamp,
) {
    let Some(desired) = desired else { return };
    let world = World {
        desired: desired.clone(),
        observation: seen.clone(),
        now,
    };
    context.parts().rounds.decided(key, world);
}

/// Counts, logs and remembers what came of the actions.
fn close(
    context: &Context,
    key: &ClusterKey,
    plan: &Plan,
    has_recorded: bool,
    outcomes: Vec<Outcome>,
) -> Round {
    context.parts().metrics.acted(&outcomes);
    let failures: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.result.as_ref().err())
        .collect();
    for error in &failures {
        // A Conflict is the ordinary way to learn that the world has moved on.
        if error.class == ErrorClass::Conflict {
            tracing::debug!(cluster = %key, error = %chain(*error), "action");
        } else {
            tracing::warn!(cluster = %key, error = %chain(*error), "action");
        }
    }
    // The mildest first: as long as anything may work at once, it is tried at once.
    let class = failures.iter().map(|error| error.class).min();
    let words = in_words(&failures);
    let is_waiting = is_short_lived(&plan.waiting_on);
    // What is decided in one round is often done in the next, when the record is safe.
    let has_acted = has_recorded || !plan.actions.iter().all(|action| action.deed.is_reminder());
    let mut pace = Pace::Steady;
    context.remember(key, |memory| {
        memory.failures = words;
        memory.unreadable = None;
        memory.failed_rounds = class.map_or(0, |_| memory.failed_rounds.saturating_add(1));
        memory.idle_rounds = if has_acted || !is_waiting {
            0
        } else {
            memory.idle_rounds.saturating_add(1)
        };
        pace = match class {
            Some(class) => Pace::Failing {
                class,
                failed_rounds: memory.failed_rounds,
            },
            None if has_acted => Pace::Acted,
            None if is_urgent(&plan.waiting_on) => Pace::Urgent,
            None if is_moving(plan) => Pace::Moving,
            None if is_waiting => Pace::Waiting {
                idle_rounds: memory.idle_rounds,
            },
            None => Pace::Steady,
        };
    });
    let end = match pace {
        Pace::Failing { .. } => RoundEnd::ActionFailed,
        Pace::Acted => RoundEnd::Acted,
        Pace::Steady if plan.waiting_on.is_empty() => RoundEnd::Steady,
        Pace::Waiting { .. } | Pace::Urgent | Pace::Moving | Pace::Steady => RoundEnd::Waiting,
    };
    Round {
        end,
        // One action that fails for good must not slow down the watch over the rest.
        again_in: delay(pace).min(STEADY),
        outcomes,
    }
}

/// What failed, for status. Sorted: actions end in any order, and a status that tells of another one
/// each time would be written each time.
fn in_words(failures: &[&ActError]) -> Vec<String> {
    let mut words: Vec<String> = failures
        .iter()
        .filter(|error| error.class != ErrorClass::Conflict)
        .map(|error| {
            let told = chain(*error);
            if is_refused_object(error) {
                format!("{told}. {CORRECT_THE_SPEC}")
            } else {
                told
            }
        })
        .collect();
    words.sort_unstable();
    words
}

/// Kubernetes takes no such object. (Members refuse commands, too.)
fn is_refused_object(error: &ActError) -> bool {
    let source = error.source.as_ref();
    error.class == ErrorClass::Invalid && source.is_some_and(|source| source.is::<ObjectError>())
}

fn ended(end: RoundEnd, again_in: Duration) -> Round {
    Round {
        end,
        again_in,
        outcomes: Vec::new(),
    }
}

fn unchanged(record: &crate::model::Record) -> Plan {
    Plan {
        record: record.clone(),
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests;
