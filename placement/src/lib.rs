//! Where the members of sharded Redis clusters live: an exact solver over zones, shards and moves.
//!
//! Knows nothing of Kubernetes or Redis: no async, no client, no clock, no randomness. Same
//! [`Problem`] in, same [`Placement`] out.

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
pub use solve::solve;
pub use topology::{Zone, ZoneName, ZoneState};
pub use verify::{Violation, score, verify};
