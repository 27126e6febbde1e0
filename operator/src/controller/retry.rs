//! When to look again. Pure; the jitter is drawn by the caller.

use std::time::Duration;

use crate::plan::{Deed, Plan, WaitingOn, WaitingReason};
use crate::ports::ErrorClass;

/// Between two rounds of a RedisCluster that needs nothing. A backstop: what happens wakes the
/// loop at once.
pub const STEADY: Duration = Duration::from_secs(3);

/// After actions: their effects (an answered MEET, a role change) show within this.
const AFTER_ACTIONS: Duration = Duration::from_millis(50);
/// While waiting for something that no watch tells of, at first and at most.
const WAITING_FIRST: Duration = Duration::from_millis(50);
const WAITING_MOST: Duration = Duration::from_secs(1);
/// While a shard waits for a leader: a zone's silence turns into a verdict without any event.
const URGENT: Duration = Duration::from_millis(150);

/// While slots move: the end of a piece wakes the loop, and who moves them stops without our word.
const MOVING: Duration = Duration::from_millis(250);

/// Why the next round comes when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Something was done.
    Acted,
    /// The Redis Cluster itself is about to change; so many rounds did nothing but wait.
    Waiting {
        /// How many.
        idle_rounds: u32,
    },
    /// Slots are on the move: whoever moves them is told to go on.
    Moving,
    /// Slots are not served, and what can be done about it may be known at any moment.
    Urgent,
    /// Nothing is expected.
    Steady,
    /// The round, or an action of it, failed; so many in a row.
    Failing {
        /// How.
        class: ErrorClass,
        /// How many.
        failed_rounds: u32,
    },
}

/// How long to wait before the next round.
pub fn delay(pace: Pace) -> Duration {
    match pace {
        Pace::Acted => AFTER_ACTIONS,
        Pace::Waiting { idle_rounds } => grown(WAITING_FIRST, WAITING_MOST, idle_rounds),
        Pace::Moving => MOVING,
        Pace::Urgent => URGENT,
        Pace::Steady => STEADY,
        Pace::Failing {
            class,
            failed_rounds,
        } => {
            let again = failed_rounds.saturating_sub(1);
            let seconds = Duration::from_secs;
            match class {
                // The world has moved on: look at once, but do not spin against somebody who
                // writes the same object all the time.
                ErrorClass::Conflict => match again {
                    0 => Duration::ZERO,
                    more => grown(Duration::from_millis(20), seconds(1), more - 1),
                },
                ErrorClass::Transient => grown(Duration::from_millis(100), seconds(5), again),
                ErrorClass::Forbidden | ErrorClass::Invalid => {
                    grown(seconds(3), seconds(60), again)
                }
                ErrorClass::Bug => grown(seconds(3), seconds(30), again),
                // The process is about to end.
                ErrorClass::NotActive => seconds(1),
            }
        }
    }
}

/// The delay, between 80 and 120 percent of it; `draw` is from 0 to 1. Without it a hundred
/// RedisClusters that were woken together would stay together.
pub fn jittered(delay: Duration, draw: f64) -> Duration {
    delay.mul_f64(0.8 + 0.4 * draw.clamp(0.0, 1.0))
}

/// Doubled with each round.
fn grown(first: Duration, most: Duration, rounds: u32) -> Duration {
    first.saturating_mul(1_u32 << rounds.min(16)).min(most)
}

/// Whether what is waited for happens within the Redis Cluster, where no watch tells of it. Pods,
/// hosts and Secrets do not count: their changes wake the loop, or are looked for at leisure.
pub(super) fn is_short_lived(waiting: &[WaitingOn]) -> bool {
    waiting.iter().any(|waiting| match waiting.reason {
        WaitingReason::ViewsDiffer
        | WaitingReason::FollowerSync
        | WaitingReason::Election
        | WaitingReason::QuorumLost
        | WaitingReason::MemberSilent
        | WaitingReason::SlotsUnserved
        | WaitingReason::DataLost
        | WaitingReason::RoleChangeTooSoon
        | WaitingReason::Resharding
        | WaitingReason::Departure
        | WaitingReason::PodStarting
        | WaitingReason::RollingUpdate
        | WaitingReason::ClosedStart => true,
        WaitingReason::NoRoom
        | WaitingReason::ImageProblem
        | WaitingReason::MemberFailsToStart
        | WaitingReason::SecretMissing
        | WaitingReason::RecordMissing
        | WaitingReason::ZoneLabelMissing
        | WaitingReason::PlacementInfeasible
        | WaitingReason::RollPaused
        | WaitingReason::RollStuck
        | WaitingReason::LeadWish
        | WaitingReason::Stranger
        | WaitingReason::PasswordRotation
        | WaitingReason::VolumeResize
        | WaitingReason::DiskTrouble
        | WaitingReason::CertificateRotation
        | WaitingReason::CertificateExpires
        | WaitingReason::DirectiveRefused
        | WaitingReason::RestartNeeded
        | WaitingReason::Paused
        | WaitingReason::PlanRefused => false,
    })
}

/// Whether clients wait for a leader that may be given to them soon.
pub(super) fn is_urgent(waiting: &[WaitingOn]) -> bool {
    waiting
        .iter()
        .any(|waiting| waiting.reason == WaitingReason::Election)
}

/// Whether slots are being moved.
pub(super) fn is_moving(plan: &Plan) -> bool {
    let moves = |deed: &Deed| deed.kind() == "move-slots";
    plan.actions.iter().any(|action| moves(&action.deed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_by_pace() {
        let failing = |class, failed_rounds| Pace::Failing {
            class,
            failed_rounds,
        };
        let table = [
            (Pace::Acted, 50),
            (Pace::Waiting { idle_rounds: 0 }, 50),
            (Pace::Waiting { idle_rounds: 2 }, 200),
            (Pace::Waiting { idle_rounds: 99 }, 1000),
            (Pace::Urgent, 150),
            (Pace::Steady, 3000),
            (failing(ErrorClass::Conflict, 1), 0),
            (failing(ErrorClass::Conflict, 2), 20),
            (failing(ErrorClass::Conflict, 99), 1000),
            (failing(ErrorClass::Transient, 1), 100),
            (failing(ErrorClass::Transient, 3), 400),
            (failing(ErrorClass::Transient, 99), 5000),
            (failing(ErrorClass::Forbidden, 1), 3000),
            (failing(ErrorClass::Forbidden, 99), 60_000),
            (failing(ErrorClass::Invalid, 2), 6000),
            (failing(ErrorClass::Bug, 99), 30_000),
            (failing(ErrorClass::NotActive, 1), 1000),
        ];
        for (pace, expected) in table {
            assert_eq!(delay(pace), Duration::from_millis(expected), "{pace:?}");
        }
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let delay = Duration::from_secs(10);
        assert_eq!(jittered(delay, 0.0), Duration::from_secs(8));
        assert_eq!(jittered(delay, 0.5), Duration::from_secs(10));
        assert_eq!(jittered(delay, 1.0), Duration::from_secs(12));
        assert_eq!(jittered(delay, 7.0), Duration::from_secs(12));
    }
}
