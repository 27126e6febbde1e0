//! Figures for Prometheus.
//!
//! Labels come from fixed words and from names of RedisClusters, zones, shards and pods; never from
//! error texts. What describes a RedisCluster is made anew at each scrape from its last round, and
//! what is counted of it goes with it: a zone or cluster that is gone leaves no series behind. A round
//! only hands its results over; the work is the scrape's. Decides nothing, and nothing reads it back.

mod changes;
mod cluster;
mod family;
mod figures;
mod looping;
mod member;
mod shard;
mod zone;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{Registry, TextEncoder};

pub use family::{Family, Kind};
pub use looping::Stage;

use crate::act::Outcome;
use crate::api::RedisClusterStatus;
use crate::model::{ClusterKey, Desired, Observation};
use crate::plan::{Plan, Refusal};
use changes::{Changes, Trail};
use family::Sheet;
use figures::ClusterFigures;
use looping::Looping;

/// Families that belong together.
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// Them.
    pub families: &'static [Family],
}

/// Every family that the operator has.
pub const CATALOGUE: &[Section] = &[
    Section {
        title: "RedisCluster",
        families: cluster::FAMILIES,
    },
    Section {
        title: "Zones",
        families: zone::FAMILIES,
    },
    Section {
        title: "Shards",
        families: shard::FAMILIES,
    },
    Section {
        title: "Members",
        families: member::FAMILIES,
    },
    Section {
        title: "Changes",
        families: changes::FAMILIES,
    },
    Section {
        title: "Operator",
        families: looping::FAMILIES,
    },
];

/// What a round came to know of a RedisCluster.
pub struct Round<'a> {
    /// The spec as validated; none where it cannot work.
    pub desired: Option<&'a Desired>,
    /// What was seen.
    pub seen: &'a Observation,
    /// What was told of it.
    pub status: RedisClusterStatus,
    /// When, by the monotonic clock.
    pub at: Duration,
}

/// All figures of one operator. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    looping: Looping,
    changes: Changes,
    clusters: Mutex<BTreeMap<ClusterKey, Kept>>,
}

#[derive(Default)]
struct Kept {
    figures: ClusterFigures,
    trail: Trail,
}

impl Metrics {
    /// Figures at zero.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        Ok(Self(Arc::new(Inner {
            looping: Looping::new(&registry)?,
            changes: Changes::new(&registry)?,
            clusters: Mutex::default(),
            registry,
        })))
    }

    /// A round has ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        self.0.looping.reconciled(outcome, took);
    }

    /// A stage of a round has ended.
    pub fn took(&self, stage: Stage, took: Duration) {
        self.0.looping.took(stage, took);
    }

    /// Actions have ended.
    pub fn acted(&self, outcomes: &[Outcome]) {
        self.0.looping.acted(outcomes);
    }

    /// A plan was refused.
    pub fn refused(&self, refusals: &[Refusal]) {
        self.0.looping.refused(refusals);
    }

    /// Whether we are the active operator.
    pub fn set_active(&self, active: bool) {
        self.0.looping.set_active(active);
    }

    /// What a round came to know of a RedisCluster.
    pub fn observed(&self, key: &ClusterKey, round: Round<'_>) {
        self.0.looping.asked(round.seen);
        let mut clusters = self.clusters();
        let kept = clusters.entry(key.clone()).or_default();
        self.0.changes.observed(key, &mut kept.trail, &round);
        kept.figures = ClusterFigures::new(round);
    }

    /// A plan is about to be carried out.
    pub fn ordered(&self, key: &ClusterKey, plan: &Plan, seen: &Observation, at: Duration) {
        if let Some(kept) = self.clusters().get_mut(key) {
            kept.trail.ordered(plan, seen, at);
        }
    }

    /// A RedisCluster is gone.
    pub fn forget(&self, key: &ClusterKey) {
        let mut clusters = self.clusters();
        clusters.remove(key);
        self.0.changes.forget(key);
    }

    /// All of it in Prometheus' text format.
    pub fn render(&self) -> prometheus::Result<String> {
        let sheet = Sheet::new(CATALOGUE.iter().flat_map(|section| section.families))?;
        for (key, kept) in self.clusters().iter() {
            let of = [key.namespace.as_str(), key.name.as_str()];
            cluster::fill(&sheet, of, &kept.figures)?;
            zone::fill(&sheet, of, &kept.figures.status.zones)?;
            shard::fill(&sheet, of, &kept.figures)?;
            member::fill(&sheet, of, &kept.figures)?;
        }
        let mut families = self.0.registry.gather();
        families.extend(sheet.collect());
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&families)
    }

    fn clusters(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Kept>> {
        self.0
            .clusters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
