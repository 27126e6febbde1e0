//! The only seams to the world: what the loop reads and writes through.
//!
//! Real: `observe`/`act` over Kubernetes' client, `wire` over Redis'. Others: the simulator and
//! the local testbed. Nothing else in the operator reaches outside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::api::{RedisCluster, RedisClusterStatus};
use crate::model::{
    Address, ClusterKey, HostName, HostView, MemberAnswer, MemberName, ObjectView, PodUid, PodView,
    Role, SecretsView, Settings, Silence, VolumeName, VolumeView,
};
use crate::plan::{Manifest, MemberCommand, MemberRef};

/// Everything about one RedisCluster that Kubernetes knows.
#[derive(Clone, Debug)]
pub struct ClusterObjects {
    /// The resource itself.
    pub resource: Arc<RedisCluster>,
    /// See [`crate::model::Observation`].
    pub hosts: Vec<HostView>,
    /// See [`crate::model::Observation`].
    pub pods: Vec<PodView>,
    /// See [`crate::model::Observation`].
    pub volumes: Vec<VolumeView>,
    /// See [`crate::model::Observation`].
    pub objects: Vec<ObjectView>,
    /// See [`crate::model::Observation`].
    pub secrets: SecretsView,
    /// What is in the Secrets, for [`RedisAdmin`] alone.
    pub credentials: Arc<Credentials>,
}

/// A password. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to log in to the members of one RedisCluster, and what to let others log in with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Of the operator's own user `zoneward`.
    pub operator: Option<Password>,
    /// Of the user `replication`, which followers log in as.
    pub replication: Option<Password>,
    /// Of the user `default`. None where `auth.enabled` is false: everybody is let in.
    pub client: Option<Password>,
    /// Whether `default` needs a password at all.
    pub client_needs_password: bool,
    /// What clients may use besides, as the Secret says.
    pub former_client: Option<Password>,
    /// What the operator's own user had before. Always tried where the current one is not taken.
    pub former_operator: Option<Password>,
    /// What `replication` had before.
    pub former_replication: Option<Password>,
    /// Whether members are to take the two former ones still.
    pub is_rotating: bool,
    /// Whether members speak TLS.
    pub is_sealed: bool,
    /// How to know a member by its certificate, where they do and the Secret is there.
    pub trust: Option<Trust>,
}

/// How to know a member by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The certificates of who issues, in PEM.
    pub authorities: String,
    /// The name that a member's certificate must carry: members are dialled by their addresses, which
    /// change.
    pub server_name: String,
    /// The SHA-256 of the certificate in the Secret, which members are to present; none where it cannot
    /// be read.
    pub fingerprint: Option<String>,
}

impl Credentials {
    /// What clients may use, the current one first.
    pub fn client_passwords(&self) -> impl Iterator<Item = &Password> {
        let former = self
            .former_client
            .as_ref()
            .filter(|_| self.client.is_some());
        self.client.iter().chain(former)
    }

    /// What followers may use, the current one first.
    pub fn follower_passwords(&self) -> impl Iterator<Item = &Password> {
        let former = self
            .former_replication
            .as_ref()
            .filter(|_| self.is_rotating);
        self.replication.iter().chain(former)
    }

    /// What the operator may use, the current one first.
    pub fn operator_passwords(&self) -> impl Iterator<Item = &Password> {
        let former = self.former_operator.as_ref().filter(|_| self.is_rotating);
        self.operator.iter().chain(former)
    }
}

/// Why a call to the API server failed.
#[derive(Debug, Error)]
#[error("failed to {operation}")]
pub struct ObjectError {
    /// What was tried, with the object's kind and name.
    pub operation: String,
    /// What that means for trying again.
    pub class: ErrorClass,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why a command to a member failed.
#[derive(Debug, Error)]
#[error("failed to tell {member} to {command}")]
pub struct CommandError {
    /// Whom.
    pub member: MemberName,
    /// What, in the words of [`MemberCommand`]'s Display.
    pub command: String,
    /// What that means for trying again.
    pub class: ErrorClass,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What an error means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// May work next time: back off, with jitter.
    Transient,
    /// The world has moved on: observe again at once.
    Conflict,
    /// Refused for what it says: wait for a change of the spec.
    Invalid,
    /// We lack the right: wait, and tell by an event.
    Forbidden,
    /// Cannot be: an event and a metric.
    Bug,
    /// The lease is not ours any more: stop.
    NotActive,
}

impl ErrorClass {
    /// One stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Bug => "bug",
            Self::NotActive => "not-active",
        }
    }
}

/// Kubernetes' side: reads for `observe`, writes for `act` and for status.
#[async_trait]
pub trait ObjectApi: Send + Sync {
    /// What is known of one RedisCluster. None when it is gone. An error of class `Transient`
    /// while any of the underlying stores is not filled yet: an unread store is not empty.
    async fn view(&self, cluster: &ClusterKey) -> Result<Option<ClusterObjects>, ObjectError>;

    /// Members of other RedisClusters: their hosts and pods, sorted. What is heard of them tells of
    /// hosts that ours are on, too.
    fn neighbours(&self, cluster: &ClusterKey) -> Vec<(HostName, PodUid)>;

    /// Server-side apply.
    async fn apply(&self, cluster: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError>;

    /// Creates; content where it exists already.
    async fn create(&self, cluster: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError>;

    /// Creates an owned Secret with a random value for each key; content where it exists already.
    async fn create_secret(
        &self,
        cluster: &ClusterKey,
        owner: &RedisCluster,
        name: &str,
        keys: &[String],
    ) -> Result<(), ObjectError>;

    /// Deletes the pod with this uid; content where it is gone. `is_dead` deletes with grace 0.
    async fn delete_pod(
        &self,
        cluster: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        is_dead: bool,
    ) -> Result<(), ObjectError>;

    /// Deletes the volume with this uid; content where it is gone.
    async fn delete_volume(
        &self,
        cluster: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
    ) -> Result<(), ObjectError>;

    /// Asks for another size of the volume with this uid (class `Conflict` where it is gone).
    async fn grow_volume(
        &self,
        cluster: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
        size: &str,
    ) -> Result<(), ObjectError>;

    /// Sets role label and readiness gate of the pod with this uid, without touching the
    /// kubelet's conditions.
    async fn mark_pod(
        &self,
        cluster: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        role: Option<Role>,
        is_ready: bool,
    ) -> Result<(), ObjectError>;

    /// Replaces the status of exactly this version of the resource (class `Conflict` where it
    /// has moved on) and returns the new version, which later calls of `view` will not undercut.
    async fn write_status(
        &self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ObjectError>;
}

/// A member to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskTarget {
    /// The RedisCluster it belongs to: its connection's end wakes that one's loop.
    pub cluster: ClusterKey,
    /// Its pod.
    pub name: MemberName,
    /// Its pod's uid: another pod is another connection.
    pub pod_uid: PodUid,
    /// Where it is.
    pub address: Address,
    /// How to log in.
    pub credentials: Arc<Credentials>,
    /// The directives to be asked about, with the values that are wanted.
    pub settings: Arc<Settings>,
}

/// Redis' side.
#[async_trait]
pub trait RedisAdmin: Send + Sync {
    /// Asks a member everything, over a connection that is kept. Ends within `limit`.
    async fn ask(&self, target: &AskTarget, limit: Duration) -> Result<MemberAnswer, Silence>;

    /// Sends a command to exactly the process in `member`: class `Conflict` where its run id or
    /// another precondition of the command does not hold any more. A reply that does not come in
    /// time is `Transient`: it may or may not have been done.
    async fn command(
        &self,
        target: &AskTarget,
        member: &MemberRef,
        command: &MemberCommand,
    ) -> Result<(), CommandError>;

    /// For how long nothing came from each pod that is asked, of whichever RedisCluster. Asks nobody.
    fn silences(&self) -> BTreeMap<PodUid, Duration>;

    /// Drops connections of this RedisCluster to pods other than these.
    fn retain(&self, cluster: &ClusterKey, pods: &[PodUid]);
}

/// The time.
pub trait Clock: Send + Sync {
    /// The wall clock: for status and for clocks that must survive the operator.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, never going back: for time limits and the lease.
    fn monotonic(&self) -> Duration;
}
