//! `RedisCluster.spec`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RedisClusterStatus, rules};

/// A Redis Cluster (or Valkey cluster) whose leaders and followers live in different zones.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "zoneward.io",
    version = "v1alpha1",
    kind = "RedisCluster",
    plural = "redisclusters",
    shortname = "rdc",
    category = "all",
    namespaced,
    status = "RedisClusterStatus",
    scale(
        spec_replicas_path = ".spec.leaders",
        status_replicas_path = ".status.leaders",
        label_selector_path = ".status.selector"
    ),
    derive = "PartialEq",
    doc = "A Redis Cluster (or Valkey cluster) whose leaders and followers live in different zones.",
    printcolumn(name = "Leaders", type_ = "integer", json_path = ".spec.leaders"),
    printcolumn(name = "Followers", type_ = "integer", json_path = ".spec.followersPerLeader"),
    printcolumn(name = "Slots", type_ = "integer", json_path = ".status.slotsServed"),
    printcolumn(
        name = "Zone-safe",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"ZoneSafe\")].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name is longer than 40 characters: pods and volumes add up to 14 characters to it, choose a shorter one"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name names Services too: write lower-case letters, digits and '-', and begin with a letter")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::storage_only_grows(),
    validation = rules::storage_class_stays(),
    validation = Rule::new("has(self.tls) == has(oldSelf.tls) && (!has(self.tls) || self.tls.secretName == oldSelf.tls.secretName)").message("spec.tls cannot be switched on or off, and its Secret not exchanged for another, while members run: change what is in the Secret, or make a new RedisCluster"),
    validation = rules::persistence_stays(),
    validation = Rule::new("!has(self.persistence) || self.persistence == 'None' || has(self.storage)").message("spec.persistence Rdb and Aof need a volume: add spec.storage.size, or write persistence: None")
)]
pub struct RedisClusterSpec {
    /// The Redis (7.0 or later) or Valkey (8 or later) image. Engine and version are read from
    /// the running members.
    #[schemars(length(min = 1))]
    pub image: String,

    /// How many shards, each with one leader and an even part of the 16384 slots. It cannot be
    /// changed yet.
    #[serde(default = "default_leaders")]
    #[schemars(range(min = 1, max = 500))]
    pub leaders: u32,

    /// How many followers each leader has, each in a zone of its own.
    #[serde(default = "default_followers_per_leader")]
    #[schemars(range(min = 0, max = 5))]
    pub followers_per_leader: u32,

    /// Which zones may be used, and how strictly.
    #[serde(default)]
    pub zones: ZonesSpec,

    /// Volumes for the members. Left out, the data lives in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// What is written to the volumes. Left out: Aof with storage, None without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,

    /// cluster-node-timeout in service, in milliseconds: how long a member may be silent before
    /// the others take it for dead.
    #[serde(default = "default_node_timeout_millis")]
    #[schemars(range(min = 500, max = 60000))]
    pub node_timeout_millis: u64,

    /// redis.conf directives for all members, such as maxmemory: 2gb. Directives that Zoneward
    /// sets itself are refused.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[a-z][a-z0-9-]*$'))").message("spec.config: write directives' names in lower case, as redis.conf has them"),
        validation = Rule::new("self.all(name, !self[name].contains('\\n'))").message("spec.config: a directive's value must be one line"))]
    #[schemars(transform = bound_config, transform = rules::no_directive_is_owned)]
    pub config: BTreeMap<String, String>,

    /// How clients log in.
    #[serde(default)]
    pub auth: AuthSpec,

    /// TLS for clients, followers and the cluster bus. Left out, all of it is plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,

    /// The owner's part of the members' pods.
    #[serde(default)]
    pub pod: PodTemplate,

    /// How changes of image and pod, and directives that are taken at a start only, reach the members.
    #[serde(default)]
    pub rollout: RolloutSpec,

    /// When losses are made good.
    #[serde(default)]
    pub recovery: RecoverySpec,

    /// Observe and report, touch nothing.
    #[serde(default)]
    pub paused: bool,
}

/// How changes of image and pod reach the members: zone by zone, followers before leaders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// Whether a new member is in sync before the old one leaves. Left out: true in memory, false
    /// with storage, where the member starts again on its volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<bool>,

    /// How many shards have a member replaced at once, within one zone. Left out: 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub max_shards_at_once: Option<u32>,
}

/// When losses are made good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.zoneLossMillis == 0 || self.zoneLossMillis >= 2000").message("spec.recovery.zoneLossMillis: write 0 (leave it to the bus) or 2000 and more; the witnesses count whole seconds"))]
pub struct RecoverySpec {
    /// Silence of a whole zone, in milliseconds, after which its leaders are succeeded without
    /// waiting for the bus; 2000 or more. If the zone was only cut off, what its leaders took
    /// meanwhile is lost. 0 leaves it to the bus.
    #[serde(default = "default_zone_loss_millis")]
    #[schemars(range(min = 0, max = 60000))]
    pub zone_loss_millis: u64,

    /// How long a member may be silent, in seconds, before another is built beside it elsewhere.
    /// Left out: 30 in memory, 300 with storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 86400))]
    pub rehome_after_seconds: Option<u64>,

    /// What becomes of a shard that lost every copy of its data. Left out: AcceptEmpty in memory,
    /// Wait with storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_loss: Option<ShardLossPolicy>,

    /// When followers take over without a vote, because too few leaders answer to vote.
    #[serde(default)]
    pub quorum_loss: QuorumLossPolicy,

    /// How long lost leaders must be silent, in seconds, before followers take over from leaders
    /// that nothing proves dead. At least three times nodeTimeoutMillis and 5 s, whatever it says.
    #[serde(default = "default_debounce_seconds")]
    #[schemars(range(min = 10, max = 86400))]
    pub debounce_seconds: u64,
}

/// When followers take over without a vote, because too few leaders answer to vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QuorumLossPolicy {
    /// When every lost leader is proven dead, or has surely stopped: they are at most half of all,
    /// their hosts are NotReady and nobody has heard them for debounceSeconds.
    #[default]
    Fenced,
    /// Also when nobody has heard them for debounceSeconds. If they live on the other side of a cut
    /// network and serve clients there, all that those write from then on is lost.
    Unreachable,
    /// Never: status has the command for each lost shard.
    Manual,
}

/// What becomes of a shard that lost every copy of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShardLossPolicy {
    /// Its slots stay unserved.
    Wait,
    /// An empty member takes its slots over. The condition DataLost tells of it for a day.
    AcceptEmpty,
}

impl Default for RecoverySpec {
    fn default() -> Self {
        Self {
            zone_loss_millis: default_zone_loss_millis(),
            rehome_after_seconds: None,
            shard_loss: None,
            quorum_loss: QuorumLossPolicy::default(),
            debounce_seconds: default_debounce_seconds(),
        }
    }
}

/// Which zones may be used, and how strictly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZonesSpec {
    /// The label of hosts whose value is the zone.
    #[serde(default = "default_topology_key")]
    #[schemars(length(max = 317))]
    #[x_kube(validation = rules::is_label_key())]
    pub topology_key: String,

    /// The zones that may be used, each once. Empty allows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 63)))]
    #[x_kube(validation = rules::are_label_values(), merge_strategy = ListMerge::Set)]
    pub allowed: Vec<String>,

    /// DoNotSchedule: a member that finds no zone of its own waits. ScheduleAnyway: it shares one.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
}

impl Default for ZonesSpec {
    fn default() -> Self {
        Self {
            topology_key: default_topology_key(),
            allowed: Vec::new(),
            when_unsatisfiable: WhenUnsatisfiable::default(),
        }
    }
}

/// What happens to a member that finds no zone of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// It waits.
    #[default]
    DoNotSchedule,
    /// It shares a zone with another member of its shard.
    ScheduleAnyway,
}

/// Volumes for the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// The size of each member's volume, such as 10Gi.
    #[schemars(regex(pattern = r"^[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"))]
    pub size: String,

    /// The StorageClass. Left out: the Kubernetes cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,

    /// What becomes of a volume when its member or the RedisCluster is deleted.
    #[serde(default)]
    pub retain: RetainPolicy,
}

/// What becomes of a volume that is needed no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetainPolicy {
    /// It stays until somebody deletes it.
    #[default]
    Retain,
    /// It is deleted.
    Delete,
}

/// What is written to the volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Persistence {
    /// Nothing.
    None,
    /// Snapshots, by the server's default schedule.
    Rdb,
    /// Every write, flushed each second.
    Aof,
}

/// How clients log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.enabled || !has(self.secretName)").message("spec.auth.secretName needs auth: write enabled: true, or remove secretName"))]
pub struct AuthSpec {
    /// Whether clients need a password. Off lets everybody in who reaches the pods.
    #[serde(default = "default_true")]
    pub enabled: bool,

    /// A Secret of yours with the key `password`, for the user `default`. Left out, the Secret
    /// `<name>-auth` is made with a random one. A password under the key `previousPassword` is taken,
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub secret_name: Option<String>,

    /// How long, in seconds, a former password is still taken after every member takes the new one.
    #[serde(default = "default_rotation_grace_seconds")]
    #[schemars(range(min = 0, max = 2_592_000))]
    pub rotation_grace_seconds: u64,

    /// Write another text than before, such as a date, to have the passwords of Zoneward's own users
    /// changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub rotate_internal: Option<String>,
}

impl Default for AuthSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            secret_name: None,
            rotation_grace_seconds: default_rotation_grace_seconds(),
            rotate_internal: None,
        }
    }
}

/// TLS for clients, followers and the cluster bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// A Secret of yours with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager makes it. A changed
    /// one is taken up without a restart.
    #[schemars(length(min = 1))]
    pub secret_name: String,

    /// The DNS name that the operator wants to find in the certificate. Left out,
    /// `<name>-members.<namespace>.svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
}

/// The owner's part of the members' pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Resources of the container `redis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Tolerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// Labels that a host must carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Priority class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,

    /// More labels. Those under app.kubernetes.io and zoneward.io are ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// More annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Service account; its token is never mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,

    /// How the image is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
}

/// The API server refuses a CRD whose rules might cost too much, and reckons with the largest map
/// and the longest text that the schema lets through.
fn bound_config(schema: &mut schemars::Schema) {
    schema.insert("maxProperties".to_owned(), CONFIG_DIRECTIVES_MAX.into());
    if let Some(values) = schema.get_mut("additionalProperties") {
        values["maxLength"] = CONFIG_VALUE_LENGTH_MAX.into();
    }
}

/// Redis 8 knows about 200 directives, a third of them ours.
const CONFIG_DIRECTIVES_MAX: u32 = 100;
/// In characters.
const CONFIG_VALUE_LENGTH_MAX: u32 = 1024;

fn default_leaders() -> u32 {
    3
}

fn default_followers_per_leader() -> u32 {
    1
}

fn default_node_timeout_millis() -> u64 {
    5000
}

fn default_debounce_seconds() -> u64 {
    60
}

fn default_zone_loss_millis() -> u64 {
    2000
}

fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

fn default_rotation_grace_seconds() -> u64 {
    3600
}

fn default_true() -> bool {
    true
}
