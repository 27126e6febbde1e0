//! Asked before every write: are we still the active operator, for long enough to finish it?
//!
//! The lease alone is only "usually one". What makes two operators harmless are the preconditions
//! of each action; the fence keeps them rare.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::LeaseGuard;
use crate::ports::Clock;

/// Lets writes through while the lease is ours.
#[derive(Clone)]
pub struct Fence {
    guard: Option<LeaseGuard>,
    clock: Arc<dyn Clock>,
}

impl Fence {
    /// Lets writes through while this lease holds.
    pub fn by_lease(guard: LeaseGuard, clock: Arc<dyn Clock>) -> Self {
        Self {
            guard: Some(guard),
            clock,
        }
    }

    /// Lets every write through: for a loop that has its world to itself (testbeds, simulator).
    pub fn open(clock: Arc<dyn Clock>) -> Self {
        Self { guard: None, clock }
    }

    /// Whether we are the active operator, for now. A standby looks and does nothing.
    pub fn is_active(&self) -> bool {
        self.guard.as_ref().is_none_or(LeaseGuard::is_held)
    }

    /// Waits until we are.
    pub async fn activated(&self) {
        if let Some(mut guard) = self.guard.clone() {
            guard.acquired().await;
        }
    }

    /// Whether a call that takes up to `limit` ends while we are still active.
    pub fn permits(&self, limit: Duration) -> bool {
        self.guard
            .as_ref()
            .is_none_or(|guard| guard.valid_until() >= self.clock.monotonic() + limit)
    }
}
