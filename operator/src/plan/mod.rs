//! Decides. Desired and Observation in, Plan out: pure, total and deterministic (promise I12).
//!
//! No client, no clock, no randomness. What is not seen yet is waited for, and said so. The steps
//! below run in order, each reads the same round and adds to the same draft.

mod action;
mod census;
mod check;
mod draft;
mod evidence;
mod failover;
mod forget;
mod form;
mod join;
mod leadership;
mod loss;
mod marks;
mod objects;
mod placing;
mod pods;
mod roll;
mod roster;
mod spacing;
#[cfg(test)]
pub(crate) mod testing;
mod validate;
mod waiting;
mod zone_loss;
mod zones;

pub use action::{
    Action, Deed, FailoverMode, Manifest, ManifestKind, MemberCommand, MemberRef, Plan,
};
pub use census::{Census, Member, Shard};
pub use check::{Refusal, check};
pub(crate) use draft::Draft;
pub use evidence::Verdict;
pub use failover::FED_SECONDS;
pub use validate::{Rejection, validate};
pub use waiting::{WaitingOn, WaitingReason};
pub use zones::states as zone_states;

use jiff::Timestamp;

use crate::model::{Desired, Observation};
use census::{Round, Step};

/// What is done once the shared objects are there, in this order: first what gives members a
/// place, then what brings them in, then who leads, then who may go.
const STEPS: &[Step] = &[
    roster::strike_out_the_lost,
    roll::settle,
    placing::place,
    pods::make_pods,
    form::deal_out,
    join::open,
    join::meet,
    join::follow,
    form::note_formed,
    join::set_timeouts,
    failover::force,
    failover::take_over,
    failover::relieve_closed_leaders,
    loss::note,
    loss::go_on_without,
    leadership::switch_over,
    pods::retire_surplus,
    roll::go_on,
    pods::clear_leftovers,
    forget::forget,
    roster::note_addresses,
    marks::mark,
    placing::note_quiet,
    zones::note_full,
    // what is not as it should be, in words
    roster::report_start_failures,
    pods::report_waiting_pods,
    join::report,
    leadership::report_leaderless,
];

/// Decides what to do now.
pub fn plan(desired: &Desired, seen: &Observation, now: Timestamp) -> Plan {
    let record = roster::note_facts(desired, seen, now);
    let census = Census::new(desired, seen, &record);
    let round = Round {
        desired,
        seen,
        census: &census,
        record: &record,
        now,
    };
    let mut draft = Draft::new(record.clone());
    if desired.paused {
        draft.wait(
            WaitingReason::Paused,
            "spec.paused is set: nothing is touched",
        );
        return draft.finish();
    }
    if roster::is_lost(seen) {
        draft.wait(
            WaitingReason::RecordMissing,
            roster::lost_message(desired, seen),
        );
        return draft.finish();
    }
    if objects::keep_objects(&round, &mut draft) {
        for step in STEPS {
            step(&round, &mut draft);
        }
    } else {
        // members cannot be made without their Secrets; those that run are left as they are
        marks::mark(&round, &mut draft);
    }
    draft.finish()
}
