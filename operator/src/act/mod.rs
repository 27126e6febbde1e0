//! Effects out. Runs a plan's actions: fence, do, tell what came of it.
//!
//! Decides nothing and reads nothing to decide: what an action relies on is checked by the API
//! server (uid, resourceVersion) or by the wire (run id, role) when it is done. Actions on one
//! target keep their order, and the first that fails there ends that target's row: the next round
//! plans the rest again. Different targets do not wait for each other.

mod fence;
mod objects;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;

pub use fence::Fence;
pub use objects::KubeObjects;

use crate::api_call::CALL_LIMIT;
use crate::model::{ClusterKey, MemberName};
use crate::observe;
use crate::plan::{Action, Deed, MemberCommand, MemberRef};
use crate::ports::{Clock, ClusterObjects, ErrorClass, ObjectApi, RedisAdmin};

/// How many targets of one RedisCluster are worked on at once. Forming 30 members wants more than
/// a few; each takes a connection and a share of the API server's patience.
const TARGETS_AT_ONCE: usize = 16;

/// The longest that a command to a member may take. Members answer within milliseconds or not at
/// all, and a round ends with its slowest action: one that hangs must not hold up a failover.
const COMMAND_LIMIT: Duration = Duration::from_secs(2);

/// What actions are done with.
pub struct Hands<'a> {
    /// Kubernetes.
    pub objects: &'a dyn ObjectApi,
    /// Redis.
    pub admin: &'a dyn RedisAdmin,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Whether we may.
    pub fence: &'a Fence,
}

/// What came of one action.
#[derive(Debug)]
pub struct Outcome {
    /// [`Deed::kind`].
    pub kind: &'static str,
    /// The pod or object, as `Kind/name`.
    pub target: String,
    /// Done, or why not.
    pub result: Result<(), ActError>,
    /// How long it took.
    pub took: Duration,
}

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
#[error("failed to {deed}")]
pub struct ActError {
    /// The action, in words.
    pub deed: String,
    /// What that means for trying again.
    pub class: ErrorClass,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Runs these actions on the RedisCluster that was seen.
pub async fn act(
    hands: &Hands<'_>,
    key: &ClusterKey,
    seen: &ClusterObjects,
    actions: &[Action],
) -> Vec<Outcome> {
    let mut rows: BTreeMap<String, Vec<&Deed>> = BTreeMap::new();
    for action in actions {
        rows.entry(target_of(&action.deed))
            .or_default()
            .push(&action.deed);
    }
    let permits = Semaphore::new(TARGETS_AT_ONCE);
    let running: FuturesUnordered<_> = rows
        .into_iter()
        .map(|(target, deeds)| {
            let permits = &permits;
            async move {
                let _permit = permits.acquire().await;
                run_row(hands, key, seen, &target, &deeds).await
            }
        })
        .collect();
    let outcomes: Vec<Vec<Outcome>> = running.collect().await;
    outcomes.into_iter().flatten().collect()
}

async fn run_row(
    hands: &Hands<'_>,
    key: &ClusterKey,
    seen: &ClusterObjects,
    target: &str,
    deeds: &[&Deed],
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(deeds.len());
    for deed in deeds {
        let started = hands.clock.monotonic();
        let result = fenced(hands, key, seen, deed).await;
        let is_done = result.is_ok();
        outcomes.push(Outcome {
            kind: deed.kind(),
            target: target.to_owned(),
            result,
            took: hands.clock.monotonic().saturating_sub(started),
        });
        if !is_done {
            break;
        }
    }
    outcomes
}

async fn fenced(
    hands: &Hands<'_>,
    key: &ClusterKey,
    seen: &ClusterObjects,
    deed: &Deed,
) -> Result<(), ActError> {
    let limit = match deed {
        Deed::Command { .. } => COMMAND_LIMIT,
        _ => CALL_LIMIT,
    };
    if !hands.fence.permits(limit) {
        return Err(failure(deed, ErrorClass::NotActive, None));
    }
    match tokio::time::timeout(limit, perform(hands, key, seen, deed)).await {
        Ok(result) => result,
        // It may or may not have been done: the next round looks.
        Err(elapsed) => Err(failure(
            deed,
            ErrorClass::Transient,
            Some(Box::new(elapsed)),
        )),
    }
}

async fn perform(
    hands: &Hands<'_>,
    key: &ClusterKey,
    seen: &ClusterObjects,
    deed: &Deed,
) -> Result<(), ActError> {
    let objects = hands.objects;
    let result = match deed {
        Deed::Apply(manifest) => objects.apply(key, manifest).await,
        Deed::Create(manifest) => objects.create(key, manifest).await,
        Deed::CreateSecret { name, keys } => {
            let owner = &seen.resource;
            objects.create_secret(key, owner, name, keys).await
        }
        Deed::DeletePod { pod, uid, is_dead } => objects.delete_pod(key, pod, uid, *is_dead).await,
        Deed::DeleteVolume { volume, uid } => objects.delete_volume(key, volume, uid).await,
        Deed::GrowVolume { volume, uid, size } => objects.grow_volume(key, volume, uid, size).await,
        Deed::MarkPod {
            pod,
            uid,
            role,
            is_ready,
        } => objects.mark_pod(key, pod, uid, *role, *is_ready).await,
        Deed::Command { member, command } => {
            return tell(hands.admin, key, seen, deed, member, command).await;
        }
    };
    result.map_err(|error| failure(deed, error.class, Some(Box::new(error))))
}

async fn tell(
    admin: &dyn RedisAdmin,
    key: &ClusterKey,
    seen: &ClusterObjects,
    deed: &Deed,
    member: &MemberRef,
    command: &MemberCommand,
) -> Result<(), ActError> {
    let pod = seen.pods.iter().find(|pod| pod.name == member.name);
    let Some(target) = pod.and_then(|pod| observe::target(key, pod, &seen.credentials)) else {
        // The plan names a member that the same observation cannot reach.
        return Err(failure(deed, ErrorClass::Bug, None));
    };
    admin
        .command(&target, member, command)
        .await
        .map_err(|error| failure(deed, error.class, Some(Box::new(error))))
}

fn failure(
    deed: &Deed,
    class: ErrorClass,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> ActError {
    ActError {
        deed: deed.to_string(),
        class,
        source,
    }
}

/// A pod, the commands to its member and its marks are one target.
fn target_of(deed: &Deed) -> String {
    let pod = |name: &MemberName| format!("Pod/{name}");
    match deed {
        Deed::Apply(manifest) | Deed::Create(manifest) => {
            format!("{}/{}", manifest.kind.as_str(), manifest.name)
        }
        Deed::CreateSecret { name, .. } => format!("Secret/{name}"),
        Deed::DeletePod { pod: name, .. } | Deed::MarkPod { pod: name, .. } => pod(name),
        Deed::DeleteVolume { volume, .. } | Deed::GrowVolume { volume, .. } => {
            format!("PersistentVolumeClaim/{volume}")
        }
        Deed::Command { member, .. } => pod(&member.name),
    }
}

#[cfg(test)]
mod tests;
