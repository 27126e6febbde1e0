//! What was reached, and when, after a zone was stopped. Pure: times are handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::objects::{Lost, RedisCluster};

/// Something that is reached once after the stop of a zone, in the operator's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The status says that the zone is gone.
    ZoneSilent,
    /// Leaders in other zones serve all slots.
    AllSlotsServed,
    /// Each of them has a follower in sync in yet another zone.
    Redundant,
    /// The next zone's loss would be survived.
    ZoneSafe,
}

impl Phase {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::ZoneSilent => "the status says that the zone is gone",
            Self::AllSlotsServed => "all slots are served again",
            Self::Redundant => "redundant again: each shard has a follower in sync in another zone",
            Self::ZoneSafe => "zone-safe again",
        }
    }
}

/// Follows the status of a `RedisCluster` that lost a zone.
#[derive(Clone, Debug)]
pub struct Tracker {
    lost: String,
    reached: BTreeMap<Phase, Duration>,
}

impl Tracker {
    /// Nothing is reached yet.
    pub fn new(lost: impl Into<String>) -> Self {
        Self {
            lost: lost.into(),
            reached: BTreeMap::new(),
        }
    }

    /// What this status, seen `at`, has newly reached.
    pub fn observe(&mut self, at: Duration, cluster: &RedisCluster) -> Vec<Phase> {
        let lost = &Lost::zone(self.lost.as_str());
        let is_gone = cluster.is("ZoneOutage")
            || cluster
                .status
                .zones
                .iter()
                .any(|zone| zone.zone == self.lost && zone.state == "Gone");
        let redundant = cluster.is_redundant(lost);
        let held = [
            (Phase::ZoneSilent, is_gone),
            (Phase::AllSlotsServed, cluster.is_served(lost)),
            (Phase::Redundant, redundant),
            // The condition alone may stem from before the loss.
            (Phase::ZoneSafe, redundant && cluster.is("ZoneSafe")),
        ];
        let mut newly = Vec::new();
        for (phase, holds) in held {
            if holds && !self.reached.contains_key(&phase) {
                self.reached.insert(phase, at);
                newly.push(phase);
            }
        }
        newly
    }

    /// When it was reached.
    pub fn at(&self, phase: Phase) -> Option<Duration> {
        self.reached.get(&phase).copied()
    }

    /// All that was reached, in seconds.
    pub fn seconds(&self) -> BTreeMap<Phase, f64> {
        let each = self.reached.iter();
        each.map(|(phase, at)| (*phase, seconds(*at))).collect()
    }
}

/// Seconds with three digits after the point.
pub fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Member, samples};

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Shard 0 led from zone-b, its old leader silent in zone-a.
    fn taken_over() -> RedisCluster {
        let mut cluster = samples::whole();
        cluster.status.zones[0].state = "Gone".to_owned();
        let members = &mut cluster.status.shards[0].members;
        members[0].role = Some("follower".to_owned());
        members[0].state = "Silent".to_owned();
        members[1].role = Some("leader".to_owned());
        cluster.status.shards[2].members[1].state = "Silent".to_owned();
        cluster.status.conditions.retain(|c| c.kind != "ZoneSafe");
        cluster
    }

    fn rebuilt() -> RedisCluster {
        let mut cluster = taken_over();
        let member = |pod: &str, zone: &str| Member {
            pod: pod.to_owned(),
            zone: zone.to_owned(),
            role: Some("follower".to_owned()),
            state: "Alive".to_owned(),
            in_sync: true,
        };
        let shards = &mut cluster.status.shards;
        shards[0].members.push(member("demo-0-7", "zone-c"));
        shards[2].members.push(member("demo-2-8", "zone-b"));
        cluster
    }

    #[test]
    fn phases_are_reached_once_each_and_in_their_time() {
        let mut tracker = Tracker::new("zone-a");
        assert_eq!(
            tracker.observe(at(200), &samples::whole()),
            [],
            "a stale status"
        );
        let mut unserved = taken_over();
        unserved.status.slots_served = 10923;
        assert_eq!(tracker.observe(at(2000), &unserved), [Phase::ZoneSilent]);
        assert_eq!(
            tracker.observe(at(3000), &taken_over()),
            [Phase::AllSlotsServed]
        );
        assert_eq!(tracker.observe(at(3200), &taken_over()), []);
        assert_eq!(tracker.observe(at(33000), &rebuilt()), [Phase::Redundant]);
        let mut safe = rebuilt();
        safe.status.conditions = samples::whole().status.conditions;
        assert_eq!(tracker.observe(at(34000), &safe), [Phase::ZoneSafe]);
        assert_eq!(tracker.observe(at(35000), &safe), []);
        assert_eq!(tracker.at(Phase::Redundant), Some(at(33000)));
        let told = serde_json::to_string(&tracker.seconds()).unwrap();
        assert_eq!(
            told,
            r#"{"zoneSilent":2.0,"allSlotsServed":3.0,"redundant":33.0,"zoneSafe":34.0}"#
        );
    }
}
