//! Problem in, best placement out. Pure: no clock, no randomness; the budget is counted in steps.

mod bound;
mod branch;
mod catalog;
mod improve;
mod inverse;
mod matrix;
mod outlook;
mod program;
mod settle;
mod simplex;
mod start;
mod tally;
mod term;

use crate::explain;
use crate::model::{Model, PerZone};
use crate::outcome::{Placement, Score, SolveError};
use crate::problem::{Mode, Problem};
use crate::solve::branch::{Best, Outcome, Search};
use crate::solve::catalog::Catalog;
use crate::solve::program::{Lonely, build};
use crate::solve::simplex::spend;
use crate::solve::start::Start;
use crate::solve::tally::Tally;
use crate::solve::term::Term;

/// How much arithmetic an answer may cost, in steps, so that the same question has the same answer
/// on every machine. What is spent early is missing later: the answer is then not proven best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For descents: comparisons of a shard's pattern with another one.
    pub descent: u64,
    /// For proofs; by default about half a second. Ordinary problems need a tenth.
    pub proof: u64,
    /// For each term after the proof of an earlier one has failed: enough for a bound.
    pub bound: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            descent: 400_000,
            proof: 600_000_000,
            bound: 40_000_000,
        }
    }
}

/// The best placement for `problem`, or why there is none.
///
/// Same problem, same answer. The answer says whether it is proven best ([`Placement::optimal`]).
pub fn solve(problem: &Problem) -> Result<Placement, SolveError> {
    solve_within(problem, Budget::default())
}

/// The same within another budget: a smaller one may find a worse placement, and proves less.
pub fn solve_within(problem: &Problem, budget: Budget) -> Result<Placement, SolveError> {
    problem.check()?;
    let infeasible = || SolveError::Infeasible(explain::infeasible(problem));
    let model = Model::new(problem).ok_or_else(infeasible)?;
    let first = start::start(&model).ok_or_else(infeasible)?;
    if first.relaxed.overflow(&model) > 0 {
        return Err(infeasible());
    }
    let mut solver = Solver::new(&model, first, budget);
    let bound = solver.prove();
    let score = solver.best.tally.score(&model);
    let mut placement = model.placement(&solver.best.chosen, score);
    placement.optimal = bound == score;
    placement.bound = (bound != score).then_some(bound);
    Ok(placement)
}

/// Whether any placement exists.
pub(crate) fn is_feasible(problem: &Problem) -> bool {
    let Some(model) = Model::new(problem) else {
        return false;
    };
    start::start(&model).is_some_and(|first| first.relaxed.overflow(&model) == 0)
}

struct Solver<'a> {
    model: &'a Model,
    catalog: Catalog,
    relaxed: Tally,
    best: Best,
    steps: u64,
    /// What `steps` are set to once a proof has failed.
    steps_for_bound: u64,
    descent: u64,
    /// The least values of terms that searches have held placements to.
    asked: Score,
}

impl<'a> Solver<'a> {
    fn new(model: &'a Model, first: Start, budget: Budget) -> Self {
        let violations = first.relaxed.score(model).zone_violations;
        let catalog = Catalog::new(model, violations);
        let tally = Tally::of(model, &first.chosen);
        let mut solver = Self {
            model,
            catalog,
            relaxed: first.relaxed,
            best: Best {
                chosen: first.chosen,
                tally,
            },
            steps: budget.proof,
            steps_for_bound: budget.bound,
            descent: budget.descent,
            asked: Score {
                zone_violations: u64::MAX,
                leaders_over_quota: u64::MAX,
                data_moves: u64::MAX,
                member_imbalance: u64::MAX,
                second_order_imbalance: u64::MAX,
                switchovers: u64::MAX,
            },
        };
        if let Some(chosen) = start::stay(model) {
            let tally = Tally::of(model, &chosen);
            if tally.rank(model) <= solver.best.tally.rank(model) {
                solver.best = Best { chosen, tally };
            }
        }
        let mut chosen = solver.best.chosen.clone();
        improve::improve(model, &solver.catalog, &mut chosen, &mut solver.descent);
        solver.best.offer(model, chosen);
        solver
    }

    /// Proves term after term that none is lower; returns the bounds.
    fn prove(&mut self) -> Score {
        let terms = Term::in_order(self.model.mode);
        let mut claims = Vec::new();
        for (place, term) in terms.iter().enumerate() {
            let upto = terms.get(..=place).unwrap_or_default();
            let least = self.bound(*term, upto);
            claims.push((least, self.asked));
            if least < self.known(*term) {
                self.steps = self.steps_for_bound;
            }
        }
        still_true(&terms, &claims, &self.best.tally.score(self.model))
    }

    /// Notes that what follows looks only at placements that are no worse than known in `terms`.
    fn ask(&mut self, terms: &[Term]) {
        let score = self.best.tally.score(self.model);
        for term in terms {
            let least = term.of(&score).min(term.of(&self.asked));
            term.set(&mut self.asked, least);
        }
    }

    fn known(&self, term: Term) -> u64 {
        term.of(&self.best.tally.score(self.model))
    }

    /// A proven lower bound of the last of `terms`, the others being no worse than known; on the
    /// way the best placement may become better.
    fn bound(&mut self, term: Term, terms: &[Term]) -> u64 {
        let (_, before) = terms.split_last().unwrap_or((&term, &[]));
        self.ask(before);
        let easy = self.easy_bound(term);
        if self.known(term) <= easy {
            return self.known(term);
        }
        if !self.catalog.is_complete {
            return easy;
        }
        let stride = match term {
            Term::Members | Term::Second => 2,
            _ => 1,
        };
        let whole = self.lonely();
        let mut boxes = vec![whole];
        let mut useful = None;
        let mut root: Option<i128> = None;
        let mut least = self.known(term);
        while let Some(lonely) = boxes.pop() {
            self.ask(before);
            let known = self.best.tally.score(self.model);
            let program = build(self.model, &self.catalog, &known, terms, &lonely);
            // Set up and priced, whether there is anything to decide or not.
            let size = 16 * program.matrix.columns() + program.rhs.len() * program.rhs.len();
            if !spend(&mut self.steps, u64::try_from(size).unwrap_or(u64::MAX)) {
                return rounded(root, stride, least).max(easy);
            }
            let mut search = Search::new(
                (self.model, &self.catalog),
                (term, stride, least),
                program,
                &mut self.best,
                (&mut self.steps, &mut self.descent),
                lonely.iter().collect(),
            );
            let outcome = search.run();
            least = search.least;
            root = root.or(search.root);
            if lonely == whole {
                useful = search.useful();
            }
            match outcome {
                Outcome::Proven => {}
                Outcome::Split(zone, at) => {
                    let (least, most) = lonely.at(zone);
                    let (mut low, mut high) = (lonely, lonely);
                    low.set(zone, (least, at));
                    high.set(zone, (at + 1, most));
                    boxes.extend([high, low]);
                }
                Outcome::Unproven => {
                    return rounded(root, stride, least).max(easy);
                }
            }
        }
        // What comes next asks only for placements that are as good in this term.
        if let Some(useful) = useful {
            self.ask(&[term]);
            self.catalog.keep(useful);
        }
        least.min(self.known(term))
    }

    /// What the settling of members alone has proven already.
    fn easy_bound(&self, term: Term) -> u64 {
        let (score, relaxed) = (
            self.best.tally.score(self.model),
            self.relaxed.score(self.model),
        );
        let is_equal = |term: Term| term.of(&score) == term.of(&relaxed);
        let holds = match (term, self.model.mode) {
            (Term::Violations, _)
            | (Term::Members, Mode::Rebalance)
            | (Term::Moves, Mode::Repair) => true,
            (Term::Moves, Mode::Rebalance) => is_equal(Term::Members),
            (Term::Members, Mode::Repair) => is_equal(Term::Moves),
            (Term::Quota | Term::Second | Term::Switches, _) => false,
        };
        if holds { term.of(&relaxed) } else { 0 }
    }

    /// How many shards can at least and at most be led in a zone without a member elsewhere.
    fn lonely(&self) -> Lonely {
        let mut lonely: Lonely = PerZone::default();
        for (class, choices) in self.model.classes.iter().zip(&self.catalog.choices) {
            for zone in 0..self.model.zones() {
                let mut is_here = choices.iter().map(|choice| {
                    choice.pattern.heir.is_none() && usize::from(choice.pattern.leader) == zone
                });
                let can = is_here.clone().any(|it| it);
                let must = is_here.all(|it| it);
                let (at_least, at_most) = lonely.at(zone);
                let (low, high) = (u32::from(must), u32::from(can));
                let size = class.size();
                lonely.set(zone, (at_least + size * low, at_most + size * high));
            }
        }
        lonely
    }
}

/// The bounds (each with what its search held the terms before to) that still hold for `score`.
///
/// Where a term is unproven the best known can get better in it and worse in one after it. A search
/// that had held that one lower has not looked at all that is allowed now: what it claims is dropped.
fn still_true(terms: &[Term], claims: &[(u64, Score)], score: &Score) -> Score {
    let mut bound = Score::default();
    for (place, (term, (least, asked))) in terms.iter().zip(claims).enumerate() {
        let mut before = terms.iter().take(place);
        if before.all(|it| it.of(score) <= it.of(asked)) {
            term.set(&mut bound, *least);
        }
    }
    bound
}

/// The bound as a whole number that the term can be.
fn rounded(root: Option<i128>, stride: u64, known: u64) -> u64 {
    let Some(root) = root else { return 0 };
    let whole = -(-root).div_euclid(bound::ONE);
    let least = u64::try_from(whole.max(0)).unwrap_or(0).min(known);
    known - (known - least) / stride * stride
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_dropped_where_a_term_before_it_has_become_worse_than_its_search_held_it() {
        let score = |moves, members, switchovers| Score {
            data_moves: moves,
            member_imbalance: members,
            switchovers,
            ..Score::default()
        };
        // moves unproven, known as 9 when the others were searched; members proven at 2 then
        let asked = score(9, 2, 5);
        let cases = [
            ("nothing changed", score(9, 2, 5), score(4, 2, 3)),
            ("all became better", score(8, 2, 5), score(4, 2, 3)),
            ("members became worse", score(8, 6, 5), score(4, 2, 0)),
        ];
        for (case, now, expected) in cases {
            let terms = [Term::Moves, Term::Members, Term::Switches];
            let claims = [4, 2, 3].map(|least| (least, asked));
            assert_eq!(still_true(&terms, &claims, &now), expected, "{case}");
        }
    }
}
