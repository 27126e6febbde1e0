//! The whole loop of Zoneward, unchanged, against a modelled world with virtual time (DESIGN section 7).
//!
//! ```text
//! seed -> script    setup and faults, drawn
//!      -> world     hosts, Kubernetes, processes and their bus, clients; 10 ms a step
//!      <- ports     the operator's three seams: calls take time, fail, lose their replies
//!      -> promises  I1 to I12, watched from the side of the truth
//!      -> shrink    a history that breaks one, made short
//! ```
//!
//! One seed is one history, always the same.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a model that is wrong is to stop at once; its numbers are small"
)]

mod describe;
pub mod faults;
pub mod history;
pub mod ports;
pub mod promises;
pub mod redis;
pub mod rig;
pub mod setup;
pub mod shrink;
pub mod world;
