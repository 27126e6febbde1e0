//! Puts the objects of a drill into the cluster and takes them away. Nothing else of the plugin makes or deletes
//! anything.

use std::time::Duration;

use anyhow::{Context, anyhow};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use tokio::time::Instant;

use super::super::reach::{FIELD_MANAGER, Reach};
use super::object::{Drill, is_of, name_of};
use crate::resources::labels::LABEL_DRILL;
use crate::telemetry::chain;

/// For how long taking away is tried again. The Job does it soon after.
const TRIED_FOR: Duration = Duration::from_secs(120);
/// How long to wait before the next try.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// How a drill did not begin.
pub(super) enum Unplaced {
    /// Nothing was made.
    Nothing(anyhow::Error),
    /// Something may have been made.
    Perhaps(anyhow::Error),
}

/// Begins the drill: first what ends it, then the fault.
pub(super) async fn place(reach: &Reach, drill: &Drill) -> Result<(), Unplaced> {
    let namespace = reach.namespace();
    let name = name_of(&drill.cluster);
    let timer = drill.timer().map_err(Unplaced::Nothing)?;
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let timer = match jobs(reach).create(&params, &timer).await {
        Ok(timer) => timer,
        Err(error) => {
            let is_refused = matches!(&error, kube::Error::Api(it) if it.code < 500);
            let error = anyhow::Error::new(error).context(format!(
                "failed to create Job {namespace}/{name}, which ends the drill if nobody else does"
            ));
            return Err(if is_refused {
                Unplaced::Nothing(error)
            } else {
                Unplaced::Perhaps(error)
            });
        }
    };
    if !drill.is_ended_by(&timer) {
        return Err(Unplaced::Perhaps(anyhow!(
            "Job {namespace}/{name} would not end the drill: this cluster's own rules for Jobs have changed it. \
             Nothing was cut off; have them leave Jobs with the label {LABEL_DRILL} as they are"
        )));
    }
    let fault = drill.fault(&timer).map_err(Unplaced::Perhaps)?;
    let made = policies(reach).create(&params, &fault).await;
    let made = made.with_context(|| format!("failed to create NetworkPolicy {namespace}/{name}"));
    made.map_err(Unplaced::Perhaps)?;
    Ok(())
}

/// Whether the zone is still cut off.
pub(super) async fn is_there(reach: &Reach, cluster: &str) -> anyhow::Result<bool> {
    let (namespace, name) = (reach.namespace(), name_of(cluster));
    let found = policies(reach).get_opt(&name).await;
    let found = found.with_context(|| format!("failed to get NetworkPolicy {namespace}/{name}"))?;
    Ok(found.is_some())
}

/// Every NetworkPolicy of the namespace but that of a drill.
pub(super) async fn others(reach: &Reach, cluster: &str) -> anyhow::Result<Vec<NetworkPolicy>> {
    let namespace = reach.namespace();
    let found = policies(reach).list(&ListParams::default()).await;
    let found = found.with_context(|| format!("failed to list NetworkPolicies of {namespace}"))?;
    let name = name_of(cluster);
    let others = found.items.into_iter().filter(|it| it.name_any() != name);
    Ok(others.collect())
}

/// What stands where the drill's objects are to stand.
pub(super) async fn in_the_way(reach: &Reach, cluster: &str) -> anyhow::Result<Vec<String>> {
    let (namespace, name) = (reach.namespace(), name_of(cluster));
    let mut all = Vec::new();
    let job = jobs(reach).get_opt(&name).await;
    if job
        .with_context(|| format!("failed to get Job {namespace}/{name}"))?
        .is_some()
    {
        all.push(format!("Job {name}"));
    }
    if is_there(reach, cluster).await? {
        all.push(format!("NetworkPolicy {name}"));
    }
    Ok(all)
}

/// Takes away what a drill of this RedisCluster has made: the fault first. What was there.
pub(super) async fn take_away(reach: &Reach, cluster: &str) -> anyhow::Result<Vec<String>> {
    let name = name_of(cluster);
    let mut taken = Vec::new();
    if delete(&policies(reach), reach, cluster).await? {
        taken.push(format!("NetworkPolicy {name}"));
    }
    if delete(&jobs(reach), reach, cluster).await? {
        taken.push(format!("Job {name}"));
    }
    Ok(taken)
}

/// The same, tried again for as long as it makes sense; `tell` says what a human can do meanwhile.
pub(super) async fn take_away_surely(
    reach: &Reach,
    cluster: &str,
    mut tell: impl FnMut(String),
) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut is_told = false;
    loop {
        let Err(error) = take_away(reach, cluster).await else {
            return Ok(());
        };
        let (namespace, name) = (reach.namespace(), name_of(cluster));
        let by_hand = format!("kubectl delete networkpolicy,job {name} -n {namespace}");
        if begin.elapsed() >= TRIED_FOR {
            return Err(error.context(format!(
                "failed to end the drill. Its Job ends it soon, where Kubernetes' controllers run; by hand: {by_hand}"
            )));
        }
        if !is_told {
            is_told = true;
            let error = chain(error.as_ref());
            tell(format!(
                "failed to end the drill: {error}. It is tried again; by hand: {by_hand}"
            ));
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// Deletes the object of a drill, and only that one; whether it was there.
async fn delete<K>(api: &Api<K>, reach: &Reach, cluster: &str) -> anyhow::Result<bool>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let (kind, name) = (K::kind(&()), name_of(cluster));
    let namespace = reach.namespace();
    let found = api.get_opt(&name).await;
    let found = found.with_context(|| format!("failed to get {kind} {namespace}/{name}"))?;
    let Some(found) = found else {
        return Ok(false);
    };
    if !is_of(cluster, found.labels()) {
        return Err(anyhow!(
            "{kind} {namespace}/{name} is no drill's of RedisCluster {cluster}, and is left as it is"
        ));
    }
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: found.uid(),
        resource_version: None,
    });
    match api.delete(&name, &params).await {
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(true),
        deleted => {
            deleted.with_context(|| format!("failed to delete {kind} {namespace}/{name}"))?;
            Ok(true)
        }
    }
}

fn jobs(reach: &Reach) -> Api<Job> {
    Api::namespaced(reach.client(), reach.namespace())
}

fn policies(reach: &Reach) -> Api<NetworkPolicy> {
    Api::namespaced(reach.client(), reach.namespace())
}
