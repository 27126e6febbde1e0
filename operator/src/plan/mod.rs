//! Decides. Desired and Observation in, Plan out: pure, total and deterministic (promise I12).
//!
//! No client, no clock, no randomness. What is not seen yet is waited for, and said so.

mod action;
mod check;
mod validate;
mod waiting;

pub use action::{
    Action, Deed, FailoverMode, Manifest, ManifestKind, MemberCommand, MemberRef, Plan,
};
pub use check::{Refusal, check};
pub use validate::{Rejection, validate};
pub use waiting::{WaitingOn, WaitingReason};

use jiff::Timestamp;

use crate::model::{Desired, Observation};

/// Decides what to do now.
pub fn plan(desired: &Desired, seen: &Observation, now: Timestamp) -> Plan {
    let _ = (desired, now);
    Plan {
        record: seen.record.clone(),
        ..Plan::default()
    }
}
