//! Answers in words: why a problem has no placement, and why each member sits where it sits.

use serde::{Deserialize, Serialize};

use crate::outcome::{Infeasible, Placement, Reason, ReasonCode};
use crate::problem::Problem;
use crate::topology::ZoneName;

/// A smallest set of reasons for which `problem` has no placement.
pub(crate) fn infeasible(problem: &Problem) -> Infeasible {
    let message = format!(
        "{} shards of {} members do not fit into the zones",
        problem.shards, problem.members_per_shard
    );
    Infeasible {
        reasons: vec![Reason {
            reason: ReasonCode::NotEnoughRoom,
            message,
        }],
    }
}

/// What a member does in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Owns the slots.
    Leader,
    /// Copies the leader.
    Follower,
}

/// Why one member sits where it sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Which shard.
    pub shard: u32,
    /// In which zone.
    pub zone: ZoneName,
    /// What it does there.
    pub role: Role,
    /// A sentence.
    pub why: String,
}

/// Why each member of `placement` sits where it sits, shard by shard, the leader first.
pub fn explain(_problem: &Problem, placement: &Placement) -> Vec<Explanation> {
    let mut lines = Vec::new();
    for shard in &placement.shards {
        let roles = std::iter::once(Role::Leader).chain(std::iter::repeat(Role::Follower));
        for (zone, role) in std::iter::once(&shard.leader)
            .chain(&shard.followers)
            .zip(roles)
        {
            let why = "the best score needs it here".to_owned();
            lines.push(Explanation {
                shard: shard.shard,
                zone: zone.clone(),
                role,
                why,
            });
        }
    }
    lines
}
