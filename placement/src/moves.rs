//! From the present to the solved placement: an ordered list of small moves.

use serde::{Deserialize, Serialize};

use crate::topology::ZoneName;

/// One thing to do in one shard; it is finished (the copy in sync, the leader elected) before the
/// next move of the same shard begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// In which shard.
    pub shard: u32,
    /// What to do.
    #[serde(flatten)]
    pub step: Step,
}

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// Build a new member and let it copy the data of its shard.
    Add {
        /// Where.
        zone: ZoneName,
    },
    /// Give a shard that has no leader one: the first of a new shard, or after a loss.
    Appoint {
        /// Where the leader-to-be sits.
        zone: ZoneName,
    },
    /// Planned change of leadership.
    Switchover {
        /// The present leader.
        from: ZoneName,
        /// The next one.
        to: ZoneName,
    },
    /// Take a member away; another one in sync remains.
    Remove {
        /// From where.
        zone: ZoneName,
    },
}

/// The moves that lead from the present to `placement`, in an order that is safe to follow.
pub fn moves(
    _problem: &crate::problem::Problem,
    _placement: &crate::outcome::Placement,
) -> Vec<Move> {
    Vec::new()
}
