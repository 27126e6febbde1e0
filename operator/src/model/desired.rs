//! What the owner asked for, validated: the only reading of a spec that `plan` sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ClusterKey;
use crate::api::{
    Persistence, PodTemplate, QuorumLossPolicy, ShardLossPolicy, Storage, WhenUnsatisfiable,
};

/// A spec that can work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Which RedisCluster.
    pub key: ClusterKey,
    /// The uid of the RedisCluster object, for owner references.
    pub uid: String,
    /// The generation of the spec.
    pub generation: i64,
    /// The image of the members.
    pub image: String,
    /// How many shards.
    pub leaders: u32,
    /// How many followers each shard has.
    pub followers_per_leader: u32,
    /// Where members may live.
    pub zones: Zones,
    /// Volumes; none keeps the data in memory only.
    pub storage: Option<Storage>,
    /// What is written to the volumes.
    pub persistence: Persistence,
    /// `cluster-node-timeout` in service, in milliseconds.
    pub node_timeout_millis: u64,
    /// The owner's redis.conf directives.
    pub config: BTreeMap<String, String>,
    /// How clients log in.
    pub auth: Auth,
    /// TLS everywhere; none: nowhere.
    pub tls: Option<Tls>,
    /// The owner's part of the pods.
    pub pod: PodTemplate,
    /// How changes of the pods reach the members.
    pub rollout: Rollout,
    /// Silence of a whole zone after which its leaders are succeeded without waiting for the bus,
    /// in milliseconds; 0 leaves them to it.
    pub zone_loss_millis: u64,
    /// What becomes of a shard that lost every copy of its data.
    pub shard_loss: ShardLossPolicy,
    /// When followers take over without a vote.
    pub quorum_loss: QuorumLossPolicy,
    /// How long lost leaders must be silent for that where nothing proves them dead, in milliseconds.
    pub debounce_millis: u64,
    /// How long a member may be silent before another is built beside it, in milliseconds.
    pub rehome_after_millis: u64,
    /// Observe and report, touch nothing.
    pub paused: bool,
}

impl Desired {
    /// Members of a whole shard.
    pub fn members_per_shard(&self) -> u32 {
        self.followers_per_leader + 1
    }
}

/// Where members may live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zones {
    /// The label of hosts whose value is the zone.
    pub topology_key: String,
    /// The zones that may be used; empty allows all.
    pub allowed: Vec<String>,
    /// Whether a member without a zone of its own waits, or shares one.
    pub when_unsatisfiable: WhenUnsatisfiable,
}

/// How changes of the pods reach the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// A new member is in sync before the old one leaves; else the old one's place is emptied first.
    pub surge: bool,
    /// Shards that have a member replaced at once.
    pub max_shards_at_once: u32,
}

/// How clients log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Off lets everybody in.
    pub enabled: bool,
    /// The owner's Secret with key `password`; none lets us generate `<cluster>-auth`.
    pub secret_name: Option<String>,
    /// How long a former password is taken beside the current one, in seconds.
    pub grace_seconds: u64,
    /// Another text than before asks for new passwords of our own users.
    pub rotate_internal: Option<String>,
}

/// TLS for clients, followers and the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The owner's Secret with certificate, key and CA.
    pub secret_name: String,
}
