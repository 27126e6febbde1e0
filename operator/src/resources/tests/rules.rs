//! What the manifests promise beyond their text.

use serde_json::{Value, json};

use super::fixture::{minimal, rich};
use crate::api::RetainPolicy;
use crate::model::{Auth, Desired, MemberName, ShardId, VolumeName, ZoneName};
use crate::resources::labels::{
    USER_DEPARTURE_ACKNOWLEDGED, USER_DEPARTURE_RELEASED, USER_HOOK, USER_OPERATOR,
    USER_REPLICATION,
};
use crate::resources::{
    FORMING_NODE_TIMEOUT_LARGE_MILLIS, FORMING_NODE_TIMEOUT_MILLIS, PodRequest, client_secret,
    client_secret_name, config_map, drift, forming_node_timeout_millis, grace_period_seconds,
    internal_secret, pod, redis_conf, shared_objects, volume,
};

pub(super) fn a_pod(desired: &Desired) -> Value {
    pod_in_zone(desired, "a")
}

fn pod_in_zone(desired: &Desired, zone: &str) -> Value {
    let request = PodRequest {
        secret_generation: 0,
        name: MemberName::new("cart-0-1"),
        shard: ShardId(0),
        zone: ZoneName::from(zone),
        volume: None,
    };
    pod(desired, &request).body
}

fn budget_of(followers_per_leader: u32) -> Value {
    let desired = Desired {
        followers_per_leader,
        ..minimal()
    };
    let objects = shared_objects(&desired);
    let budget = objects.iter().find(|object| object.name == "cart-0");
    budget.expect("a budget").body["spec"]["minAvailable"].clone()
}

#[test]
fn a_drain_leaves_all_members_of_a_shard_but_one_and_never_none() {
    for (followers, kept) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        assert_eq!(budget_of(followers), json!(kept), "{followers} followers");
    }
}

#[test]
fn a_host_without_a_zone_label_asks_for_no_zone() {
    let affinity = &pod_in_zone(&minimal(), "")["spec"]["affinity"];
    assert_eq!(affinity.get("nodeAffinity"), None);
    assert!(affinity.get("podAntiAffinity").is_some());
}

#[test]
fn an_owners_labels_do_not_override_ours() {
    let metadata = &a_pod(&rich())["metadata"];
    assert_eq!(metadata["labels"]["team"], "shop");
    assert_eq!(metadata["labels"].get("zoneward.io/role"), None);
    assert_eq!(metadata["annotations"]["example.com/note"], "hello");
    assert_eq!(metadata["annotations"].get("zoneward.io/x"), None);
}

#[test]
fn an_owner_has_the_last_word_on_silent_hosts() {
    let ours = |owners: &Value| {
        let mut desired = minimal();
        desired.pod.tolerations = vec![serde_json::from_value(owners.clone()).expect("one")];
        let all = a_pod(&desired)["spec"]["tolerations"].clone();
        all.as_array().expect("a list").len() - 1
    };
    let unreachable = "node.kubernetes.io/unreachable";
    for (owners, added) in [
        (json!({"key": "dedicated", "operator": "Exists"}), 2),
        (
            json!({"key": unreachable, "operator": "Exists", "effect": "NoSchedule"}),
            2,
        ),
        (json!({"key": unreachable, "operator": "Exists"}), 1),
        (
            json!({"key": unreachable, "effect": "NoExecute", "tolerationSeconds": 60}),
            1,
        ),
    ] {
        assert_eq!(ours(&owners), added, "{owners}");
    }
}

#[test]
fn a_volume_that_shall_stay_has_no_owner() {
    let owners = |retain| {
        let mut desired = rich();
        if let Some(storage) = &mut desired.storage {
            storage.retain = retain;
        }
        let name = VolumeName::new("cart-0-1");
        let body = volume(&desired, &name, ShardId(0), &ZoneName::from("a")).body;
        body["metadata"].get("ownerReferences").cloned()
    };
    assert_eq!(owners(RetainPolicy::Retain), None);
    let uid = owners(RetainPolicy::Delete).map(|owners| owners[0]["uid"].clone());
    assert_eq!(uid, Some(json!(minimal().uid)));
}

#[test]
fn the_grace_period_is_four_node_timeouts_and_half_a_minute() {
    for (node_timeout_millis, seconds) in [(500, 32), (5_000, 50), (5_100, 51), (60_000, 270)] {
        let desired = Desired {
            node_timeout_millis,
            ..minimal()
        };
        assert_eq!(grace_period_seconds(&desired), seconds);
    }
}

#[test]
fn big_clusters_form_with_a_longer_node_timeout() {
    let of = |leaders| {
        forming_node_timeout_millis(&Desired {
            leaders,
            ..minimal()
        })
    };
    assert_eq!(of(45), FORMING_NODE_TIMEOUT_MILLIS);
    assert_eq!(of(46), FORMING_NODE_TIMEOUT_LARGE_MILLIS);
}

#[test]
fn a_value_cannot_bring_a_directive_of_its_own() {
    let mut desired = minimal();
    desired.config = [("maxmemory", "1gb\nport 1"), ("port", "2"), ("PORT", "3")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let conf = redis_conf(&desired);
    assert!(conf.ends_with("appendonly no\nmaxmemory 1gb\n"), "{conf}");
}

#[test]
fn secrets_are_asked_for_where_nobody_brings_them() {
    let with = |enabled, secret_name: Option<&str>| Desired {
        auth: Auth {
            enabled,
            secret_name: secret_name.map(str::to_owned),
            ..minimal().auth
        },
        ..minimal()
    };
    let ours = Some(("cart-auth".to_owned(), vec!["password".to_owned()]));
    assert_eq!(client_secret(&with(true, None)), ours);
    assert_eq!(client_secret(&with(true, Some("mine"))), None);
    assert_eq!(client_secret(&with(false, None)), None);
    let name = client_secret_name(&with(true, Some("mine")));
    assert_eq!(name.as_deref(), Some("mine"));
    assert_eq!(client_secret_name(&with(false, None)), None);
    assert_eq!(internal_secret(&minimal(), 0).0, "cart-internal");
    assert_eq!(internal_secret(&minimal(), 2).0, "cart-internal-2");
}

#[test]
fn scripts_and_constants_name_the_same_users() {
    let data = config_map(&minimal()).body["data"].clone();
    let text = |file: &str| data[file].as_str().unwrap_or_default().to_owned();
    for user in [USER_OPERATOR, USER_REPLICATION, USER_HOOK] {
        assert!(
            text("start.sh").contains(&format!("user {user} ")),
            "{user}"
        );
    }
    for user in [USER_DEPARTURE_ACKNOWLEDGED, USER_DEPARTURE_RELEASED] {
        assert!(text("prestop.sh").contains(user), "{user}");
    }
}

#[test]
fn what_was_just_applied_has_not_drifted() {
    for object in shared_objects(&rich()) {
        assert!(!drift(&object.body, &object.body), "{}", object.name);
    }
}

/// Goal: what the API server adds by itself is never taken for drift, or each round would apply
/// everything anew. Method: the objects of the rich spec as kube-apiserver v1.34.4 stored them.
#[test]
fn what_the_api_server_stores_has_not_drifted() {
    let stored: Vec<Value> =
        serde_json::from_str(include_str!("stored_objects.json")).expect("JSON");
    let wanted = shared_objects(&rich());
    for seen in &stored {
        let same = |body: &Value| {
            body["kind"] == seen["kind"] && body["metadata"]["name"] == seen["metadata"]["name"]
        };
        let object = wanted.iter().find(|object| same(&object.body));
        let object = object.expect("an object of ours");
        assert!(!drift(&object.body, seen), "{}", object.name);
        let mut changed = seen.clone();
        changed["metadata"]["labels"]["zoneward.io/cluster"] = json!("other");
        assert!(drift(&object.body, &changed), "{}", object.name);
    }
    // The ConfigMap is compared as it is: the server adds nothing to its data.
    assert_eq!(stored.len() + 1, wanted.len());
}
