//! One PodDisruptionBudget per shard: a drain takes at most one member of it at a time (promise
//! I6).

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{budget_name, shard_labels, shard_selector};
use super::owner::{manifest, owned_metadata};
use crate::model::{Desired, ShardId};
use crate::plan::{Manifest, ManifestKind};

pub(super) fn budgets(desired: &Desired) -> impl Iterator<Item = Manifest> {
    (0..desired.leaders).map(|shard| budget(desired, ShardId(shard)))
}

fn budget(desired: &Desired, shard: ShardId) -> Manifest {
    let name = budget_name(&desired.key.name, shard);
    let object = PodDisruptionBudget {
        metadata: owned_metadata(desired, &name, shard_labels(desired, shard)),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(members_kept(desired))),
            selector: Some(LabelSelector {
                match_labels: Some(shard_selector(&desired.key.name, shard)),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    manifest(ManifestKind::PodDisruptionBudget, &name, &object)
}

/// How many members of a shard a drain must leave, as a whole number: a percentage or
/// `maxUnavailable` works only for pods of a controller that has a scale.
///
/// All but one; the one that goes is held by its preStop hook until another leads. Never 0: a
/// shard's only member is its only copy, and no hook can save a copy that has no follower. A drain
/// of it waits, by design, until the operator has made another member elsewhere (the host is
/// cordoned then, which is what the operator reacts to), or a human deletes the pod.
fn members_kept(desired: &Desired) -> i32 {
    i32::try_from(desired.followers_per_leader.max(1)).unwrap_or(i32::MAX)
}
