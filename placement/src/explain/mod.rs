//! Answers in words: why a problem has no placement, and why each member sits where it sits.

mod advice;
mod infeasible;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::{Placement, ShardPlacement};
use crate::problem::{CurrentShard, Problem};
use crate::topology::{ZoneName, ZoneState};

pub(crate) use infeasible::infeasible;

/// What a member does in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Owns the slots.
    Leader,
    /// Copies the leader.
    Follower,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
        })
    }
}

/// Why one member sits where it sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Which shard.
    pub shard: u32,
    /// In which zone.
    pub zone: ZoneName,
    /// What it does there.
    pub role: Role,
    /// A sentence.
    pub why: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shard,
            zone,
            role,
            why,
        } = self;
        write!(f, "shard {shard} {role} in {zone}: {why}")
    }
}

/// Whether the member that comes after `before` others of its shard in `zone` may not be moved.
fn is_kept(now: Option<&CurrentShard>, zone: &ZoneName, before: usize) -> bool {
    let present = |now: &CurrentShard| now.members.iter().filter(|it| it.zone == *zone).count();
    now.is_some_and(|now| now.pinned && present(now) > before)
}

/// Why each member of `placement` sits where it sits, shard by shard, the leader first.
pub fn explain(problem: &Problem, placement: &Placement) -> Vec<Explanation> {
    let words = Words { problem, placement };
    placement
        .shards
        .iter()
        .flat_map(|shard| words.shard(shard))
        .collect()
}

struct Words<'a> {
    problem: &'a Problem,
    placement: &'a Placement,
}

impl Words<'_> {
    fn shard(&self, shard: &ShardPlacement) -> Vec<Explanation> {
        let now = self
            .problem
            .current
            .iter()
            .find(|now| now.shard == shard.shard);
        let line = |zone: &ZoneName, role: Role, why: String| Explanation {
            shard: shard.shard,
            zone: zone.clone(),
            role,
            why,
        };
        let leads = format!(
            "{}; {}",
            self.seat(now, &shard.leader),
            self.led(now, shard)
        );
        let mut lines = vec![line(&shard.leader, Role::Leader, leads)];
        let mut seen = vec![&shard.leader];
        for (place, zone) in shard.followers.iter().enumerate() {
            let mut why = self.seat(now, zone);
            let before = seen.iter().filter(|it| **it == zone).count();
            if before > 0 && !is_kept(now, zone, before) {
                why = format!(
                    "it shares {zone} with another member: no zone without one can take it"
                );
            }
            seen.push(zone);
            if place == 0 && *zone != shard.leader {
                why = format!("{why}; {}", self.heir(&shard.leader, zone));
            }
            lines.push(line(zone, Role::Follower, why));
        }
        lines
    }

    /// Why the shard has a member in `zone`.
    fn seat(&self, now: Option<&CurrentShard>, zone: &ZoneName) -> String {
        let here = now.and_then(|now| now.members.iter().find(|member| member.zone == *zone));
        match here {
            Some(_) if now.is_some_and(|now| now.pinned) => {
                "the shard is pinned, so it stays".to_owned()
            }
            Some(member) if member.has_data => {
                "it is here already, and staying copies no data".to_owned()
            }
            Some(_) => "it is here already".to_owned(),
            None => {
                let held = self.members_in(zone);
                format!("new here: the shard has no member in {zone}, which then holds {held}")
            }
        }
    }

    fn led(&self, now: Option<&CurrentShard>, shard: &ShardPlacement) -> String {
        let zone = &shard.leader;
        let led = self
            .placement
            .shards
            .iter()
            .filter(|it| it.leader == *zone)
            .count();
        let fair = format!("{zone} leads {led} of {}", self.placement.shards.len());
        let Some(leader) = now.and_then(|now| now.leader.as_ref()) else {
            return format!("it leads because {fair}");
        };
        if leader == zone {
            return format!("it leads already, and {fair}");
        }
        let state = self
            .problem
            .zones
            .iter()
            .find(|it| it.name == *leader)
            .map(|it| it.state);
        if state == Some(ZoneState::Gone) {
            return format!("it leads because {leader} is gone, and {fair}");
        }
        if shard.followers.contains(leader) {
            format!("it takes over from {leader} by switchover, so that {fair}")
        } else {
            format!("it leads because the shard leaves {leader}, and {fair}")
        }
    }

    /// What the order of succession is good for.
    fn heir(&self, lost: &ZoneName, heir: &ZoneName) -> String {
        let leads_then = |shard: &&ShardPlacement| {
            let next = shard.followers.iter().find(|zone| *zone != lost);
            shard.leader == *heir || (shard.leader == *lost && next == Some(heir))
        };
        let then = self.placement.shards.iter().filter(leads_then).count();
        format!("first in succession: without {lost}, {heir} would lead {then}")
    }

    fn members_in(&self, zone: &ZoneName) -> usize {
        let all = self.placement.shards.iter();
        let zones = all.flat_map(|it| std::iter::once(&it.leader).chain(&it.followers));
        zones.filter(|it| *it == zone).count()
    }
}
