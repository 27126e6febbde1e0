//! [`ObjectApi`] over Kubernetes' client: the only place that writes objects.
//!
//! Reading is delegated to `observe`. Here is kept only what our own last writes returned, so that
//! a store that lags does not take a status back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::{core::v1::ConfigMap, core::v1::Service};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::ApiResource;
use kube::{Client, Resource, ResourceExt};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::{RedisCluster, RedisClusterStatus};
use crate::api_call::{answer, bounded, fault};
use crate::model::{ClusterKey, HostName, MemberName, PodUid, Role, VolumeName};
use crate::observe::{self, SecretCache, Stores};
use crate::plan::{Manifest, ManifestKind};
use crate::ports::{Clock, ClusterObjects, ErrorClass, ObjectApi, ObjectError};
use crate::resources::labels::{
    LABEL_CLUSTER, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_NAME, LABEL_ROLE, MANAGED_BY_ZONEWARD,
    NAME_REDIS, READINESS_GATE,
};

/// Characters of a generated password: 32 of 62 are 190 bits.
const PASSWORD_LENGTH: usize = 32;

/// Kubernetes.
pub struct KubeObjects {
    client: Client,
    clock: Arc<dyn Clock>,
    stores: Arc<Stores>,
    secrets: SecretCache,
    written: Mutex<BTreeMap<ClusterKey, Arc<RedisCluster>>>,
}

impl KubeObjects {
    /// Reads from these stores, writes through this client.
    pub fn new(client: Client, clock: Arc<dyn Clock>, stores: Arc<Stores>) -> Self {
        Self {
            client,
            clock,
            stores,
            secrets: SecretCache::default(),
            written: Mutex::default(),
        }
    }

    fn api<K>(&self, cluster: &ClusterKey) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &cluster.namespace)
    }

    fn dynamic(&self, cluster: &ClusterKey, kind: ManifestKind) -> Api<DynamicObject> {
        let resource = match kind {
            ManifestKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            ManifestKind::Service => ApiResource::erase::<Service>(&()),
            ManifestKind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            ManifestKind::PersistentVolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            ManifestKind::Pod => ApiResource::erase::<Pod>(&()),
        };
        Api::namespaced_with(self.client.clone(), &cluster.namespace, &resource)
    }

    fn written(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClusterKey, Arc<RedisCluster>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store's version, or the one that our own last write returned where that is later.
    fn newest(&self, key: &ClusterKey, stored: Arc<RedisCluster>) -> Arc<RedisCluster> {
        let mut written = self.written();
        match written.get(key) {
            Some(own) if undercuts(&stored, own) => Arc::clone(own),
            Some(_) => {
                written.remove(key);
                stored
            }
            None => stored,
        }
    }

    async fn delete<K>(
        &self,
        cluster: &ClusterKey,
        name: &str,
        uid: &str,
        grace: Option<u32>,
    ) -> Result<(), ObjectError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let params = DeleteParams {
            grace_period_seconds: grace,
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        let operation = format!("delete {kind} {name}");
        let api = self.api::<K>(cluster);
        match bounded(operation, api.delete(name, &params)).await {
            Ok(_) => Ok(()),
            // Not found, or another uid under this name: the one that was meant is gone.
            Err(error) if answer(&error).is_some_and(|s| s.is_not_found() || s.is_conflict()) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the stored version is older than the one that we wrote. resourceVersions of one object
/// are etcd revisions, which only grow; Kubernetes 1.35 made comparing them as numbers official.
/// Where they are no numbers the store is believed: a Conflict sorts it out.
fn undercuts(stored: &RedisCluster, own: &RedisCluster) -> bool {
    let version = |resource: &RedisCluster| resource.resource_version()?.parse::<u64>().ok();
    stored.metadata.uid == own.metadata.uid
        && matches!((version(stored), version(own)), (Some(stored), Some(own)) if stored < own)
}

fn json_error(operation: String) -> impl FnOnce(serde_json::Error) -> ObjectError {
    move |error| ObjectError {
        operation,
        class: ErrorClass::Bug,
        source: Some(Box::new(error)),
    }
}

#[async_trait]
impl ObjectApi for KubeObjects {
    async fn view(&self, cluster: &ClusterKey) -> Result<Option<ClusterObjects>, ObjectError> {
        let newest = |stored| self.newest(cluster, stored);
        let clock = self.clock.as_ref();
        let (stores, cache) = (&self.stores, &self.secrets);
        let view = observe::view(stores, cache, &self.client, clock, cluster, newest).await?;
        if view.is_none() {
            self.written().remove(cluster);
        }
        Ok(view)
    }

    fn neighbours(&self, cluster: &ClusterKey) -> Vec<(HostName, PodUid)> {
        observe::neighbours(&self.stores, cluster)
    }

    async fn apply(&self, cluster: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let api = self.dynamic(cluster, manifest.kind);
        let operation = format!("apply {} {}", manifest.kind.as_str(), manifest.name);
        let params = PatchParams::apply(MANAGED_BY_ZONEWARD).force();
        let patch = Patch::Apply(&manifest.body);
        bounded(operation, api.patch(&manifest.name, &params, &patch)).await?;
        Ok(())
    }

    async fn create(&self, cluster: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let api = self.dynamic(cluster, manifest.kind);
        let operation = format!("create {} {}", manifest.kind.as_str(), manifest.name);
        let object: DynamicObject =
            serde_json::from_value(manifest.body.clone()).map_err(json_error(operation.clone()))?;
        let params = post_params();
        let created = bounded(operation, api.create(&params, &object)).await;
        created.map(|_| ()).or_else(content_with_existing)
    }

    async fn create_secret(
        &self,
        cluster: &ClusterKey,
        owner: &RedisCluster,
        name: &str,
        keys: &[String],
    ) -> Result<(), ObjectError> {
        let operation = format!("create Secret {name}");
        let Some(reference) = owner.controller_owner_ref(&()) else {
            return Err(fault(operation, ErrorClass::Bug));
        };
        let mut secret = Secret {
            string_data: Some(
                keys.iter()
                    .map(|key| (key.clone(), random_password()))
                    .collect(),
            ),
            ..Secret::default()
        };
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.owner_references = Some(vec![reference]);
        let labels = [
            (LABEL_NAME, NAME_REDIS),
            (LABEL_INSTANCE, cluster.name.as_str()),
            (LABEL_MANAGED_BY, MANAGED_BY_ZONEWARD),
            (LABEL_CLUSTER, cluster.name.as_str()),
        ];
        secret.metadata.labels = Some(
            labels
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        );
        let api = self.api::<Secret>(cluster);
        let params = post_params();
        let created = bounded(operation, api.create(&params, &secret)).await;
        self.secrets.forget(&cluster.namespace, name);
        created.map(|_| ()).or_else(content_with_existing)
    }

    async fn delete_pod(
        &self,
        cluster: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        is_dead: bool,
    ) -> Result<(), ObjectError> {
        let grace = is_dead.then_some(0);
        self.delete::<Pod>(cluster, pod.as_str(), uid.as_str(), grace)
            .await
    }

    async fn delete_volume(
        &self,
        cluster: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
    ) -> Result<(), ObjectError> {
        self.delete::<PersistentVolumeClaim>(cluster, volume.as_str(), uid, None)
            .await
    }

    async fn grow_volume(
        &self,
        cluster: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
        size: &str,
    ) -> Result<(), ObjectError> {
        let api = self.api::<PersistentVolumeClaim>(cluster);
        let params = PatchParams {
            field_manager: Some(MANAGED_BY_ZONEWARD.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({
            "metadata": { "uid": uid },
            "spec": { "resources": { "requests": { "storage": size } } },
        }));
        let operation = format!("grow PersistentVolumeClaim {volume} to {size}");
        bounded(operation, api.patch(volume.as_str(), &params, &patch))
            .await
            .map_err(moved_on)?;
        Ok(())
    }

    /// Two calls: a status patch cannot change labels. The label goes first: Services select by
    /// role *and* readiness, so a member is never ready under the wrong role.
    async fn mark_pod(
        &self,
        cluster: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        role: Option<Role>,
        is_ready: bool,
    ) -> Result<(), ObjectError> {
        let api = self.api::<Pod>(cluster);
        let params = PatchParams {
            field_manager: Some(MANAGED_BY_ZONEWARD.to_owned()),
            ..PatchParams::default()
        };
        let label = Patch::Strategic(json!({ "metadata": {
            "uid": uid,
            "labels": { LABEL_ROLE: role.map(Role::as_str) },
        } }));
        let patch = api.patch(pod.as_str(), &params, &label);
        let labelled = bounded(format!("label Pod {pod}"), patch)
            .await
            .map_err(moved_on)?;
        if gate_is(&labelled, is_ready) {
            return Ok(());
        }
        // Strategic, not a JSON merge patch: that replaces the whole list, the kubelet's
        // conditions too (REDIS-LAB section 13, measured).
        let gate = Patch::Strategic(json!({
            "metadata": { "uid": uid },
            "status": { "conditions": [{
                "type": READINESS_GATE,
                "status": if is_ready { "True" } else { "False" },
                "lastTransitionTime": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "reason": if is_ready { "InSync" } else { "NotInSync" },
            }] },
        }));
        let patch = api.patch_status(pod.as_str(), &params, &gate);
        bounded(format!("set readiness gate of Pod {pod}"), patch)
            .await
            .map_err(moved_on)?;
        Ok(())
    }

    async fn write_status(
        &self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ObjectError> {
        let key = ClusterKey {
            namespace: resource.namespace().unwrap_or_default(),
            name: resource.name_any(),
        };
        let operation = format!("write status of RedisCluster {key}");
        let mut next = resource.clone();
        next.status = Some(status.clone());
        // A fetched object's managedFields are not ours to send back.
        next.metadata.managed_fields = None;
        let api = self.api::<RedisCluster>(&key);
        let params = post_params();
        let written = bounded(operation, api.replace_status(&key.name, &params, &next))
            .await
            .map_err(moved_on)?;
        let written = Arc::new(written);
        self.written().insert(key, Arc::clone(&written));
        Ok(written)
    }
}

fn post_params() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(MANAGED_BY_ZONEWARD.to_owned()),
    }
}

fn content_with_existing(error: ObjectError) -> Result<(), ObjectError> {
    if answer(&error).is_some_and(kube::core::Status::is_already_exists) {
        Ok(())
    } else {
        Err(error)
    }
}

/// For writes to exactly one object: where it is gone or has another uid (which the API server
/// calls a conflict or a changed immutable field) the world has moved on.
fn moved_on(mut error: ObjectError) -> ObjectError {
    let has_moved = answer(&error).is_some_and(|status| {
        status.is_not_found() || status.is_invalid() && status.message.contains("metadata.uid")
    });
    if has_moved {
        error.class = ErrorClass::Conflict;
    }
    error
}

fn gate_is(pod: &Pod, is_ready: bool) -> bool {
    let wanted = if is_ready { "True" } else { "False" };
    pod.status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == READINESS_GATE && condition.status == wanted)
}

fn random_password() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(PASSWORD_LENGTH)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(uid: &str, version: &str) -> RedisCluster {
        serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cache", "uid": uid, "resourceVersion": version },
            "spec": { "image": "redis" },
        }))
        .unwrap()
    }

    #[test]
    fn only_an_older_version_of_the_same_object_is_passed_over() {
        let own = resource("u-1", "100");
        let table = [
            ("older", resource("u-1", "99"), true),
            ("the same", resource("u-1", "100"), false),
            ("later", resource("u-1", "101"), false),
            ("more digits is later", resource("u-1", "1000"), false),
            ("another object of that name", resource("u-2", "99"), false),
            ("not a number", resource("u-1", "x"), false),
        ];
        for (name, stored, expected) in table {
            assert_eq!(undercuts(&stored, &own), expected, "{name}");
        }
    }

    #[test]
    fn passwords_are_long_plain_and_different() {
        let (one, other) = (random_password(), random_password());
        assert_eq!(one.len(), 32);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
