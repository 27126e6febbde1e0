//! What happens to a cluster in its life, as problems of growing size.

use placement::{
    CurrentMember, CurrentShard, Mode, Problem, WhenUnsatisfiable, ZoneName, ZoneState, solve,
};

use crate::support::{Dice, carried_out, fresh, lose, zone_name};

/// How many zones there are.
pub(crate) const ZONES: [u32; 3] = [3, 6, 8];
/// Members in all, as shards and members per shard.
pub(crate) const SIZES: [(u32, u32, u32); 5] = [
    (6, 3, 2),
    (60, 20, 3),
    (300, 100, 3),
    (1000, 500, 2),
    (3000, 500, 6),
];

/// The stories of one size: each begins where the one before has led to.
pub(crate) fn stories(zones: u32, shards: u32, members: u32) -> Vec<(&'static str, Problem)> {
    let new = fresh(zones, shards, members);
    let Ok(first) = solve(&new) else {
        return Vec::new();
    };
    let mut stories = Vec::new();
    let mut lost = lose(&new, &first, 0);
    lost.members_per_shard = members.min(zones - 1);
    if let Ok(repaired) = solve(&lost) {
        let mut back = carried_out(&lost, &repaired);
        back.members_per_shard = members;
        back.zones
            .iter_mut()
            .for_each(|zone| zone.state = ZoneState::Open);
        let quiet = Problem {
            mode: Mode::Rebalance,
            ..back.clone()
        };
        stories.extend([("zone returned", back), ("rebalance after return", quiet)]);
    }
    let mut grown = carried_out(&new, &first);
    grown.shards = (shards + shards / 2).min(500);
    if grown.shards == shards {
        // At the limit: from two thirds up to it.
        let small = fresh(zones, shards * 2 / 3, members);
        if let Ok(placed) = solve(&small) {
            grown = carried_out(&small, &placed);
            grown.shards = shards;
        }
    }
    stories.extend([
        ("new", new),
        ("zone lost", lost),
        ("half as many more", grown),
    ]);
    let scattered = scattered(zones, shards, members);
    let scarce = scarce(&scattered);
    let quiet = |problem: &Problem| Problem {
        mode: Mode::Rebalance,
        ..problem.clone()
    };
    stories.extend([
        ("scattered, rebalance", quiet(&scattered)),
        ("scattered", scattered),
        ("scarce, rebalance", quiet(&scarce)),
        ("scarce", scarce),
    ]);
    stories
}

/// The same where all zones but one have too little room, so that members of a shard meet there.
fn scarce(problem: &Problem) -> Problem {
    let mut scarce = problem.clone();
    scarce.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    let zones = u32::try_from(scarce.zones.len()).unwrap_or(u32::MAX);
    let room = (scarce.shards * scarce.members_per_shard) / (zones + 1);
    for zone in scarce.zones.iter_mut().skip(1) {
        zone.capacity = Some(room.max(1));
    }
    scarce
}

/// No history at all: members thrown over the zones, some missing, so that few shards are alike.
fn scattered(zones: u32, shards: u32, members: u32) -> Problem {
    let mut dice = Dice(7);
    let mut problem = fresh(zones, shards, members);
    for shard in 0..shards {
        let mut present: Vec<CurrentMember> = Vec::new();
        for _ in 0..members {
            let zone = ZoneName::from(zone_name(dice.below(zones)).as_str());
            if !present.iter().any(|member| member.zone == zone) {
                present.push(CurrentMember {
                    zone,
                    has_data: true,
                });
            }
        }
        let leader = present.first().map(|member| member.zone.clone());
        problem.current.push(CurrentShard {
            shard,
            members: present,
            leader,
            pinned: false,
        });
    }
    problem
}
