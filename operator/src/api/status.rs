//! `RedisCluster.status`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Engine, Record, Role};

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisClusterStatus {
    /// The generation of the spec that this status is about.
    #[serde(default)]
    pub observed_generation: i64,

    /// Ready, Available, Progressing, Degraded, PlacementSatisfied, ZoneSafe, ZoneOutage, DataLost,
    /// Paused.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// How many shards own slots, and have a leader that can be reached: what kubectl scale shows.
    #[serde(default)]
    pub leaders: u32,

    /// The leaders' pods, as a label selector: what an autoscaler measures.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,

    /// How many of the 16384 slots have a leader that can be reached.
    #[serde(default)]
    pub slots_served: u32,

    /// The server that the members run, as they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,

    /// Its version; the lowest where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,

    /// Each shard: who leads it, who follows, and where.
    #[serde(default)]
    pub shards: Vec<ShardStatus>,

    /// Each zone: who lives there, and whether its loss would be survived now.
    #[serde(default)]
    pub zones: Vec<ZoneStatus>,

    /// What the operator waits for.
    #[serde(default)]
    pub waiting_on: Vec<WaitingStatus>,

    /// The operator's own durable memory. Not for reading by people; never edit it.
    #[serde(default)]
    pub record: Record,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardStatus {
    /// Its index.
    pub shard: u32,
    /// The slots that it owns, such as 0-5460.
    pub slots: String,
    /// Its members, the leader first.
    pub members: Vec<ShardMemberStatus>,
}

/// One member of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardMemberStatus {
    /// Its pod.
    pub pod: String,
    /// Its zone.
    pub zone: String,
    /// Its role, as the cluster sees it; none before it has joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Alive, Closed (in sync, but keeps clients out), Joining, Starting, Silent, Ended or Leaving.
    pub state: String,
    /// Whether its copy is complete and fed; the leader's own copy always is.
    pub in_sync: bool,
    /// How many bytes of the leader's history it has not yet processed, in steps of 1 MiB: it
    /// must not change at each write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_mebibytes: Option<u64>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// Its name.
    pub zone: String,
    /// Open, Cordoned or Gone.
    pub state: String,
    /// Leaders in it.
    pub leaders: u32,
    /// Followers in it.
    pub followers: u32,
    /// Whether its loss, now, would leave every shard an in-sync member elsewhere and a majority
    /// of leaders to vote.
    pub survives_loss: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// Something that the operator waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingStatus {
    /// What, as one stable word.
    pub reason: String,
    /// On what exactly, and what could be done.
    pub message: String,
}
