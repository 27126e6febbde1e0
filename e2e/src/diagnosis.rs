//! What to keep when something went wrong, so that it can be understood without the cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;

use crate::bed::Bed;
use crate::kubectl::CLUSTER_LABEL;
use crate::objects::{Host, Key, Pod};

/// Writes status, pods, events and the ends of logs to `target/e2e/<time>/` and says where.
pub async fn keep(bed: &Bed, key: &Key, error: &anyhow::Error) -> Result<PathBuf> {
    let time = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let folder = bed.root.join("target/e2e").join(time);
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    write("error.txt", &format!("{error:?}\n"))?;

    let selector = format!("{CLUSTER_LABEL}={}", key.name);
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let zone = "topology.kubernetes.io/zone";
    let questions: [(&str, &[&str]); 5] = [
        (
            "rediscluster.yaml",
            &["-n", namespace, "get", "rdc", name, "-o", "yaml"],
        ),
        ("pods.txt", &["get", "pods", "-A", "-o", "wide"]),
        (
            "pods.yaml",
            &[
                "-n", namespace, "get", "pods", "-l", &selector, "-o", "yaml",
            ],
        ),
        ("hosts.txt", &["get", "nodes", "-L", zone]),
        (
            "events.txt",
            &["-n", namespace, "get", "events", "--sort-by=.lastTimestamp"],
        ),
    ];
    for (file, words) in questions {
        write(file, &said(bed, words).await)?;
    }
    for pod in bed.kubectl.members(key).await.unwrap_or_default() {
        logs(bed, &folder, namespace, &pod, "200").await?;
    }
    for pod in operators(bed).await.unwrap_or_default() {
        logs(bed, &folder, &bed.operator_namespace, &pod, "2000").await?;
    }
    Ok(folder)
}

/// The operator's pods.
pub async fn operators(bed: &Bed) -> Result<Vec<Pod>> {
    let (label, value) = &bed.operator_label;
    bed.kubectl
        .pods(&bed.operator_namespace, label, value)
        .await
}

/// The zones that have an operator's pod.
pub async fn zones_with_operator(bed: &Bed, hosts: &[Host]) -> Result<BTreeSet<String>> {
    let pods = operators(bed).await?;
    let on = pods.iter().filter_map(|pod| pod.spec.node_name.as_deref());
    let hosts = on.filter_map(|name| hosts.iter().find(|host| host.metadata.name == name));
    Ok(hosts.filter_map(Host::zone).map(str::to_owned).collect())
}

/// The zone of the one that holds the lease; none where nobody does.
pub async fn zone_of_the_active(bed: &Bed, hosts: &[Host]) -> Result<Option<String>> {
    let holders = bed.kubectl.lease_holders(&bed.operator_namespace).await?;
    let pods = operators(bed).await?;
    // a holder is called as its pod, and what is random behind it
    let holds = |pod: &&Pod| {
        let prefix = format!("{}_", pod.metadata.name);
        holders.iter().any(|holder| holder.starts_with(&prefix))
    };
    let host = pods
        .iter()
        .find(holds)
        .and_then(|pod| pod.spec.node_name.as_deref());
    let host = hosts
        .iter()
        .find(|it| Some(it.metadata.name.as_str()) == host);
    Ok(host.and_then(Host::zone).map(str::to_owned))
}

async fn logs(bed: &Bed, folder: &Path, namespace: &str, pod: &Pod, tail: &str) -> Result<()> {
    let name = pod.metadata.name.as_str();
    let tail = format!("--tail={tail}");
    let words = [
        "-n",
        namespace,
        "logs",
        name,
        "--all-containers",
        "--timestamps",
        &tail,
    ];
    let text = said(bed, &words).await;
    std::fs::write(folder.join(format!("{name}.log")), text)?;
    Ok(())
}

/// What kubectl said, even if it is that it cannot tell.
async fn said(bed: &Bed, words: &[&str]) -> String {
    match bed.kubectl.text(words).await {
        Ok(text) => text,
        Err(error) => format!("{error:#}\n"),
    }
}
