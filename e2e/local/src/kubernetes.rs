//! A Kubernetes in memory: one RedisCluster, its objects, and hosts in zones. What changes it are the
//! operator (`api`), the scheduler and the kubelets (`scheduler`, `kubelet`), and faults.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use serde_json::{Value, json};
use tokio::time::Instant;
use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::clock::SystemClock;
use zoneward_operator::model::{
    ClusterKey, HostName, HostView, MemberName, ObjectView, PodPhase, PodUid, PodView, SecretsView,
    ShardId, VolumeName, VolumeView, ZoneName,
};
use zoneward_operator::observe::Guarded;
use zoneward_operator::page::Clusters;
use zoneward_operator::ports::{Credentials, Password};
use zoneward_operator::resources::labels::{
    KEY_OPERATOR, KEY_PASSWORD, KEY_PREVIOUS_PASSWORD, KEY_REPLICATION, auth_secret_name,
    config_map_name, internal_secret_name,
};
use zoneward_operator::wire::Alarm;

use crate::address::Block;
use crate::layout::Layout;
use crate::process::Process;

/// How fast hosts tell what has happened on them.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the end of a container to the kubelet's word of it. Real ones take up to a second.
    pub report_after: Duration,
    /// From a pod's place on a host to its container's start. Real ones take a second and more, for
    /// sandbox, volumes and image.
    pub start_after: Duration,
    /// From the silence of a host to its being NotReady.
    pub not_ready_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            report_after: Duration::from_millis(100),
            start_after: Duration::ZERO,
            not_ready_after: Duration::from_secs(40),
        }
    }
}

/// What there is. Every read and write is one short lock, as if by one API server.
pub struct Kubernetes {
    pub(crate) key: ClusterKey,
    pub(crate) clock: SystemClock,
    pub(crate) pace: Pace,
    pub(crate) home: PathBuf,
    pub(crate) block: Block,
    /// Of all servers; see [`crate::process::Guard`].
    pub(crate) group: i32,
    state: Mutex<State>,
    alarm: Mutex<Option<Alarm>>,
}

pub(crate) struct State {
    pub(crate) resource: Arc<RedisCluster>,
    /// The last resourceVersion, and the last uid.
    pub(crate) version: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) pods: BTreeMap<MemberName, Pod>,
    pub(crate) volumes: Vec<VolumeView>,
    pub(crate) objects: BTreeMap<(String, String), ObjectView>,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) containers: BTreeMap<PodUid, Container>,
}

pub(crate) struct Host {
    pub(crate) view: HostView,
    /// Its place in the addresses: zone and host, from 1.
    pub(crate) place: (u8, u8),
    /// Members that it ever had: addresses are not given out again.
    pub(crate) members: u8,
    /// Since when nothing is heard of it: its kubelet does nothing and tells nothing.
    pub(crate) silent_since: Option<Instant>,
}

pub(crate) struct Pod {
    pub(crate) view: PodView,
    /// Which server it runs, by its label.
    pub(crate) image: String,
    /// As its manifest says: for the preStop hook, and for all of its end.
    pub(crate) hold_seconds: String,
    pub(crate) grace: Duration,
    pub(crate) asked_to_go: Option<Instant>,
    /// Since when it has a host.
    pub(crate) placed: Option<Instant>,
    /// Its kubelet is about to start it.
    pub(crate) is_starting: bool,
}

/// A pod's process. It may outlive the pod's object.
pub(crate) struct Container {
    pub(crate) pod: MemberName,
    pub(crate) host: HostName,
    pub(crate) layout: Layout,
    pub(crate) process: Process,
    pub(crate) hook: Option<Process>,
    pub(crate) was_told_to_end: bool,
    pub(crate) ended_at: Option<Instant>,
}

/// What the page is made from: as the stores have it.
impl Clusters for Kubernetes {
    fn all(&self) -> Vec<Arc<Guarded>> {
        let resource = RedisCluster::clone(&self.state().resource);
        vec![Arc::new(DeserializeGuard(Ok(resource)))]
    }

    fn one(&self, key: &ClusterKey) -> Option<Arc<Guarded>> {
        self.all().pop().filter(|_| *key == self.key)
    }

    fn unread(&self) -> Option<&'static str> {
        None
    }
}

impl Kubernetes {
    /// Zones `a`, `b`, ... of so many hosts, and a RedisCluster of this spec.
    pub(crate) fn new(
        spec: &Value,
        zones: u8,
        hosts_per_zone: u8,
        parts: (PathBuf, Block, i32, Pace),
    ) -> Result<Self> {
        let (home, block, group, pace) = parts;
        let key = ClusterKey {
            namespace: "local".to_owned(),
            name: "cart".to_owned(),
        };
        let resource: RedisCluster = serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": {
                "name": key.name, "namespace": key.namespace,
                "uid": "uid-1", "resourceVersion": "1", "generation": 1,
            },
            "spec": spec,
        }))
        .with_context(|| format!("read the spec of RedisCluster {key}"))?;
        let places =
            (1..=zones).flat_map(|zone| (1..=hosts_per_zone).map(move |host| (zone, host)));
        let state = State {
            resource: Arc::new(resource),
            version: 1,
            hosts: places.map(Host::new).collect(),
            pods: BTreeMap::new(),
            volumes: Vec::new(),
            objects: BTreeMap::new(),
            secrets: BTreeMap::new(),
            containers: BTreeMap::new(),
        };
        Ok(Self {
            key,
            clock: SystemClock::start(),
            pace,
            home,
            block,
            group,
            state: Mutex::new(state),
            alarm: Mutex::new(None),
        })
    }

    /// The RedisCluster's name.
    pub fn key(&self) -> &ClusterKey {
        &self.key
    }

    /// Its status, as the operator wrote it last.
    pub fn status(&self) -> RedisClusterStatus {
        self.state().resource.status.clone().unwrap_or_default()
    }

    /// The RedisCluster as the API server would give it.
    pub fn object(&self) -> Result<Value> {
        let resource = Arc::clone(&self.state().resource);
        serde_json::to_value(resource.as_ref())
            .with_context(|| format!("write RedisCluster {} as JSON", self.key))
    }

    /// The generation of the spec.
    pub fn generation(&self) -> i64 {
        let state = self.state();
        state.resource.metadata.generation.unwrap_or_default()
    }

    /// The owner changes the spec: these fields at its top.
    pub fn edit(&self, fields: &Value) -> Result<()> {
        let mut state = self.state();
        let mut text = serde_json::to_value(state.resource.as_ref()).context("write the spec")?;
        let spec = text.get_mut("spec").and_then(Value::as_object_mut);
        if let (Some(spec), Some(fields)) = (spec, fields.as_object()) {
            spec.extend(fields.clone());
        }
        let mut next: RedisCluster = serde_json::from_value(text).context("read the new spec")?;
        next.metadata.resource_version = Some(state.next_version().to_string());
        next.metadata.generation = next.metadata.generation.map(|it| it + 1);
        state.resource = Arc::new(next);
        drop(state);
        self.wake();
        Ok(())
    }

    /// Changes `spec.leaders`, as `kubectl scale` does.
    pub(crate) fn scale(&self, leaders: u32) {
        {
            let mut state = self.state();
            let mut next = RedisCluster::clone(&state.resource);
            next.spec.leaders = leaders;
            let metadata = &mut next.metadata;
            metadata.generation = metadata.generation.map(|it| it + 1);
            metadata.resource_version = Some(state.next_version().to_string());
            state.resource = Arc::new(next);
        }
        self.wake();
    }

    /// All pods.
    pub fn pods(&self) -> Vec<PodView> {
        let state = self.state();
        state.pods.values().map(|pod| pod.view.clone()).collect()
    }

    /// Their images.
    pub fn images(&self) -> Vec<String> {
        let state = self.state();
        state.pods.values().map(|pod| pod.image.clone()).collect()
    }

    /// Where the running pods of a shard are: what a client would be told by DNS.
    pub fn addresses(&self, shard: ShardId) -> Vec<IpAddr> {
        let state = self.state();
        let pods = state.pods.values().map(|pod| &pod.view);
        pods.filter(|pod| pod.shard == shard && pod.phase == PodPhase::Running)
            .filter_map(|pod| pod.address)
            .collect()
    }

    /// What is in the Secrets.
    pub fn credentials(&self) -> Credentials {
        self.state().credentials(&self.key)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to wake at a change; none while no operator runs.
    pub(crate) fn wake_by(&self, alarm: Option<Alarm>) {
        *self.alarm() = alarm;
    }

    /// Tells the operator, as its watches would.
    pub(crate) fn wake(&self) {
        if let Some(alarm) = self.alarm().as_ref() {
            alarm.wake(&self.key);
        }
    }

    fn alarm(&self) -> MutexGuard<'_, Option<Alarm>> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn new((zone, host): (u8, u8)) -> Self {
        let name = char::from(b'a' + zone - 1).to_string();
        Self {
            view: HostView {
                name: HostName::new(format!("{name}{host}")),
                zone: Some(ZoneName::from(name.as_str())),
                is_ready: true,
                ready_since: Some(Timestamp::UNIX_EPOCH),
                is_schedulable: true,
                is_out_of_service: false,
            },
            place: (zone, host),
            members: 0,
            silent_since: None,
        }
    }
}

impl State {
    /// A number that was never used, for resourceVersions and uids.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    pub(crate) fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| &host.view.name == name)
    }

    /// Whether this host's kubelet is at work.
    pub(crate) fn is_heard(&self, name: &HostName) -> bool {
        self.host(name)
            .is_some_and(|host| host.silent_since.is_none())
    }

    /// The next address on this host.
    pub(crate) fn next_ip(&mut self, host: &HostName, block: &Block) -> Option<Ipv4Addr> {
        let host = self.hosts.iter_mut().find(|it| &it.view.name == host)?;
        host.members = host.members.checked_add(1)?;
        Some(block.ip(host.place.0, host.place.1, host.members))
    }

    /// The files that every pod mounts; none before they are made.
    pub(crate) fn mounts(
        &self,
        key: &ClusterKey,
    ) -> Option<(BTreeMap<String, String>, BTreeMap<String, String>)> {
        let name = ("ConfigMap".to_owned(), config_map_name(&key.name));
        let data = self.objects.get(&name)?.body.get("data")?;
        let config = serde_json::from_value(data.clone()).ok()?;
        let secret = self
            .secrets
            .get(&internal_secret_name(&key.name, self.generation()))?;
        Some((config, secret.clone()))
    }

    /// The generation on record of our own users' passwords.
    fn generation(&self) -> u32 {
        let status = self.resource.status.as_ref();
        status.map_or(0, |status| status.record.passwords.generation)
    }

    pub(crate) fn credentials(&self, key: &ClusterKey) -> Credentials {
        let password = |secret: &str, key: &str| {
            let text = self.secrets.get(secret)?.get(key)?;
            Some(Password::new(text.as_str()))
        };
        let generation = self.generation();
        let internal = internal_secret_name(&key.name, generation);
        let former = internal_secret_name(&key.name, generation.saturating_sub(1));
        let of_former = |key| password(&former, key).filter(|_| generation > 0);
        let needs_password = self.resource.spec.auth.enabled;
        let of_client = |key: &str| password(&self.client_secret_name(), key);
        let status = self.resource.status.as_ref();
        Credentials {
            operator: password(&internal, KEY_OPERATOR).or_else(|| of_former(KEY_OPERATOR)),
            replication: password(&internal, KEY_REPLICATION)
                .or_else(|| of_former(KEY_REPLICATION)),
            client: of_client(KEY_PASSWORD).filter(|_| needs_password),
            client_needs_password: needs_password,
            former_client: of_client(KEY_PREVIOUS_PASSWORD).filter(|_| needs_password),
            former_operator: of_former(KEY_OPERATOR),
            former_replication: of_former(KEY_REPLICATION),
            is_rotating: status.is_some_and(|status| status.record.passwords.is_rotating),
            is_sealed: false,
            trust: None,
        }
    }

    /// Which Secrets are there.
    pub(crate) fn secrets_view(&self, key: &ClusterKey) -> SecretsView {
        let has = |generation| {
            let name = internal_secret_name(&key.name, generation);
            self.secrets.contains_key(&name)
        };
        let generation = self.generation();
        let client = self.secrets.get(&self.client_secret_name());
        SecretsView {
            internal_is_present: has(generation),
            former_is_present: generation > 0 && has(generation - 1),
            client_is_present: client.is_some(),
            client_is_usable: client.is_some_and(|keys| keys.contains_key(KEY_PASSWORD)),
            certificate: None,
        }
    }

    fn client_secret_name(&self) -> String {
        let name = self.resource.metadata.name.clone().unwrap_or_default();
        let owners = self.resource.spec.auth.secret_name.clone();
        owners.unwrap_or_else(|| auth_secret_name(&name))
    }

    /// Whether a process is at work on this volume.
    pub(crate) fn is_mounted(&self, volume: &VolumeName, home: &std::path::Path) -> bool {
        let data = volume_directory(home, volume);
        let mut containers = self.containers.values();
        containers.any(|it| it.layout.data == data && it.ended_at.is_none())
    }
}

/// Where a volume's data is.
pub(crate) fn volume_directory(home: &std::path::Path, volume: &VolumeName) -> PathBuf {
    home.join("volumes").join(volume.as_str())
}
