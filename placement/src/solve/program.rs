//! One term's integer program: how many shards of each class take each pattern, such that terms
//! that come before are no worse than known.
//!
//! Convex terms are sums over *ladders*: a total (leaders, members, leaders after a loss) is
//! climbed in unit steps, each dearer than the one before, which is exact at whole numbers.

use crate::model::{Model, Pattern, PerZone};
use crate::outcome::Score;
use crate::problem::Mode;
use crate::solve::catalog::{Catalog, Choice};
use crate::solve::matrix::{Entry, Matrix};
use crate::solve::tally::{Own, even};

/// A term of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Violations,
    Quota,
    Moves,
    Members,
    Second,
    Switches,
}

impl Term {
    /// The terms in the order of `mode`.
    pub(super) fn in_order(mode: Mode) -> [Self; 6] {
        use Term::{Members, Moves, Quota, Second, Switches, Violations};
        match mode {
            Mode::Repair => [Violations, Quota, Moves, Members, Second, Switches],
            Mode::Rebalance => [Violations, Quota, Members, Second, Moves, Switches],
        }
    }

    /// The terms that are sums of what each shard costs by itself.
    const LINEAR: [Self; 3] = [Self::Violations, Self::Moves, Self::Switches];

    /// What one shard adds to a linear term.
    fn amount(self, own: &Own) -> Option<u32> {
        match self {
            Self::Violations => Some(own.violations),
            Self::Moves => Some(own.moves),
            Self::Switches => Some(own.switches),
            Self::Quota | Self::Members | Self::Second => None,
        }
    }

    pub(super) fn set(self, score: &mut Score, value: u64) {
        match self {
            Self::Violations => score.zone_violations = value,
            Self::Quota => score.leaders_over_quota = value,
            Self::Moves => score.data_moves = value,
            Self::Members => score.member_imbalance = value,
            Self::Second => score.second_order_imbalance = value,
            Self::Switches => score.switchovers = value,
        }
    }

    pub(super) fn of(self, score: &Score) -> u64 {
        match self {
            Self::Violations => score.zone_violations,
            Self::Quota => score.leaders_over_quota,
            Self::Moves => score.data_moves,
            Self::Members => score.member_imbalance,
            Self::Second => score.second_order_imbalance,
            Self::Switches => score.switchovers,
        }
    }
}

/// More than chords can lie below the curve, over all zones.
const CHORD_GAP: i32 = 4_000_000;

/// A total that is climbed in steps.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    pub(super) base: i32,
    /// Column and length of each step.
    pub(super) steps: Vec<(usize, i32)>,
}

/// Least and most shards led in each zone that have no member elsewhere.
pub(super) type Lonely = PerZone<(u32, u32)>;

/// The program of one term.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) matrix: Matrix,
    pub(super) rhs: Vec<i32>,
    pub(super) cost: Vec<i32>,
    pub(super) lower: Vec<i32>,
    pub(super) upper: Vec<i32>,
    pub(super) constant: i64,
    /// For each class its first column and the patterns of its columns.
    pub(super) classes: Vec<(usize, Vec<Pattern>)>,
    pub(super) ladders: Vec<Ladder>,
}

/// Where the rows of totals begin.
struct Rows {
    leaders: usize,
    members: Option<usize>,
    heirs: Option<usize>,
    lonely: Option<usize>,
    count: usize,
}

struct Builder<'a> {
    model: &'a Model,
    known: &'a Score,
    /// The term to minimise and those before it, in order, the last one being minimised.
    terms: &'a [Term],
    rows: Rows,
    program: Program,
    /// Per term its row, if it has one, and what the row's right side loses to constants.
    term_rows: Vec<(Term, Option<usize>, i64)>,
}

/// The program that minimises the last of `terms`, the others no worse than in `known`.
pub(super) fn build(
    model: &Model,
    catalog: &Catalog,
    known: &Score,
    terms: &[Term],
    lonely: &Lonely,
) -> Program {
    let mut builder = Builder::new(model, catalog, known, terms, lonely);
    builder.add_patterns(catalog);
    builder.add_leader_ladders();
    builder.add_member_ladders();
    builder.add_heir_ladders(lonely);
    builder.finish()
}

impl<'a> Builder<'a> {
    fn new(
        model: &'a Model,
        catalog: &Catalog,
        known: &'a Score,
        terms: &'a [Term],
        lonely: &Lonely,
    ) -> Self {
        let zones = model.zones();
        let leaders = model.classes.len();
        let mut count = leaders + zones;
        let mut claim = |is_wanted: bool, rows: usize| {
            is_wanted.then(|| {
                count += rows;
                count - rows
            })
        };
        let has_bound = model
            .capacity
            .iter()
            .take(zones)
            .any(|room| room < u32::MAX);
        let members = claim(has_bound || terms.contains(&Term::Members), zones);
        let is_second = terms.contains(&Term::Second) && zones > 2;
        let heirs = claim(is_second, zones * zones);
        let has_lonely = lonely.iter().any(|(_, most)| most > 0);
        let lonely = claim(is_second && has_lonely, zones);
        let mut term_rows = Vec::new();
        for (place, term) in terms.iter().enumerate() {
            let is_goal = place + 1 == terms.len();
            let room = term
                .of(known)
                .saturating_sub(unavoidable(model, catalog, *term));
            term_rows.push((*term, claim(!is_goal && room > 0, 1), 0));
        }
        let program = Program {
            matrix: Matrix::new(),
            rhs: vec![0; count],
            cost: Vec::new(),
            lower: Vec::new(),
            upper: Vec::new(),
            constant: 0,
            classes: Vec::new(),
            ladders: Vec::new(),
        };
        let rows = Rows {
            leaders,
            members,
            heirs,
            lonely,
            count,
        };
        Self {
            model,
            known,
            terms,
            rows,
            program,
            term_rows,
        }
    }

    fn goal(&self) -> Option<Term> {
        self.terms.last().copied()
    }

    fn known(&self, term: Term) -> Option<u64> {
        self.terms.contains(&term).then(|| term.of(self.known))
    }

    fn heir_row(&self, leader: usize, heir: usize) -> Option<usize> {
        self.rows
            .heirs
            .map(|first| first + leader * self.model.zones() + heir)
    }

    /// Adds a column that counts `amount` of `term` per unit.
    fn push(&mut self, shared: usize, mut own: Vec<Entry>, amounts: &[(Term, i32)], upper: i32) {
        let mut cost = 0;
        for (term, amount) in amounts.iter().filter(|(_, amount)| *amount != 0) {
            if self.goal() == Some(*term) {
                cost += amount;
            }
            let row = self.term_rows.iter().find(|(known, ..)| known == term);
            if let Some((_, Some(row), _)) = row {
                own.push((*row, *amount));
            }
        }
        self.program.matrix.push(shared, &own);
        self.program.cost.push(cost);
        self.program.lower.push(0);
        self.program.upper.push(upper);
    }

    /// Accounts for a part of `term` that is there whatever is decided.
    fn add_constant(&mut self, term: Term, amount: i64) {
        if self.goal() == Some(term) {
            self.program.constant += amount;
        }
        for (known, _, constant) in &mut self.term_rows {
            if *known == term {
                *constant += amount;
            }
        }
    }

    fn add_patterns(&mut self, catalog: &Catalog) {
        let known: Vec<(Term, u64)> = Term::LINEAR
            .into_iter()
            .filter_map(|term| Some((term, self.known(term)?)))
            .map(|(term, known)| {
                (
                    term,
                    known.saturating_sub(unavoidable(self.model, catalog, term)),
                )
            })
            .collect();
        // What a pattern may cost at most, given what its class costs at least.
        let limits = |choices: &[Choice]| -> Vec<(Term, u64)> {
            known
                .iter()
                .map(|(term, room)| (*term, room + least(choices, *term)))
                .collect()
        };
        let shared: Vec<usize> = catalog
            .patterns
            .iter()
            .map(|pattern| self.pattern_part(pattern))
            .collect();
        for (class_row, (class, choices)) in
            self.model.classes.iter().zip(&catalog.choices).enumerate()
        {
            let size = signed(class.size());
            if let Some(rhs) = self.program.rhs.get_mut(class_row) {
                *rhs = size;
            }
            let first = self.program.matrix.columns();
            let limits = limits(choices);
            let mut patterns = Vec::new();
            for choice in choices {
                let is_too_dear = |(term, most): &(Term, u64)| {
                    term.amount(&choice.own)
                        .is_some_and(|amount| u64::from(amount) > *most)
                };
                if limits.iter().any(is_too_dear) {
                    continue;
                }
                let amounts =
                    Term::LINEAR.map(|term| (term, signed(term.amount(&choice.own).unwrap_or(0))));
                let part = shared.get(choice.number).copied().unwrap_or(0);
                self.push(part, vec![(class_row, 1)], &amounts, size);
                patterns.push(choice.pattern);
            }
            self.program.classes.push((first, patterns));
        }
    }

    fn pattern_part(&mut self, pattern: &Pattern) -> usize {
        let leader = usize::from(pattern.leader);
        let mut entries = vec![(self.rows.leaders + leader, 1)];
        if let Some(first) = self.rows.members {
            for zone in (0..self.model.zones()).filter(|&zone| pattern.members.at(zone) > 0) {
                entries.push((first + zone, i32::from(pattern.members.at(zone))));
            }
        }
        match pattern.heir {
            Some(heir) => {
                entries.extend(self.heir_row(leader, usize::from(heir)).map(|row| (row, 1)));
            }
            None => entries.extend(self.rows.lonely.map(|first| (first + leader, 1))),
        }
        self.program.matrix.share(entries)
    }

    /// Leaders per zone; each also counts among the leaders after the loss of another zone.
    fn add_leader_ladders(&mut self) {
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

    fn add_member_ladders(&mut self) {
        let Some(first) = self.rows.members else {
            return;
        };
        let zones = self.model.zones();
        let total = self.model.shards * u32::from(self.model.members);
        let known = self.known(Term::Members).filter(|_| zones > 1);
        for zone in 0..zones {
            let room = self.model.capacity.at(zone).min(total);
            let Some(known) = known else {
                let steps = vec![(self.program.matrix.columns(), signed(room))];
                self.push(0, vec![(first + zone, -1)], &[], signed(room));
                self.program.ladders.push(Ladder { base: 0, steps });
                continue;
            };
            let least = known + even(u64::from(total), zones);
            let fits = |held: u32| {
                let rest = even(u64::from(total.saturating_sub(held)), zones - 1);
                u64::from(held) * u64::from(held) + rest <= least
            };
            let low = (0..=room).find(|held| fits(*held)).unwrap_or(room);
            let high = (low..=room).rev().find(|held| fits(*held)).unwrap_or(low);
            self.climb(first + zone, Term::Members, low, high);
        }
        if known.is_some() {
            let fair = even(u64::from(total), zones);
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
    fn add_heir_ladders(&mut self, lonely: &Lonely) {
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
    /// concave; a chord from below stands for it, and is exact at both ends.
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

    /// Adds the slack columns, one a row.
    fn finish(mut self) -> Program {
        let mut slack = vec![0; self.rows.count];
        for (term, row, constant) in &self.term_rows {
            let Some(row) = *row else { continue };
            let known = i64::try_from(term.of(self.known)).unwrap_or(i64::MAX);
            let right = i32::try_from(known - constant).unwrap_or(i32::MAX);
            if let Some(rhs) = self.program.rhs.get_mut(row) {
                *rhs = right;
            }
            if let Some(slot) = slack.get_mut(row) {
                // No term is negative; where a chord stands for the second order, it may seem so.
                let below = if *term == Term::Second { CHORD_GAP } else { 0 };
                *slot = i32::try_from(known)
                    .unwrap_or(i32::MAX)
                    .saturating_add(below);
            }
        }
        for (row, upper) in slack.into_iter().enumerate() {
            self.program.matrix.push(0, &[(row, 1)]);
            self.program.cost.push(0);
            self.program.lower.push(0);
            self.program.upper.push(upper);
        }
        self.program
    }
}

/// What the cheapest of `choices` adds to `term`.
fn least(choices: &[Choice], term: Term) -> u64 {
    let amounts = choices.iter().filter_map(|choice| term.amount(&choice.own));
    amounts.min().map_or(0, u64::from)
}

/// What the shards add to `term` if each is as cheap as its class allows.
fn unavoidable(model: &Model, catalog: &Catalog, term: Term) -> u64 {
    let classes = model.classes.iter().zip(&catalog.choices);
    classes
        .map(|(class, choices)| u64::from(class.size()) * least(choices, term))
        .sum()
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
