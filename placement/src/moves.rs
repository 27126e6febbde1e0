//! From the present to the solved placement: an ordered list of small moves.
//!
//! Copy first: a member leaves only when all members that its shard shall get are there, so no
//! shard has fewer copies on the way than before (I3, I6), and no two members meet in a zone (I1).
//! Where zones are full and wait for each other, a detour over a third zone resolves it; failing
//! that, a follower leaves first from a shard that keeps copies in two other zones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Placement;
use crate::problem::Problem;
use crate::topology::{ZoneName, ZoneState};

/// One thing to do in one shard; it is finished (the copy in sync, the leader elected) before the
/// next move of the same shard begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// In which shard.
    pub shard: u32,
    /// What to do.
    #[serde(flatten)]
    pub step: Step,
}

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// Build a new member and let it copy the data of its shard.
    Add {
        /// Where.
        zone: ZoneName,
    },
    /// Give a shard that has no leader one: the first of a new shard, or after a loss.
    Appoint {
        /// Where the leader-to-be sits.
        zone: ZoneName,
    },
    /// Planned change of leadership.
    Switchover {
        /// The present leader.
        from: ZoneName,
        /// The next one.
        to: ZoneName,
    },
    /// Take a member away, once those that stay are in sync.
    Remove {
        /// From where.
        zone: ZoneName,
    },
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}: {}", self.shard, self.step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { zone } => write!(f, "add a member in {zone}"),
            Self::Appoint { zone } => write!(f, "appoint the member in {zone}"),
            Self::Switchover { from, to } => write!(f, "switch over from {from} to {to}"),
            Self::Remove { zone } => write!(f, "remove the member in {zone}"),
        }
    }
}

/// The moves that lead from the present to `placement`, in an order that is safe to follow.
///
/// A move of a member that is not in sync yet waits until it is. Shards that are about to leave (numbers from [`Problem::shards`] on) are not touched, and their
/// members are not counted as taking room. The list ends early where full zones wait for each other
/// without any room to spare, and the only way on would leave a shard in one zone (I3, I6).
pub fn moves(problem: &Problem, placement: &Placement) -> Vec<Move> {
    let mut plan = Plan::new(problem, placement);
    while plan.advance() || plan.catch_up() || plan.detour() || plan.yield_room() {}
    plan.moves
}

struct Shard<'a> {
    id: u32,
    /// Zone of each member, and whether it holds data.
    members: Vec<(&'a ZoneName, bool)>,
    leader: Option<&'a ZoneName>,
    target: Vec<&'a ZoneName>,
    target_leader: &'a ZoneName,
}

struct Plan<'a> {
    problem: &'a Problem,
    shards: Vec<Shard<'a>>,
    held: BTreeMap<&'a ZoneName, u32>,
    moves: Vec<Move>,
}

impl<'a> Shard<'a> {
    fn count(&self, zone: &ZoneName) -> usize {
        self.members.iter().filter(|(at, _)| *at == zone).count()
    }

    fn wanted(&self, zone: &ZoneName) -> usize {
        self.target.iter().filter(|at| **at == zone).count()
    }

    /// Zones that shall get a member, the leader's first; one that shall get two stands there twice.
    fn missing(&self) -> Vec<&'a ZoneName> {
        let mut missing: Vec<&ZoneName> = Vec::new();
        for zone in self.target.iter().copied() {
            let on_list = missing.iter().filter(|it| **it == zone).count();
            if self.count(zone) + on_list < self.wanted(zone) {
                missing.push(zone);
            }
        }
        missing
    }

    /// The zones of members that shall go.
    fn surplus(&self) -> Vec<&'a ZoneName> {
        let zones = self.members.iter().map(|(zone, _)| *zone);
        zones
            .filter(|zone| self.count(zone) > self.wanted(zone))
            .collect()
    }

    /// Whether a member can leave `zone` without taking the leader or the last copy with it.
    fn can_lose(&self, zone: &ZoneName) -> bool {
        let Some(index) = self.leaver(zone) else {
            return false;
        };
        let is_leader = self.leader == Some(zone) && self.count(zone) == 1;
        let rest = self
            .members
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != index);
        let has_copy = rest.into_iter().any(|(_, (_, has_data))| *has_data);
        let is_empty = self.members.iter().all(|(_, has_data)| !has_data);
        !is_leader && (has_copy || (is_empty && self.members.len() > 1))
    }

    /// Which of the members in `zone` goes: one without data before one with.
    fn leaver(&self, zone: &ZoneName) -> Option<usize> {
        let here = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, (at, _))| *at == zone);
        here.min_by_key(|(_, (_, has_data))| *has_data)
            .map(|(index, _)| index)
    }

    /// Who leads a shard that has no leader: where it shall lead, if the data is there.
    fn next_leader(&self) -> Option<&'a ZoneName> {
        let has_any = self.members.iter().any(|(_, has_data)| *has_data);
        let fit = || {
            self.members
                .iter()
                .filter(|(_, has_data)| *has_data || !has_any)
        };
        let home = fit().find(|(zone, _)| *zone == self.target_leader);
        let stays = || fit().find(|(zone, _)| self.target.contains(zone));
        home.or_else(stays)
            .or_else(|| fit().next())
            .map(|(zone, _)| *zone)
    }
}

impl<'a> Plan<'a> {
    fn new(problem: &'a Problem, placement: &'a Placement) -> Self {
        let exists = |name: &ZoneName| {
            let zone = problem.zones.iter().find(|zone| zone.name == *name);
            zone.is_some_and(|zone| zone.state != ZoneState::Gone)
        };
        let mut held: BTreeMap<&ZoneName, u32> = BTreeMap::new();
        let mut shards = Vec::new();
        for placed in &placement.shards {
            let now = problem.current.iter().find(|now| now.shard == placed.shard);
            let members: Vec<(&ZoneName, bool)> = now
                .map(|now| now.members.as_slice())
                .unwrap_or_default()
                .iter()
                .filter(|member| exists(&member.zone))
                .map(|member| (&member.zone, member.has_data))
                .collect();
            for (zone, _) in &members {
                *held.entry(zone).or_default() += 1;
            }
            let has_copy = |at: Option<&ZoneName>| {
                members
                    .iter()
                    .any(|(zone, has_data)| *has_data && at.is_none_or(|at| *zone == at))
            };
            // A leader that came back empty has nothing to hand on: who holds the data leads (I3).
            let leader = now
                .and_then(|now| now.leader.as_ref())
                .filter(|zone| exists(zone))
                .filter(|zone| has_copy(Some(zone)) || !has_copy(None));
            shards.push(Shard {
                id: placed.shard,
                members,
                leader,
                target: std::iter::once(&placed.leader)
                    .chain(&placed.followers)
                    .collect(),
                target_leader: &placed.leader,
            });
        }
        // Those that miss most come first: they are in danger.
        shards.sort_by_key(|shard| (shard.members.len(), shard.id));
        Self {
            problem,
            shards,
            held,
            moves: Vec::new(),
        }
    }

    fn has_room(&self, zone: &ZoneName) -> bool {
        let room = self
            .problem
            .zones
            .iter()
            .find(|it| it.name == *zone)
            .and_then(|it| it.capacity);
        room.is_none_or(|room| self.held.get(zone).copied().unwrap_or(0) < room)
    }

    /// One round over the shards: every move that is safe now. False when there is none.
    fn advance(&mut self) -> bool {
        let before = self.moves.len();
        for index in 0..self.shards.len() {
            self.lead(index);
        }
        for index in 0..self.shards.len() {
            let missing = self
                .shards
                .get(index)
                .map(Shard::missing)
                .unwrap_or_default();
            for zone in missing {
                if self.has_room(zone) {
                    self.add(index, zone);
                    self.lead(index);
                }
            }
            self.lead(index);
            let whole = self
                .shards
                .get(index)
                .filter(|shard| shard.missing().is_empty());
            for zone in whole.map(Shard::surplus).unwrap_or_default() {
                let is_over =
                    |it: &Shard<'_>| it.count(zone) > it.wanted(zone) && it.can_lose(zone);
                if self.shards.get(index).is_some_and(is_over) {
                    self.remove(index, zone);
                }
            }
        }
        self.moves.len() > before
    }

    /// Gives the shard its leader, as far as members are there.
    fn lead(&mut self, index: usize) {
        let Some(shard) = self.shards.get_mut(index) else {
            return;
        };
        let id = shard.id;
        if shard.leader.is_none()
            && let Some(zone) = shard.next_leader()
        {
            shard.leader = Some(zone);
            for member in shard
                .members
                .iter_mut()
                .filter(|(at, _)| *at == zone)
                .take(1)
            {
                member.1 = true;
            }
            self.moves.push(Move {
                shard: id,
                step: Step::Appoint { zone: zone.clone() },
            });
        }
        let Some(from) = shard.leader.filter(|from| *from != shard.target_leader) else {
            return;
        };
        let to = shard.target_leader;
        if shard
            .members
            .iter()
            .any(|(zone, has_data)| *zone == to && *has_data)
        {
            shard.leader = Some(to);
            let step = Step::Switchover {
                from: from.clone(),
                to: to.clone(),
            };
            self.moves.push(Move { shard: id, step });
        }
    }

    fn add(&mut self, index: usize, zone: &'a ZoneName) {
        let Some(shard) = self.shards.get_mut(index) else {
            return;
        };
        // When the move is finished, the copy is in sync, if there was anything to copy.
        let has_data = shard.leader.is_some();
        shard.members.push((zone, has_data));
        *self.held.entry(zone).or_default() += 1;
        self.moves.push(Move {
            shard: shard.id,
            step: Step::Add { zone: zone.clone() },
        });
    }

    fn remove(&mut self, index: usize, zone: &'a ZoneName) {
        let Some(shard) = self.shards.get_mut(index) else {
            return;
        };
        let Some(leaver) = shard.leaver(zone) else {
            return;
        };
        shard.members.remove(leaver);
        if let Some(held) = self.held.get_mut(zone) {
            *held = held.saturating_sub(1);
        }
        self.moves.push(Move {
            shard: shard.id,
            step: Step::Remove { zone: zone.clone() },
        });
    }

    /// Members that are there but not in sync are waited for, when nothing else can be done.
    fn catch_up(&mut self) -> bool {
        let led = self
            .shards
            .iter_mut()
            .filter(|shard| shard.leader.is_some());
        let mut has_waited = false;
        for (_, has_data) in led.flat_map(|shard| &mut shard.members) {
            has_waited |= !*has_data;
            *has_data = true;
        }
        has_waited
    }

    /// Full zones wait for each other: one member goes over a zone that has room.
    fn detour(&mut self) -> bool {
        for index in 0..self.shards.len() {
            let Some(shard) = self.shards.get(index) else {
                continue;
            };
            if shard.missing().is_empty() || shard.surplus().is_empty() {
                continue;
            }
            let via = self.problem.zones.iter().find(|zone| {
                let is_new = shard.count(&zone.name) == 0 && shard.wanted(&zone.name) == 0;
                zone.state == ZoneState::Open && is_new && self.has_room(&zone.name)
            });
            let gives = shard.surplus().into_iter().find(|zone| {
                self.shards
                    .iter()
                    .any(|other| other.missing().contains(zone))
            });
            let (Some(via), Some(gives)) = (via.map(|zone| &zone.name), gives) else {
                continue;
            };
            if !self.is_awaited(gives) {
                continue;
            }
            self.add(index, via);
            self.hand_over(index, gives, via);
            self.remove(index, gives);
            return true;
        }
        false
    }

    /// Whether some shard waits for room in `zone`.
    fn is_awaited(&self, zone: &ZoneName) -> bool {
        !self.has_room(zone)
            && self
                .shards
                .iter()
                .any(|shard| shard.missing().contains(&zone))
    }

    /// Leadership leaves `from` before its member does.
    fn hand_over(&mut self, index: usize, from: &'a ZoneName, to: &'a ZoneName) {
        let Some(shard) = self.shards.get_mut(index) else {
            return;
        };
        if shard.leader == Some(from) && shard.count(from) == 1 {
            shard.leader = Some(to);
            let step = Step::Switchover {
                from: from.clone(),
                to: to.clone(),
            };
            self.moves.push(Move {
                shard: shard.id,
                step,
            });
        }
    }

    /// The last resort: a surplus member leaves before its successor is there. Only where the shard
    /// keeps copies in two zones, and only one.
    fn yield_room(&mut self) -> bool {
        let mut order: Vec<(usize, usize)> = self
            .shards
            .iter()
            .map(|shard| shard.members.len())
            .enumerate()
            .collect();
        order.sort_by_key(|(index, members)| (usize::MAX - members, *index));
        for (index, _) in order {
            let Some(shard) = self.shards.get(index) else {
                continue;
            };
            let gives = shard
                .surplus()
                .into_iter()
                .find(|zone| self.is_awaited(zone));
            let Some(gives) = gives else { continue };
            let keeps: BTreeSet<&ZoneName> = shard
                .members
                .iter()
                .filter(|(zone, has_data)| *zone != gives && *has_data)
                .map(|(zone, _)| *zone)
                .collect();
            // the loss of one zone must not become the loss of the shard, were it only for a moment
            if keeps.len() < 2 {
                continue;
            }
            let Some(heir) = keeps.first().copied() else {
                continue;
            };
            self.hand_over(index, gives, heir);
            if self
                .shards
                .get(index)
                .is_some_and(|shard| shard.can_lose(gives))
            {
                self.remove(index, gives);
                return true;
            }
        }
        false
    }
}
