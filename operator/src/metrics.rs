//! Figures for Prometheus.
//!
//! Labels come from fixed words and from names of RedisClusters, zones and pods; never from error
//! texts. What describes a RedisCluster is made anew at each scrape from the last round's status,
//! so a zone or cluster that is gone leaves no series behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::act::Outcome;
use crate::api::RedisClusterStatus;
use crate::model::{Asked, ClusterKey, Observation};
use crate::plan::Refusal;

/// All figures of one operator.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    actions: IntCounterVec,
    action_seconds: HistogramVec,
    refusals: IntCounterVec,
    asked: IntCounterVec,
    active: IntGauge,
    clusters: Mutex<BTreeMap<ClusterKey, ClusterFigures>>,
}

/// What is told of one RedisCluster.
#[derive(Clone, Default)]
struct ClusterFigures {
    status: RedisClusterStatus,
    members: Vec<MemberFigures>,
}

#[derive(Clone)]
struct MemberFigures {
    pod: String,
    answered: bool,
    used_memory_bytes: u64,
    connected_clients: u64,
    keys: u64,
}

impl Metrics {
    /// Figures at zero.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let inner = Inner {
            reconciles: counter(
                &registry,
                "zoneward_reconciles_total",
                "Rounds of the loop, by how they ended.",
                &["outcome"],
            )?,
            reconcile_seconds: histogram(
                &registry,
                "zoneward_reconcile_duration_seconds",
                "How long a round of the loop took.",
                &["outcome"],
            )?,
            actions: counter(
                &registry,
                "zoneward_actions_total",
                "Actions, by kind and by how they ended.",
                &["kind", "outcome"],
            )?,
            action_seconds: histogram(
                &registry,
                "zoneward_action_duration_seconds",
                "How long an action took.",
                &["kind"],
            )?,
            refusals: counter(
                &registry,
                "zoneward_plan_refusals_total",
                "Plans that the checker refused, by the promise that they would break.",
                &["promise"],
            )?,
            asked: counter(
                &registry,
                "zoneward_members_asked_total",
                "Members that a round wanted to ask, by what came of it.",
                &["answer"],
            )?,
            active: IntGauge::new(
                "zoneward_active",
                "Whether this replica is the active operator.",
            )?,
            clusters: Mutex::default(),
            registry,
        };
        inner.registry.register(Box::new(inner.active.clone()))?;
        Ok(Self(Arc::new(inner)))
    }

    /// A round has ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        let labels = [outcome];
        self.0.reconciles.with_label_values(&labels).inc();
        let seconds = self.0.reconcile_seconds.with_label_values(&labels);
        seconds.observe(took.as_secs_f64());
    }

    /// Actions have ended.
    pub fn acted(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let word = match &outcome.result {
                Ok(()) => "done",
                Err(error) => error.class.as_str(),
            };
            let actions = self.0.actions.with_label_values(&[outcome.kind, word]);
            actions.inc();
            let seconds = self.0.action_seconds.with_label_values(&[outcome.kind]);
            seconds.observe(outcome.took.as_secs_f64());
        }
    }

    /// A plan was refused.
    pub fn refused(&self, refusals: &[Refusal]) {
        for refusal in refusals {
            self.0.refusals.with_label_values(&[refusal.promise]).inc();
        }
    }

    /// Whether we are the active operator.
    pub fn set_active(&self, active: bool) {
        self.0.active.set(i64::from(active));
    }

    /// The last round's status and observation of a RedisCluster.
    pub fn observed(&self, key: &ClusterKey, status: &RedisClusterStatus, seen: &Observation) {
        for asked in seen.members.values() {
            let word = match asked {
                Asked::Answered(_) => "answered",
                Asked::Silent(_) => "silent",
                Asked::NotAsked => "not-asked",
            };
            self.0.asked.with_label_values(&[word]).inc();
        }
        let figures = ClusterFigures {
            status: status.clone(),
            members: members(seen),
        };
        self.clusters().insert(key.clone(), figures);
    }

    /// A RedisCluster is gone.
    pub fn forget(&self, key: &ClusterKey) {
        self.clusters().remove(key);
    }

    /// All of it in Prometheus' text format.
    pub fn render(&self) -> prometheus::Result<String> {
        let mut families = self.0.registry.gather();
        families.extend(cluster_families(&self.clusters())?);
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&families)
    }

    fn clusters(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, ClusterFigures>> {
        self.0
            .clusters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    let buckets = vec![
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    ];
    let histogram = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

fn members(seen: &Observation) -> Vec<MemberFigures> {
    let figures = seen.members.iter().map(|(name, asked)| {
        let answer = match asked {
            Asked::Answered(answer) => Some(answer),
            Asked::Silent(_) | Asked::NotAsked => None,
        };
        MemberFigures {
            pod: name.to_string(),
            answered: answer.is_some(),
            used_memory_bytes: answer.map_or(0, |answer| answer.used_memory_bytes),
            connected_clients: answer.map_or(0, |answer| answer.connected_clients),
            keys: answer.map_or(0, |answer| answer.keys),
        }
    });
    figures.collect()
}

/// The gauges that describe RedisClusters, made for one scrape.
struct ClusterGauges {
    slots: GaugeVec,
    conditions: GaugeVec,
    waiting: GaugeVec,
    zone_leaders: GaugeVec,
    zone_members: GaugeVec,
    zone_survives: GaugeVec,
    member_up: GaugeVec,
    member_memory: GaugeVec,
    member_clients: GaugeVec,
    member_keys: GaugeVec,
    lag: GaugeVec,
}

fn gauge(name: &str, help: &str, label: Option<&str>) -> prometheus::Result<GaugeVec> {
    let mut labels = vec!["namespace", "cluster"];
    labels.extend(label);
    GaugeVec::new(Opts::new(name, help), &labels)
}

impl ClusterGauges {
    fn new() -> prometheus::Result<Self> {
        Ok(Self {
            slots: gauge(
                "zoneward_slots_served",
                "Slots, of 16384, that have a leader that can be reached.",
                None,
            )?,
            conditions: gauge(
                "zoneward_condition",
                "Conditions of status: 1 for True, 0 for False; none for Unknown.",
                Some("condition"),
            )?,
            waiting: gauge(
                "zoneward_waiting",
                "How many things the operator waits for, by reason.",
                Some("reason"),
            )?,
            zone_leaders: gauge("zoneward_zone_leaders", "Leaders in a zone.", Some("zone"))?,
            zone_members: gauge("zoneward_zone_members", "Members in a zone.", Some("zone"))?,
            zone_survives: gauge(
                "zoneward_zone_survives_loss",
                "Whether losing this zone now would be survived.",
                Some("zone"),
            )?,
            member_up: gauge(
                "zoneward_member_answers",
                "Whether a member answered when it was asked last.",
                Some("pod"),
            )?,
            member_memory: gauge(
                "zoneward_member_used_memory_bytes",
                "Memory in use by a member.",
                Some("pod"),
            )?,
            member_clients: gauge(
                "zoneward_member_connected_clients",
                "Clients connected to a member.",
                Some("pod"),
            )?,
            member_keys: gauge(
                "zoneward_member_keys",
                "Keys that a member holds.",
                Some("pod"),
            )?,
            lag: gauge(
                "zoneward_member_lag_mebibytes",
                "How far a follower is behind its leader, in steps of 1 MiB.",
                Some("pod"),
            )?,
        })
    }

    fn set(&self, key: &ClusterKey, figures: &ClusterFigures) {
        let (namespace, cluster) = (key.namespace.as_str(), key.name.as_str());
        let status = &figures.status;
        let slots = self.slots.with_label_values(&[namespace, cluster]);
        slots.set(f64::from(status.slots_served));
        for condition in &status.conditions {
            let value = match condition.status.as_str() {
                "True" => 1.0,
                "False" => 0.0,
                _ => continue,
            };
            let labels = [namespace, cluster, condition.type_.as_str()];
            self.conditions.with_label_values(&labels).set(value);
        }
        for waiting in &status.waiting_on {
            let labels = [namespace, cluster, waiting.reason.as_str()];
            self.waiting.with_label_values(&labels).inc();
        }
        for zone in &status.zones {
            let labels = [namespace, cluster, zone.zone.as_str()];
            let leaders = self.zone_leaders.with_label_values(&labels);
            leaders.set(f64::from(zone.leaders));
            let members = self.zone_members.with_label_values(&labels);
            members.set(f64::from(zone.leaders + zone.followers));
            let survives = self.zone_survives.with_label_values(&labels);
            survives.set(if zone.survives_loss { 1.0 } else { 0.0 });
        }
        let members = status.shards.iter().flat_map(|shard| &shard.members);
        for (pod, lag) in members.filter_map(|m| Some((&m.pod, m.lag_mebibytes?))) {
            let labels = [namespace, cluster, pod.as_str()];
            self.lag.with_label_values(&labels).set(float(lag));
        }
        self.set_members(namespace, cluster, &figures.members);
    }

    fn set_members(&self, namespace: &str, cluster: &str, members: &[MemberFigures]) {
        for member in members {
            let labels = [namespace, cluster, member.pod.as_str()];
            let up = self.member_up.with_label_values(&labels);
            up.set(if member.answered { 1.0 } else { 0.0 });
            if !member.answered {
                continue;
            }
            let memory = self.member_memory.with_label_values(&labels);
            memory.set(float(member.used_memory_bytes));
            let clients = self.member_clients.with_label_values(&labels);
            clients.set(float(member.connected_clients));
            let keys = self.member_keys.with_label_values(&labels);
            keys.set(float(member.keys));
        }
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        let gauges = [
            &self.slots,
            &self.conditions,
            &self.waiting,
            &self.zone_leaders,
            &self.zone_members,
            &self.zone_survives,
            &self.member_up,
            &self.member_memory,
            &self.member_clients,
            &self.member_keys,
            &self.lag,
        ];
        gauges.into_iter().flat_map(Collector::collect).collect()
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus has only floats; 2^53 bytes are enough"
)]
fn float(value: u64) -> f64 {
    value as f64
}

fn cluster_families(
    clusters: &BTreeMap<ClusterKey, ClusterFigures>,
) -> prometheus::Result<Vec<prometheus::proto::MetricFamily>> {
    let gauges = ClusterGauges::new()?;
    for (key, figures) in clusters {
        gauges.set(key, figures);
    }
    Ok(gauges.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ZoneStatus;

    fn key() -> ClusterKey {
        ClusterKey {
            namespace: "ns".to_owned(),
            name: "cache".to_owned(),
        }
    }

    fn seen() -> Observation {
        serde_json::from_value(serde_json::json!({
            "hosts": [], "pods": [], "volumes": [], "objects": [], "record": {},
            "secrets": { "internalIsPresent": true, "clientIsPresent": true, "clientIsUsable": true },
            "members": { "cache-0-1": "notAsked", "cache-0-2": { "silent": {"reason": "Timeout", "millis": 1} } },
        }))
        .unwrap()
    }

    #[test]
    fn zones_of_the_last_status_are_told_and_leave_no_trace() {
        let metrics = Metrics::new().unwrap();
        let mut status = RedisClusterStatus::default();
        status.zones.push(ZoneStatus {
            zone: "a".to_owned(),
            state: "Open".to_owned(),
            leaders: 2,
            followers: 1,
            survives_loss: true,
            why_not: None,
        });
        metrics.observed(&key(), &status, &seen());
        let text = metrics.render().unwrap();
        let labels = r#"{cluster="cache",namespace="ns",zone="a"}"#;
        assert!(
            text.contains(&format!("zoneward_zone_leaders{labels} 2")),
            "{text}"
        );
        assert!(
            text.contains(&format!("zoneward_zone_members{labels} 3")),
            "{text}"
        );
        assert!(
            text.contains(&format!("zoneward_zone_survives_loss{labels} 1")),
            "{text}"
        );
        assert!(
            text.contains(r#"zoneward_members_asked_total{answer="silent"} 1"#),
            "{text}"
        );

        metrics.forget(&key());
        assert!(!metrics.render().unwrap().contains("cache"));
    }
}
