//! The CRD is taken, its defaults appear, and each rule refuses with its message.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use zoneward_operator::api::RedisCluster;

use crate::control_plane::control_plane;

fn resource(name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
        "metadata": { "name": name }, "spec": spec,
    }))
    .unwrap()
}

/// Untyped, so that nothing of ours sets a default or refuses before the API server does.
fn api(client: kube::Client, namespace: &str) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<RedisCluster>(&());
    Api::namespaced_with(client, namespace, &kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_appear() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "defaults").await;
    let params = PostParams::default();
    let minimal = resource("cache", &json!({ "image": "valkey:9" }));
    let made = api(client, &namespace)
        .create(&params, &minimal)
        .await
        .unwrap();
    assert_eq!(
        made.data["spec"],
        json!({
            "image": "valkey:9",
            "leaders": 3,
            "followersPerLeader": 1,
            "zones": { "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule" },
            "nodeTimeoutMillis": 5000,
            "config": {},
            "auth": { "enabled": true, "rotationGraceSeconds": 3600 },
            "pod": {},
            "rollout": {},
            "recovery": { "debounceSeconds": 60, "quorumLoss": "Fenced", "zoneLossMillis": 2000 },
            "paused": false,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_work_is_refused_with_the_reason() {
    let table = [
        ("no image", "cache", json!({}), "spec.image"),
        (
            "an empty image",
            "cache",
            json!({ "image": "" }),
            "spec.image",
        ),
        (
            "no leader",
            "cache",
            json!({ "image": "r", "leaders": 0 }),
            "spec.leaders",
        ),
        (
            "too many leaders",
            "cache",
            json!({ "image": "r", "leaders": 501 }),
            "spec.leaders",
        ),
        (
            "too many followers",
            "cache",
            json!({ "image": "r", "followersPerLeader": 6 }),
            "spec.followersPerLeader",
        ),
        (
            "a hasty timeout",
            "cache",
            json!({ "image": "r", "nodeTimeoutMillis": 100 }),
            "spec.nodeTimeoutMillis",
        ),
        (
            "a hasty verdict on a zone",
            "cache",
            json!({ "image": "r", "recovery": { "zoneLossMillis": 500 } }),
            "spec.recovery.zoneLossMillis",
        ),
        (
            "a topology key that is no label's",
            "cache",
            json!({ "image": "r", "zones": { "topologyKey": "my zone" } }),
            "spec.zones.topologyKey: write the key of a label",
        ),
        (
            "no topology key",
            "cache",
            json!({ "image": "r", "zones": { "topologyKey": "" } }),
            "spec.zones.topologyKey: write the key of a label",
        ),
        (
            "a zone without a name",
            "cache",
            json!({ "image": "r", "zones": { "allowed": ["a", ""] } }),
            "spec.zones.allowed: write zones as the hosts' labels have them",
        ),
        (
            "a zone that no label can have",
            "cache",
            json!({ "image": "r", "zones": { "allowed": ["eu/1a"] } }),
            "spec.zones.allowed: write zones as the hosts' labels have them",
        ),
        (
            "a zone twice",
            "cache",
            json!({ "image": "r", "zones": { "allowed": ["a", "b", "a"] } }),
            "spec.zones.allowed[2]: Duplicate value",
        ),
        (
            "a long name",
            "a-name-that-is-longer-than-forty-characters",
            json!({ "image": "r" }),
            "longer than 40 characters",
        ),
        (
            "a name with a dot",
            "my.cache",
            json!({ "image": "r" }),
            "names Services too",
        ),
        (
            "a name that begins with a digit",
            "7cache",
            json!({ "image": "r" }),
            "names Services too",
        ),
        (
            "Aof without a volume",
            "cache",
            json!({ "image": "r", "persistence": "Aof" }),
            "need a volume",
        ),
        (
            "a size that is none",
            "cache",
            json!({ "image": "r", "storage": { "size": "big" } }),
            "spec.storage.size",
        ),
        (
            "our directive",
            "cache",
            json!({ "image": "r", "config": { "port": "7000" } }),
            "Zoneward owns port: Services",
        ),
        (
            "two of ours",
            "cache",
            json!({ "image": "r", "config": { "save": "1", "hz": "1", "cluster-port": "7000" } }),
            "Zoneward owns save: use spec.persistence. Remove it, spec.config: Invalid value",
        ),
        (
            "upper case",
            "cache",
            json!({ "image": "r", "config": { "MaxMemory": "1gb" } }),
            "names in lower case",
        ),
        (
            "two lines",
            "cache",
            json!({ "image": "r", "config": { "maxmemory": "1gb\nport 1" } }),
            "must be one line",
        ),
        (
            "a Secret without auth",
            "cache",
            json!({ "image": "r", "auth": { "enabled": false, "secretName": "x" } }),
            "needs auth",
        ),
        (
            "an unknown policy",
            "cache",
            json!({ "image": "r", "zones": { "whenUnsatisfiable": "Perhaps" } }),
            "whenUnsatisfiable",
        ),
    ];
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "refused").await;
    let api = api(client, &namespace);
    for (case, name, spec, expected) in table {
        let result = api
            .create(&PostParams::default(), &resource(name, &spec))
            .await;
        let error = result.err().unwrap_or_else(|| panic!("{case} was taken"));
        let kube::Error::Api(status) = error else {
            panic!("{case}: {error}")
        };
        assert!(status.is_invalid(), "{case}: {status:?}");
        assert!(
            status.message.contains(expected),
            "{case}: {}",
            status.message
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_yet_says_so() {
    let table = [
        (
            json!({ "storage": { "size": "1Gi" } }),
            "spec.storage cannot be added or removed",
        ),
        (
            json!({ "persistence": "Aof", "storage": { "size": "1Gi" } }),
            "spec.persistence cannot be changed yet",
        ),
    ];
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "unchangeable").await;
    let api = api(client, &namespace);
    let made = resource("cache", &json!({ "image": "r" }));
    api.create(&PostParams::default(), &made).await.unwrap();
    let params = PatchParams::default();
    for (change, expected) in table {
        let patch = Patch::Merge(json!({ "spec": change }));
        let error = api.patch("cache", &params, &patch).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{change}: {error}");
    }
    let allowed = Patch::Merge(json!({ "spec": {
        "image": "other", "pod": { "labels": { "a": "b" } }, "rollout": { "maxShardsAtOnce": 3 },
        "followersPerLeader": 2, "paused": true, "nodeTimeoutMillis": 15000 } }));
    api.patch("cache", &params, &allowed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_force_already_can_be_written_down() {
    let table = [
        ("memory", json!({ "image": "r" }), "None", "Aof"),
        (
            "volumes",
            json!({ "image": "r", "storage": { "size": "1Gi" } }),
            "Aof",
            "Rdb",
        ),
    ];
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "in-force").await;
    let api = api(client, &namespace);
    let params = PatchParams::default();
    for (name, spec, in_force, other) in table {
        let made = resource(name, &spec);
        api.create(&PostParams::default(), &made).await.unwrap();
        for value in [json!(in_force), Value::Null, json!(in_force)] {
            let patch = Patch::Merge(json!({ "spec": { "persistence": value } }));
            api.patch(name, &params, &patch).await.unwrap();
        }
        let patch = Patch::Merge(json!({ "spec": { "persistence": other } }));
        let error = api.patch(name, &params, &patch).await.unwrap_err();
        let expected = "spec.persistence cannot be changed yet";
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_grow_and_tls_stays_and_the_rest_may_change() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "day2").await;
    let api = api(client, &namespace);
    let spec =
        json!({ "image": "r", "storage": { "size": "1.5Gi" }, "tls": { "secretName": "s" } });
    let made = resource("c", &spec);
    api.create(&PostParams::default(), &made).await.unwrap();
    let taken = "";
    let table = [
        (json!({ "storage": { "size": "1536Mi" } }), taken),
        (json!({ "storage": { "size": "2Gi" } }), taken),
        (json!({ "storage": { "size": "1Gi" } }), "can only grow"),
        (
            json!({ "storage": { "retain": "Delete" } }),
            "or retain changed yet",
        ),
        (
            json!({ "storage": { "storageClassName": "x" } }),
            "storageClassName",
        ),
        (json!({ "storage": null }), "cannot be added or removed"),
        (json!({ "tls": null }), "cannot be switched on or off"),
        (
            json!({ "tls": { "secretName": "other" } }),
            "its Secret not exchanged",
        ),
        (
            json!({ "tls": { "serverName": "redis.example.com" } }),
            taken,
        ),
        (json!({ "config": { "maxmemory": "1gb" } }), taken),
        (json!({ "config": { "port": "1" } }), "Zoneward owns port"),
        (
            json!({ "auth": { "secretName": "mine", "rotateInternal": "now" } }),
            taken,
        ),
        (
            json!({ "auth": { "rotationGraceSeconds": 2_592_001 } }),
            "2592000",
        ),
    ];
    for (change, expected) in table {
        let patch = Patch::Merge(json!({ "spec": change }));
        let outcome = api.patch("c", &PatchParams::default(), &patch).await;
        let said = outcome
            .err()
            .map_or(String::new(), |error| error.to_string());
        assert!(said.contains(expected), "{change}: {said}");
        assert_eq!(said.is_empty(), expected == taken, "{change}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_spec_is_taken() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "rich").await;
    let config: serde_json::Map<String, Value> = (0..60)
        .map(|n| {
            (
                format!("directive-{}", "x".repeat(n)),
                json!("y".repeat(1000)),
            )
        })
        .collect();
    let spec = json!({
        "image": "r", "leaders": 500, "followersPerLeader": 5,
        "storage": { "size": "10Gi", "retain": "Delete" }, "persistence": "Aof",
        "config": config,
        "auth": { "secretName": "mine" },
        "zones": { "allowed": ["a", "b", "eu-1.c_d"], "topologyKey": "example.com/hall.of_x", "whenUnsatisfiable": "ScheduleAnyway" },
        "pod": { "tolerations": [{ "key": "x", "operator": "Exists" }],
            "resources": { "limits": { "memory": "1Gi" } } },
    });
    let made = resource("cache", &spec);
    api(client, &namespace)
        .create(&PostParams::default(), &made)
        .await
        .unwrap();
}
