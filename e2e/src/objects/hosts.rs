//! Pods, and the machines that they are on.

use serde::Deserialize;

use super::{Condition, Metadata};

/// A pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Metadata.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: PodSpec,
    /// What is.
    pub status: PodStatus,
}

/// `spec` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Its host.
    pub node_name: Option<String>,
}

/// `status` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// Phase.
    pub phase: String,
    /// Its address.
    #[serde(rename = "podIP")]
    pub address: Option<String>,
    /// Each container.
    pub container_statuses: Vec<ContainerStatus>,
}

/// `status.containerStatuses` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// How often it was started again.
    pub restart_count: u32,
}

impl Pod {
    /// How often its containers were started again.
    pub fn restarts(&self) -> u32 {
        let containers = self.status.container_statuses.iter();
        containers.map(|it| it.restart_count).sum()
    }
}

/// A Kubernetes machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Metadata.
    pub metadata: Metadata,
    /// What is.
    pub status: HostStatus,
}

/// `status` of a host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostStatus {
    /// Conditions.
    pub conditions: Vec<Condition>,
}

impl Host {
    /// Its zone.
    pub fn zone(&self) -> Option<&str> {
        let label = self.metadata.labels.get("topology.kubernetes.io/zone");
        label.map(String::as_str)
    }

    /// Whether Kubernetes hears it.
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.kind == "Ready" && condition.status == "True")
    }
}
