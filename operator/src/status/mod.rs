//! Tells. Observation and Plan in, status out: pure.

use jiff::Timestamp;

use crate::api::RedisClusterStatus;
use crate::model::{Desired, Observation};
use crate::plan::{Plan, Refusal, Rejection};

/// What a status is made of.
#[derive(Debug)]
pub struct Input<'a> {
    /// The spec's generation.
    pub generation: i64,
    /// The spec as validated, or why it cannot work.
    pub desired: Result<&'a Desired, &'a Rejection>,
    /// What was seen.
    pub seen: &'a Observation,
    /// What was decided.
    pub plan: &'a Plan,
    /// Why the plan was refused.
    pub refusals: &'a [Refusal],
    /// What failed of the last round's actions, in words.
    pub failures: &'a [String],
    /// Now.
    pub now: Timestamp,
}

/// The status to be written. Equal to `previous` where nothing has changed.
pub fn status(previous: &RedisClusterStatus, input: &Input<'_>) -> RedisClusterStatus {
    let mut next = previous.clone();
    next.observed_generation = input.generation;
    next.record = input.plan.record.clone();
    next
}

/// A condition that flipped, for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The condition and its new status, such as `ZoneSafe=False`: distinct per event.
    pub action: String,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// Whether it is a change for the worse.
    pub is_warning: bool,
}

/// What flipped between two statuses.
pub fn transitions(before: &RedisClusterStatus, after: &RedisClusterStatus) -> Vec<Transition> {
    let _ = (before, after);
    Vec::new()
}
