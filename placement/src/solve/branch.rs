//! Branch and bound for one term: relaxations bound, rounding finds, splitting closes the gap.

use crate::model::{Model, Pattern};
use crate::solve::bound::{ONE, fixed, floor, nearest, proven, useful};
use crate::solve::catalog::{Catalog, Choice};
use crate::solve::improve::{add, improve};
use crate::solve::outlook::Outlook;
use crate::solve::program::Program;
use crate::solve::simplex::{End, Simplex, spend};
use crate::solve::start::Chosen;
use crate::solve::tally::Tally;
use crate::solve::term::Term;

/// The best placement that is known.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) chosen: Chosen,
    pub(super) tally: Tally,
}

impl Best {
    /// Takes `chosen` if its score is better.
    pub(super) fn offer(&mut self, model: &Model, chosen: Chosen) -> bool {
        let tally = Tally::of(model, &chosen);
        let key = |tally: &Tally| {
            (
                tally.overflow(model),
                tally.score(model).in_order(model.mode),
            )
        };
        let is_better = key(&tally) < key(&self.tally);
        if is_better {
            *self = Self { chosen, tally };
        }
        is_better
    }
}

/// How the search of one program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing in it is better than the best known.
    Proven,
    /// The steps were spent, or arithmetic failed to prove what is true.
    Unproven,
    /// The chord over the shards that end with this zone is too far off: split there.
    Split(usize, u32),
}

/// The search of one program.
pub(super) struct Search<'a> {
    model: &'a Model,
    catalog: &'a Catalog,
    term: Term,
    /// By how much the term can change at least.
    stride: u64,
    /// The least value that the term has had. Where an earlier term is unproven a placement can be
    /// better by that one and worse by this: what was closed before was compared with this value.
    pub(super) least: u64,
    program: Program,
    simplex: Simplex,
    best: &'a mut Best,
    steps: &'a mut u64,
    descent: &'a mut u64,
    /// The bound of the whole program, in fixed point.
    pub(super) root: Option<i128>,
    lonely: Vec<(u32, u32)>,
    /// The multipliers that prove the best bound of the whole program.
    root_duals: Vec<f64>,
}

enum Split {
    /// A total: its ladder and the largest value of the lower side.
    Ladder(usize, i32),
    /// A count of shards: its column and the largest value of the lower side.
    Column(usize, i32),
}

impl<'a> Search<'a> {
    pub(super) fn new(
        (model, catalog): (&'a Model, &'a Catalog),
        (term, stride, least): (Term, u64, u64),
        program: Program,
        best: &'a mut Best,
        (steps, descent): (&'a mut u64, &'a mut u64),
        lonely: Vec<(u32, u32)>,
    ) -> Self {
        let simplex = relaxation(&program);
        Self {
            model,
            catalog,
            term,
            stride,
            least,
            program,
            simplex,
            best,
            steps,
            descent,
            root: None,
            lonely,
            root_duals: Vec::new(),
        }
    }

    /// Searches the whole program.
    pub(super) fn run(&mut self) -> Outcome {
        self.explore(0)
    }

    /// For each class the patterns that placements can use whose term is no worse than known.
    pub(super) fn useful(&self) -> Option<Vec<Vec<Pattern>>> {
        let most = i128::from(self.known()) * ONE;
        self.root
            .map(|_| useful(&self.program, &self.root_duals, most))
    }

    fn known(&self) -> u64 {
        self.term.of(&self.best.tally.score(self.model))
    }

    /// A point is worth finding only if its term is at most this.
    fn target(&self) -> i128 {
        i128::from(self.least) - i128::from(self.stride)
    }

    fn explore(&mut self, depth: u32) -> Outcome {
        self.least = self.least.min(self.known());
        if self.least < self.stride {
            return Outcome::Proven;
        }
        match self.relax(depth) {
            Some(is_closed) if is_closed => return Outcome::Proven,
            Some(_) => {}
            None => return Outcome::Unproven,
        }
        if self.round(depth) {
            self.least = self.least.min(self.known());
            if self.is_closed(depth) {
                return Outcome::Proven;
            }
        }
        let Some(split) = self.split() else {
            return self.leaf();
        };
        for upper in self.order(&split) {
            let undo = self.restrict(&split, upper);
            let is_empty = undo.iter().any(|(column, ..)| {
                let (low, high) = self.column_box(*column);
                low > high
            });
            let outcome = if is_empty {
                Outcome::Proven
            } else {
                self.explore(depth + 1)
            };
            for (column, lower, upper) in undo {
                self.set_box(column, lower, upper);
            }
            if outcome != Outcome::Proven {
                return outcome;
            }
        }
        Outcome::Proven
    }

    /// Solves the relaxation: whether it proves that nothing better is here; `None` if unknown.
    fn relax(&mut self, depth: u32) -> Option<bool> {
        let constant = i32::try_from(self.program.constant).unwrap_or(0);
        let target = i32::try_from(self.target()).unwrap_or(i32::MAX);
        let mut limit = f64::from(target) - f64::from(constant) + 0.3;
        loop {
            match self.simplex.run(limit, self.steps) {
                End::Optimal => return Some(self.is_closed(depth)),
                End::Infeasible(ray) => {
                    let ray: Vec<f64> = ray.iter().map(|value| -value * 64.0).collect();
                    let is_proven = proven(&self.program, &ray, false).is_none_or(|it| it > 0);
                    return is_proven.then_some(true);
                }
                End::Stopped => {
                    if self.is_closed(depth) {
                        return Some(true);
                    }
                    if *self.steps == 0 || limit.is_infinite() {
                        return None;
                    }
                    limit = f64::INFINITY;
                }
            }
        }
    }

    fn is_closed(&mut self, depth: u32) -> bool {
        let bound = proven(&self.program, &self.simplex.duals, true);
        if depth == 0 && bound > self.root {
            self.root = bound;
            self.root_duals.clone_from(&self.simplex.duals);
        }
        bound.is_none_or(|bound| bound > self.target() * ONE)
    }

    /// Rounds the relaxed point to a placement and offers it.
    fn round(&mut self, depth: u32) -> bool {
        let mut chosen: Chosen = Vec::new();
        let mut open: Vec<(usize, u32, Vec<Choice>)> = Vec::new();
        for (index, (first, patterns)) in self.program.classes.iter().enumerate() {
            let mut mine = Vec::new();
            let mut partly: Vec<Pattern> = Vec::new();
            let mut left = self.program.rhs.get(index).copied().unwrap_or(0);
            let values = self.simplex.values.iter().skip(*first);
            for (pattern, value) in patterns.iter().zip(values) {
                let whole = floor(*value).clamp(0, left);
                if whole > 0 {
                    add(&mut mine, pattern, whole.unsigned_abs());
                    left -= whole;
                }
                if fixed(*value) > i64::from(whole) << 16 {
                    partly.push(*pattern);
                }
            }
            if left > 0 {
                let choices = self.catalog.choices.get(index).map(Vec::as_slice);
                let choices = choices.unwrap_or_default().iter();
                let near = choices.filter(|choice| partly.contains(&choice.pattern));
                open.push((index, left.unsigned_abs(), near.copied().collect()));
            }
            chosen.push(mine);
        }
        let mut tally = Tally::of(self.model, &chosen);
        for (index, left, near) in open {
            for _ in 0..left {
                if !spend(self.steps, Outlook::work(self.model, near.len())) {
                    return false;
                }
                let Some((_, choice)) = Outlook::new(self.model, &tally).best(&near) else {
                    return false;
                };
                tally.give(&choice.pattern, choice.own);
                if let Some(mine) = chosen.get_mut(index) {
                    add(mine, &choice.pattern, 1);
                }
            }
        }
        if depth == 0 {
            improve(self.model, self.catalog, &mut chosen, self.descent);
            return self.best.offer(self.model, chosen);
        }
        let is_better = self.best.offer(self.model, chosen.clone());
        if is_better {
            improve(self.model, self.catalog, &mut chosen, self.descent);
            self.best.offer(self.model, chosen);
        }
        is_better
    }

    /// Where to split: totals first, they decide most.
    fn split(&self) -> Option<Split> {
        for (index, ladder) in self.program.ladders.iter().enumerate() {
            let value = self.ladder_value(index);
            if !nearest(value).1 {
                return Some(Split::Ladder(index, ladder.base + floor(value)));
            }
        }
        let patterns = self.program.classes.iter().flat_map(|(first, list)| {
            self.simplex
                .values
                .iter()
                .enumerate()
                .skip(*first)
                .take(list.len())
        });
        let part = |value: f64| (value - f64::from(floor(value)) - 0.5).abs();
        let open = patterns.filter(|(_, value)| !nearest(**value).1);
        let most = open.min_by(|a, b| part(*a.1).total_cmp(&part(*b.1)));
        most.map(|(column, value)| Split::Column(column, floor(*value)))
    }

    /// The total of a ladder above its base, at the relaxed point.
    fn ladder_value(&self, index: usize) -> f64 {
        let steps = self
            .program
            .ladders
            .get(index)
            .map(|ladder| ladder.steps.as_slice());
        let columns = steps.unwrap_or_default().iter().map(|(column, _)| *column);
        columns
            .map(|column| self.simplex.values.get(column).copied().unwrap_or(0.0))
            .sum()
    }

    /// Which side first: `true` is the upper one.
    fn order(&self, split: &Split) -> [bool; 2] {
        let is_up = match split {
            Split::Column(..) => true,
            Split::Ladder(index, lower) => {
                let base = self
                    .program
                    .ladders
                    .get(*index)
                    .map_or(0, |ladder| ladder.base);
                self.ladder_value(*index) - f64::from(*lower - base) > 0.5
            }
        };
        [is_up, !is_up]
    }

    /// Restricts the program to one side; returns the boxes as they were.
    fn restrict(&mut self, split: &Split, upper: bool) -> Vec<(usize, i32, i32)> {
        match split {
            Split::Column(column, lower) => {
                let (low, high) = self.column_box(*column);
                let sides = if upper {
                    (lower + 1, high)
                } else {
                    (low, *lower)
                };
                self.set_box(*column, sides.0, sides.1);
                vec![(*column, low, high)]
            }
            Split::Ladder(index, lower) => {
                let Some(ladder) = self.program.ladders.get(*index).cloned() else {
                    return Vec::new();
                };
                let mut undo = Vec::new();
                let mut from = ladder.base;
                for (column, length) in ladder.steps {
                    let (low, high) = self.column_box(column);
                    if upper {
                        let filled = (lower + 1 - from).clamp(0, length);
                        self.set_box(column, low.max(filled), high);
                    } else {
                        let room = (lower - from).clamp(0, length);
                        self.set_box(column, low, high.min(room));
                    }
                    undo.push((column, low, high));
                    from += length;
                }
                undo
            }
        }
    }

    fn column_box(&self, column: usize) -> (i32, i32) {
        let low = self.program.lower.get(column).copied().unwrap_or(0);
        (low, self.program.upper.get(column).copied().unwrap_or(0))
    }

    fn set_box(&mut self, column: usize, low: i32, high: i32) {
        let whole = [&mut self.program.lower, &mut self.program.upper];
        let float = [&mut self.simplex.lower, &mut self.simplex.upper];
        for ((whole, float), value) in whole.into_iter().zip(float).zip([low, high]) {
            if let Some(slot) = whole.get_mut(column) {
                *slot = value;
            }
            if let Some(slot) = float.get_mut(column) {
                *slot = f64::from(value);
            }
        }
    }

    /// A whole point that is neither better nor proven away: only a chord can be the reason.
    fn leaf(&self) -> Outcome {
        let mut lonely = vec![0_u32; self.lonely.len()];
        for (first, patterns) in &self.program.classes {
            let values = self.simplex.values.iter().skip(*first);
            for (pattern, value) in patterns.iter().zip(values) {
                let slot = lonely.get_mut(usize::from(pattern.leader));
                if let Some(slot) = slot.filter(|_| pattern.heir.is_none()) {
                    *slot += u32::try_from(nearest(*value).0).unwrap_or(0);
                }
            }
        }
        // The chord is exact at its lower end and, but for rounding, at its upper one.
        let ranges = || self.lonely.iter().zip(&lonely).enumerate();
        let is_loose = |(least, most): (u32, u32)| least < most;
        let above = ranges().find(|(_, ((least, _), at))| least < *at);
        // Where none is above its least end, ladders that are made for all of a range may still
        // be too long for that end: any range that is not a point can be narrowed.
        let any = || ranges().find(|(_, (range, _))| is_loose(**range));
        match above.or_else(any) {
            Some((zone, ((_, most), at))) => Outcome::Split(zone, (*at).min(most - 1)),
            None => Outcome::Unproven,
        }
    }
}

/// The relaxation of a program. Costs are raised by hairs, each another, so that few points tie.
fn relaxation(program: &Program) -> Simplex {
    let mut seed = 1_u32;
    let mut hair = |most: i32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        2e-4 * (0.5 + f64::from(seed >> 16) / 65_536.0) / (1.0 + f64::from(most) / 16.0)
    };
    let costs = program.cost.iter().zip(&program.upper);
    let cost = costs
        .map(|(cost, most)| f64::from(*cost) + hair(*most))
        .collect();
    let float = |bounds: &[i32]| bounds.iter().map(|bound| f64::from(*bound)).collect();
    let boxes = (float(&program.lower), float(&program.upper));
    Simplex::new(program.matrix.clone(), program.rhs.clone(), cost, boxes)
}
