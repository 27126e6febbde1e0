//! Hosts as the model knows them. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeSpec, Taint, Toleration};

use crate::api::RedisClusterSpec;
use crate::model::{HostName, HostView, ZoneName};

/// A human's word that the host is dead.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Reads a host, as far as it concerns members of this spec.
pub(super) fn host_view(spec: &RedisClusterSpec, node: &Node) -> Option<HostView> {
    let labels = node.metadata.labels.as_ref();
    let node_spec = node.spec.as_ref();
    Some(HostView {
        name: HostName::new(node.metadata.name.as_deref()?),
        zone: labels
            .and_then(|labels| labels.get(&spec.zones.topology_key))
            .map(|zone| ZoneName::from(zone.as_str())),
        is_ready: is_ready(node),
        ready_since: ready(node)
            .and_then(|condition| Some(condition.last_transition_time.as_ref()?.0)),
        is_schedulable: node_spec.is_none_or(|node| admits(node, &spec.pod.tolerations))
            && matches_selector(labels, &spec.pod.node_selector),
        is_out_of_service: taints(node_spec).any(|taint| taint.key == OUT_OF_SERVICE),
    })
}

/// What of a host matters to us. Heartbeats and image lists change every few seconds; only a
/// change of this wakes the RedisClusters.
pub fn fingerprint(node: &Node) -> impl Eq + use<> {
    let spec = node.spec.as_ref();
    let taints: Vec<_> = taints(spec)
        .map(|taint| (taint.key.clone(), taint.value.clone(), taint.effect.clone()))
        .collect();
    (
        is_ready(node),
        spec.and_then(|spec| spec.unschedulable),
        taints,
        node.metadata.labels.clone(),
    )
}

fn is_ready(node: &Node) -> bool {
    ready(node).is_some()
}

/// The `Ready` condition where it is True.
fn ready(node: &Node) -> Option<&NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let mut found = conditions.iter();
    found.find(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn taints(spec: Option<&NodeSpec>) -> impl Iterator<Item = &Taint> {
    spec.into_iter()
        .flat_map(|spec| spec.taints.iter().flatten())
}

fn admits(spec: &NodeSpec, tolerations: &[Toleration]) -> bool {
    let is_cordoned = spec.unschedulable.unwrap_or(false);
    !is_cordoned
        && taints(Some(spec))
            .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
            .all(|taint| {
                tolerations
                    .iter()
                    .any(|toleration| tolerates(toleration, taint))
            })
}

/// Kubernetes' rule: an empty effect or key means all of them, and the operator is Equal unless
/// it says Exists.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    let is_equal = matches!(toleration.operator.as_deref(), None | Some("" | "Equal"));
    let value_matches = toleration.value.as_deref().unwrap_or_default()
        == taint.value.as_deref().unwrap_or_default();
    (effect.is_empty() || effect == taint.effect)
        && (if key.is_empty() {
            exists
        } else {
            key == taint.key
        })
        && (exists || is_equal && value_matches)
}

fn matches_selector(
    labels: Option<&BTreeMap<String, String>>,
    selector: &BTreeMap<String, String>,
) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(value: &Value) -> Node {
        let mut base = json!({
            "metadata": { "name": "host-1", "labels": {
                "topology.kubernetes.io/zone": "a", "disk": "ssd" } },
            "spec": {},
            "status": { "conditions": [{ "type": "Ready", "status": "True",
                "lastTransitionTime": "2026-11-21T00:00:00Z" }] },
        });
        for (key, part) in value.as_object().unwrap() {
            base[key] = part.clone();
        }
        serde_json::from_value(base).unwrap()
    }

    fn spec(pod: &Value) -> RedisClusterSpec {
        serde_json::from_value(json!({ "image": "redis", "pod": pod })).unwrap()
    }

    fn tainted(key: &str, value: &str, effect: &str) -> Value {
        json!({ "spec": { "taints": [{ "key": key, "value": value, "effect": effect }] } })
    }

    #[test]
    fn schedulable_unless_cordoned_tainted_or_not_selected() {
        let none = json!({});
        let gpu = tainted("gpu", "yes", "NoSchedule");
        let table = [
            ("plain", json!({}), none.clone(), true),
            (
                "cordoned",
                json!({ "spec": { "unschedulable": true } }),
                none.clone(),
                false,
            ),
            ("tainted", gpu.clone(), none.clone(), false),
            (
                "only preferred",
                tainted("gpu", "yes", "PreferNoSchedule"),
                none.clone(),
                true,
            ),
            (
                "evicting",
                tainted("x", "", "NoExecute"),
                none.clone(),
                false,
            ),
            (
                "tolerated by value",
                gpu.clone(),
                json!({ "tolerations": [{ "key": "gpu", "value": "yes" }] }),
                true,
            ),
            (
                "other value",
                gpu.clone(),
                json!({ "tolerations": [{ "key": "gpu", "value": "no" }] }),
                false,
            ),
            (
                "other effect",
                gpu.clone(),
                json!({ "tolerations": [{ "key": "gpu", "operator": "Exists", "effect": "NoExecute" }] }),
                false,
            ),
            (
                "exists",
                gpu.clone(),
                json!({ "tolerations": [{ "key": "gpu", "operator": "Exists" }] }),
                true,
            ),
            (
                "all",
                gpu.clone(),
                json!({ "tolerations": [{ "operator": "Exists" }] }),
                true,
            ),
            (
                "empty key without Exists",
                gpu,
                json!({ "tolerations": [{ "value": "yes" }] }),
                false,
            ),
            (
                "selected",
                json!({}),
                json!({ "nodeSelector": { "disk": "ssd" } }),
                true,
            ),
            (
                "not selected",
                json!({}),
                json!({ "nodeSelector": { "disk": "tape" } }),
                false,
            ),
        ];
        for (name, host, pod, expected) in table {
            let seen = host_view(&spec(&pod), &node(&host)).unwrap();
            assert_eq!(seen.is_schedulable, expected, "{name}");
        }
    }

    #[test]
    fn zone_readiness_and_out_of_service_are_read() {
        let mut wanted = spec(&json!({}));
        let seen = host_view(&wanted, &node(&json!({}))).unwrap();
        assert_eq!(seen.zone, Some(ZoneName::from("a")));
        assert!(seen.is_ready && !seen.is_out_of_service);
        assert_eq!(
            seen.ready_since,
            Some("2026-11-21T00:00:00Z".parse().unwrap())
        );

        let dead = tainted(OUT_OF_SERVICE, "nodeshutdown", "NoExecute");
        assert!(host_view(&wanted, &node(&dead)).unwrap().is_out_of_service);

        let silent = json!({ "status": { "conditions": [{ "type": "Ready", "status": "Unknown",
                "lastTransitionTime": "2026-11-21T00:00:00Z" }] } });
        let seen = host_view(&wanted, &node(&silent)).unwrap();
        assert!(!seen.is_ready && seen.ready_since.is_none());

        wanted.zones.topology_key = "rack".to_owned();
        assert_eq!(host_view(&wanted, &node(&json!({}))).unwrap().zone, None);
    }

    #[test]
    fn heartbeats_do_not_change_the_fingerprint() {
        let before = node(&json!({ "status": { "conditions": [
            { "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-21T00:00:00Z" }] } }));
        let later = node(&json!({ "status": { "conditions": [
            { "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-21T00:05:00Z" }] } }));
        assert!(fingerprint(&before) == fingerprint(&later));
        let cordoned = node(&json!({ "spec": { "unschedulable": true } }));
        assert!(fingerprint(&before) != fingerprint(&cordoned));
    }
}
