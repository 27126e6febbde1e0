//! What all our objects have in common: name, labels, owner, and their way into JSON.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::Serialize;

use crate::api::RedisCluster;
use crate::model::Desired;
use crate::plan::{Manifest, ManifestKind};

/// Metadata of an object that goes when the RedisCluster goes.
pub(super) fn owned_metadata(
    desired: &Desired,
    name: &str,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![owner_reference(desired)]),
        ..metadata(desired, name, labels)
    }
}

/// Metadata of an object that outlives the RedisCluster.
pub(super) fn metadata(
    desired: &Desired,
    name: &str,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(desired.key.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// `controller: true` also lets `kubectl drain` take our pods without `--force`.
fn owner_reference(desired: &Desired) -> OwnerReference {
    OwnerReference {
        api_version: RedisCluster::api_version(&()).into_owned(),
        kind: RedisCluster::kind(&()).into_owned(),
        name: desired.key.name.clone(),
        uid: desired.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The object in the API server's JSON, `apiVersion` and `kind` included.
pub(super) fn manifest<K: Serialize>(kind: ManifestKind, name: &str, object: &K) -> Manifest {
    Manifest {
        kind,
        name: name.to_owned(),
        // Cannot fail: the types of Kubernetes' API have text keys only, and none of their
        // serializers returns an error of its own. The golden tests would show a null.
        body: serde_json::to_value(object).unwrap_or_default(),
    }
}
