//! A thin typed wrapper over the program `kubectl`. Reads go straight to a path of the API
//! (`get --raw`): that spares kubectl's discovery, and the demo asks five times a second.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::process::Command;

use crate::drill::KubernetesEvent;
use crate::objects::{Host, Key, List, Metadata, Pod, RedisCluster};
use crate::program;

const LIMIT: Duration = Duration::from_secs(20);

/// The label that members' pods, volumes and Secrets carry.
pub const CLUSTER_LABEL: &str = "zoneward.io/cluster";

/// `kubectl`, with the cluster that it talks to.
#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: Option<PathBuf>,
    path: OsString,
}

#[derive(Deserialize)]
struct Lease {
    spec: LeaseSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseSpec {
    holder_identity: Option<String>,
}

impl Kubectl {
    /// `KUBECONFIG` where it is set, else the kind testbed's; the testbed's programs come first.
    pub fn new(root: &Path) -> Self {
        let testbed = root.join("target/kind");
        let kubeconfig = testbed.join("kubeconfig");
        let is_ours = std::env::var_os("KUBECONFIG").is_none() && kubeconfig.exists();
        let mut path = testbed.join("bin").into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        Self {
            kubeconfig: is_ours.then_some(kubeconfig),
            path,
        }
    }

    /// A command with the environment that kubectl needs.
    pub fn environment(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    /// Runs kubectl with these words.
    pub async fn text(&self, words: &[&str]) -> Result<String> {
        self.with_input(words, "").await
    }

    async fn with_input(&self, words: &[&str], input: &str) -> Result<String> {
        let mut command = self.environment("kubectl");
        command.arg("--request-timeout=15s").args(words);
        program::text(&mut command, input, LIMIT).await
    }

    /// Reads a path of the API; none where nothing is there.
    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let text = match self.text(&["get", "--raw", path]).await {
            Ok(text) => text,
            Err(error) if format!("{error:#}").contains("NotFound") => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = serde_json::from_str(&text);
        Ok(Some(
            read.with_context(|| format!("{path}: not what we expect"))?,
        ))
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let list: Option<List<T>> = self.read(path).await?;
        Ok(list.map(|list| list.items).unwrap_or_default())
    }

    /// A `RedisCluster`.
    pub async fn redis_cluster(&self, key: &Key) -> Result<Option<RedisCluster>> {
        self.read(&format!(
            "/apis/zoneward.io/v1alpha1/namespaces/{}/redisclusters/{}",
            key.namespace, key.name
        ))
        .await
    }

    /// Whether the API server knows what a `RedisCluster` is.
    pub async fn knows_redis_clusters(&self) -> Result<bool> {
        let path = "/apis/zoneward.io/v1alpha1";
        Ok(self.read::<Value>(path).await?.is_some())
    }

    /// The pods with this label.
    pub async fn pods(&self, namespace: &str, label: &str, value: &str) -> Result<Vec<Pod>> {
        self.list(&format!(
            "/api/v1/namespaces/{namespace}/pods?labelSelector={label}%3D{value}"
        ))
        .await
    }

    /// The members' pods of a `RedisCluster`.
    pub async fn members(&self, key: &Key) -> Result<Vec<Pod>> {
        self.pods(&key.namespace, CLUSTER_LABEL, &key.name).await
    }

    /// The Kubernetes machines.
    pub async fn hosts(&self) -> Result<Vec<Host>> {
        self.list("/api/v1/nodes").await
    }

    /// The events of a namespace.
    pub(crate) async fn events(&self, namespace: &str) -> Result<Vec<KubernetesEvent>> {
        self.list(&format!("/api/v1/namespaces/{namespace}/events"))
            .await
    }

    /// Who holds the leases of a namespace.
    pub async fn lease_holders(&self, namespace: &str) -> Result<Vec<String>> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let leases: Vec<Lease> = self.list(&path).await?;
        let holders = leases
            .into_iter()
            .filter_map(|lease| lease.spec.holder_identity);
        Ok(holders.filter(|holder| !holder.is_empty()).collect())
    }

    /// The address of the Service that clients are given; none where it is not there.
    pub async fn service_address(&self, key: &Key) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Found {
            spec: Spec,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            #[serde(rename = "clusterIP")]
            address: Option<String>,
        }
        let path = format!("/api/v1/namespaces/{}/services/{}", key.namespace, key.name);
        let found: Option<Found> = self.read(&path).await?;
        Ok(found.and_then(|found| found.spec.address))
    }

    /// The password of the user `default`; none where auth is off.
    pub async fn password(&self, key: &Key) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            data: BTreeMap<String, String>,
        }
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}-auth",
            key.namespace, key.name
        );
        let Some(found) = self.read::<Found>(&path).await? else {
            return Ok(None);
        };
        let Some(encoded) = found.data.get("password") else {
            bail!("Secret {key}-auth has no key password");
        };
        let mut decode = self.environment("base64");
        let password = program::text(decode.arg("-d"), encoded, LIMIT).await?;
        Ok(Some(password))
    }

    /// The Secrets of a namespace by their names, with their values as they are stored.
    pub(crate) async fn secrets(
        &self,
        namespace: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        #[derive(Deserialize)]
        struct Found {
            metadata: Metadata,
            #[serde(default)]
            data: BTreeMap<String, String>,
        }
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        let found: Vec<Found> = self.list(&path).await?;
        let named = found.into_iter().map(|it| (it.metadata.name, it.data));
        Ok(named.collect())
    }

    /// Applies a manifest.
    pub async fn apply(&self, manifest: &Value) -> Result<()> {
        let words = ["apply", "-f", "-"];
        self.with_input(&words, &manifest.to_string())
            .await
            .map(drop)
    }

    /// Drains the hosts with this label, one after the other.
    pub async fn drain(&self, label: &str, limit: Duration) -> Result<()> {
        let mut command = self.environment("kubectl");
        command.args(["drain", "-l", label, "--ignore-daemonsets"]);
        command.arg("--delete-emptydir-data");
        command.arg(format!("--timeout={}s", limit.as_secs()));
        let limit = limit + Duration::from_secs(10);
        program::text(&mut command, "", limit).await.map(drop)
    }

    /// Deletes an object without waiting for its end; content where it is gone.
    pub async fn delete(&self, kind: &str, key: &Key) -> Result<()> {
        let words = ["-n", &key.namespace, "delete", kind, &key.name];
        let how = ["--ignore-not-found", "--wait=false"];
        self.text(&[words.as_slice(), &how].concat())
            .await
            .map(drop)
    }

    /// Takes pods away at once, as a crash does.
    pub async fn kill_pods(&self, namespace: &str, names: &[&str]) -> Result<()> {
        let words = [
            "-n",
            namespace,
            "delete",
            "pod",
            "--grace-period=0",
            "--force",
        ];
        let how = ["--ignore-not-found", "--wait=false"];
        self.text(&[words.as_slice(), &how, names].concat())
            .await
            .map(drop)
    }
}
