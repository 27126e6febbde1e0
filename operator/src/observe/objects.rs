//! Picks one RedisCluster's objects out of the stores.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;

use super::hosts::host_view;
use super::pods::{pod_view, volume_view};
use super::secrets::{SecretCache, secrets};
use super::stores::{Guarded, Scope, Stores};
use crate::api::RedisCluster;
use crate::api_call::fault;
use crate::model::{ClusterKey, HostName, ObjectView, PodUid};
use crate::plan::ManifestKind;
use crate::ports::{Clock, ClusterObjects, ErrorClass, ObjectError};
use crate::resources::labels::LABEL_CLUSTER;

/// What is known of one RedisCluster. `newest` may know a later version of the resource than the
/// store does.
pub async fn view(
    stores: &Stores,
    cache: &SecretCache,
    client: &Client,
    clock: &dyn Clock,
    key: &ClusterKey,
    newest: impl FnOnce(Arc<RedisCluster>) -> Arc<RedisCluster>,
) -> Result<Option<ClusterObjects>, ObjectError> {
    if let Some(unread) = stores.unread() {
        let operation = format!("view {key}: {unread} are not read yet");
        return Err(fault(operation, ErrorClass::Transient));
    }
    let Some(scope) = stores.scope(&key.namespace) else {
        return Ok(None);
    };
    let Some(resource) = read_resource(scope, key)? else {
        return Ok(None);
    };
    let resource = newest(resource);
    let (secrets, credentials) = secrets(cache, client, clock, key, &resource).await?;
    Ok(Some(ClusterObjects {
        hosts: hosts(stores, &resource),
        pods: pods(scope, key, &resource),
        volumes: volumes(scope, key),
        objects: objects(scope, key, &resource)?,
        secrets,
        credentials: Arc::new(credentials),
        resource,
    }))
}

fn read_resource(
    scope: &Scope,
    key: &ClusterKey,
) -> Result<Option<Arc<RedisCluster>>, ObjectError> {
    let reference = ObjectRef::<Guarded>::new(&key.name).within(&key.namespace);
    let Some(guarded) = scope.clusters.get(&reference) else {
        return Ok(None);
    };
    match &guarded.0 {
        Ok(resource) => Ok(Some(Arc::new(resource.clone()))),
        Err(invalid) => Err(ObjectError {
            operation: format!("read RedisCluster {key}"),
            class: ErrorClass::Invalid,
            source: Some(Box::new(invalid.clone())),
        }),
    }
}

fn hosts(stores: &Stores, resource: &RedisCluster) -> Vec<crate::model::HostView> {
    let nodes = stores.hosts.state();
    let mut hosts: Vec<_> = nodes
        .iter()
        .filter_map(|node| host_view(&resource.spec, node))
        .collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    hosts
}

/// Only pods whose owner is this very object count: those of a deleted RedisCluster of the same
/// name may linger.
fn pods(scope: &Scope, key: &ClusterKey, resource: &RedisCluster) -> Vec<crate::model::PodView> {
    let mut pods: Vec<_> = ours(&scope.pods, key)
        .iter()
        .filter(|pod| is_owned(pod.meta(), resource))
        .filter_map(|pod| pod_view(&key.name, pod))
        .collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    pods
}

/// Members of the other RedisClusters.
pub fn neighbours(stores: &Stores, key: &ClusterKey) -> Vec<(HostName, PodUid)> {
    let is_of = |pod: &Pod| {
        let labels = pod.metadata.labels.as_ref();
        let name = labels.and_then(|labels| labels.get(LABEL_CLUSTER));
        let namespace = pod.metadata.namespace.as_ref();
        name.is_some_and(|name| name != &key.name || namespace != Some(&key.namespace))
    };
    let mut found: Vec<(HostName, PodUid)> = stores
        .scopes()
        .iter()
        .flat_map(|scope| scope.pods.state())
        .filter(|pod| is_of(pod))
        .filter_map(|pod| {
            let host = pod.spec.as_ref()?.node_name.as_deref()?;
            Some((
                HostName::new(host),
                PodUid::new(pod.metadata.uid.as_deref()?),
            ))
        })
        .collect();
    found.sort();
    found
}

/// Volumes have no owner reference where they outlive the RedisCluster: the label alone counts.
fn volumes(scope: &Scope, key: &ClusterKey) -> Vec<crate::model::VolumeView> {
    let mut volumes: Vec<_> = ours(&scope.volumes, key)
        .iter()
        .filter_map(|claim| volume_view(&key.name, claim))
        .collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    volumes
}

fn objects(
    scope: &Scope,
    key: &ClusterKey,
    resource: &RedisCluster,
) -> Result<Vec<ObjectView>, ObjectError> {
    let mut objects = Vec::new();
    let services = ours(&scope.services, key);
    collect(&mut objects, ManifestKind::Service, &services, resource)?;
    let config_maps = ours(&scope.config_maps, key);
    collect(
        &mut objects,
        ManifestKind::ConfigMap,
        &config_maps,
        resource,
    )?;
    let budgets = ours(&scope.budgets, key);
    let kind = ManifestKind::PodDisruptionBudget;
    collect(&mut objects, kind, &budgets, resource)?;
    objects.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    Ok(objects)
}

fn collect<K: Resource + Serialize>(
    into: &mut Vec<ObjectView>,
    kind: ManifestKind,
    from: &[Arc<K>],
    resource: &RedisCluster,
) -> Result<(), ObjectError> {
    for object in from.iter().filter(|o| is_owned(o.meta(), resource)) {
        let name = object.meta().name.clone().unwrap_or_default();
        let body = serde_json::to_value(object.as_ref()).map_err(|error| ObjectError {
            operation: format!("read {} {name}", kind.as_str()),
            class: ErrorClass::Bug,
            source: Some(Box::new(error)),
        })?;
        into.push(ObjectView {
            kind: kind.as_str().to_owned(),
            name,
            body,
        });
    }
    Ok(())
}

/// What carries this RedisCluster's label in its namespace.
fn ours<K>(store: &Store<K>, key: &ClusterKey) -> Vec<Arc<K>>
where
    K: Lookup + Resource + Clone + 'static,
    <K as Lookup>::DynamicType: Eq + std::hash::Hash + Clone,
{
    store.state_filter(|object| {
        object.meta().namespace.as_deref() == Some(&key.namespace)
            && object.labels().get(LABEL_CLUSTER) == Some(&key.name)
    })
}

fn is_owned(meta: &ObjectMeta, resource: &RedisCluster) -> bool {
    let uid = resource.metadata.uid.as_deref();
    meta.owner_references
        .iter()
        .flatten()
        .any(|owner| Some(owner.uid.as_str()) == uid)
}
