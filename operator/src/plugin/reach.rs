//! The way to the API server: the kubeconfig, and what is asked of it. Every failure names what was asked.

use std::time::Duration;

use anyhow::{Context, anyhow};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ApiResource;
use kube::{Client, Config};
use serde_json::{Value, json};

use super::Target;
use super::runbook::entry;
use crate::api::RedisCluster;
use crate::model::{ClusterKey, Record};
use crate::resources::labels::LABEL_CLUSTER;
use crate::status::reasons;

/// The longest that one answer may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// Who writes, for the API server's book-keeping.
pub(super) const FIELD_MANAGER: &str = "kubectl-zoneward";
/// How many names are told where one is not found.
const NAMES_TOLD_MAX: usize = 10;

/// Whom to ask.
pub(super) struct Reach {
    client: Client,
    target: Target,
    namespace: String,
}

impl Reach {
    /// By the kubeconfig; in a pod, where there is none, by its service account.
    pub(super) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let mut config = config(target).await.context(
            "failed to find the API server: set KUBECONFIG, or name a file with --kubeconfig and a \
             context with --context",
        )?;
        config.default_retry = false;
        config.connect_timeout = Some(CALL_LIMIT);
        config.read_timeout = Some(CALL_LIMIT);
        let default = config.default_namespace.clone();
        let client = Client::try_from(config).context("failed to make a client")?;
        Ok(Self {
            client,
            namespace: target.namespace.clone().unwrap_or(default),
            target: target.clone(),
        })
    }

    /// The client, for what is asked in one place only.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where the RedisCluster is.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Namespace and name.
    pub(super) fn key(&self, name: &str) -> ClusterKey {
        ClusterKey {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// Where the operator is.
    pub(super) fn operator_namespace(&self) -> &str {
        &self.target.operator_namespace
    }

    /// Its lease.
    pub(super) fn operator_lease(&self) -> &str {
        &self.target.operator_lease
    }

    /// The port of its pods.
    pub(super) fn operator_port(&self) -> u16 {
        self.target.operator_port
    }

    /// The operator's lease; none where it does not exist.
    pub(super) async fn lease(&self) -> anyhow::Result<Option<Lease>> {
        let name = self.operator_lease();
        let leases: Api<Lease> = Api::namespaced(self.client(), self.operator_namespace());
        let found = leases.get_opt(name).await;
        found.with_context(|| format!("failed to get Lease {}/{name}", self.operator_namespace()))
    }

    /// One RedisCluster, as the API server holds it.
    pub(super) async fn object(&self, name: &str) -> anyhow::Result<Value> {
        let found = self.api().get_opt(name).await;
        let key = self.key(name);
        match found.map_err(|error| explained(error, &format!("get RedisCluster {key}")))? {
            Some(object) => {
                serde_json::to_value(object).with_context(|| format!("failed to read {key}"))
            }
            None => Err(self.missing(&key).await),
        }
    }

    /// One RedisCluster.
    pub(super) async fn cluster(&self, name: &str) -> anyhow::Result<RedisCluster> {
        typed(self.object(name).await?)
    }

    /// Those of the namespace, or of all.
    pub(super) async fn clusters(&self, everywhere: bool) -> anyhow::Result<Vec<RedisCluster>> {
        let (api, place) = if everywhere {
            let api = Api::all_with(self.client(), &resource());
            (api, "all namespaces".to_owned())
        } else {
            (self.api(), format!("namespace {}", self.namespace))
        };
        let found = api.list(&ListParams::default()).await;
        let found =
            found.map_err(|error| explained(error, &format!("list RedisClusters of {place}")))?;
        let objects = found.items.into_iter();
        objects
            .map(|object| typed(serde_json::to_value(object)?))
            .collect()
    }

    /// Merges into it; as a trial only, where nothing is to change.
    pub(super) async fn merge(
        &self,
        name: &str,
        patch: &Value,
        is_trial: bool,
    ) -> kube::Result<DynamicObject> {
        let params = PatchParams {
            dry_run: is_trial,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.api().patch(name, &params, &Patch::Merge(patch)).await
    }

    /// A pod of the namespace.
    pub(super) async fn pod(&self, name: &str) -> anyhow::Result<Pod> {
        let found = self.pods().get_opt(name).await;
        let namespace = &self.namespace;
        let found = found.with_context(|| format!("failed to get Pod {namespace}/{name}"))?;
        found.with_context(|| {
            format!("there is no pod {name} in namespace {namespace}: name its namespace with -n")
        })
    }

    /// The pods of a RedisCluster.
    pub(super) async fn pods_of(&self, cluster: &str) -> anyhow::Result<Vec<Pod>> {
        let params = ListParams::default().labels(&format!("{LABEL_CLUSTER}={cluster}"));
        let found = self.pods().list(&params).await;
        let key = self.key(cluster);
        Ok(found
            .with_context(|| format!("failed to list the pods of {key}"))?
            .items)
    }

    /// Sets an annotation of a pod, or takes it away.
    pub(super) async fn annotate(
        &self,
        pod: &str,
        key: &str,
        value: Option<&str>,
    ) -> anyhow::Result<()> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        let written = self.pods().patch(pod, &params, &Patch::Merge(&patch)).await;
        let namespace = &self.namespace;
        written.with_context(|| format!("failed to annotate Pod {namespace}/{pod} with {key}"))?;
        Ok(())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), &self.namespace)
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client(), &self.namespace, &resource())
    }

    /// What to say where there is none of this name.
    async fn missing(&self, key: &ClusterKey) -> anyhow::Error {
        let others = match self.api().list(&ListParams::default()).await {
            Ok(others) => others,
            Err(error) => return explained(error, &format!("find RedisCluster {key}")),
        };
        let names = others.items.into_iter().filter_map(|it| it.metadata.name);
        let names: Vec<String> = names.take(NAMES_TOLD_MAX).collect();
        let ClusterKey { namespace, name } = key;
        if names.is_empty() {
            return anyhow!(
                "there is no RedisCluster {name} in namespace {namespace}, and no other: name its \
                 namespace with -n, or look for it with: kubectl zoneward status -A"
            );
        }
        anyhow!(
            "there is no RedisCluster {name} in namespace {namespace}; there are {}. Name another \
             namespace with -n, or look for it with: kubectl zoneward status -A",
            names.join(", ")
        )
    }
}

async fn config(target: &Target) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: target.context.clone(),
        ..KubeConfigOptions::default()
    };
    let Some(path) = &target.kubeconfig else {
        return Ok(match options.context {
            None => Config::infer().await?,
            Some(_) => Config::from_kubeconfig(&options).await?,
        });
    };
    let kubeconfig = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?)
}

fn resource() -> ApiResource {
    ApiResource::erase::<RedisCluster>(&())
}

/// What failed, and what to do where that is known. A list that is not found is a kind that is not known.
fn explained(error: kube::Error, operation: &str) -> anyhow::Error {
    let advice = match &error {
        kube::Error::Api(answer) if answer.code == 404 => {
            return anyhow!(
                "failed to {operation}: this API server has no RedisClusters. Install the resource: \
                 helm upgrade --install zoneward-crds charts/zoneward-crds"
            );
        }
        kube::Error::Api(_) => "",
        _ => ", or to reach the API server: check --context and --kubeconfig, and that it is up",
    };
    anyhow::Error::new(error).context(format!("failed to {operation}{advice}"))
}

/// Read as this plugin knows it. The record is the operator's own: another version's must not hide the rest.
pub(super) fn typed(mut object: Value) -> anyhow::Result<RedisCluster> {
    if let Some(record) = object.pointer_mut("/status/record")
        && serde_json::from_value::<Record>(record.clone()).is_err()
    {
        *record = json!({});
    }
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let see = entry(reasons::UNREADABLE).map_or_else(String::new, |it| it.place);
    let told = format!(
        "failed to read RedisCluster {name}: it is another version's than this plugin, which is {}; \
         use the plugin of the operator's version, or see {see}",
        env!("CARGO_PKG_VERSION")
    );
    serde_path_to_error::deserialize(object).context(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_version_hides_nothing() {
        let read = typed(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cache" }, "spec": { "image": "redis:8" },
            "status": { "slotsServed": 16384, "record": { "members": "in a new way" } },
        }))
        .unwrap();
        let status = read.status.unwrap();
        assert_eq!(status.slots_served, 16384);
        assert_eq!(status.record, Record::default());
    }

    #[test]
    fn a_resource_of_another_version_is_told_with_the_field() {
        let error = typed(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cache" }, "spec": { "image": "redis:8", "leaders": "three" },
        }))
        .unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("RedisCluster cache"), "{told}");
        assert!(told.contains("spec.leaders"), "{told}");
        assert!(told.contains("docs/operations.md#unreadable"), "{told}");
    }
}
