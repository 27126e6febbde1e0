//! The real time, for [`crate::ports::Clock`]. The only place that may ask the system for it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::ports::Clock;

/// The machine's clocks. `monotonic` counts from the making of this value; it is tokio's, so that
/// tests that pause tokio's time pause this too.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
