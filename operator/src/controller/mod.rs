//! The loop: each stage once, in order, for one RedisCluster at a time and many side by side.
//!
//! No rule about Redis or placement lives here. One round observes everything, decides once, and
//! writes its status (with the record that the actions rely on) before it acts.

mod context;
mod driver;
mod listening;
mod reconcile;
mod retry;
mod standby;
mod wake;
mod watches;

pub use context::{Context, ContextParts};
pub use driver::run_controllers;
pub use reconcile::{Round, RoundEnd, RoundError, reconcile};
pub use retry::{Pace, STEADY, delay, jittered};
pub use watches::start_watches;
