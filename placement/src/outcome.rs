//! The answer: who sits where, its score, or why there is none. Plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::problem::Mode;
use crate::topology::ZoneName;

/// Where the members of one shard sit after the solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardPlacement {
    /// Which shard.
    pub shard: u32,
    /// The zone of its leader.
    pub leader: ZoneName,
    /// The zones of its followers, in order of succession.
    pub followers: Vec<ZoneName>,
}

/// The six terms that are minimised; smaller is better. The crate documentation defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Members beyond the first of a shard in one zone.
    pub zone_violations: u64,
    /// Leaders above the fair share of their zone.
    pub leaders_over_quota: u64,
    /// Members with data that leave their zone.
    pub data_moves: u64,
    /// How far members per zone are from even.
    pub member_imbalance: u64,
    /// How far the leaders are from even after the loss of each zone.
    pub second_order_imbalance: u64,
    /// Planned changes of leadership.
    pub switchovers: u64,
}

impl Score {
    /// The terms in the order in which `mode` compares them.
    pub fn in_order(&self, mode: Mode) -> [u64; 6] {
        let Self {
            zone_violations,
            leaders_over_quota,
            data_moves,
            ..
        } = *self;
        let Self {
            member_imbalance,
            second_order_imbalance,
            switchovers,
            ..
        } = *self;
        let (first, last) = (zone_violations, switchovers);
        let even = (member_imbalance, second_order_imbalance);
        match mode {
            Mode::Repair => [first, leaders_over_quota, data_moves, even.0, even.1, last],
            Mode::Rebalance => [first, leaders_over_quota, even.0, even.1, data_moves, last],
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            zone_violations,
            leaders_over_quota,
            data_moves,
            member_imbalance,
            second_order_imbalance,
            switchovers,
        } = self;
        write!(
            f,
            "zoneViolations {zone_violations}, leadersOverQuota {leaders_over_quota}, \
             dataMoves {data_moves}, memberImbalance {member_imbalance}, \
             secondOrderImbalance {second_order_imbalance}, switchovers {switchovers}"
        )
    }
}

/// A solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Whether no other placement has a better score: proven, not hoped.
    pub optimal: bool,
    /// The score of this placement.
    pub score: Score,
    /// Where `optimal` is false: a best placement has no term below this, as far as terms before
    /// it in the order are no worse than here. Terms that are proven repeat the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Score>,
    /// The shards, by number.
    pub shards: Vec<ShardPlacement>,
}

/// Why a problem has no solution: a stable word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReasonCode {
    /// A shard has more members than there are zones that can take one.
    TooFewZones,
    /// The zones together have less room than the members need.
    NotEnoughRoom,
    /// A pinned shard has two members in one zone.
    PinnedTogether,
    /// Pinned members alone exceed the capacity of their zone.
    PinnedBeyondCapacity,
}

impl ReasonCode {
    /// The word, as it is serialised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooFewZones => "TooFewZones",
            Self::NotEnoughRoom => "NotEnoughRoom",
            Self::PinnedTogether => "PinnedTogether",
            Self::PinnedBeyondCapacity => "PinnedBeyondCapacity",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The stable word.
    pub reason: ReasonCode,
    /// A sentence for the user: what is missing and what would help.
    pub message: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Proof that a problem has no solution: a smallest set of reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infeasible {
    /// The reasons; never empty.
    pub reasons: Vec<Reason>,
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.reasons.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&reason.message)?;
        }
        Ok(())
    }
}

/// Why [`crate::solve()`] returned no placement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// There is none, and this is why.
    #[error("no placement exists: {0}")]
    Infeasible(Infeasible),
    /// The problem contradicts itself.
    #[error("malformed problem at {path}: {message}")]
    Malformed {
        /// The path of the wrong field, such as `current[2].leader`.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}
