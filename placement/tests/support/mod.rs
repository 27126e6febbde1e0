//! Random problems and small helpers for the tests of the solver. Seeded: a failing seed replays.
#![allow(dead_code, unreachable_pub, clippy::pedantic, clippy::unwrap_used)]
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod oracle;

use placement::{
    CurrentMember, CurrentShard, Mode, Problem, WhenUnsatisfiable, Zone, ZoneName, ZoneState,
};

/// A small seeded generator (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end.max(1))).unwrap()
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

pub fn zone_name(index: u32) -> String {
    format!("zone-{}", char::from(b'a' + u8::try_from(index).unwrap()))
}

/// A new cluster over open zones.
pub fn fresh(zones: u32, shards: u32, members: u32) -> Problem {
    Problem {
        zones: (0..zones)
            .map(|index| Zone::open(&zone_name(index)))
            .collect(),
        shards,
        members_per_shard: members,
        when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        mode: Mode::Repair,
        current: Vec::new(),
    }
}

/// A cluster whose shards sit as told: the letters of their zones, `/`, and who leads.
pub fn seated(zones: u32, members: u32, seats: &[&str]) -> Problem {
    let zone = |letter: char| ZoneName::from(format!("zone-{letter}").as_str());
    let mut problem = fresh(zones, seats.len() as u32, members);
    for (shard, seat) in seats.iter().enumerate() {
        let (members, leader) = seat.split_once('/').unwrap();
        let member = |letter| CurrentMember {
            zone: zone(letter),
            has_data: true,
        };
        problem.current.push(CurrentShard {
            shard: shard as u32,
            members: members.chars().map(member).collect(),
            leader: leader.chars().next().map(zone),
            pinned: false,
        });
    }
    problem
}

/// A random problem with present members, cordoned and gone zones, capacities and pins.
pub fn random(dice: &mut Dice, zones_max: u32, shards_max: u32, members_max: u32) -> Problem {
    let zones = 1 + dice.below(zones_max);
    let shards = 1 + dice.below(shards_max);
    let members = 1 + dice.below(members_max);
    let mut problem = fresh(zones, shards, members);
    if dice.one_in(3) {
        problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    }
    if dice.one_in(2) {
        problem.mode = Mode::Rebalance;
    }
    for zone in &mut problem.zones {
        zone.state = match dice.below(8) {
            0 => ZoneState::Cordoned,
            1 => ZoneState::Gone,
            _ => ZoneState::Open,
        };
        if dice.one_in(3) {
            zone.capacity = Some(dice.below(shards * members + 2));
        }
    }
    // More of them than shards that remain may be about to leave.
    let leaving = if dice.one_in(3) {
        dice.below(shards + 3)
    } else {
        0
    };
    // Real shards are often alike: half the problems have few present states, and many of each.
    let states: Vec<CurrentShard> = (0..1 + dice.below(3))
        .map(|_| random_shard(dice, 0, zones, members))
        .collect();
    let is_alike = dice.one_in(2);
    for shard in 0..shards + leaving {
        if dice.one_in(if is_alike { 8 } else { 4 }) {
            continue;
        }
        let current = if is_alike {
            let pick = dice.below(states.len() as u32) as usize;
            CurrentShard {
                shard,
                ..states[pick].clone()
            }
        } else {
            random_shard(dice, shard, zones, members)
        };
        problem.current.push(current);
    }
    problem
}

fn random_shard(dice: &mut Dice, shard: u32, zones: u32, members: u32) -> CurrentShard {
    let most = if dice.one_in(6) { members + 3 } else { members };
    let count = dice.below(most + 1);
    let mut present = Vec::new();
    for _ in 0..count {
        let zone = ZoneName::from(zone_name(dice.below(zones)).as_str());
        let is_taken = present
            .iter()
            .any(|member: &CurrentMember| member.zone == zone);
        // Members of a shard rarely meet, unless there are more of them than zones.
        if is_taken && count <= zones && !dice.one_in(5) {
            continue;
        }
        present.push(CurrentMember {
            zone,
            has_data: !dice.one_in(5),
        });
    }
    let leader = dice.below(present.len() as u32) as usize;
    let leader = present
        .get(leader)
        .filter(|_| !dice.one_in(5))
        .map(|member| member.zone.clone());
    CurrentShard {
        shard,
        members: present,
        leader,
        pinned: dice.one_in(8),
    }
}

/// A random cluster whose members must meet in zones that have room left: `ScheduleAnyway`, room in
/// all zones but one for little more than the members there are, shards whole and mostly alike.
pub fn scarce(dice: &mut Dice, zones_max: u32, shards_max: u32, members_max: u32) -> Problem {
    let zones = 3 + dice.below(zones_max - 2);
    let shards = 2 + dice.below(shards_max - 1);
    let members = 2 + dice.below(members_max - 1);
    let mut problem = fresh(zones, shards, members);
    problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    if dice.one_in(2) {
        problem.mode = Mode::Rebalance;
    }
    let room = (shards * members).div_ceil(zones + 1);
    for zone in problem.zones.iter_mut().skip(1) {
        zone.capacity = Some(room.saturating_sub(dice.below(2)).max(1));
    }
    let mut held = vec![0; zones as usize];
    for shard in 0..shards {
        let mut present: Vec<CurrentMember> = Vec::new();
        for _ in 0..members {
            let at = dice.below(zones) as usize;
            let is_full = problem.zones[at].capacity == Some(held[at]);
            let at = if is_full { 0 } else { at };
            held[at] += 1;
            present.push(CurrentMember {
                zone: problem.zones[at].name.clone(),
                has_data: true,
            });
        }
        let leader = dice.below(members) as usize;
        problem.current.push(CurrentShard {
            shard,
            leader: Some(present[leader].zone.clone()),
            members: present,
            pinned: false,
        });
    }
    problem
}

/// The problem after `placement` was carried out: everybody present, everybody in sync.
pub fn carried_out(problem: &Problem, placement: &placement::Placement) -> Problem {
    let shard = |shard: &placement::ShardPlacement| CurrentShard {
        shard: shard.shard,
        members: std::iter::once(&shard.leader)
            .chain(&shard.followers)
            .map(|zone| CurrentMember {
                zone: zone.clone(),
                has_data: true,
            })
            .collect(),
        leader: Some(shard.leader.clone()),
        pinned: false,
    };
    Problem {
        current: placement.shards.iter().map(shard).collect(),
        ..problem.clone()
    }
}

/// Takes a zone away: its members are gone, its leaders' first heirs lead.
pub fn lose(problem: &Problem, placement: &placement::Placement, zone: usize) -> Problem {
    let mut after = carried_out(problem, placement);
    let name = after.zones[zone].name.clone();
    after.zones[zone].state = ZoneState::Gone;
    for (shard, placed) in after.current.iter_mut().zip(&placement.shards) {
        shard.members.retain(|member| member.zone != name);
        let heir = placed.followers.iter().find(|follower| **follower != name);
        if placed.leader == name {
            shard.leader = heir.cloned();
        }
    }
    after
}
