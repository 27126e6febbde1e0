//! Puts what Kubernetes and the members said into one [`Observation`]. Pure.

use std::collections::BTreeMap;

use crate::model::{Asked, MemberName, Observation};
use crate::ports::ClusterObjects;

/// One round's observation.
pub fn snapshot(objects: &ClusterObjects, members: BTreeMap<MemberName, Asked>) -> Observation {
    let status = objects.resource.status.as_ref();
    Observation {
        hosts: objects.hosts.clone(),
        pods: objects.pods.clone(),
        volumes: objects.volumes.clone(),
        objects: objects.objects.clone(),
        secrets: objects.secrets.clone(),
        members,
        record: status
            .map(|status| status.record.clone())
            .unwrap_or_default(),
    }
}
