//! All that was seen in one round, before anything is decided.
//!
//! Unknown is not down and a partial view is no proof: each fact says how it was come by.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Asked, HostName, MemberId, MemberName, PodFingerprint, PodUid, Record, Role, ShardId,
    VolumeName, ZoneName,
};

/// No store lags longer: its watch is opened anew before (`controller::watches`).
pub const STORE_AGE_MILLIS_MAX: u64 = 40_000;

/// The world as one round of the loop saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// All hosts of the Kubernetes cluster, sorted by name.
    pub hosts: Vec<HostView>,
    /// The pods that carry this RedisCluster's label and owner reference, sorted by name.
    pub pods: Vec<PodView>,
    /// Its volumes, sorted by name.
    pub volumes: Vec<VolumeView>,
    /// Its other objects (Services, ConfigMap, PodDisruptionBudgets), sorted by kind and name.
    pub objects: Vec<ObjectView>,
    /// Whether its Secrets are there; never their content.
    pub secrets: SecretsView,
    /// Hosts that hold members of other RedisClusters: for how many milliseconds nothing came from any
    /// of those; 0 where something did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub neighbours: BTreeMap<HostName, u64>,
    /// What each member answered, by pod.
    pub members: BTreeMap<MemberName, Asked>,
    /// Since when this operator has heard some of them in every round: a silence that began before may have
    /// been its own. None where that is not known to matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening_since: Option<Timestamp>,
    /// What leaders told last that this operator heard a moment ago and hears no more, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_words: BTreeMap<MemberId, LastWord>,
    /// What status kept from earlier rounds.
    pub record: Record,
}

/// How far a leader had come when it was heard last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastWord {
    /// Its history of writes.
    pub replication_id: String,
    /// How far along that, in bytes.
    pub offset: u64,
    /// When it told so.
    pub at: Timestamp,
}

impl Observation {
    /// The pod of this name.
    pub fn pod(&self, name: &MemberName) -> Option<&PodView> {
        self.pods.iter().find(|pod| &pod.name == name)
    }

    /// The host of this name.
    pub fn host(&self, name: &HostName) -> Option<&HostView> {
        self.hosts.iter().find(|host| &host.name == name)
    }
}

/// A Kubernetes machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostView {
    /// Its name.
    pub name: HostName,
    /// Its zone by the configured label; none where the label is missing.
    pub zone: Option<ZoneName>,
    /// Its `Ready` condition is True. False tells of silence, not of death.
    pub is_ready: bool,
    /// Since when it is, by the clock of its kubelet; none where it is not, or Kubernetes does not tell.
    pub ready_since: Option<Timestamp>,
    /// A member of this RedisCluster could be scheduled to it: not cordoned, no taint in its way.
    pub is_schedulable: bool,
    /// It carries the out-of-service taint: a human's word that it is dead.
    pub is_out_of_service: bool,
}

/// A member's pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodView {
    /// Its name.
    pub name: MemberName,
    /// Its uid.
    pub uid: PodUid,
    /// Its shard, by its label.
    pub shard: ShardId,
    /// The zone that it was made for, by its label; empty where hosts carry no zone label.
    pub zone: ZoneName,
    /// The host that it was scheduled to.
    pub host: Option<HostName>,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// How far its one container is.
    pub phase: PodPhase,
    /// How its container ended, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ContainerEnd>,
    /// Whether it was asked to go (it carries a deletion timestamp).
    pub is_leaving: bool,
    /// Whether the readiness gate is True.
    pub gate_is_open: bool,
    /// Whether its owner asks that it leads its shard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_to_lead: bool,
    /// The role that its label tells.
    pub role_label: Option<Role>,
    /// Its volume.
    pub volume: Option<VolumeName>,
    /// What it was made from; none on pods that are older than fingerprints.
    pub fingerprint: Option<PodFingerprint>,
    /// When it was made.
    pub created: Timestamp,
}

impl PodView {
    /// When its container ended, by its host's clock; none where nobody saw that.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.end {
            Some(ContainerEnd::Seen(at)) => Some(at),
            Some(ContainerEnd::Found) | None => None,
        }
    }
}

/// What a kubelet knows of a container's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerEnd {
    /// It was there, and tells the time in whole seconds of its host's clock.
    Seen(Timestamp),
    /// It found it so: it ended with its host, as by a loss of power, and nobody knows when.
    Found,
}

/// How far a pod's container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PodPhase {
    /// Not scheduled, or scheduled and not started.
    Waiting {
        /// Why the scheduler found no host, in its words.
        unschedulable: Option<String>,
        /// Why the kubelet does not start it: reason and message, such as `ImagePullBackOff`.
        kubelet: Option<String>,
    },
    /// Started.
    Running,
    /// Its container ended, as its kubelet reports it: proof of death (`restartPolicy: Never`).
    Ended {
        /// Exit code, reason and message, for people.
        reason: String,
    },
}

/// A PersistentVolumeClaim of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeView {
    /// Its name.
    pub name: VolumeName,
    /// Its uid.
    pub uid: String,
    /// Its shard, by its label.
    pub shard: ShardId,
    /// The zone that it was made for, by its label.
    pub zone: ZoneName,
    /// Whether it is being deleted.
    pub is_leaving: bool,
    /// The size that is asked for, as Kubernetes writes it; empty where it says none.
    #[serde(default)]
    pub size: String,
    /// Why it is not that large yet, in Kubernetes' words.
    #[serde(default)]
    pub resize_trouble: Option<String>,
}

/// Another object of ours, as the API server holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// `Service`, `ConfigMap`, `PodDisruptionBudget`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The whole object, as JSON.
    pub body: serde_json::Value,
}

/// Which Secrets are there. What is in them stays with `observe` and `wire`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct SecretsView {
    /// Our own users' passwords, of the generation on record.
    pub internal_is_present: bool,
    /// Those of the generation before.
    #[serde(default)]
    pub former_is_present: bool,
    /// The clients' Secret (`<cluster>-auth` or the owner's) is there.
    pub client_is_present: bool,
    /// It has a usable key `password`.
    pub client_is_usable: bool,
    /// What `spec.tls.secretName` has; none where it is missing or lacks a key.
    #[serde(default)]
    pub certificate: Option<CertificateView>,
}

/// A certificate, as far as it matters to a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// Another one where certificate or authorities were changed.
    pub digest: String,
    /// When its time begins.
    pub not_before: Timestamp,
    /// When its time ends.
    pub not_after: Timestamp,
}
