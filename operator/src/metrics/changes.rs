//! Failovers, switchovers and time spent degraded: what lies between two rounds.
//!
//! A change of a shard's leader is counted when it is *seen*, whoever brought it about; what the
//! operator ordered a short time before tells the cause. Decides nothing, and a fresh operator counts
//! from what it sees first.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{CounterVec, HistogramVec, IntCounterVec, Registry};

use super::Round;
use super::family::{Family, OF_CLUSTER};
use super::figures::leader_of;
use crate::model::{Asked, ClusterKey, MemberName, Observation};
use crate::plan::{Deed, FailoverMode, MemberCommand, Plan, WaitingReason};

const CHANGE_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0];
/// An order that has changed nothing for so long was not what changed it then.
const ORDER_HOLDS: Duration = Duration::from_secs(60);

const OF_CHANGE: &[&str] = &["namespace", "cluster", "cause"];

const FAILOVERS: Family = Family::counter(
    "zoneward_failovers_total",
    OF_CHANGE,
    "Shards that got another leader unplanned. By cause: forced (told so by the operator, elected by the \
     leaders), takeover (told so, without a vote), anew (begun empty, after every copy was lost), bus \
     (elected by the members, or by hand).",
);
const FAILOVER: Family = Family::histogram(
    "zoneward_failover_duration_seconds",
    &["cause"],
    CHANGE_SECONDS,
    "From when a leader was heard last until a round saw another one, where its silence was noticed.",
);
const SWITCHOVERS: Family = Family::counter(
    "zoneward_switchovers_total",
    OF_CHANGE,
    "Leaders that handed over as planned. By cause: departure (its pod was asked to go), rolling-update, \
     owner (who leads now was asked for), placement (leadership goes where it belongs).",
);
const SWITCHOVER: Family = Family::histogram(
    "zoneward_switchover_duration_seconds",
    &["cause"],
    CHANGE_SECONDS,
    "From the order to hand over until a round saw it done. Clients wait for a small part of it.",
);
const DEGRADED: Family = Family::counter(
    "zoneward_degraded_seconds_total",
    OF_CLUSTER,
    "How long the condition Degraded was True.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[FAILOVERS, FAILOVER, SWITCHOVERS, SWITCHOVER, DEGRADED];

const FORCED: &str = "forced";
const TAKEOVER: &str = "takeover";
const ANEW: &str = "anew";
const BUS: &str = "bus";
const FAILOVER_CAUSES: &[&str] = &[FORCED, TAKEOVER, ANEW, BUS];

const DEPARTURE: &str = "departure";
const UPDATE: &str = "rolling-update";
const OWNER: &str = "owner";
const PLACEMENT: &str = "placement";
const SWITCHOVER_CAUSES: &[&str] = &[DEPARTURE, UPDATE, OWNER, PLACEMENT];

/// The figures.
pub(super) struct Changes {
    failovers: IntCounterVec,
    failover: HistogramVec,
    switchovers: IntCounterVec,
    switchover: HistogramVec,
    degraded: CounterVec,
}

/// What is remembered of one RedisCluster from round to round.
#[derive(Default)]
pub(super) struct Trail {
    seen: Option<Duration>,
    was_degraded: bool,
    leaders: BTreeMap<u32, Led>,
    /// By the pod that was told to lead.
    orders: BTreeMap<MemberName, Order>,
}

struct Led {
    pod: MemberName,
    lost_since: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Order {
    is_planned: bool,
    cause: &'static str,
    at: Duration,
}

impl Changes {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            failovers: FAILOVERS.events(registry)?,
            failover: FAILOVER.spread(registry)?,
            switchovers: SWITCHOVERS.events(registry)?,
            switchover: SWITCHOVER.spread(registry)?,
            degraded: DEGRADED.seconds(registry)?,
        })
    }

    /// All series of a RedisCluster, at zero: the first failover is to be seen as a rise.
    fn begin(&self, key: &ClusterKey) {
        for cause in FAILOVER_CAUSES {
            self.failovers.with_label_values(&of(key, cause));
        }
        for cause in SWITCHOVER_CAUSES {
            self.switchovers.with_label_values(&of(key, cause));
        }
        self.degraded
            .with_label_values(&[key.namespace.as_str(), key.name.as_str()]);
    }

    /// None of them is left. One that was never begun has none.
    pub(super) fn forget(&self, key: &ClusterKey) {
        for cause in FAILOVER_CAUSES {
            let _ = self.failovers.remove_label_values(&of(key, cause));
        }
        for cause in SWITCHOVER_CAUSES {
            let _ = self.switchovers.remove_label_values(&of(key, cause));
        }
        let labels = [key.namespace.as_str(), key.name.as_str()];
        let _ = self.degraded.remove_label_values(&labels);
    }

    /// Compares a round with the one before.
    pub(super) fn observed(&self, key: &ClusterKey, trail: &mut Trail, round: &Round<'_>) {
        match trail.seen.replace(round.at) {
            None => self.begin(key),
            Some(before) if trail.was_degraded => {
                let seconds = round.at.saturating_sub(before).as_secs_f64();
                let labels = [key.namespace.as_str(), key.name.as_str()];
                self.degraded.with_label_values(&labels).inc_by(seconds);
            }
            Some(_) => {}
        }
        let mut conditions = round.status.conditions.iter();
        trail.was_degraded = conditions.any(|it| it.type_ == "Degraded" && it.status == "True");
        trail
            .orders
            .retain(|_, order| round.at.saturating_sub(order.at) < ORDER_HOLDS);
        let shards = &round.status.shards;
        let is_there = |shard: &u32| shards.iter().any(|it| it.shard == *shard);
        trail.leaders.retain(|shard, _| is_there(shard));
        if !round.status.record.formed {
            return; // slots are dealt out: nobody leads before that
        }
        for shard in shards {
            let Some(leader) = leader_of(shard) else {
                continue;
            };
            let now = MemberName::from(leader.pod.as_str());
            let led = trail.leaders.entry(shard.shard).or_insert_with(|| Led {
                pod: now.clone(),
                lost_since: None,
            });
            led.look(round);
            if led.pod != now {
                let order = trail.orders.remove(&now);
                self.changed(key, led.lost_since, order, round.at);
                led.pod = now;
                led.look(round);
            }
        }
    }

    fn changed(
        &self,
        key: &ClusterKey,
        lost_since: Option<Duration>,
        order: Option<Order>,
        at: Duration,
    ) {
        if let Some(order) = order.filter(|order| order.is_planned) {
            let labels = of(key, order.cause);
            self.switchovers.with_label_values(&labels).inc();
            let took = at.saturating_sub(order.at).as_secs_f64();
            let spread = self.switchover.with_label_values(&[order.cause]);
            return spread.observe(took);
        }
        let cause = order.map_or(BUS, |order| order.cause);
        self.failovers.with_label_values(&of(key, cause)).inc();
        if let Some(since) = lost_since {
            let took = at.saturating_sub(since).as_secs_f64();
            self.failover.with_label_values(&[cause]).observe(took);
        }
    }
}

impl Led {
    /// Since when the leader is lost, as far as its silence tells.
    fn look(&mut self, round: &Round<'_>) {
        let asked = round.seen.members.get(&self.pod);
        if asked.and_then(Asked::answer).is_some() {
            self.lost_since = None;
        } else if self.lost_since.is_none() {
            let silent = match asked {
                Some(Asked::Silent(silence)) => Duration::from_millis(silence.millis),
                _ => Duration::ZERO,
            };
            self.lost_since = Some(round.at.saturating_sub(silent));
        }
    }
}

impl Trail {
    /// Notes who is told to lead.
    pub(super) fn ordered(&mut self, plan: &Plan, seen: &Observation, at: Duration) {
        for action in &plan.actions {
            let Deed::Command { member, command } = &action.deed else {
                continue;
            };
            let (is_planned, cause) = match command {
                MemberCommand::Failover {
                    mode: FailoverMode::Graceful,
                    of,
                } => (true, cause_of(plan, seen, of, &member.name)),
                MemberCommand::Failover {
                    mode: FailoverMode::Force,
                    ..
                } => (false, FORCED),
                MemberCommand::Failover {
                    mode: FailoverMode::Takeover,
                    ..
                } => (false, TAKEOVER),
                MemberCommand::SeizeSlots { .. } => (false, ANEW),
                _ => continue,
            };
            let order = Order {
                is_planned,
                cause,
                at,
            };
            self.orders.insert(member.name.clone(), order);
        }
    }
}

/// Why a leader hands over.
fn cause_of(
    plan: &Plan,
    seen: &Observation,
    leader: &crate::model::MemberId,
    heir: &MemberName,
) -> &'static str {
    let mut waits = plan.waiting_on.iter();
    if waits.any(|wait| wait.reason == WaitingReason::RollingUpdate) {
        return UPDATE;
    }
    let entry = seen.record.member_by_id(leader);
    let pod = entry.and_then(|entry| seen.pod(&entry.name));
    if pod.is_some_and(|pod| pod.is_leaving) {
        DEPARTURE
    } else if seen.pod(heir).is_some_and(|pod| pod.is_to_lead) {
        OWNER
    } else {
        PLACEMENT
    }
}

fn of<'a>(key: &'a ClusterKey, cause: &'a str) -> [&'a str; 3] {
    [&key.namespace, &key.name, cause]
}

#[cfg(test)]
mod tests;
