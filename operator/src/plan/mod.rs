//! Decides. Desired and Observation in, Plan out: pure, total and deterministic (promise I12).
//!
//! No client, no clock, no randomness. What is not seen yet is waited for, and said so. The steps
//! below run in order, each reads the same round and adds to the same draft.

mod access;
mod action;
mod census;
mod certificate;
mod check;
mod deposed;
mod draft;
mod evidence;
mod failover;
mod fence;
mod forget;
mod form;
mod histories;
mod holders;
mod join;
mod leadership;
mod loss;
mod marks;
mod objects;
mod opening;
mod placing;
mod pods;
mod reshard;
mod roll;
mod roster;
mod settings;
mod spacing;
mod stale_claims;
mod storage;
#[cfg(test)]
pub(crate) mod testing;
mod validate;
mod votes;
mod waiting;
mod wishes;
mod zone_loss;
mod zones;

pub use action::{
    Action, Deed, FailoverMode, MOVE_MILLIS, Manifest, ManifestKind, MemberCommand, MemberRef,
    MoveWay, PasswordStep, Plan,
};
pub use census::{Census, Member, Shard};
pub use check::{Refusal, check};
pub(crate) use draft::Draft;
pub use evidence::Verdict;
pub use failover::FED_SECONDS;
pub use reshard::in_service;
pub use settings::wanted_settings;
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
    opening::open,
    deposed::hold_writes,
    join::meet,
    join::follow,
    form::note_formed,
    join::set_timeouts,
    settings::configure,
    storage::grow,
    certificate::reload,
    access::rotate_clients,
    access::begin_own,
    access::rotate_own,
    stale_claims::disown,
    failover::force,
    failover::take_over,
    failover::relieve_closed_leaders,
    loss::note,
    loss::go_on_without,
    reshard::inherit,
    reshard::found,
    reshard::reshard,
    leadership::switch_over,
    pods::retire_surplus,
    reshard::retire_drained,
    roll::go_on,
    pods::clear_leftovers,
    forget::forget,
    zone_loss::judge_alarms,
    roster::note_addresses,
    marks::mark,
    placing::note_quiet,
    zones::note_full,
    // what is not as it should be, in words
    roster::start_failures::report,
    pods::report_waiting_pods,
    join::report,
    settings::report,
    storage::report,
    leadership::report_leaderless,
];

/// Decides what to do now.
pub fn plan(desired: &Desired, seen: &Observation, now: Timestamp) -> Plan {
    let pinned = form::pinned(desired, seen);
    let desired = pinned.as_ref().unwrap_or(desired);
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
    settings::note(&round, &mut draft);
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
