//! The sums on which the six terms depend, kept up to date as patterns are given and taken.

use crate::model::{Model, Pattern, PerZone, State};
use crate::outcome::Score;

/// What one shard in `state` costs by itself when it gets `pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) violations: u32,
    pub(crate) moves: u32,
    pub(crate) switches: u32,
    /// Present members, with data or without, that leave: no term, but settles ties.
    pub(crate) departures: u32,
}

impl Own {
    pub(crate) fn new(model: &Model, state: &State, pattern: &Pattern) -> Self {
        let mut own = Self {
            violations: 0,
            moves: u32::from(state.stranded),
            switches: 0,
            departures: 0,
        };
        for zone in 0..model.zones() {
            let stay = pattern.members.at(zone);
            own.violations += u32::from(stay.saturating_sub(1));
            own.moves += u32::from(model.moved_from(state, zone, stay));
            own.departures += u32::from(state.present.at(zone).saturating_sub(stay));
        }
        if let Some(leader) = state.leader {
            let is_demoted =
                leader != pattern.leader && pattern.members.at(usize::from(leader)) > 0;
            own.switches = u32::from(is_demoted);
        }
        own
    }
}

/// Sums over all shards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) members: PerZone<u32>,
    pub(crate) leaders: PerZone<u32>,
    pub(crate) heirs: PerZone<PerZone<u32>>,
    violations: u64,
    moves: u64,
    switches: u64,
    departures: u64,
}

impl Tally {
    /// The sums of a whole choice of patterns.
    pub(crate) fn of(model: &Model, chosen: &[Vec<(Pattern, u32)>]) -> Self {
        let mut tally = Self::default();
        for (class, patterns) in model.classes.iter().zip(chosen) {
            for (pattern, count) in patterns {
                let own = Own::new(model, &class.state, pattern);
                for _ in 0..*count {
                    tally.give(pattern, own);
                }
            }
        }
        tally
    }

    pub(crate) fn give(&mut self, pattern: &Pattern, own: Own) {
        for (zone, count) in pattern.members.iter().enumerate() {
            if let Some(members) = self.members.slot(zone) {
                *members += u32::from(count);
            }
        }
        let leader = usize::from(pattern.leader);
        if let Some(leaders) = self.leaders.slot(leader) {
            *leaders += 1;
        }
        if let Some(heirs) = self.heir_slot(pattern) {
            *heirs += 1;
        }
        self.violations += u64::from(own.violations);
        self.moves += u64::from(own.moves);
        self.switches += u64::from(own.switches);
        self.departures += u64::from(own.departures);
    }

    pub(crate) fn take(&mut self, pattern: &Pattern, own: Own) {
        for (zone, count) in pattern.members.iter().enumerate() {
            if let Some(members) = self.members.slot(zone) {
                *members = members.saturating_sub(u32::from(count));
            }
        }
        let leader = usize::from(pattern.leader);
        if let Some(leaders) = self.leaders.slot(leader) {
            *leaders = leaders.saturating_sub(1);
        }
        if let Some(heirs) = self.heir_slot(pattern) {
            *heirs = heirs.saturating_sub(1);
        }
        self.violations = self.violations.saturating_sub(u64::from(own.violations));
        self.moves = self.moves.saturating_sub(u64::from(own.moves));
        self.switches = self.switches.saturating_sub(u64::from(own.switches));
        self.departures = self.departures.saturating_sub(u64::from(own.departures));
    }

    fn heir_slot(&mut self, pattern: &Pattern) -> Option<&mut u32> {
        self.heirs
            .slot(usize::from(pattern.leader))?
            .slot(usize::from(pattern.heir?))
    }

    /// Members beyond the capacity of their zone, over all zones.
    pub(crate) fn overflow(&self, model: &Model) -> u64 {
        let over = self.members.iter().zip(model.capacity.iter());
        over.map(|(held, room)| u64::from(held.saturating_sub(room)))
            .sum()
    }

    /// What is minimised, most important first: room, the six terms, departures.
    pub(crate) fn rank(&self, model: &Model) -> [u64; 8] {
        let [first, second, third, fourth, fifth, sixth] = self.score(model).in_order(model.mode);
        let overflow = self.overflow(model);
        [
            overflow,
            first,
            second,
            third,
            fourth,
            fifth,
            sixth,
            self.departures,
        ]
    }

    pub(crate) fn score(&self, model: &Model) -> Score {
        let over = self
            .leaders
            .iter()
            .map(|led| led.saturating_sub(model.quota));
        let zones = model.zones();
        let squares: u64 = self
            .members
            .iter()
            .map(|n| u64::from(n) * u64::from(n))
            .sum();
        Score {
            zone_violations: self.violations,
            leaders_over_quota: over.map(u64::from).sum(),
            data_moves: self.moves,
            member_imbalance: squares.saturating_sub(even(model.asked, zones)),
            second_order_imbalance: self.second_order(zones),
            switchovers: self.switches,
        }
    }

    fn second_order(&self, zones: usize) -> u64 {
        if zones < 2 {
            return 0;
        }
        let mut imbalance = 0;
        for lost in 0..zones {
            let heirs = self.heirs.at(lost);
            let (mut sum, mut squares) = (0, 0);
            for zone in (0..zones).filter(|&zone| zone != lost) {
                let led = u64::from(self.leaders.at(zone)) + u64::from(heirs.at(zone));
                sum += led;
                squares += led * led;
            }
            imbalance += squares.saturating_sub(even(sum, zones - 1));
        }
        imbalance
    }
}

/// The least sum of squares of `parts` whole numbers that add up to `total`.
pub(crate) fn even(total: u64, parts: usize) -> u64 {
    let parts = u64::try_from(parts).unwrap_or(u64::MAX).max(1);
    let (low, above) = (total / parts, total % parts);
    above * (low + 1) * (low + 1) + (parts - above) * low * low
}
