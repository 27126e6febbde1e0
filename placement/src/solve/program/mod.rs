//! One term's integer program: how many shards of each class take each pattern, such that terms
//! that come before are no worse than known.
//!
//! Convex terms are sums over *ladders*: a total (leaders, members, leaders after a loss) is
//! climbed in unit steps, each dearer than the one before, which is exact at whole numbers.

mod ladders;

use crate::model::{Model, Pattern, PerZone};
use crate::outcome::Score;
use crate::solve::catalog::{Catalog, Choice};
use crate::solve::matrix::{Entry, Matrix};
use crate::solve::term::Term;

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
        let is_loose = lonely.iter().any(|(least, most)| least < most);
        let lonely = claim(is_second && has_lonely, zones);
        let mut term_rows = Vec::new();
        for (place, term) in terms.iter().enumerate() {
            let is_goal = place + 1 == terms.len();
            let room = term
                .of(known)
                .saturating_sub(unavoidable(model, catalog, *term));
            // A term that has no room is held by its ladders, but for the second order where it is
            // not known how many shards end with a zone: there ladders are as long as for the most.
            let is_held = room == 0 && !(is_loose && is_second && *term == Term::Second);
            term_rows.push((*term, claim(!is_goal && !is_held, 1), 0));
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
