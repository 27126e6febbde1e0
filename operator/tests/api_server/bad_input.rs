//! Specs that pass the CRD and cannot work: the operator says so in words, and goes on with the rest.

use kube::api::{Api, PostParams};
use serde_json::json;
use zoneward_operator::api::RedisCluster;

use crate::control_plane::control_plane;
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
         to memory limit of 1Gi. It is made from the spec: make a new RedisCluster with that \
         corrected"
    );
    running.stop().await;
}
