//! What the whole would cost if one more shard got a pattern: prepared once, asked for each choice.

use crate::model::{Model, Pattern, PerZone};
use crate::problem::Mode;
use crate::solve::catalog::Choice;
use crate::solve::tally::{Own, Tally, even};

/// What is minimised, most important first: room, the six terms, departures. Comparable between
/// choices of one outlook only.
pub(super) type Rank = [u64; 8];

/// The costs of giving one more pattern, given all others.
pub(super) struct Outlook<'a> {
    model: &'a Model,
    tally: &'a Tally,
    overflow: u64,
    over: u64,
    squares: u64,
    /// The second-order imbalance by the leader and the heir of the pattern that is given.
    second: PerZone<PerZone<u64>>,
    /// The same for a pattern without an heir.
    second_alone: PerZone<u64>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(model: &'a Model, tally: &'a Tally) -> Self {
        let over = tally
            .leaders
            .iter()
            .map(|led| u64::from(led.saturating_sub(model.quota)));
        let mut outlook = Self {
            model,
            tally,
            overflow: tally.overflow(model),
            over: over.sum(),
            squares: tally
                .members
                .iter()
                .map(|held| u64::from(held) * u64::from(held))
                .sum(),
            second: PerZone::default(),
            second_alone: PerZone::default(),
        };
        outlook.look_second();
        outlook
    }

    /// What it costs to look, and to compare `choices`.
    pub(super) fn work(model: &Model, choices: usize) -> u64 {
        let zones = model.zones();
        u64::try_from(zones * zones + choices).unwrap_or(u64::MAX)
    }

    fn look_second(&mut self) {
        let zones = self.model.zones();
        if zones < 2 {
            return;
        }
        let led = |lost: usize, zone: usize| {
            u64::from(self.tally.leaders.at(zone)) + u64::from(self.tally.heirs.at(lost).at(zone))
        };
        let mut now = PerZone::<(u64, u64)>::default();
        for lost in 0..zones {
            let rest = (0..zones)
                .filter(|&zone| zone != lost)
                .map(|zone| led(lost, zone));
            now.set(
                lost,
                rest.fold((0, 0), |(sum, squares), n| (sum + n, squares + n * n)),
            );
        }
        let imbalance = |sum: u64, squares: u64| squares.saturating_sub(even(sum, zones - 1));
        for leader in 0..zones {
            let mut others = 0;
            for lost in (0..zones).filter(|&lost| lost != leader) {
                let (sum, squares) = now.at(lost);
                others += imbalance(sum + 1, squares + 2 * led(lost, leader) + 1);
            }
            let (sum, squares) = now.at(leader);
            self.second_alone
                .set(leader, others + imbalance(sum, squares));
            let mut row = PerZone::default();
            for heir in (0..zones).filter(|&heir| heir != leader) {
                let more = imbalance(sum + 1, squares + 2 * led(leader, heir) + 1);
                row.set(heir, others + more);
            }
            self.second.set(leader, row);
        }
    }

    /// The rank of the whole with `pattern` given.
    pub(super) fn rank(&self, pattern: &Pattern, own: Own) -> Rank {
        let (mut overflow, mut squares) = (self.overflow, self.squares);
        for zone in 0..self.model.zones() {
            let more = u32::from(pattern.members.at(zone));
            let held = self.tally.members.at(zone);
            let beyond = (held + more).saturating_sub(self.model.capacity.at(zone).max(held));
            overflow += u64::from(beyond);
            squares += u64::from(more) * u64::from(2 * held + more);
        }
        let leader = usize::from(pattern.leader);
        let over = self.over + u64::from(self.tally.leaders.at(leader) >= self.model.quota);
        let second = match pattern.heir {
            Some(heir) => self.second.at(leader).at(usize::from(heir)),
            None => self.second_alone.at(leader),
        };
        let (violations, moves) = (u64::from(own.violations), u64::from(own.moves));
        let (switches, departures) = (u64::from(own.switches), u64::from(own.departures));
        match self.model.mode {
            Mode::Repair => [
                overflow, violations, over, moves, squares, second, switches, departures,
            ],
            Mode::Rebalance => [
                overflow, violations, over, squares, second, moves, switches, departures,
            ],
        }
    }

    /// The choice after which the whole is best.
    pub(super) fn best(&self, choices: &[Choice]) -> Option<(Rank, Choice)> {
        let mut best: Option<(Rank, Choice)> = None;
        for choice in choices {
            let rank = self.rank(&choice.pattern, choice.own);
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, *choice));
            }
        }
        best
    }
}
