//! The operator's side of the Kubernetes in memory: [`ObjectApi`], with the API server's rules for
//! uids and resourceVersions.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::Value;
use tokio::time::Instant;
use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::model::{
    ClusterKey, HostName, MemberName, ObjectView, PodFingerprint, PodPhase, PodUid, PodView, Role,
    ShardId, VolumeName, VolumeView, ZoneName,
};
use zoneward_operator::plan::{Manifest, ManifestKind};
use zoneward_operator::ports::{Clock, ClusterObjects, ErrorClass, ObjectApi, ObjectError};
use zoneward_operator::resources::labels::{ANNOTATION_FINGERPRINT, LABEL_SHARD, LABEL_ZONE};

use crate::kubernetes::{Kubernetes, Pod, State, volume_directory};

const PASSWORD_LENGTH: usize = 32;

fn error(operation: impl Into<String>, class: ErrorClass) -> ObjectError {
    ObjectError {
        operation: operation.into(),
        class,
        source: None,
    }
}

#[async_trait]
impl ObjectApi for Kubernetes {
    async fn view(&self, cluster: &ClusterKey) -> Result<Option<ClusterObjects>, ObjectError> {
        let state = self.state();
        if cluster != &self.key {
            return Ok(None);
        }
        let credentials = state.credentials(cluster);
        Ok(Some(ClusterObjects {
            resource: Arc::clone(&state.resource),
            hosts: state.hosts.iter().map(|host| host.view.clone()).collect(),
            pods: state.pods.values().map(|pod| pod.view.clone()).collect(),
            volumes: state.volumes.clone(),
            objects: state.objects.values().cloned().collect(),
            secrets: state.secrets_view(cluster),
            credentials: Arc::new(credentials),
        }))
    }

    fn neighbours(&self, _: &ClusterKey) -> Vec<(HostName, PodUid)> {
        Vec::new()
    }

    async fn apply(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let kind = manifest.kind.as_str().to_owned();
        let view = ObjectView {
            kind: kind.clone(),
            name: manifest.name.clone(),
            body: manifest.body.clone(),
        };
        let key = (kind, manifest.name.clone());
        self.state().objects.insert(key, view);
        self.wake();
        Ok(())
    }

    async fn create(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let labels = Labels::of(manifest)?;
        match manifest.kind {
            ManifestKind::Pod => {
                let now = self.clock.now();
                self.state().create_pod(manifest, labels, now);
            }
            ManifestKind::PersistentVolumeClaim => self.create_volume(manifest, labels)?,
            kind => {
                let operation =
                    format!("create {} {}: it is applied", kind.as_str(), manifest.name);
                return Err(error(operation, ErrorClass::Bug));
            }
        }
        self.wake();
        Ok(())
    }

    async fn create_secret(
        &self,
        _: &ClusterKey,
        _: &RedisCluster,
        name: &str,
        keys: &[String],
    ) -> Result<(), ObjectError> {
        let made: BTreeMap<String, String> = keys
            .iter()
            .map(|key| (key.clone(), random_password()))
            .collect();
        let mut state = self.state();
        state.secrets.entry(name.to_owned()).or_insert(made);
        Ok(())
    }

    async fn delete_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        is_dead: bool,
    ) -> Result<(), ObjectError> {
        let mut state = self.state();
        let is_meant = |it: &Pod| &it.view.uid == uid;
        if is_dead {
            // grace 0: the object goes at once, and its kubelet ends what runs
            if state.pods.get(pod).is_some_and(is_meant) {
                state.pods.remove(pod);
            }
        } else if let Some(it) = state.pods.get_mut(pod).filter(|it| is_meant(it)) {
            it.view.is_leaving = true;
            it.asked_to_go.get_or_insert_with(Instant::now);
        }
        drop(state);
        self.wake();
        Ok(())
    }

    async fn delete_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
    ) -> Result<(), ObjectError> {
        let mut state = self.state();
        let before = state.volumes.len();
        state
            .volumes
            .retain(|it| &it.name != volume || it.uid != uid);
        if state.volumes.len() < before {
            // what cannot be removed goes with the testbed
            let _ = fs::remove_dir_all(volume_directory(&self.home, volume));
        }
        drop(state);
        self.wake();
        Ok(())
    }

    async fn grow_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
        size: &str,
    ) -> Result<(), ObjectError> {
        let mut state = self.state();
        let mut volumes = state.volumes.iter_mut();
        if let Some(found) = volumes.find(|it| &it.name == volume && it.uid == uid) {
            size.clone_into(&mut found.size);
        }
        Ok(())
    }

    async fn mark_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        role: Option<Role>,
        is_ready: bool,
    ) -> Result<(), ObjectError> {
        let mut state = self.state();
        let meant = state.pods.get_mut(pod).filter(|it| &it.view.uid == uid);
        let Some(it) = meant else {
            return Err(error(format!("mark Pod {pod}"), ErrorClass::Conflict));
        };
        (it.view.role_label, it.view.gate_is_open) = (role, is_ready);
        drop(state);
        self.wake();
        Ok(())
    }

    async fn write_status(
        &self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ObjectError> {
        let mut state = self.state();
        let (stored, given) = (&state.resource.metadata, &resource.metadata);
        if stored.resource_version != given.resource_version || stored.uid != given.uid {
            let operation = format!("write status of RedisCluster {}", self.key);
            return Err(error(operation, ErrorClass::Conflict));
        }
        let mut next = resource.clone();
        next.status = Some(status.clone());
        next.metadata.resource_version = Some(state.next_version().to_string());
        let next = Arc::new(next);
        state.resource = Arc::clone(&next);
        Ok(next)
    }
}

impl Kubernetes {
    fn create_volume(&self, manifest: &Manifest, labels: Labels) -> Result<(), ObjectError> {
        let name = VolumeName::new(manifest.name.as_str());
        let mut state = self.state();
        if state.volumes.iter().any(|it| it.name == name) {
            return Ok(());
        }
        let directory = volume_directory(&self.home, &name);
        fs::create_dir_all(directory).map_err(|cause| ObjectError {
            operation: format!("create PersistentVolumeClaim {name}"),
            class: ErrorClass::Transient,
            source: Some(Box::new(cause)),
        })?;
        let uid = format!("uid-{}", state.next_version());
        state.volumes.push(VolumeView {
            name,
            uid,
            shard: labels.shard,
            zone: labels.zone,
            is_leaving: false,
            size: String::new(),
            resize_trouble: None,
        });
        state.volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }
}

/// What a member's objects tell of it.
struct Labels {
    shard: ShardId,
    zone: ZoneName,
}

impl Labels {
    fn of(manifest: &Manifest) -> Result<Self, ObjectError> {
        let label = |name: &str| {
            let labels = manifest.body.get("metadata")?.get("labels")?;
            labels.get(name)?.as_str()
        };
        let shard = label(LABEL_SHARD).and_then(|text| text.parse().ok());
        let kind = manifest.kind.as_str();
        let missing = || format!("create {kind} {}: no label {LABEL_SHARD}", manifest.name);
        Ok(Self {
            shard: ShardId(shard.ok_or_else(|| error(missing(), ErrorClass::Invalid))?),
            zone: ZoneName::from(label(LABEL_ZONE).unwrap_or_default()),
        })
    }
}

impl State {
    /// Content where it exists already.
    fn create_pod(&mut self, manifest: &Manifest, labels: Labels, created: Timestamp) {
        let name = MemberName::new(manifest.name.as_str());
        if self.pods.contains_key(&name) {
            return;
        }
        let spec = manifest.body.get("spec");
        let grace = spec.and_then(|spec| spec.get("terminationGracePeriodSeconds"));
        let grace = Duration::from_secs(grace.and_then(Value::as_u64).unwrap_or(30));
        let view = PodView {
            uid: PodUid::new(format!("uid-{}", self.next_version())),
            name: name.clone(),
            shard: labels.shard,
            zone: labels.zone,
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
            volume: spec.and_then(claim),
            fingerprint: made_from(manifest).map(PodFingerprint::new),
            created,
        };
        let pod = Pod {
            view,
            image: spec.and_then(image).unwrap_or_default(),
            hold_seconds: spec.and_then(hold_seconds).unwrap_or_default(),
            grace,
            asked_to_go: None,
            placed: None,
            is_starting: false,
        };
        self.pods.insert(name, pod);
    }
}

/// What the operator made it from.
fn made_from(manifest: &Manifest) -> Option<&str> {
    let annotations = manifest.body.get("metadata")?.get("annotations")?;
    annotations.get(ANNOTATION_FINGERPRINT)?.as_str()
}

/// The image of its container.
fn image(spec: &Value) -> Option<String> {
    let container = spec.get("containers")?.get(0)?;
    Some(container.get("image")?.as_str()?.to_owned())
}

/// The volume that a pod mounts.
fn claim(spec: &Value) -> Option<VolumeName> {
    let mut volumes = spec.get("volumes")?.as_array()?.iter();
    volumes.find_map(|volume| {
        let claim = volume.get("persistentVolumeClaim")?.get("claimName")?;
        claim.as_str().map(VolumeName::new)
    })
}

/// How long its preStop hook may hold it, as its environment says.
fn hold_seconds(spec: &Value) -> Option<String> {
    let container = spec.get("containers")?.get(0)?;
    let mut environment = container.get("env")?.as_array()?.iter();
    let hold = environment.find(|it| {
        it.get("name")
            .is_some_and(|it| it == "ZONEWARD_HOLD_SECONDS")
    });
    Some(hold?.get("value")?.as_str()?.to_owned())
}

fn random_password() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(PASSWORD_LENGTH)
        .map(char::from)
        .collect()
}
