//! What would make an infeasible problem feasible. Each change is tried: the changed problem is
//! checked before the change is advised.

use super::infeasible::count;
use crate::problem::{CurrentShard, Problem, WhenUnsatisfiable, ZONES_MAX};
use crate::solve::is_feasible;
use crate::topology::{Zone, ZoneName, ZoneState};

/// The changes that were found to help, in words.
pub(super) struct Advice<'a> {
    problem: &'a Problem,
    options: Vec<String>,
}

impl<'a> Advice<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        Self {
            problem,
            options: Vec::new(),
        }
    }

    /// Advises the change if it leads to `changed`, and that has a placement.
    pub(super) fn offer(&mut self, change: String, changed: &Problem) -> bool {
        let helps = is_feasible(changed);
        if helps {
            self.options.push(change);
        }
        helps
    }

    /// Opens what is closed.
    pub(super) fn offer_zones_that_are_there(&mut self) {
        let named = |zones: &[&Zone]| {
            let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
            names.join(", ")
        };
        let zones = &self.problem.zones;
        let is_cordoned = |zone: &Zone| zone.state == ZoneState::Cordoned;
        let is_full = |zone: &Zone| zone.state == ZoneState::Open && zone.capacity == Some(0);
        let cordoned: Vec<&Zone> = zones.iter().filter(|it| is_cordoned(it)).collect();
        let full: Vec<&Zone> = zones.iter().filter(|it| is_full(it)).collect();
        if !cordoned.is_empty() {
            let change = format!("uncordon {}", named(&cordoned));
            let mut changed = self.problem.clone();
            for zone in changed.zones.iter_mut().filter(|it| is_cordoned(it)) {
                zone.state = ZoneState::Open;
            }
            self.offer(change, &changed);
        }
        if !full.is_empty() {
            let most = match self.problem.when_unsatisfiable {
                WhenUnsatisfiable::DoNotSchedule => self.problem.shards,
                WhenUnsatisfiable::ScheduleAnyway => {
                    self.problem.shards * self.problem.members_per_shard
                }
            };
            let each = if full.len() > 1 { " each" } else { "" };
            let change = format!(
                "give {} room for {}{each}",
                named(&full),
                count(most, "member")
            );
            let mut changed = self.problem.clone();
            for zone in changed.zones.iter_mut().filter(|it| is_full(it)) {
                zone.capacity = Some(most);
            }
            self.offer(change, &changed);
        }
    }

    /// Adds the fewest zones without a bound that suffice, `least` or more. Zones that take nobody
    /// stay listed, so they count towards the most that a problem may have.
    pub(super) fn offer_new_zones(&mut self, least: u32) {
        let mut changed = self.problem.clone();
        let mut added = 0;
        while changed.zones.len() < ZONES_MAX {
            added += 1;
            changed.zones.push(Zone::open(&format!("new zone {added}")));
            if added >= least && self.offer(format!("add {}", count(added, "zone")), &changed) {
                return;
            }
        }
    }

    /// Asks for less: fewer followers, or members that may meet in a zone.
    pub(super) fn offer_less(&mut self) {
        for members in (1..self.problem.members_per_shard).rev() {
            let mut changed = self.problem.clone();
            changed.members_per_shard = members;
            let change = format!("lower followersPerLeader to {}", members - 1);
            if self.offer(change, &changed) {
                break;
            }
        }
        if self.problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule {
            self.offer(ANYWAY.to_owned(), &anyway(self.problem));
        }
    }

    /// The advice as the end of a sentence.
    pub(super) fn words(mut self) -> String {
        match self.options.pop() {
            None => "no single change is enough".to_owned(),
            Some(only) if self.options.is_empty() => only,
            Some(last) => format!("{}, or {last}", self.options.join(", ")),
        }
    }
}

pub(super) const ANYWAY: &str = "set whenUnsatisfiable to ScheduleAnyway";

/// The problem with members that may meet in a zone.
pub(super) fn anyway(problem: &Problem) -> Problem {
    Problem {
        when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
        ..problem.clone()
    }
}

/// The problem with more room in the named zones.
pub(super) fn with_room(problem: &Problem, more: &[(ZoneName, u32)]) -> Problem {
    let mut changed = problem.clone();
    for zone in &mut changed.zones {
        let extra = more.iter().find(|(name, _)| *name == zone.name);
        if let (Some(room), Some((_, extra))) = (zone.capacity, extra) {
            zone.capacity = Some(room.saturating_add(*extra));
        }
    }
    changed
}

/// The problem with the chosen shards unpinned.
pub(super) fn unpinned(problem: &Problem, is_chosen: impl Fn(&CurrentShard) -> bool) -> Problem {
    let mut changed = problem.clone();
    for shard in changed.current.iter_mut().filter(|it| is_chosen(it)) {
        shard.pinned = false;
    }
    changed
}
