//! A member's body: the PersistentVolumeClaim that outlives its pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::labels::member_labels;
use super::owner::{manifest, metadata, owned_metadata};
use crate::api::RetainPolicy;
use crate::model::{Desired, ShardId, VolumeName, ZoneName};
use crate::plan::{Manifest, ManifestKind};

/// The claim for a member's data. Without `storage` in the spec it asks for nothing, and the API
/// server refuses it: the planner asks for volumes only where there is storage.
///
/// The zone is a label only: the pod's affinity decides where a claim binds, so the StorageClass
/// must bind at first use (`WaitForFirstConsumer`), as every zonal one does.
pub fn volume(desired: &Desired, name: &VolumeName, shard: ShardId, zone: &ZoneName) -> Manifest {
    let labels = member_labels(desired, shard, zone);
    let storage = desired.storage.as_ref();
    // The garbage collector takes what a deleted RedisCluster owns, without asking anybody. So
    // what shall stay is not owned: it is ours by its labels.
    let metadata = match storage.map(|storage| storage.retain) {
        Some(RetainPolicy::Delete) => owned_metadata(desired, name.as_str(), labels),
        Some(RetainPolicy::Retain) | None => metadata(desired, name.as_str(), labels),
    };
    let object = PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.and_then(|storage| storage.storage_class_name.clone()),
            resources: storage.map(|storage| VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(storage.size.clone()),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    };
    manifest(ManifestKind::PersistentVolumeClaim, name.as_str(), &object)
}
