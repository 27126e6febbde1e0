//! The two objects of a drill: the NetworkPolicy that is the fault, and the Job that ends it if nobody else
//! does. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use serde_json::json;

use crate::resources::labels::{
    ANNOTATION_DRILL_ENDS, ANNOTATION_DRILL_ZONE, LABEL_CLUSTER, LABEL_DRILL, LABEL_ZONE,
};

/// How much later than the plugin itself the Job ends the drill.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// A drill: one zone of one RedisCluster, until then.
#[derive(Clone, Debug)]
pub(super) struct Drill {
    /// The RedisCluster.
    pub(super) cluster: String,
    /// Its image: a Job has to name one, though nothing of this one ever runs.
    pub(super) image: String,
    /// Which members are cut off.
    pub(super) zone: String,
    /// For how long.
    pub(super) lasts: Duration,
    /// Until when.
    pub(super) ends: Timestamp,
}

/// What both objects are called. One name for all drills of a RedisCluster: the API server lets a second one
/// not begin.
pub(super) fn name_of(cluster: &str) -> String {
    format!("{cluster}-drill")
}

/// Whether it belongs to a drill of this RedisCluster. What does not is left alone.
pub(super) fn is_of(cluster: &str, labels: &BTreeMap<String, String>) -> bool {
    labels.get(LABEL_DRILL).map(String::as_str) == Some(cluster)
}

impl Drill {
    /// A Job that runs nothing (`parallelism: 0`), comes to its deadline and is deleted then; what it owns goes with
    /// it. Kubernetes' own controllers do all of that, whatever became of the plugin.
    pub(super) fn timer(&self) -> anyhow::Result<Job> {
        let limit = (self.lasts + GRACE).as_secs();
        let job = json!({
            "metadata": self.metadata(),
            "spec": {
                "parallelism": 0,
                "completions": 1,
                "activeDeadlineSeconds": limit,
                "ttlSecondsAfterFinished": 0,
                "template": { "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [{
                        "name": "none",
                        "image": self.image,
                        "command": ["true"],
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                        },
                    }],
                } },
            },
        });
        serde_json::from_value(job).context("failed to make the Job of the drill")
    }

    /// Whether the Job will end the drill, as the API server took it: a cluster's own rules may change what is made,
    /// and hold a Job back in a queue.
    pub(super) fn is_ended_by(&self, timer: &Job) -> bool {
        let limit = i64::try_from((self.lasts + GRACE).as_secs()).unwrap_or(i64::MAX);
        timer.spec.as_ref().is_some_and(|it| {
            let has_limit = it.active_deadline_seconds.is_some_and(|own| own <= limit);
            has_limit && it.ttl_seconds_after_finished.is_some() && it.suspend != Some(true)
        })
    }

    /// Nothing goes to or comes from these members. Pods that are made in the zone meanwhile are among them.
    pub(super) fn fault(&self, timer: &Job) -> anyhow::Result<NetworkPolicy> {
        let policy = json!({
            "metadata": self.metadata(),
            "spec": {
                "podSelector": { "matchLabels": { LABEL_CLUSTER: self.cluster, LABEL_ZONE: self.zone } },
                "policyTypes": ["Ingress", "Egress"],
            },
        });
        let mut policy: NetworkPolicy = serde_json::from_value(policy)
            .context("failed to make the NetworkPolicy of the drill")?;
        policy.metadata.owner_references = Some(vec![OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: timer.name_any(),
            uid: timer.uid().unwrap_or_default(),
            ..OwnerReference::default()
        }]);
        Ok(policy)
    }

    fn metadata(&self) -> serde_json::Value {
        json!({
            "name": name_of(&self.cluster),
            "labels": { LABEL_DRILL: self.cluster },
            "annotations": { ANNOTATION_DRILL_ZONE: self.zone, ANNOTATION_DRILL_ENDS: self.ends.to_string() },
        })
    }
}

/// NetworkPolicies that let something through to or from these pods, by name. Policies add up: what one allows
/// no other one forbids, so that a drill beside them would be half a fault.
pub(super) fn leaks(policies: &[NetworkPolicy], pods: &[BTreeMap<String, String>]) -> Vec<String> {
    let allows = |policy: &&NetworkPolicy| {
        let Some(spec) = &policy.spec else {
            return false;
        };
        let has_rules = |rules: Option<usize>| rules.is_some_and(|count| count > 0);
        let opens = has_rules(spec.ingress.as_ref().map(Vec::len))
            || has_rules(spec.egress.as_ref().map(Vec::len));
        let selector = spec.pod_selector.clone().unwrap_or_default();
        opens && pods.iter().any(|labels| selects(&selector, labels))
    };
    policies
        .iter()
        .filter(allows)
        .map(ResourceExt::name_any)
        .collect()
}

/// What cannot be read counts as selecting.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(selector.clone()).map_or(true, |it| it.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill() -> Drill {
        Drill {
            cluster: "cache".to_owned(),
            image: "redis:8".to_owned(),
            zone: "zone-a".to_owned(),
            lasts: Duration::from_secs(60),
            ends: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    #[test]
    fn the_fault_selects_this_zone_of_this_cluster_and_goes_with_its_timer() {
        let mut timer = drill().timer().unwrap();
        timer.metadata.uid = Some("u-1".to_owned());
        let fault = serde_json::to_value(drill().fault(&timer).unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&fault).unwrap());
    }

    #[test]
    fn the_timer_runs_no_pod_and_ends_after_the_drill() {
        let spec = drill().timer().unwrap().spec.unwrap();
        assert_eq!(spec.parallelism, Some(0));
        assert_eq!(spec.active_deadline_seconds, Some(90));
        assert_eq!(spec.ttl_seconds_after_finished, Some(0));
    }

    #[test]
    fn a_timer_that_will_not_end_it_is_seen() {
        type Change = fn(&mut k8s_openapi::api::batch::v1::JobSpec);
        let table: [(&str, Change, bool); 5] = [
            ("as made", |_| {}, true),
            ("with suspend told", |it| it.suspend = Some(false), true),
            ("held back", |it| it.suspend = Some(true), false),
            ("kept", |it| it.ttl_seconds_after_finished = None, false),
            ("longer", |it| it.active_deadline_seconds = Some(900), false),
        ];
        for (case, change, expected) in table {
            let mut timer = drill().timer().unwrap();
            change(timer.spec.as_mut().unwrap());
            assert_eq!(drill().is_ended_by(&timer), expected, "{case}");
        }
    }

    #[test]
    fn what_another_policy_lets_through_is_seen() {
        let labels = |zone: &str| {
            let of = [(LABEL_CLUSTER, "cache"), (LABEL_ZONE, zone)];
            BTreeMap::from(of.map(|(key, value)| (key.to_owned(), value.to_owned())))
        };
        let pods = [labels("zone-a")];
        let open = json!([{}]);
        let table = [
            (
                "of all",
                json!({ "podSelector": {}, "ingress": open }),
                true,
            ),
            (
                "of the cluster",
                json!({ "podSelector": { "matchLabels": { LABEL_CLUSTER: "cache" } }, "egress": open }),
                true,
            ),
            (
                "of another",
                json!({ "podSelector": { "matchLabels": { LABEL_CLUSTER: "other" } }, "ingress": open }),
                false,
            ),
            (
                "of another zone",
                json!({
                    "podSelector": { "matchExpressions": [
                        { "key": LABEL_ZONE, "operator": "NotIn", "values": ["zone-a"] },
                    ] },
                    "ingress": open,
                }),
                false,
            ),
            (
                "that cannot be read",
                json!({
                    "podSelector": { "matchExpressions": [{ "key": "a", "operator": "Resembles" }] },
                    "ingress": open,
                }),
                true,
            ),
            (
                "that forbids",
                json!({ "podSelector": {}, "ingress": [] }),
                false,
            ),
        ];
        for (case, spec, expected) in table {
            let policy = json!({ "metadata": { "name": "p" }, "spec": spec });
            let policy = serde_json::from_value(policy).unwrap();
            assert_eq!(leaks(&[policy], &pods) == ["p"], expected, "{case}");
        }
    }

    #[test]
    fn what_is_not_labelled_is_not_ours() {
        let mut labels = drill().timer().unwrap().metadata.labels.unwrap();
        assert!(is_of("cache", &labels) && !is_of("other", &labels));
        labels.clear();
        assert!(!is_of("cache", &labels));
    }
}
