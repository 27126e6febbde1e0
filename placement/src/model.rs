//! The problem as the solver sees it: usable zones by number, shards in the same present state as
//! one class. Internal; nothing here is an answer.

use std::collections::BTreeMap;

use crate::outcome::{Placement, Score, ShardPlacement};
use crate::problem::{CurrentShard, Mode, Problem, WhenUnsatisfiable, ZONES_MAX};
use crate::topology::{Zone, ZoneName, ZoneState};

/// One value for each usable zone. Access is total: a zone out of range reads as the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct PerZone<T>([T; ZONES_MAX]);

impl<T: Copy + Default> PerZone<T> {
    pub(crate) fn at(&self, zone: usize) -> T {
        self.0.get(zone).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, zone: usize, value: T) {
        if let Some(slot) = self.0.get_mut(zone) {
            *slot = value;
        }
    }

    pub(crate) fn slot(&mut self, zone: usize) -> Option<&mut T> {
        self.0.get_mut(zone)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().copied()
    }
}

/// The zones of one shard: members per zone, who leads, and the first follower outside the
/// leader's zone. All that the six terms depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern {
    pub(crate) members: PerZone<u8>,
    pub(crate) leader: u8,
    pub(crate) heir: Option<u8>,
}

/// What a shard's present state allows and costs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct State {
    /// How many members the shard shall have: more than were asked for, if it has more and may not
    /// be moved.
    pub(crate) members: u8,
    /// The least and the most members that the shard may have in each zone.
    pub(crate) least: PerZone<u8>,
    pub(crate) most: PerZone<u8>,
    /// Its members now, and those of them that hold data.
    pub(crate) present: PerZone<u8>,
    pub(crate) with_data: PerZone<u8>,
    /// Members with data that must move whatever is decided.
    pub(crate) stranded: u8,
    pub(crate) leader: Option<u8>,
    pub(crate) is_leader_fixed: bool,
}

/// Shards in the same present state: interchangeable.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) state: State,
    pub(crate) shards: Vec<u32>,
}

impl Class {
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.shards.len()).unwrap_or(u32::MAX)
    }
}

/// The problem over usable zones and classes.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) names: Vec<ZoneName>,
    pub(crate) capacity: PerZone<u32>,
    pub(crate) shards: u32,
    /// How many members were asked for, of all shards.
    pub(crate) asked: u64,
    pub(crate) quota: u32,
    pub(crate) mode: Mode,
    pub(crate) counts_twice: bool,
    pub(crate) classes: Vec<Class>,
}

impl Model {
    /// The model, or `None` where a pinned shard alone contradicts the rules.
    pub(crate) fn new(problem: &Problem) -> Option<Self> {
        let usable: Vec<&Zone> = problem
            .zones
            .iter()
            .filter(|zone| is_usable(problem, zone))
            .collect();
        let mut capacity = PerZone::default();
        for (index, zone) in usable.iter().enumerate() {
            capacity.set(index, zone.capacity.unwrap_or(u32::MAX));
        }
        let by_id: BTreeMap<u32, &CurrentShard> = problem
            .current
            .iter()
            .map(|shard| (shard.shard, shard))
            .collect();
        let mut classes: BTreeMap<State, Vec<u32>> = BTreeMap::new();
        for shard in 0..problem.shards {
            let state = state_of(problem, &usable, by_id.get(&shard).copied())?;
            classes.entry(state).or_default().push(shard);
        }
        let zones = u32::try_from(usable.len()).unwrap_or(u32::MAX).max(1);
        Some(Self {
            names: usable.iter().map(|zone| zone.name.clone()).collect(),
            capacity,
            shards: problem.shards,
            asked: u64::from(problem.shards) * u64::from(problem.members_per_shard),
            quota: problem.shards.div_ceil(zones),
            mode: problem.mode,
            counts_twice: problem.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway,
            classes: classes
                .into_iter()
                .map(|(state, shards)| Class { state, shards })
                .collect(),
        })
    }

    pub(crate) fn zones(&self) -> usize {
        self.names.len()
    }

    /// How many members all shards shall have.
    pub(crate) fn total(&self) -> u32 {
        let members = |class: &Class| class.size() * u32::from(class.state.members);
        self.classes.iter().map(members).sum()
    }

    /// Members with data that leave a zone where `stay` members remain of a shard in `state`.
    pub(crate) fn moved_from(&self, state: &State, zone: usize, stay: u8) -> u8 {
        let held = state.with_data.at(zone);
        if self.counts_twice {
            held.saturating_sub(stay)
        } else if stay > 0 {
            0
        } else {
            held
        }
    }

    /// The placement that gives the shards of each class the listed patterns, in order.
    pub(crate) fn placement(&self, chosen: &[Vec<(Pattern, u32)>], score: Score) -> Placement {
        let mut shards = Vec::new();
        for (class, patterns) in self.classes.iter().zip(chosen) {
            let each = patterns
                .iter()
                .flat_map(|(pattern, count)| (0..*count).map(move |_| pattern));
            for (&shard, pattern) in class.shards.iter().zip(each) {
                shards.push(self.shard_placement(shard, pattern));
            }
        }
        shards.sort_by_key(|shard| shard.shard);
        Placement {
            optimal: false,
            score,
            bound: None,
            shards,
        }
    }

    fn shard_placement(&self, shard: u32, pattern: &Pattern) -> ShardPlacement {
        let name = |zone: usize| {
            self.names
                .get(zone)
                .cloned()
                .unwrap_or_else(|| ZoneName::from(""))
        };
        let leader = usize::from(pattern.leader);
        let heir = pattern.heir.map(usize::from);
        let mut followers: Vec<ZoneName> = heir.map(name).into_iter().collect();
        // Outside the leader's zone first: these survive what takes the leader.
        let outside = (0..self.zones()).filter(|&zone| zone != leader);
        for zone in outside.chain([leader]) {
            let used = u8::from(zone == leader) + u8::from(Some(zone) == heir);
            for _ in used..pattern.members.at(zone) {
                followers.push(name(zone));
            }
        }
        ShardPlacement {
            shard,
            leader: name(leader),
            followers,
        }
    }
}

/// Whether the zone can hold a leader: open with room, or cordoned with a present member.
pub(crate) fn is_usable(problem: &Problem, zone: &Zone) -> bool {
    match zone.state {
        ZoneState::Open => zone.capacity != Some(0),
        ZoneState::Cordoned => problem
            .current
            .iter()
            .filter(|shard| shard.shard < problem.shards)
            .any(|shard| shard.members.iter().any(|member| member.zone == zone.name)),
        ZoneState::Gone => false,
    }
}

fn state_of(problem: &Problem, usable: &[&Zone], now: Option<&CurrentShard>) -> Option<State> {
    let wanted = u8::try_from(problem.members_per_shard).unwrap_or(u8::MAX);
    let one_each = problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    let mut state = State {
        members: wanted,
        ..State::default()
    };
    let mut is_stranded = false;
    for member in now.map(|now| now.members.as_slice()).unwrap_or_default() {
        let at = usable.iter().position(|zone| zone.name == member.zone);
        let Some(zone) = at else {
            let gone = problem.zones.iter().find(|zone| zone.name == member.zone);
            if gone.is_some_and(|zone| zone.state != ZoneState::Gone) {
                state.stranded = state.stranded.saturating_add(u8::from(member.has_data));
                is_stranded = true;
            }
            continue;
        };
        let add = |counts: &mut PerZone<u8>, by: u8| {
            counts.set(zone, counts.at(zone).saturating_add(by));
        };
        add(&mut state.present, 1);
        add(&mut state.with_data, u8::from(member.has_data));
    }
    let led = now.and_then(|now| now.leader.as_ref());
    let led = led.and_then(|name| usable.iter().position(|zone| zone.name == *name));
    state.leader = led.and_then(|zone| u8::try_from(zone).ok());
    for (index, zone) in usable.iter().enumerate() {
        let present = state.present.at(index);
        let room = if zone.state == ZoneState::Cordoned {
            present
        } else {
            wanted
        };
        state
            .most
            .set(index, if one_each { room.min(1) } else { room });
    }
    if !now.is_some_and(|now| now.pinned) {
        return Some(state);
    }
    state.is_leader_fixed = state.leader.is_some();
    let is_possible = pin(&mut state, one_each) && !is_stranded;
    is_possible.then_some(state)
}

/// Keeps the members of a pinned shard where they are, those beyond the number asked for as well.
/// False where that breaks a rule.
fn pin(state: &mut State, one_each: bool) -> bool {
    let total: u32 = state.present.iter().map(u32::from).sum();
    let total = u8::try_from(total).unwrap_or(u8::MAX);
    state.least = state.present;
    if total >= state.members {
        state.members = total;
        state.most = state.present;
    }
    !one_each || state.present.iter().all(|count| count <= 1)
}
