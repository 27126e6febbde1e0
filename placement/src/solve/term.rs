//! The six terms by name: their order, and where they stand in a score.

use crate::outcome::Score;
use crate::problem::Mode;
use crate::solve::tally::Own;

/// A term of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Violations,
    Quota,
    Moves,
    Members,
    Second,
    Switches,
}

impl Term {
    /// The terms in the order of `mode`.
    pub(super) fn in_order(mode: Mode) -> [Self; 6] {
        use Term::{Members, Moves, Quota, Second, Switches, Violations};
        match mode {
            Mode::Repair => [Violations, Quota, Moves, Members, Second, Switches],
            Mode::Rebalance => [Violations, Quota, Members, Second, Moves, Switches],
        }
    }

    /// The terms that are sums of what each shard costs by itself.
    pub(super) const LINEAR: [Self; 3] = [Self::Violations, Self::Moves, Self::Switches];

    /// What one shard adds to a linear term.
    pub(super) fn amount(self, own: &Own) -> Option<u32> {
        match self {
            Self::Violations => Some(own.violations),
            Self::Moves => Some(own.moves),
            Self::Switches => Some(own.switches),
            Self::Quota | Self::Members | Self::Second => None,
        }
    }

    pub(super) fn set(self, score: &mut Score, value: u64) {
        match self {
            Self::Violations => score.zone_violations = value,
            Self::Quota => score.leaders_over_quota = value,
            Self::Moves => score.data_moves = value,
            Self::Members => score.member_imbalance = value,
            Self::Second => score.second_order_imbalance = value,
            Self::Switches => score.switchovers = value,
        }
    }

    pub(super) fn of(self, score: &Score) -> u64 {
        match self {
            Self::Violations => score.zone_violations,
            Self::Quota => score.leaders_over_quota,
            Self::Moves => score.data_moves,
            Self::Members => score.member_imbalance,
            Self::Second => score.second_order_imbalance,
            Self::Switches => score.switchovers,
        }
    }
}
