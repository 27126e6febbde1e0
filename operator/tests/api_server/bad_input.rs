//! Specs that pass the CRD and cannot work: the operator says so in words, and goes on with the rest.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, CustomResourceExt};
use serde_json::{Value, json};
use zoneward_operator::api::RedisCluster;

use crate::control_plane::{ControlPlane, control_plane};
use crate::eventually;
use crate::operator::{Running, hosts_in_zones};

#[tokio::test(flavor = "multi_thread")]
async fn what_kubernetes_refuses_is_told_in_its_own_words() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "refused-pods").await;
    hosts_in_zones(&client).await;
    let clusters: Api<RedisCluster> = Api::namespaced(client.clone(), &namespace);
    let spec = serde_json::from_value(json!({ "image": "redis:7", "pod": { "resources": {
        "requests": { "memory": "2Gi" }, "limits": { "memory": "1Gi" } } } }))
    .unwrap();
    let wanted = RedisCluster::new("cache", spec);
    let params = PostParams::default();
    clusters.create(&params, &wanted).await.unwrap();
    let running = Running::start(&client, &namespace).await;

    let message = eventually("the refusal", || async {
        let status = clusters.get("cache").await.unwrap().status?;
        let degraded = status
            .conditions
            .into_iter()
            .find(|c| c.type_ == "Degraded");
        let refused = degraded.filter(|condition| condition.reason == "ActionFailed")?;
        Some(refused.message)
    })
    .await;
    assert_eq!(
        message,
        "failed to create Pod cache-0-1: Pod \"cache-0-1\" is invalid: \
         spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal \
         to memory limit of 1Gi. It is made from the spec: if the cluster holds no data yet, \
         make the RedisCluster anew with that corrected"
    );
    running.stop().await;
}

/// As an older operator's resource might be: it lets everything through.
fn with_no_rules() -> ControlPlane {
    let mut crd = serde_json::to_value(RedisCluster::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    ControlPlane::start(&serde_json::from_value(crd).unwrap())
}

async fn store(client: &Client, namespace: &str, name: &str, spec: &Value) {
    let kind = ApiResource::erase::<RedisCluster>(&());
    let clusters: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let wanted = serde_json::from_value(json!({
        "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
        "metadata": { "name": name }, "spec": spec,
    }));
    let params = PostParams::default();
    clusters.create(&params, &wanted.unwrap()).await.unwrap();
}

/// Warnings about this RedisCluster: reason, text, and how often.
async fn warnings(client: &Client, namespace: &str, name: &str) -> Vec<(String, String, i32)> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let fields = format!("involvedObject.name={name},type=Warning");
    let found = events.list(&ListParams::default().fields(&fields)).await;
    let told = found.unwrap().items.into_iter().map(|event| {
        let times = event.series.and_then(|series| series.count).unwrap_or(1);
        let text = event.message.unwrap_or_default();
        (event.reason.unwrap_or_default(), text, times)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_resource_let_through_is_told_once_and_holds_nobody_up() {
    let plane = with_no_rules();
    let client = plane.client();
    let namespace = plane.namespace(&client, "older").await;
    hosts_in_zones(&client).await;
    let owned = json!({ "image": "r", "config": { "port": "1", "dir": "/x" } });
    let unreadable = json!({ "image": "r", "followersPerLeader": "three" });
    let running = Running::start(&client, &namespace).await;
    store(&client, &namespace, "owned", &owned).await;
    store(&client, &namespace, "unreadable", &unreadable).await;
    store(&client, &namespace, "good", &json!({ "image": "r" })).await;

    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    eventually("the pods of the good one", || async {
        let pods = pods.list(&ListParams::default()).await.unwrap().items;
        (pods.len() == 6).then_some(())
    })
    .await;
    let expected = [
        ("owned", "DirectiveOwned", ["port (", "dir ("]),
        ("unreadable", "Unreadable", ["\"three\"", "Expected u32"]),
    ];
    for (name, reason, words) in expected {
        eventually("the warning", || async {
            let told = warnings(&client, &namespace, name).await;
            let (told_reason, text, _) = told.first()?;
            assert_eq!(told_reason, reason);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            Some(())
        })
        .await;
    }
    // More than one steady round: they are not told again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (name, ..) in expected {
        let told = warnings(&client, &namespace, name).await;
        assert!(matches!(told.as_slice(), [(_, _, 1)]), "{told:?}");
    }
    let clusters: Api<RedisCluster> = Api::namespaced(client.clone(), &namespace);
    let status = clusters.get("owned").await.unwrap().status.unwrap();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
    assert_eq!(ready.unwrap().reason, "DirectiveOwned");
    assert_eq!(
        pods.list(&ListParams::default()).await.unwrap().items.len(),
        6
    );
    running.stop().await;
}
