//! Figures of the operator itself: its rounds, their stages, and what they did. Nothing of one
//! RedisCluster stands here.

use std::time::Duration;

use prometheus::{GaugeVec, HistogramVec, IntCounterVec, Registry};

use super::family::{Family, flag};
use crate::act::Outcome;
use crate::model::{Asked, Observation};
use crate::plan::Refusal;

const ROUND_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];
const PLAN_SECONDS: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

const ACTIVE: Family = Family::gauge(
    "zoneward_active",
    &[],
    "Whether this operator is the active one: it holds the lease.",
);
const BUILD: Family = Family::gauge(
    "zoneward_build_info",
    &["version"],
    "1, with the version of the operator.",
);
const ROUNDS: Family = Family::counter(
    "zoneward_reconciles_total",
    &["outcome"],
    "Rounds of the loop, by how they ended.",
);
const ROUND: Family = Family::histogram(
    "zoneward_reconcile_duration_seconds",
    &["outcome"],
    ROUND_SECONDS,
    "How long a round of the loop took.",
);
const OBSERVE: Family = Family::histogram(
    "zoneward_observe_duration_seconds",
    &[],
    ROUND_SECONDS,
    "How long a round took to see everything: objects, and the answers of all members.",
);
const PLAN: Family = Family::histogram(
    "zoneward_plan_duration_seconds",
    &[],
    PLAN_SECONDS,
    "How long a round took to decide: the solver, the steps and the checker.",
);
const ACTIONS: Family = Family::counter(
    "zoneward_actions_total",
    &["kind", "outcome"],
    "Actions, by kind and by how they ended.",
);
const ACTION: Family = Family::histogram(
    "zoneward_action_duration_seconds",
    &["kind"],
    ROUND_SECONDS,
    "How long an action took.",
);
const REFUSALS: Family = Family::counter(
    "zoneward_plan_refusals_total",
    &["promise"],
    "Plans that the checker refused, by the promise that they would break.",
);
const ASKED: Family = Family::counter(
    "zoneward_members_asked_total",
    &["answer"],
    "Members that a round wanted to ask, by what came of it: answered, silent, not-asked.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[
    ACTIVE, BUILD, ROUNDS, ROUND, OBSERVE, PLAN, ACTIONS, ACTION, REFUSALS, ASKED,
];

/// A stage of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Kubernetes' objects and the members' answers.
    Observe,
    /// Plan and check.
    Plan,
}

/// The figures.
pub(super) struct Looping {
    active: GaugeVec,
    rounds: IntCounterVec,
    round: HistogramVec,
    observe: HistogramVec,
    plan: HistogramVec,
    actions: IntCounterVec,
    action: HistogramVec,
    refusals: IntCounterVec,
    asked: IntCounterVec,
}

impl Looping {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let build = BUILD.level(registry)?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        let own = Self {
            active: ACTIVE.level(registry)?,
            rounds: ROUNDS.events(registry)?,
            round: ROUND.spread(registry)?,
            observe: OBSERVE.spread(registry)?,
            plan: PLAN.spread(registry)?,
            actions: ACTIONS.events(registry)?,
            action: ACTION.spread(registry)?,
            refusals: REFUSALS.events(registry)?,
            asked: ASKED.events(registry)?,
        };
        own.set_active(false);
        Ok(own)
    }

    pub(super) fn set_active(&self, active: bool) {
        let none: [&str; 0] = [];
        self.active.with_label_values(&none).set(flag(active));
    }

    pub(super) fn reconciled(&self, outcome: &'static str, took: Duration) {
        self.rounds.with_label_values(&[outcome]).inc();
        let seconds = self.round.with_label_values(&[outcome]);
        seconds.observe(took.as_secs_f64());
    }

    pub(super) fn took(&self, stage: Stage, took: Duration) {
        let none: [&str; 0] = [];
        let seconds = match stage {
            Stage::Observe => &self.observe,
            Stage::Plan => &self.plan,
        };
        seconds.with_label_values(&none).observe(took.as_secs_f64());
    }

    pub(super) fn acted(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let word = match &outcome.result {
                Ok(()) => "done",
                Err(error) => error.class.as_str(),
            };
            let actions = self.actions.with_label_values(&[outcome.kind, word]);
            actions.inc();
            let seconds = self.action.with_label_values(&[outcome.kind]);
            seconds.observe(outcome.took.as_secs_f64());
        }
    }

    pub(super) fn refused(&self, refusals: &[Refusal]) {
        for refusal in refusals {
            self.refusals.with_label_values(&[refusal.promise]).inc();
        }
    }

    pub(super) fn asked(&self, seen: &Observation) {
        let (mut answered, mut silent, mut not_asked) = (0, 0, 0);
        for asked in seen.members.values() {
            match asked {
                Asked::Answered(_) => answered += 1,
                Asked::Silent(_) => silent += 1,
                Asked::NotAsked => not_asked += 1,
            }
        }
        let words = ["answered", "silent", "not-asked"];
        for (word, number) in words.into_iter().zip([answered, silent, not_asked]) {
            self.asked.with_label_values(&[word]).inc_by(number);
        }
    }
}
