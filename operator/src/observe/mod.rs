//! Effects in. Reads Kubernetes' stores and asks every member, and puts both into one
//! [`Observation`].
//!
//! Writes nothing, decides nothing. What was not seen stays unknown: a store that is not filled
//! yet is an error, a member that was not asked is [`Asked::NotAsked`].
//! Translation from Kubernetes' types (`pods`, `hosts`, `secrets`) is pure and tested by tables.

mod hosts;
mod members;
mod objects;
mod pods;
mod secrets;
mod snapshot;
mod stores;

pub use hosts::fingerprint as host_fingerprint;
pub use members::{ASK_LIMIT, ask_members, target};
pub use objects::view;
pub use secrets::{
    CLIENT_PASSWORD_KEY, OPERATOR_PASSWORD_KEY, REPLICATION_PASSWORD_KEY, SecretCache,
};
pub use snapshot::snapshot;
pub use stores::{Guarded, Scope, ScopeWriters, Stores, StoresWriters};

/// The label by which our watches tell our objects from all others.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`], and our field manager.
pub const MANAGER: &str = "zoneward";
/// The name of the RedisCluster that an object belongs to.
pub const CLUSTER_LABEL: &str = "zoneward.io/cluster";
/// The shard of a pod or volume.
pub const SHARD_LABEL: &str = "zoneward.io/shard";
/// The zone that a pod or volume was made for.
pub const ZONE_LABEL: &str = "zoneward.io/zone";
/// The role of a pod's member.
pub const ROLE_LABEL: &str = "zoneward.io/role";
/// The type of the readiness gate's condition.
pub const READINESS_GATE: &str = "zoneward.io/in-cluster";
/// The container that runs the server.
pub const CONTAINER: &str = "redis";
/// The port for clients.
pub const CLIENT_PORT: u16 = 6379;
