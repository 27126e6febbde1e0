//! What becomes of a RedisCluster in the course of a drill, as its status tells: news for people, and whether
//! the drill must end. Knows no clock and asks nobody. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::super::verdict::{condition, holds};
use super::proposal::members_in;
use crate::api::{RedisCluster, RedisClusterStatus, ShardMemberStatus, ShardStatus};
use crate::model::Role;

/// The states of a member that answers.
const HEARD: [&str; 3] = ["Alive", "Closed", "Joining"];
/// So many looks in a row must see a trouble: a single one may be a slow answer.
const LOOKS_MIN: u32 = 3;
/// So many looks in a row, of about a second, slots may be without a leader: by far more than a failover takes.
const UNSERVED_LOOKS_MAX: u32 = 30;

/// So many looks afterwards must have been made before all can be as before: status takes a moment to tell.
const HOME_LOOKS_MIN: u32 = 5;

/// How far a drill has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Every member of the zone is silent.
    Cut,
    /// Nothing is missing outside the zone.
    Redundant,
    /// The zone is heard again.
    Back,
    /// All is as before.
    Home,
}

/// The drill so far.
pub(super) struct Course {
    zone: String,
    /// Who is cut off.
    cut: BTreeSet<String>,
    /// Who must not fall silent meanwhile.
    outside: BTreeSet<String>,
    members_per_shard: usize,
    /// The conditions that held before, of those that are to hold again.
    good_before: Vec<&'static str>,
    leaders: BTreeMap<u32, String>,
    steps: BTreeSet<Step>,
    is_served: bool,
    /// Looks in a row that saw somebody outside the zone silent, or data lost.
    alarms: u32,
    /// Looks in a row that saw slots unserved.
    unserved: u32,
    /// Looks since the zone was let through again.
    afterwards: u32,
    /// An owner who wants to see what hurts wants to see that, too.
    may_be_unserved: bool,
}

impl Course {
    /// Before anything is done.
    pub(super) fn new(cluster: &RedisCluster, zone: &str, may_be_unserved: bool) -> Self {
        let status = cluster.status.as_ref();
        let outside = members(cluster).filter(|it| it.zone != zone && is_heard(it));
        let wanted = ["Ready", "PlacementSatisfied", "ZoneSafe"];
        let followers = usize::try_from(cluster.spec.followers_per_leader).unwrap_or(usize::MAX);
        Self {
            zone: zone.to_owned(),
            cut: members_in(cluster, zone)
                .map(|(_, it)| it.pod.clone())
                .collect(),
            outside: outside.map(|it| it.pod.clone()).collect(),
            members_per_shard: followers.saturating_add(1),
            good_before: wanted.into_iter().filter(|it| holds(status, it)).collect(),
            leaders: leaders(cluster).collect(),
            steps: BTreeSet::new(),
            is_served: holds(status, "Available"),
            alarms: 0,
            unserved: 0,
            afterwards: 0,
            may_be_unserved,
        }
    }

    /// Whether the fault was seen to happen.
    pub(super) fn is_cut(&self) -> bool {
        self.steps.contains(&Step::Cut)
    }

    /// Whether all slots were served when it was looked last.
    pub(super) fn is_served(&self) -> bool {
        self.is_served
    }

    /// Whether everything is as it was before.
    pub(super) fn is_home(&self) -> bool {
        self.steps.contains(&Step::Home)
    }

    /// Members of the zone that are not known to be silent. What status does not name proves nothing.
    pub(super) fn heard(&self, cluster: &RedisCluster) -> Vec<String> {
        let is_silent = |pod: &str| members(cluster).any(|it| it.pod == pod && !is_heard(it));
        let heard = self.cut.iter().filter(|pod| !is_silent(pod));
        heard.cloned().collect()
    }

    /// Looks while the zone is cut off: what is new.
    pub(super) fn during(&mut self, cluster: &RedisCluster) -> Vec<String> {
        let mut news = Vec::new();
        if self.heard(cluster).is_empty() && self.steps.insert(Step::Cut) {
            let all: Vec<&str> = self.cut.iter().map(String::as_str).collect();
            news.push(format!("{} is silent: {}", self.zone, all.join(", ")));
        }
        self.note_leaders(cluster, &mut news);
        self.note_service(cluster, &mut news);
        let is_redundant = self.is_cut() && self.is_redundant_outside(cluster);
        if is_redundant && self.steps.insert(Step::Redundant) {
            news.push(format!(
                "redundant: every shard has all its members in sync outside {}",
                self.zone
            ));
        }
        news
    }

    /// Why the drill must end at once, once that was seen some times running. To be asked after each look.
    pub(super) fn alarm(&mut self, cluster: &RedisCluster) -> Option<String> {
        let status = cluster.status.as_ref();
        let lost = holds(status, "DataLost").then(|| message(status, "DataLost"));
        let is_silent = |it: &&ShardMemberStatus| {
            it.state == "Silent" && it.zone != self.zone && self.outside.contains(&it.pod)
        };
        let silent = members(cluster).find(is_silent);
        let silent = silent.map(|it| format!("{} in {} has fallen silent, too", it.pod, it.zone));
        self.unserved = if self.is_served { 0 } else { self.unserved + 1 };
        if self.unserved > UNSERVED_LOOKS_MAX && !self.may_be_unserved {
            let what = message(status, "Available");
            return Some(format!("slots are still not served: {what}"));
        }
        let trouble = lost.map(|what| format!("data is lost: {what}")).or(silent);
        self.alarms = if trouble.is_some() {
            self.alarms + 1
        } else {
            0
        };
        trouble.filter(|_| self.alarms >= LOOKS_MIN)
    }

    /// Looks after the zone was let through again: what is new.
    pub(super) fn afterwards(&mut self, cluster: &RedisCluster) -> Vec<String> {
        let mut news = Vec::new();
        let is_back = |status: &RedisClusterStatus| {
            let mut zones = status.zones.iter().filter(|it| it.zone == self.zone);
            let is_open = zones.all(|it| it.state != "Gone");
            let mut all = members_in(cluster, &self.zone);
            is_open && all.all(|(_, it)| it.state != "Silent")
        };
        let is_back = cluster.status.as_ref().is_some_and(is_back);
        self.afterwards = self.afterwards.saturating_add(1);
        if is_back && self.is_cut() && self.steps.insert(Step::Back) {
            news.push(format!("{} is heard again", self.zone));
        }
        self.note_leaders(cluster, &mut news);
        self.note_service(cluster, &mut news);
        let status = cluster.status.as_ref();
        let is_good = self.good_before.iter().all(|kind| holds(status, kind));
        let is_home = is_back
            && self.afterwards >= HOME_LOOKS_MIN
            && self.is_served
            && is_good
            && !holds(status, "ZoneOutage");
        if is_home && self.steps.insert(Step::Home) {
            news.push("balanced: all is as it was before".to_owned());
        }
        news
    }

    fn note_leaders(&mut self, cluster: &RedisCluster, news: &mut Vec<String>) {
        for (shard, leader) in leaders(cluster) {
            let before = self.leaders.insert(shard, leader.clone());
            if before.as_ref() != Some(&leader) {
                let zone = members(cluster).find(|it| it.pod == leader);
                let zone = zone.map_or("", |it| it.zone.as_str());
                news.push(format!("shard {shard}: {leader} in {zone} leads"));
            }
        }
    }

    fn note_service(&mut self, cluster: &RedisCluster, news: &mut Vec<String>) {
        let status = cluster.status.as_ref();
        let is_served = holds(status, "Available");
        if is_served != self.is_served {
            self.is_served = is_served;
            news.push(if is_served {
                "all slots are served again".to_owned()
            } else {
                format!("slots are not served: {}", message(status, "Available"))
            });
        }
    }

    fn is_redundant_outside(&self, cluster: &RedisCluster) -> bool {
        let mut shards = cluster.status.iter().flat_map(|status| &status.shards);
        let in_sync = |shard: &ShardStatus| {
            let whole = shard.members.iter().filter(|it| it.in_sync);
            whole.filter(|it| it.zone != self.zone).count()
        };
        shards.all(|shard| in_sync(shard) >= self.members_per_shard)
    }
}

fn members(cluster: &RedisCluster) -> impl Iterator<Item = &ShardMemberStatus> {
    let shards = cluster.status.iter().flat_map(|status| &status.shards);
    shards.flat_map(|shard| &shard.members)
}

fn is_heard(member: &ShardMemberStatus) -> bool {
    HEARD.contains(&member.state.as_str())
}

/// Who leads which shard.
fn leaders(cluster: &RedisCluster) -> impl Iterator<Item = (u32, String)> {
    let shards = cluster.status.iter().flat_map(|status| &status.shards);
    shards.filter_map(|shard| {
        let mut members = shard.members.iter();
        let leader = members.find(|it| it.role == Some(Role::Leader))?;
        Some((shard.shard, leader.pod.clone()))
    })
}

fn message(status: Option<&RedisClusterStatus>, kind: &str) -> String {
    let found = status.and_then(|status| condition(status, kind));
    found.map_or_else(String::new, |it| it.message.clone())
}

#[cfg(test)]
mod tests;
