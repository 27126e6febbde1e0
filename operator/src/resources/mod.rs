//! Stub.
#![allow(missing_docs)]
use crate::model::*;
use crate::plan::{Manifest, ManifestKind};
pub struct PodRequest {
    pub name: MemberName,
    pub shard: ShardId,
    pub zone: ZoneName,
    pub volume: Option<VolumeName>,
}
pub fn shared_objects(_: &Desired) -> Vec<Manifest> {
    Vec::new()
}
pub fn internal_secret(d: &Desired) -> (String, Vec<String>) {
    (format!("{}-internal", d.key.name), vec![])
}
pub fn client_secret(_: &Desired) -> Option<(String, Vec<String>)> {
    None
}
pub fn pod(_: &Desired, r: &PodRequest) -> Manifest {
    Manifest {
        kind: ManifestKind::Pod,
        name: r.name.to_string(),
        body: serde_json::Value::Null,
    }
}
pub fn volume(_: &Desired, name: &VolumeName, _: ShardId, _: &ZoneName) -> Manifest {
    Manifest {
        kind: ManifestKind::PersistentVolumeClaim,
        name: name.to_string(),
        body: serde_json::Value::Null,
    }
}
pub fn drift(_: &serde_json::Value, _: &serde_json::Value) -> bool {
    false
}
