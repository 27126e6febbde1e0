//! The world of the operator's last round, fetched from its pods through the API server's proxy: no port has
//! to be opened and nothing forwarded.

use anyhow::{Context, anyhow};
use axum::http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use super::reach::Reach;
use crate::model::ClusterKey;
use crate::rounds::World;
use crate::telemetry::chain;

/// How the operator's pods are labelled.
const PODS: &str = "app.kubernetes.io/name=zoneward";

/// The world as the active operator saw it. The others have none, so each is asked in turn.
pub(super) async fn world(reach: &Reach, key: &ClusterKey) -> anyhow::Result<World> {
    let namespace = reach.operator_namespace();
    let pods: Api<Pod> = Api::namespaced(reach.client(), namespace);
    let found = pods.list(&ListParams::default().labels(PODS)).await;
    let found = found.with_context(|| format!("failed to list Pods of namespace {namespace}"))?;
    let names = found.items.into_iter().filter_map(|pod| pod.metadata.name);
    let mut tried = Vec::new();
    for pod in names {
        match ask(reach, &pod, key).await {
            Ok(text) => return read(&text, &pod),
            Err(error) => tried.push(format!("{pod}: {}", chain(&error))),
        }
    }
    if tried.is_empty() {
        return Err(anyhow!(
            "no pod of the operator is in namespace {namespace} (label {PODS}): install it, or name its \
             namespace with --operator-namespace"
        ));
    }
    Err(anyhow!(
        "no pod of the operator has a round of RedisCluster {key} to tell of. What they answered: {}. \
         Whether one is active: kubectl zoneward explain {} -n {}",
        tried.join("; "),
        key.name,
        key.namespace
    ))
}

async fn ask(reach: &Reach, pod: &str, key: &ClusterKey) -> kube::Result<String> {
    let ClusterKey { namespace, name } = key;
    let (operator, port) = (reach.operator_namespace(), reach.operator_port());
    let path =
        format!("/api/v1/namespaces/{operator}/pods/{pod}:{port}/proxy/worlds/{namespace}/{name}");
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError)?;
    reach.client().request_text(request).await
}

fn read(text: &str, pod: &str) -> anyhow::Result<World> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).with_context(|| {
        format!(
            "failed to read the world that {pod} tells: the operator is of another version than this \
             plugin, which is {}; use the operator's",
            env!("CARGO_PKG_VERSION")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_of_another_version_is_told_with_the_field() {
        let error = read(r#"{ "desired": { "key": 1 } }"#, "zoneward-1").unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("zoneward-1"), "{told}");
        assert!(told.contains("desired.key"), "{told}");
    }
}
