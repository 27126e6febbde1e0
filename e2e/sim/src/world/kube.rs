//! Kubernetes' objects: what calls do to them, and what a store that lags shows of them.

use std::sync::Arc;

use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::model::{
    HostName, HostView, MemberName, ObjectView, PodFingerprint, PodPhase, PodUid, PodView, Role,
    SecretsView, ShardId, VolumeName, VolumeView, ZoneName,
};
use zoneward_operator::plan::{Manifest, ManifestKind};
use zoneward_operator::ports::{ClusterObjects, Credentials, ErrorClass, Password};
use zoneward_operator::resources::labels::{ANNOTATION_FINGERPRINT, internal_secret_name};

use super::{World, timestamp};
use crate::promises::{self, Cause};
use crate::redis::{Millis, ProcKey};
use crate::setup::Setup;

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// What Kubernetes shows of it.
    pub view: PodView,
    /// Which Secret of our own users' passwords it mounts.
    pub secret_generation: u32,
    /// Its zone's number.
    pub zone: usize,
    /// Its host's number.
    pub host: Option<u8>,
    /// The image of its container.
    pub image: String,
    /// Its process.
    pub proc: Option<ProcKey>,
    /// When its next step is due: bound, started, its end reported.
    pub due: Millis,
    /// When it was asked to go.
    pub asked_to_go: Option<Millis>,
    /// It was asked to by somebody else than an operator.
    pub asked_by_user: bool,
}

/// A volume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What Kubernetes shows of it.
    pub view: VolumeView,
    /// The one host that it can be reached from, once it was used.
    pub host: Option<u8>,
}

/// What a store shows.
pub struct Snapshot {
    resource: Arc<RedisCluster>,
    hosts: Vec<HostView>,
    pods: Vec<PodView>,
    volumes: Vec<VolumeView>,
    objects: Vec<ObjectView>,
}

impl Snapshot {
    /// What a call of `view` gives.
    pub fn view(
        &self,
        resource: Arc<RedisCluster>,
        secrets: SecretsView,
        credentials: Credentials,
    ) -> ClusterObjects {
        ClusterObjects {
            resource,
            hosts: self.hosts.clone(),
            pods: self.pods.clone(),
            volumes: self.volumes.clone(),
            objects: self.objects.clone(),
            secrets,
            credentials: Arc::new(credentials),
        }
    }

    /// The RedisCluster.
    pub fn resource(&self) -> Arc<RedisCluster> {
        Arc::clone(&self.resource)
    }
}

/// Where the oldest store is.
const LAG_MILLIS_MAX: Millis = 10_000;

impl World {
    /// What is there now.
    pub fn snapshot(&self) -> Snapshot {
        let hosts = self.hosts.iter().map(|host| HostView {
            name: HostName::new(host.name.clone()),
            zone: Some(ZoneName::from(Setup::zone_name(host.zone))),
            is_ready: host.is_ready,
            ready_since: host.is_ready.then(|| timestamp(host.ready_since)),
            is_schedulable: !host.is_cordoned,
            is_out_of_service: host.is_tainted,
        });
        Snapshot {
            resource: Arc::clone(&self.resource),
            hosts: hosts.collect(),
            pods: self.pods.values().map(|pod| pod.view.clone()).collect(),
            volumes: self.volumes.values().map(|it| it.view.clone()).collect(),
            objects: self.objects.clone(),
        }
    }

    /// The Secrets, for the record that an operator knows of: they are read, not watched.
    pub fn secrets_for(&self, resource: &RedisCluster) -> (SecretsView, Credentials) {
        let status = resource.status.as_ref();
        let passwords = status.map(|it| it.record.passwords.clone());
        let passwords = passwords.unwrap_or_default();
        let own = |generation: u32| {
            let is_there = self
                .secrets
                .contains(&internal_secret_name("c", generation));
            is_there.then(|| Password::new(generation.to_string()))
        };
        let current = own(passwords.generation);
        let former = passwords.generation.checked_sub(1).and_then(own);
        let has_client = self.secrets.contains("c-auth");
        let view = SecretsView {
            internal_is_present: current.is_some(),
            former_is_present: former.is_some(),
            client_is_present: has_client,
            client_is_usable: has_client,
            certificate: None,
        };
        let client = has_client.then(|| Password::new(self.client_password.to_string()));
        let used = current.or_else(|| former.clone());
        let credentials = Credentials {
            operator: used.clone(),
            replication: used,
            client,
            client_needs_password: true,
            former_client: None,
            former_operator: former.clone(),
            former_replication: former,
            is_rotating: passwords.is_rotating,
            is_sealed: false,
            trust: None,
        };
        (view, credentials)
    }

    /// What an operator's stores show, and the newest RedisCluster that it may know of.
    pub fn seen_by(&self, operator: usize) -> Option<Arc<Snapshot>> {
        let limit = self.now.saturating_sub(self.operators[operator].lag);
        let fresh = self.snapshots.iter().rev().find(|(at, _)| *at <= limit);
        let any = fresh.or_else(|| self.snapshots.front());
        any.map(|(_, snapshot)| Arc::clone(snapshot))
    }

    /// No store lags so much.
    pub fn drop_old_snapshots(&mut self) {
        while self.snapshots.len() > 1
            && self
                .snapshots
                .get(1)
                .is_some_and(|(at, _)| at + LAG_MILLIS_MAX < self.now)
        {
            self.snapshots.pop_front();
        }
    }

    /// Server-side apply.
    pub fn apply(&mut self, manifest: &Manifest) {
        let kind = manifest.kind.as_str();
        let object = ObjectView {
            kind: kind.to_owned(),
            name: manifest.name.clone(),
            body: manifest.body.clone(),
        };
        let same = |other: &ObjectView| other.kind == kind && other.name == manifest.name;
        self.objects.retain(|other| !same(other));
        self.objects.push(object);
        self.objects
            .sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        self.has_changed = true;
    }

    /// Creates, unless it is there.
    pub fn create(&mut self, manifest: &Manifest) {
        let label = |key: &str| {
            let labels = &manifest.body["metadata"]["labels"];
            labels[key].as_str().unwrap_or("").to_owned()
        };
        let shard = ShardId(label("zoneward.io/shard").parse().unwrap_or(u32::MAX));
        let zone = label("zoneward.io/zone");
        match manifest.kind {
            ManifestKind::PersistentVolumeClaim => {
                let size = &manifest.body["spec"]["resources"]["requests"]["storage"];
                let size = size.as_str().unwrap_or("");
                self.create_volume(&manifest.name, shard, &zone, size);
            }
            ManifestKind::Pod => {
                let claim = volumes_of(manifest).find_map(|volume| {
                    volume["persistentVolumeClaim"]["claimName"]
                        .as_str()
                        .map(VolumeName::from)
                });
                let body = &manifest.body;
                let text = |it: &serde_json::Value| it.as_str().map(str::to_owned);
                let made_from = text(&body["metadata"]["annotations"][ANNOTATION_FINGERPRINT]);
                let secret =
                    volumes_of(manifest).find_map(|it| it["secret"]["secretName"].as_str());
                let place = (shard, zone.as_str());
                if self.create_pod(&manifest.name, place, claim)
                    && let Some(pod) = self.pods.get_mut(&manifest.name)
                {
                    pod.image = text(&body["spec"]["containers"][0]["image"]).unwrap_or_default();
                    pod.view.fingerprint = made_from.map(PodFingerprint::new);
                    pod.secret_generation = secret.map_or(0, generation_of);
                }
            }
            _ => self.apply(manifest),
        }
    }

    fn create_volume(&mut self, name: &str, shard: ShardId, zone: &str, size: &str) {
        if self.volumes.contains_key(name) {
            return;
        }
        let view = VolumeView {
            name: VolumeName::from(name),
            uid: format!("uid-{name}-{}", self.now),
            shard,
            zone: ZoneName::from(zone),
            is_leaving: false,
            size: size.to_owned(),
            resize_trouble: None,
        };
        self.volumes
            .insert(name.to_owned(), Volume { view, host: None });
        self.has_changed = true;
    }

    /// Whether it is made: one that exists is left alone.
    fn create_pod(
        &mut self,
        name: &str,
        (shard, zone): (ShardId, &str),
        volume: Option<VolumeName>,
    ) -> bool {
        if self.pods.contains_key(name) {
            return false;
        }
        promises::check_new_pod(self, name, shard, zone);
        let number = (0..self.setup.zones).find(|number| Setup::zone_name(*number) == zone);
        let view = PodView {
            name: MemberName::from(name),
            uid: PodUid::new(format!("uid-{name}-{}", self.now)),
            shard,
            zone: ZoneName::from(zone),
            host: None,
            address: None,
            phase: PodPhase::Waiting {
                unschedulable: None,
                kubelet: None,
            },
            end: None,
            is_leaving: false,
            gate_is_open: false,
            is_to_lead: false,
            role_label: None,
            volume,
            fingerprint: None,
            created: self.timestamp(),
        };
        let pod = Pod {
            view,
            secret_generation: 0,
            zone: number.unwrap_or(0),
            host: None,
            image: String::new(),
            proc: None,
            due: self.now + 20,
            asked_to_go: None,
            asked_by_user: false,
        };
        self.pods.insert(name.to_owned(), pod);
        self.tell(&format!("pod {name} is made for zone {zone}"));
        self.has_changed = true;
        true
    }

    /// Asks the pod with this uid to go. `is_dead`: without waiting for its kubelet.
    pub fn delete_pod(&mut self, name: &str, uid: &PodUid, is_dead: bool) {
        let Some(pod) = self.pods.get(name).filter(|pod| pod.view.uid == *uid) else {
            return;
        };
        promises::check_deletion(self, &pod.clone(), is_dead);
        self.tell(&format!(
            "operator deletes pod {name}{}",
            if is_dead { ", which ended" } else { "" }
        ));
        if is_dead {
            self.remove_pod(name);
        } else {
            self.ask_to_go(name, false);
        }
    }

    /// The grace period begins.
    pub fn ask_to_go(&mut self, name: &str, by_user: bool) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(name) else {
            return;
        };
        if pod.asked_to_go.is_none() {
            pod.asked_to_go = Some(now);
            pod.asked_by_user = by_user;
            pod.view.is_leaving = true;
            self.has_changed = true;
        }
    }

    /// The object goes; a process that lives is its kubelet's to end.
    pub fn remove_pod(&mut self, name: &str) {
        let Some(pod) = self.pods.remove(name) else {
            return;
        };
        if let Some(key) = pod.proc.filter(|key| self.proc(*key).is_alive) {
            self.orphans.push((key, None));
        }
        self.has_changed = true;
    }

    /// Deletes the volume with this uid.
    pub fn delete_volume(&mut self, name: &str, uid: &str) {
        if self
            .volumes
            .get(name)
            .is_none_or(|volume| volume.view.uid != uid)
        {
            return;
        }
        self.tell(&format!("operator deletes volume {name}"));
        self.volumes.remove(name);
        if let Some(body) = self.bodies.remove(name) {
            promises::note_volume_deleted(self, name, &body.data);
        }
        self.has_changed = true;
    }

    /// Makes the volume with this uid larger.
    pub fn grow_volume(&mut self, name: &str, uid: &str, size: &str) {
        let found = self.volumes.get_mut(name);
        if let Some(volume) = found.filter(|volume| volume.view.uid == uid) {
            size.clone_into(&mut volume.view.size);
            self.has_changed = true;
        }
    }

    /// Sets label and gate.
    pub fn mark_pod(&mut self, name: &str, uid: &PodUid, role: Option<Role>, is_ready: bool) {
        if let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.view.uid == *uid) {
            pod.view.role_label = role;
            pod.view.gate_is_open = is_ready;
            self.has_changed = true;
        }
    }

    /// Replaces the status of exactly this version.
    pub fn write_status(
        &mut self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ErrorClass> {
        if resource.metadata.resource_version != self.resource.metadata.resource_version {
            return Err(ErrorClass::Conflict);
        }
        promises::note_status(self, status);
        self.version += 1;
        let mut next = (*self.resource).clone();
        next.metadata.resource_version = Some(self.version.to_string());
        next.status = Some(status.clone());
        self.resource = Arc::new(next);
        self.has_changed = true;
        Ok(Arc::clone(&self.resource))
    }

    /// The owner changes the spec.
    pub fn edit(&mut self, change: impl FnOnce(&mut zoneward_operator::api::RedisClusterSpec)) {
        self.version += 1;
        let mut next = (*self.resource).clone();
        next.metadata.resource_version = Some(self.version.to_string());
        next.metadata.generation = next.metadata.generation.map(|it| it + 1);
        change(&mut next.spec);
        self.resource = Arc::new(next);
        self.has_changed = true;
    }

    /// A process ends, for this cause.
    pub fn end_process(&mut self, key: ProcKey, cause: Cause) {
        if !self.proc(key).is_alive {
            return;
        }
        let addr = self.proc(key).addr;
        self.procs[key.0].is_alive = false;
        self.procs[key.0].ended = Some(self.now);
        self.listening.remove(&addr);
        let volume = self.volume_of(key);
        self.leave_to_the_hung(key);
        let old = std::mem::take(&mut self.procs[key.0].data);
        if let Some(volume) = volume {
            let table = self.proc(key).table.clone();
            let kept = match self.setup.keep {
                crate::setup::Keep::Aof => old.clone(),
                _ => self
                    .bodies
                    .get(&volume)
                    .map(|it| it.snapshot.clone())
                    .unwrap_or_default(),
            };
            let body = super::Body {
                table,
                snapshot: kept.clone(),
                data: kept,
            };
            self.bodies.insert(volume, body);
        }
        promises::note_dropped(self, key, &old, cause);
        // its end is seen by who is connected to it
        for operator in &self.operators {
            operator.wake.notify_one();
        }
    }

    /// The volume that a process writes to.
    pub fn volume_of(&self, key: ProcKey) -> Option<String> {
        self.mounts.get(&self.proc(key).pod).cloned()
    }
}

fn volumes_of(manifest: &Manifest) -> impl Iterator<Item = &serde_json::Value> {
    let volumes = manifest.body["spec"]["volumes"].as_array();
    volumes.into_iter().flatten()
}

/// `c-internal`, `c-internal-1`, …
fn generation_of(secret: &str) -> u32 {
    let number = secret.strip_prefix("c-internal-");
    number.and_then(|it| it.parse().ok()).unwrap_or(0)
}
