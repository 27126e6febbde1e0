//! What drills do to the operator, and what they look for at its lease.

use anyhow::{Context, Result, ensure};

use super::deeds::docker;
use crate::bed::Bed;
use crate::diagnosis::{operators, zone_of_the_active};
use crate::objects::Pod;
use crate::wait::{Patience, until};

/// As the kernel calls the process: 15 letters at most.
const PROCESS: &str = "zoneward-operat";

/// Ends all of its replicas by SIGKILL, from their hosts: nothing is handed over, and no lease is given back. (A pod
/// that is deleted by force is told to end like any other.)
pub(super) async fn crash_operator(bed: &Bed) -> Result<String> {
    let pods = operators(bed).await?;
    ensure!(!pods.is_empty(), "no pod of the operator is there");
    let before: u32 = pods.iter().map(Pod::restarts).sum();
    for pod in &pods {
        let name = &pod.metadata.name;
        let host = pod.spec.node_name.as_deref();
        let host = host.with_context(|| format!("pod {name} is on no host"))?;
        docker(&["exec", host, "pkill", "-KILL", "-x", PROCESS]).await?;
    }
    let all = u32::try_from(pods.len()).unwrap_or(u32::MAX);
    let what = "each of the operator's containers was started again";
    until(what, Patience::seconds(30), async || {
        let restarts: u32 = operators(bed).await?.iter().map(Pod::restarts).sum();
        Ok((restarts >= before + all).then_some(()))
    })
    .await?;
    Ok(format!(
        "the operator's {all} processes are killed, and started again"
    ))
}

/// Who holds the lease; they are all in this zone.
pub(super) async fn holders_in(bed: &Bed, zone: &str) -> Result<Vec<String>> {
    let hosts = bed.kubectl.hosts().await?;
    let active = zone_of_the_active(bed, &hosts).await?;
    ensure!(
        active.as_deref() == Some(zone),
        "the active operator is in {} by now, and {zone} was to be lost with it",
        active.as_deref().unwrap_or("no zone"),
    );
    bed.kubectl.lease_holders(&bed.operator_namespace).await
}

/// Somebody else holds it now.
pub(super) async fn others_hold(bed: &Bed, before: &[String]) -> Result<()> {
    let now = bed.kubectl.lease_holders(&bed.operator_namespace).await?;
    let is_same = now.iter().any(|holder| before.contains(holder));
    ensure!(
        !now.is_empty() && !is_same,
        "the lease did not change hands: {} before, {} now",
        before.join(", "),
        now.join(", ")
    );
    Ok(())
}
