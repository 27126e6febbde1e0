//! Where the members of sharded Redis clusters live: an exact solver over zones, shards and moves.
//!
//! Knows nothing of Kubernetes or Redis: no async, no client, no clock, no randomness. Same
//! [`Problem`] in, same [`Placement`] out.
//!
//! # The problem
//!
//! N shards of m members each, over zones that are open, cordoned (keep present members, take no
//! new ones) or gone (their members do not exist), each with room for some number of members. U is
//! the set of zones that can hold a leader: open with room, or cordoned with a present member of a
//! shard that remains; Z = |U|. `L_w` are the leaders and `M_w` the members in zone w; even(t, k)
//! is the least sum of squares of k whole numbers that add up to t. Smaller is better:
//!
//! 1. `zone_violations`: members of a shard beyond the first in a zone; none is allowed under
//!    [`WhenUnsatisfiable::DoNotSchedule`].
//! 2. `leaders_over_quota`: sum over zones of max(0, `L_w` - ceil(N/Z)).
//! 3. `data_moves`: present members with data whose zone no longer holds a member of their shard.
//! 4. `member_imbalance`: sum of `M_w`² less even(N·m, Z).
//! 5. `second_order_imbalance`: for each zone z, how far leaders per zone are from even after z is
//!    lost and the first follower outside z of each of its shards leads.
//! 6. `switchovers`: shards whose present leader stays a member and leads no more.
//!
//! A pinned shard keeps its present leader and all its present members, also those beyond m.
//!
//! [`Mode::Repair`] compares in this order, [`Mode::Rebalance`] in the order 1, 2, 4, 5, 3, 6.
//!
//! # The solution
//!
//! ```text
//! Problem -> model    usable zones by number; shards in the same present state are one class
//!         -> start    members, leaders, heirs, each settled exactly by a condensed flow
//!         -> catalog  the patterns (members per zone, leader, heir) that each class may take
//!         -> improve  descent by single shards
//!         -> program  one integer program per term over counts (class -> pattern)
//!         -> branch   relax (simplex), prove (bound), round, split
//! ```
//!
//! The six terms depend on shards only through how many of each class take each pattern, and the
//! quadratic terms are convex in totals per zone, so each term is an integer program with linear
//! relaxation: totals climb ladders of unit steps, exact at whole numbers. Terms are minimised one
//! after the other, earlier ones being held. Most need no program: the settling of members alone
//! bounds terms 1, 3 and 4, and no term is below zero.
//!
//! # What is guaranteed
//!
//! * [`Placement::optimal`] is a proof: each bound is recomputed in whole numbers from the
//!   multipliers that floating point came up with, so rounding can cost a proof, never fake one.
//! * [`SolveError::Infeasible`] is a proof too: a flow of least overflow overflows.
//! * The budget is counted in steps of arithmetic. Where it ends first, `optimal` is false and
//!   [`Placement::bound`] says what is proven.
//! * A placement that is best already stays as it is.
//! * [`verify()`] and [`score`] share no code with the solver.

mod explain;
mod model;
mod moves;
mod outcome;
mod problem;
mod solve;
mod topology;
mod verify;

pub use explain::{Explanation, Role, explain};
pub use moves::{Move, Step, moves};
pub use outcome::{Infeasible, Placement, Reason, ReasonCode, Score, ShardPlacement, SolveError};
pub use problem::{
    CurrentMember, CurrentShard, MEMBERS_PER_SHARD_MAX, Mode, Problem, SHARDS_MAX,
    WhenUnsatisfiable, ZONES_MAX,
};
pub use solve::{Budget, solve, solve_within};
pub use topology::{Zone, ZoneName, ZoneState};
pub use verify::{Violation, score, verify};
