//! What drills do to the operator, and what they look for at its lease.

use anyhow::{Context, Result, ensure};

use super::deeds::docker;
use crate::bed::Bed;
use crate::diagnosis::{operators, zone_of_the_active};
use crate::wait::{Patience, until};

/// What the kernel calls its process.
const PROCESS: &str = "zoneward";

/// A container that is started again and again is started later and later: a drill begins with pods of which none was.
pub(super) async fn begin_afresh(bed: &Bed) -> Result<()> {
    let pods = operators(bed).await?;
    if pods.iter().all(|pod| pod.restarts() == 0) {
        return Ok(());
    }
    let (label, value) = &bed.operator_label;
    let selector = format!("{label}={value}");
    let namespace = bed.operator_namespace.as_str();
    for words in [
        ["rollout", "restart", "deployment"].as_slice(),
        &["rollout", "status", "deployment", "--timeout=120s"],
    ] {
        let which = ["-n", namespace, "-l", &selector];
        bed.kubectl.text(&[words, &which].concat()).await?;
    }
    let what = "the operator's former pods are gone";
    let wanted = pods.len();
    until(what, Patience::seconds(60), async || {
        let pods = operators(bed).await?;
        let are_new = pods.len() <= wanted && pods.iter().all(|pod| pod.restarts() == 0);
        Ok(are_new.then_some(()))
    })
    .await
}

/// Ends all of its replicas by SIGKILL, from their hosts: nothing is handed over, and no lease is given back. (A pod
/// that is deleted by force is told to end like any other.)
pub(super) async fn crash_operator(bed: &Bed) -> Result<String> {
    let pods = operators(bed).await?;
    ensure!(!pods.is_empty(), "no pod of the operator is there");
    let mut killed = Vec::new();
    for pod in &pods {
        let name = &pod.metadata.name;
        let host = pod.spec.node_name.as_deref();
        let host = host.with_context(|| format!("pod {name} is on no host"))?;
        let found = docker(&["exec", host, "pgrep", "-x", PROCESS]).await;
        let found = found.with_context(|| format!("find the process of pod {name}"))?;
        for process in found.split_whitespace() {
            docker(&["exec", host, "kill", "-KILL", process]).await?;
            killed.push((host.to_owned(), format!("/proc/{process}")));
        }
    }
    let what = "the operator's processes have ended";
    until(what, Patience::seconds(10), async || {
        for (host, process) in &killed {
            let is_there = ["exec", host, "test", "-e", process];
            if docker(&is_there).await.is_ok() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let count = killed.len();
    Ok(format!("the operator's {count} processes end by SIGKILL"))
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
