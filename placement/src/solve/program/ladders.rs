//! Ladders: totals per zone climbed in steps, each dearer than the one before.

use crate::solve::program::{Builder, Ladder, Lonely, signed};
use crate::solve::tally::even;
use crate::solve::term::Term;

impl Builder<'_> {
    /// Leaders per zone; each also counts among the leaders after the loss of another zone.
    pub(super) fn add_leader_ladders(&mut self) {
        let quota = self.model.quota.min(self.model.shards);
        let over = self
            .known(Term::Quota)
            .unwrap_or(u64::from(self.model.shards));
        let over = u32::try_from(over)
            .unwrap_or(u32::MAX)
            .min(self.model.shards - quota);
        for zone in 0..self.model.zones() {
            let mut entries = vec![(self.rows.leaders + zone, -1)];
            for lost in (0..self.model.zones()).filter(|&lost| lost != zone) {
                entries.extend(self.heir_row(lost, zone).map(|row| (row, 1)));
            }
            let mut steps = vec![(self.program.matrix.columns(), signed(quota))];
            self.push(0, entries.clone(), &[], signed(quota));
            if over > 0 {
                steps.push((self.program.matrix.columns(), signed(over)));
                self.push(0, entries, &[(Term::Quota, 1)], signed(over));
            }
            self.program.ladders.push(Ladder { base: 0, steps });
        }
    }

    pub(super) fn add_member_ladders(&mut self) {
        let Some(first) = self.rows.members else {
            return;
        };
        let zones = self.model.zones();
        let total = self.model.total();
        let known = self.known(Term::Members).filter(|_| zones > 1);
        for zone in 0..zones {
            let room = self.model.capacity.at(zone).min(total);
            let Some(known) = known else {
                let steps = vec![(self.program.matrix.columns(), signed(room))];
                self.push(0, vec![(first + zone, -1)], &[], signed(room));
                self.program.ladders.push(Ladder { base: 0, steps });
                continue;
            };
            let least = known + even(self.model.asked, zones);
            let fits = |held: u32| {
                let rest = even(u64::from(total.saturating_sub(held)), zones - 1);
                u64::from(held) * u64::from(held) + rest <= least
            };
            let low = (0..=room).find(|held| fits(*held)).unwrap_or(room);
            let high = (low..=room).rev().find(|held| fits(*held)).unwrap_or(low);
            self.climb(first + zone, Term::Members, low, high);
        }
        if known.is_some() {
            let fair = even(self.model.asked, zones);
            self.add_constant(Term::Members, -i64::try_from(fair).unwrap_or(i64::MAX));
        }
    }

    /// A ladder of unit steps from `low` to `high` whose cost is the square of the total.
    fn climb(&mut self, row: usize, term: Term, low: u32, high: u32) {
        self.add_constant(term, i64::from(low) * i64::from(low));
        if let Some(rhs) = self.program.rhs.get_mut(row) {
            *rhs += signed(low);
        }
        let mut steps = Vec::new();
        for at in low..high {
            steps.push((self.program.matrix.columns(), 1));
            self.push(0, vec![(row, -1)], &[(term, 2 * signed(at) + 1)], 1);
        }
        self.program.ladders.push(Ladder {
            base: signed(low),
            steps,
        });
    }

    /// Leaders per zone after the loss of each other zone.
    pub(super) fn add_heir_ladders(&mut self, lonely: &Lonely) {
        let zones = self.model.zones();
        let Some(known) = self
            .known(Term::Second)
            .filter(|_| self.rows.heirs.is_some())
        else {
            return;
        };
        for lost in 0..zones {
            let (least, most) = lonely.at(lost);
            let totals = self.model.shards - most..=self.model.shards - least;
            let fits = |led: u32| {
                totals.clone().filter(|total| *total >= led).any(|total| {
                    let rest = even(u64::from(total - led), zones - 2);
                    let squares = u64::from(led) * u64::from(led) + rest;
                    squares <= known + even(u64::from(total), zones - 1)
                })
            };
            let low = (0..=self.model.shards).find(|led| fits(*led)).unwrap_or(0);
            let high = (low..=self.model.shards)
                .rev()
                .find(|led| fits(*led))
                .unwrap_or(low);
            for zone in (0..zones).filter(|&zone| zone != lost) {
                if let Some(row) = self.heir_row(lost, zone) {
                    self.climb(row, Term::Second, low, high);
                }
            }
            self.add_lonely_ladder(lost, least, most);
        }
    }

    /// What evenness could be at best depends on how many shards end with the zone. That part is
    /// concave; a chord from below stands for it: exact at the lower end and, but for rounding its
    /// slope to a whole number, at the upper one.
    fn add_lonely_ladder(&mut self, lost: usize, least: u32, most: u32) {
        let others = self.model.zones() - 1;
        let fair = |lonely: u32| {
            let even = even(u64::from(self.model.shards - lonely), others);
            -i64::try_from(even).unwrap_or(i64::MAX)
        };
        let (low, high) = (fair(least), fair(most));
        self.add_constant(Term::Second, low);
        let Some(first) = self.rows.lonely else {
            return;
        };
        if let Some(rhs) = self.program.rhs.get_mut(first + lost) {
            *rhs += signed(least);
        }
        let span = i64::from(most - least).max(1);
        let slope = i32::try_from((high - low).div_euclid(span)).unwrap_or(i32::MIN);
        let steps = vec![(self.program.matrix.columns(), signed(most - least))];
        let upper = signed(most - least);
        self.push(0, vec![(first + lost, -1)], &[(Term::Second, slope)], upper);
        self.program.ladders.push(Ladder {
            base: signed(least),
            steps,
        });
    }
}
