//! Builds the objects that a `RedisCluster` owns, one kind a file.
//!
//! Pure: [`Desired`] in, [`Manifest`] out. No client, no clock, no decision about *when*: that is
//! `plan`'s. Nothing here can fail, because [`Desired`] was validated. Tests: `tests.rs` (golden
//! manifests, restricted Pod Security) and `tests/server_config.rs` (the scripts and the
//! configuration against real servers).

mod config;
mod container;
mod disruption;
mod drift;
mod fingerprint;
pub mod labels;
mod owner;
mod pod;
mod secret;
mod security;
mod service;
#[cfg(test)]
mod tests;
mod volume;

pub use config::{
    CLUSTER_BUS_SMALL_MEMBERS_MAX, FORMING_NODE_TIMEOUT_LARGE_MILLIS, FORMING_NODE_TIMEOUT_MILLIS,
    config_map, forming_node_timeout_millis, kept_settings, redis_conf,
};
pub use drift::drift;
pub use fingerprint::fingerprint;
pub use pod::{PodRequest, grace_period_seconds, pod};
pub use secret::{client_secret, client_secret_name, internal_secret};
pub use volume::volume;

use crate::model::Desired;
use crate::plan::Manifest;

/// The objects that members share: Services, `ConfigMap` and a `PodDisruptionBudget` for each shard.
/// All may be applied over and over; pods and volumes may not.
pub fn shared_objects(desired: &Desired) -> Vec<Manifest> {
    let mut objects = service::services(desired);
    objects.push(config_map(desired));
    objects.extend(disruption::budgets(desired));
    objects
}
