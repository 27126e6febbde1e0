//! What every round works with, and the little that is remembered between rounds.
//!
//! Nothing here is needed for safety: an operator that starts anew loses only how often something
//! failed in a row, the words for it, and since when it listens, and then it waits the longer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::listening::Listening;
use crate::act::{Fence, Hands};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::model::ClusterKey;
use crate::overdue::Overdue;
use crate::ports::{Clock, ObjectApi, RedisAdmin};
use crate::rounds::Rounds;

/// The parts of a [`Context`].
pub struct ContextParts {
    /// Kubernetes.
    pub objects: Arc<dyn ObjectApi>,
    /// Redis.
    pub admin: Arc<dyn RedisAdmin>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether we may write.
    pub fence: Fence,
    /// Figures.
    pub metrics: Metrics,
    /// Events.
    pub events: Events,
    /// What rounds saw, for the page and the plugin.
    pub rounds: Rounds,
    /// What a standby's rounds saw undone, for the lease.
    pub overdue: Overdue,
}

/// Shared by all rounds of all RedisClusters.
pub struct Context {
    parts: ContextParts,
    memory: Mutex<BTreeMap<ClusterKey, Memory>>,
    listening: Mutex<Listening>,
}

/// What is remembered of one RedisCluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// What failed of the last round's actions, for status.
    pub(super) failures: Vec<String>,
    /// Rounds in a row that failed.
    pub(super) failed_rounds: u32,
    /// Why it cannot be read, as the last event about that said.
    pub(super) unreadable: Option<String>,
    /// Rounds in a row that waited and did nothing.
    pub(super) idle_rounds: u32,
}

impl Context {
    /// A context that remembers nothing yet.
    pub fn new(parts: ContextParts) -> Self {
        Self {
            parts,
            memory: Mutex::default(),
            listening: Mutex::default(),
        }
    }

    /// The parts.
    pub fn parts(&self) -> &ContextParts {
        &self.parts
    }

    pub(super) fn hands(&self) -> Hands<'_> {
        Hands {
            objects: self.parts.objects.as_ref(),
            admin: self.parts.admin.as_ref(),
            clock: self.parts.clock.as_ref(),
            fence: &self.parts.fence,
        }
    }

    pub(super) fn recall(&self, key: &ClusterKey) -> Memory {
        self.memory().get(key).cloned().unwrap_or_default()
    }

    pub(super) fn remember(&self, key: &ClusterKey, change: impl FnOnce(&mut Memory)) {
        change(self.memory().entry(key.clone()).or_default());
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all that is kept of a RedisCluster that is gone, connections included.
    pub fn forget(&self, key: &ClusterKey) {
        self.memory().remove(key);
        self.listening().forget(key);
        self.parts.admin.retain(key, &[]);
        self.parts.metrics.forget(key);
        self.parts.rounds.forget(key);
        self.parts.overdue.set(key, false);
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
