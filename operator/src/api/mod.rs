//! The `RedisCluster` resource: what users write and read.
//!
//! Derives, and the rules that the API server evaluates: no client, no decision. `crds/` is
//! generated from here; `tests/crds.rs` fails when it is stale. Only fields that work are in it.

mod owned;
mod rules;
#[allow(
    unreachable_pub,
    reason = "the derive macros re-export their types one level down"
)]
mod spec;
#[allow(
    unreachable_pub,
    reason = "the derive macros re-export their types one level down"
)]
mod status;

pub use owned::{OWNED_DIRECTIVES, OWNED_PREFIXES, OwnedDirective, owned_directive};
pub use spec::{
    AuthSpec, Persistence, PodTemplate, QuorumLossPolicy, RecoverySpec, RedisCluster,
    RedisClusterSpec, RetainPolicy, RolloutSpec, ShardLossPolicy, Storage, TlsSpec,
    WhenUnsatisfiable, ZonesSpec,
};
pub use status::{RedisClusterStatus, ShardMemberStatus, ShardStatus, WaitingStatus, ZoneStatus};
