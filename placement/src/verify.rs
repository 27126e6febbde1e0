//! The independent checker: recomputes the score and names every broken rule.
//!
//! It shares no code with the solver, only the plain data of the question and the answer, so that a
//! mistake in one is seen by the other. Written for plainness, not for speed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::outcome::{Placement, Score, ShardPlacement};
use crate::problem::{CurrentShard, Problem, WhenUnsatisfiable};
use crate::topology::{Zone, ZoneName, ZoneState};

/// A rule that a placement breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "violation")]
pub enum Violation {
    /// The shards of the placement are not 0, 1, 2 … as many as were asked for.
    #[error(
        "the placement lists the shards {found:?}, asked were 0 to {asked} exclusive, in order"
    )]
    ShardList {
        /// What the placement lists.
        found: Vec<u32>,
        /// How many were asked for.
        asked: u32,
    },
    /// A shard has too few or too many members.
    #[error("shard {shard} has {found} members, asked were {asked}")]
    MemberCount {
        /// Which shard.
        shard: u32,
        /// How many it has.
        found: usize,
        /// How many were asked for, or are kept because the shard is pinned.
        asked: u32,
    },
    /// A member sits in a zone that is unknown, gone, or takes no new members.
    #[error("shard {shard} has a member in zone {zone}, which cannot take it")]
    ZoneUnusable {
        /// Which shard.
        shard: u32,
        /// Which zone.
        zone: ZoneName,
    },
    /// Two members of a shard share a zone, which the problem forbids.
    #[error("shard {shard} has {members} members in zone {zone}")]
    SharedZone {
        /// Which shard.
        shard: u32,
        /// Which zone.
        zone: ZoneName,
        /// How many of its members sit there.
        members: u64,
    },
    /// More members in a zone than it has room for.
    #[error("zone {zone} holds {members} members and has room for {capacity}")]
    OverCapacity {
        /// Which zone.
        zone: ZoneName,
        /// How many members it holds.
        members: u64,
        /// How many it can hold.
        capacity: u32,
    },
    /// A pinned shard lost a member or its leader.
    #[error("shard {shard} is pinned, and its members or leader differ from the present ones")]
    PinMoved {
        /// Which shard.
        shard: u32,
    },
    /// The score that the placement claims is not its score.
    #[error("the placement claims the score {claimed:?} and has {actual:?}")]
    WrongScore {
        /// As claimed.
        claimed: Score,
        /// As recomputed.
        actual: Score,
    },
}

type Count<'a> = BTreeMap<&'a ZoneName, u64>;

/// Every rule that `placement` breaks as an answer to `problem`; empty means that it is right.
/// Whether it is the best answer is not checked here.
pub fn verify(problem: &Problem, placement: &Placement) -> Vec<Violation> {
    let mut found = Vec::new();
    let listed: Vec<u32> = placement.shards.iter().map(|shard| shard.shard).collect();
    if !listed.iter().copied().eq(0..problem.shards) {
        found.push(Violation::ShardList {
            found: listed,
            asked: problem.shards,
        });
    }
    for shard in &placement.shards {
        verify_shard(problem, shard, &mut found);
    }
    let members = members_per_zone(placement);
    for zone in &problem.zones {
        let held = members.get(&zone.name).copied().unwrap_or(0);
        if let Some(capacity) = zone.capacity
            && held > u64::from(capacity)
        {
            let zone = zone.name.clone();
            found.push(Violation::OverCapacity {
                zone,
                members: held,
                capacity,
            });
        }
    }
    let actual = score(problem, placement);
    if actual != placement.score {
        found.push(Violation::WrongScore {
            claimed: placement.score,
            actual,
        });
    }
    found
}

fn verify_shard(problem: &Problem, shard: &ShardPlacement, found: &mut Vec<Violation>) {
    let id = shard.shard;
    let after = zones_of(shard);
    let total = shard.followers.len() + 1;
    let current = problem.current.iter().find(|current| current.shard == id);
    let before = current
        .map(|current| existing(problem, current))
        .unwrap_or_default();
    let kept = match current {
        Some(current) if current.pinned => before.values().sum(),
        _ => 0,
    };
    let kept = u32::try_from(kept).unwrap_or(u32::MAX);
    // A pinned shard keeps even those that are too many.
    let asked = problem.members_per_shard.max(kept);
    if u32::try_from(total) != Ok(asked) {
        found.push(Violation::MemberCount {
            shard: id,
            found: total,
            asked,
        });
    }
    for (&zone, &members) in &after {
        let present = before.get(zone).copied().unwrap_or(0);
        let usable = match state_of(problem, zone) {
            Some(ZoneState::Open) => true,
            Some(ZoneState::Cordoned) => members <= present,
            Some(ZoneState::Gone) | None => false,
        };
        if !usable {
            found.push(Violation::ZoneUnusable {
                shard: id,
                zone: zone.clone(),
            });
        }
        if members > 1 && problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule {
            found.push(Violation::SharedZone {
                shard: id,
                zone: zone.clone(),
                members,
            });
        }
    }
    if let Some(current) = current.filter(|current| current.pinned)
        && pin_moved(current, &before, &after, &shard.leader)
    {
        found.push(Violation::PinMoved { shard: id });
    }
}

/// Whether a pinned shard has lost a member or its leader.
fn pin_moved(
    current: &CurrentShard,
    before: &Count<'_>,
    after: &Count<'_>,
    leader: &ZoneName,
) -> bool {
    let stays = |(zone, count): (&&ZoneName, &u64)| after.get(zone).unwrap_or(&0) >= count;
    let led = current
        .leader
        .as_ref()
        .filter(|zone| before.contains_key(zone));
    !before.iter().all(stays) || led.is_some_and(|zone| zone != leader)
}

/// The score of `placement`, recomputed from the definitions of the six terms.
pub fn score(problem: &Problem, placement: &Placement) -> Score {
    let usable = leader_zones(problem);
    let mut leaders: Count<'_> = BTreeMap::new();
    for shard in &placement.shards {
        *leaders.entry(&shard.leader).or_default() += 1;
    }
    let shards = u64::from(problem.shards);
    let zones = u64::try_from(usable.len()).unwrap_or(u64::MAX);
    let quota = if zones == 0 {
        0
    } else {
        shards.div_ceil(zones)
    };
    let members = members_per_zone(placement);
    let wanted = shards * u64::from(problem.members_per_shard);
    let squares: u64 = usable
        .iter()
        .map(|zone| members.get(zone).copied().unwrap_or(0))
        .map(|n| n * n)
        .sum();
    Score {
        zone_violations: placement
            .shards
            .iter()
            .flat_map(|shard| zones_of(shard).into_values())
            .map(|count| count - 1)
            .sum(),
        leaders_over_quota: leaders.values().map(|&led| led.saturating_sub(quota)).sum(),
        data_moves: data_moves(problem, placement),
        member_imbalance: squares.saturating_sub(even(wanted, zones)),
        second_order_imbalance: second_order(&usable, &leaders, placement),
        switchovers: switchovers(problem, placement),
    }
}

/// The zones that can hold a leader: U in the definitions.
fn leader_zones(problem: &Problem) -> BTreeSet<&ZoneName> {
    let remaining = problem
        .current
        .iter()
        .filter(|shard| shard.shard < problem.shards);
    let inhabited: BTreeSet<&ZoneName> = remaining
        .flat_map(|shard| &shard.members)
        .map(|member| &member.zone)
        .collect();
    let can_lead = |zone: &&Zone| match zone.state {
        ZoneState::Open => zone.capacity != Some(0),
        ZoneState::Cordoned => inhabited.contains(&zone.name),
        ZoneState::Gone => false,
    };
    problem
        .zones
        .iter()
        .filter(can_lead)
        .map(|zone| &zone.name)
        .collect()
}

/// The least sum of squares of `parts` whole numbers that add up to `total`.
fn even(total: u64, parts: u64) -> u64 {
    if parts == 0 {
        return 0;
    }
    let (low, above) = (total / parts, total % parts);
    above * (low + 1) * (low + 1) + (parts - above) * low * low
}

fn data_moves(problem: &Problem, placement: &Placement) -> u64 {
    let mut moved = 0;
    for shard in &placement.shards {
        let Some(current) = problem.current.iter().find(|now| now.shard == shard.shard) else {
            continue;
        };
        let mut with_data: Count<'_> = BTreeMap::new();
        for member in current.members.iter().filter(|member| member.has_data) {
            if state_of(problem, &member.zone) != Some(ZoneState::Gone) {
                *with_data.entry(&member.zone).or_default() += 1;
            }
        }
        let after = zones_of(shard);
        for (zone, count) in with_data {
            let stay = after.get(zone).copied().unwrap_or(0);
            moved += match problem.when_unsatisfiable {
                WhenUnsatisfiable::DoNotSchedule if stay > 0 => 0,
                WhenUnsatisfiable::DoNotSchedule => count,
                WhenUnsatisfiable::ScheduleAnyway => count.saturating_sub(stay),
            };
        }
    }
    moved
}

fn second_order(usable: &BTreeSet<&ZoneName>, leaders: &Count<'_>, placement: &Placement) -> u64 {
    let others = u64::try_from(usable.len())
        .unwrap_or(u64::MAX)
        .saturating_sub(1);
    if others == 0 {
        return 0;
    }
    let mut total = 0;
    for &lost in usable {
        let mut after: Count<'_> = BTreeMap::new();
        for &zone in usable.iter().filter(|&&zone| zone != lost) {
            after.insert(zone, leaders.get(zone).copied().unwrap_or(0));
        }
        for shard in placement
            .shards
            .iter()
            .filter(|shard| shard.leader == *lost)
        {
            if let Some(heir) = shard.followers.iter().find(|&zone| zone != lost) {
                *after.entry(heir).or_default() += 1;
            }
        }
        let squares: u64 = after.values().map(|led| led * led).sum();
        total += squares.saturating_sub(even(after.values().sum(), others));
    }
    total
}

fn switchovers(problem: &Problem, placement: &Placement) -> u64 {
    let mut switched = 0;
    for shard in &placement.shards {
        let now = problem.current.iter().find(|now| now.shard == shard.shard);
        let Some(leader) = now.and_then(|now| now.leader.as_ref()) else {
            continue;
        };
        if *leader != shard.leader && shard.followers.contains(leader) {
            switched += 1;
        }
    }
    switched
}

fn zones_of(shard: &ShardPlacement) -> Count<'_> {
    let mut zones: Count<'_> = BTreeMap::new();
    for zone in std::iter::once(&shard.leader).chain(&shard.followers) {
        *zones.entry(zone).or_default() += 1;
    }
    zones
}

fn members_per_zone(placement: &Placement) -> Count<'_> {
    let mut members: Count<'_> = BTreeMap::new();
    for (zone, count) in placement.shards.iter().flat_map(zones_of) {
        *members.entry(zone).or_default() += count;
    }
    members
}

/// The members of a shard that exist: those in zones that are not gone.
fn existing<'a>(problem: &Problem, current: &'a CurrentShard) -> Count<'a> {
    let mut zones: Count<'_> = BTreeMap::new();
    for member in &current.members {
        if state_of(problem, &member.zone) != Some(ZoneState::Gone) {
            *zones.entry(&member.zone).or_default() += 1;
        }
    }
    zones
}

fn state_of(problem: &Problem, name: &ZoneName) -> Option<ZoneState> {
    problem
        .zones
        .iter()
        .find(|zone| zone.name == *name)
        .map(|zone| zone.state)
}
