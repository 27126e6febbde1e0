//! Dual simplex for boxed variables, with an explicit inverse.
//!
//! All variables have two bounds, so every basis can be made dual feasible by putting each
//! non-basic variable on its right bound: a changed bound (branching) needs no new start. Floating
//! point decides only the path; what is *proven* is recomputed in whole numbers (`bound.rs`).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::solve::inverse::Inverse;
use crate::solve::matrix::Matrix;

/// Below this a number counts as zero.
const TINY: f64 = 1e-7;
/// The inverse is computed anew after so many pivots.
const FRESH_AFTER: u32 = 400;

/// Minimise `cost` over `matrix` times x = `rhs`, `lower` ≤ x ≤ `upper`. The last columns, one a
/// row, are its own slack (fixed at zero in equations).
#[derive(Debug, Clone)]
pub(super) struct Simplex {
    pub(super) matrix: Matrix,
    pub(super) rhs: Vec<i32>,
    pub(super) cost: Vec<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) values: Vec<f64>,
    pub(super) duals: Vec<f64>,
    reduced: Vec<f64>,
    basis: Vec<usize>,
    is_basic: Vec<bool>,
    inverse: Inverse,
    pivots: u32,
    scratch: Vec<f64>,
}

/// Where the descent ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// At the optimum of the relaxation.
    Optimal,
    /// There is no point; the row of multipliers that shows it.
    Infeasible(Vec<f64>),
    /// The objective passed the limit, or the steps are spent.
    Stopped,
}

/// One pivot's worth of choice.
struct Leaving {
    row: usize,
    /// +1 when the variable must grow to its lower bound, -1 when it must shrink to its upper.
    sign: f64,
    bound: f64,
    gap: f64,
}

/// Where a reduced cost reaches zero; the nearest is the greatest, as a heap wants it.
#[derive(Debug, Clone, Copy)]
struct Break {
    ratio: f64,
    /// By how much the gap shrinks when the column jumps to its other bound.
    drop: f64,
    slope: f64,
    column: usize,
}

impl Ord for Break {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .ratio
            .total_cmp(&self.ratio)
            .then(other.column.cmp(&self.column))
    }
}

impl PartialOrd for Break {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Break {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Break {}

impl Simplex {
    /// A program whose slack columns are the last `rhs.len()` columns of the matrix.
    pub(super) fn new(
        matrix: Matrix,
        rhs: Vec<i32>,
        cost: Vec<f64>,
        (lower, upper): (Vec<f64>, Vec<f64>),
    ) -> Self {
        let (rows, columns) = (rhs.len(), matrix.columns());
        let first = columns - rows;
        Self {
            matrix,
            duals: vec![0.0; rows],
            reduced: cost.clone(),
            values: vec![0.0; columns],
            basis: (first..columns).collect(),
            is_basic: (0..columns).map(|column| column >= first).collect(),
            inverse: Inverse::identity(rows),
            pivots: 0,
            scratch: Vec::new(),
            rhs,
            cost,
            lower,
            upper,
        }
    }

    /// The objective that the duals vouch for: no point of the program lies below it.
    fn dual_objective(&self) -> f64 {
        let rows: f64 = self
            .duals
            .iter()
            .zip(&self.rhs)
            .map(|(dual, rhs)| dual * f64::from(*rhs))
            .sum();
        let boxes = self.reduced.iter().zip(self.lower.iter().zip(&self.upper));
        let columns: f64 = boxes
            .map(|(d, (low, up))| if *d > 0.0 { d * low } else { d * up })
            .sum();
        rows + columns
    }

    /// Descends until the relaxation is solved, its value passes `limit`, or `steps` are spent.
    pub(super) fn run(&mut self, limit: f64, steps: &mut u64) -> End {
        // The inverse is read and written once a pivot, the columns are priced and compared.
        let (rows, columns) = (self.rhs.len(), self.matrix.columns());
        let work = u64::try_from(2 * rows * rows + 4 * columns).unwrap_or(u64::MAX);
        if !spend(steps, work) {
            return End::Stopped;
        }
        self.refresh();
        let mut since_check = 0_u32;
        loop {
            let Some(leaving) = self.leaving() else {
                return End::Optimal;
            };
            if !spend(steps, work) {
                return End::Stopped;
            }
            since_check += 1;
            if since_check >= 8 {
                since_check = 0;
                if self.dual_objective() > limit {
                    return End::Stopped;
                }
            }
            let rho = self.inverse.row(leaving.row);
            let mut alpha = std::mem::take(&mut self.scratch);
            self.matrix.price(&rho, &mut alpha);
            let entering = self.entering(&leaving, &alpha);
            let Some((column, flips)) = entering else {
                self.scratch = alpha;
                return End::Infeasible(rho.iter().map(|value| value * leaving.sign).collect());
            };
            let is_done = self.pivot(&leaving, column, &flips, &rho, &alpha);
            self.scratch = alpha;
            if !is_done || self.pivots >= FRESH_AFTER {
                // as much as a pivot for each row
                let rows = u64::try_from(rows).unwrap_or(u64::MAX);
                if !spend(steps, work.saturating_mul(rows) / 2) {
                    return End::Stopped;
                }
                self.invert();
                self.refresh();
            }
        }
    }

    /// The basic variable that is farthest outside its bounds, measured along the edge that the
    /// duals would walk (steepest edge: far fewer pivots than by distance alone).
    fn leaving(&self) -> Option<Leaving> {
        let mut worst: Option<(f64, Leaving)> = None;
        for ((row, column), norm) in self.basis.iter().enumerate().zip(self.inverse.norms()) {
            let (low, up) = (*self.lower.get(*column)?, *self.upper.get(*column)?);
            let value = *self.values.get(*column)?;
            let (gap, sign, bound) = if value < low {
                (low - value, 1.0, low)
            } else {
                (value - up, -1.0, up)
            };
            if gap <= 1e-6 {
                continue;
            }
            let merit = gap * gap / f64::max(norm, 1e-9);
            if worst.as_ref().is_none_or(|(most, _)| merit > *most) {
                worst = Some((
                    merit,
                    Leaving {
                        row,
                        sign,
                        bound,
                        gap,
                    },
                ));
            }
        }
        worst.map(|(_, leaving)| leaving)
    }

    /// The column that enters, and those that jump to their other bound on the way.
    fn entering(&self, leaving: &Leaving, alpha: &[f64]) -> Option<(usize, Vec<usize>)> {
        let mut breaks: Vec<Break> = Vec::new();
        let bounds = self.lower.iter().zip(&self.upper).zip(&self.values);
        let columns = alpha
            .iter()
            .zip(&self.is_basic)
            .zip(&self.reduced)
            .zip(bounds);
        for (column, (((alpha, is_basic), d), ((low, up), value))) in columns.enumerate() {
            let slope = alpha * leaving.sign;
            if *is_basic || slope.abs() < TINY || up - low < TINY {
                continue;
            }
            let is_low = value - low <= up - value;
            if is_low == (slope < 0.0) {
                let slope = slope.abs();
                let (ratio, drop) = (d.abs() / slope, slope * (up - low));
                breaks.push(Break {
                    ratio,
                    drop,
                    slope,
                    column,
                });
            }
        }
        let mut left = leaving.gap;
        let mut flips = Vec::new();
        let mut nearest = BinaryHeap::from(breaks);
        let mut best = loop {
            let next = nearest.pop()?;
            if left - next.drop <= TINY {
                break next;
            }
            left -= next.drop;
            flips.push(next.column);
        };
        // Among ties the largest pivot is the safest.
        let ratio = best.ratio + 1e-9;
        while nearest.peek().is_some_and(|next| next.ratio <= ratio) {
            best = nearest
                .pop()
                .filter(|next| next.slope > best.slope)
                .unwrap_or(best);
        }
        Some((best.column, flips))
    }

    /// False when floating point has garbled the pivot, and the inverse must be computed anew.
    fn pivot(
        &mut self,
        leaving: &Leaving,
        entering: usize,
        flips: &[usize],
        rho: &[f64],
        alpha: &[f64],
    ) -> bool {
        let Some(&slope) = alpha.get(entering) else {
            return false;
        };
        let column = self.inverse.times_columns(&self.matrix, &[(entering, 1.0)]);
        let Some(&pivot) = column.get(leaving.row) else {
            return false;
        };
        if pivot.abs() < 1e-9 || (pivot - slope).abs() > 1e-5 * (1.0 + pivot.abs()) {
            return false;
        }
        let d = self.reduced.get(entering).copied().unwrap_or(0.0);
        let step = d.abs() / slope.abs() * leaving.sign;
        for (reduced, alpha) in self.reduced.iter_mut().zip(alpha) {
            *reduced += step * alpha;
        }
        for (dual, rho) in self.duals.iter_mut().zip(rho) {
            *dual -= step * rho;
        }
        self.flip(flips);
        self.exchange(leaving, entering, &column, step);
        true
    }

    fn flip(&mut self, flips: &[usize]) {
        let mut changes = Vec::with_capacity(flips.len());
        for &column in flips {
            let bounds = (
                self.lower.get(column).copied(),
                self.upper.get(column).copied(),
            );
            let (Some(low), Some(up)) = bounds else {
                continue;
            };
            let Some(value) = self.values.get_mut(column) else {
                continue;
            };
            let next = if *value - low <= up - *value { up } else { low };
            changes.push((column, next - *value));
            *value = next;
        }
        if !changes.is_empty() {
            let shift = self.inverse.times_columns(&self.matrix, &changes);
            self.move_basics(&shift, 1.0);
        }
    }

    fn move_basics(&mut self, column: &[f64], by: f64) {
        for (basic, change) in self.basis.iter().zip(column) {
            if let Some(value) = self.values.get_mut(*basic) {
                *value -= change * by;
            }
        }
    }

    fn exchange(&mut self, leaving: &Leaving, entering: usize, column: &[f64], step: f64) {
        let Some(&pivot) = column.get(leaving.row) else {
            return;
        };
        let Some(slot) = self.basis.get_mut(leaving.row) else {
            return;
        };
        let out = std::mem::replace(slot, entering);
        let value = self.values.get(out).copied().unwrap_or(0.0);
        let by = (value - leaving.bound) / pivot;
        // `out` has left the basis already, so it is set by hand, and `entering` moves by itself.
        for (row, (basic, change)) in self.basis.iter().zip(column).enumerate() {
            if row != leaving.row
                && let Some(value) = self.values.get_mut(*basic)
            {
                *value -= change * by;
            }
        }
        set(&mut self.values, out, leaving.bound);
        let entered = self.values.get(entering).copied().unwrap_or(0.0) + by;
        set(&mut self.values, entering, entered);
        set(&mut self.is_basic, out, false);
        set(&mut self.is_basic, entering, true);
        set(&mut self.reduced, out, step);
        set(&mut self.reduced, entering, 0.0);
        self.inverse.replace(leaving.row, column);
        self.pivots += 1;
    }

    /// Duals, reduced costs and values anew from the inverse; non-basic variables on the bound
    /// that their reduced cost asks for.
    fn refresh(&mut self) {
        let costs: Vec<f64> = self
            .basis
            .iter()
            .map(|basic| self.cost.get(*basic).copied().unwrap_or(0.0))
            .collect();
        self.duals = self.inverse.left_times(&costs);
        let mut priced = Vec::new();
        self.matrix.price(&self.duals, &mut priced);
        self.reduced = self
            .cost
            .iter()
            .zip(&priced)
            .map(|(cost, priced)| cost - priced)
            .collect();
        let mut rest: Vec<f64> = self.rhs.iter().map(|rhs| f64::from(*rhs)).collect();
        for column in 0..self.values.len() {
            if self.is_basic.get(column) == Some(&true) {
                set(&mut self.reduced, column, 0.0);
                continue;
            }
            let d = self.reduced.get(column).copied().unwrap_or(0.0);
            let bounds = (
                self.lower.get(column).copied(),
                self.upper.get(column).copied(),
            );
            let (Some(low), Some(up)) = bounds else {
                continue;
            };
            let old = self.values.get(column).copied().unwrap_or(0.0);
            let is_up = d < -1e-9 || (d <= 1e-9 && old > low && old - low > up - old);
            let value = if is_up { up } else { low };
            set(&mut self.values, column, value);
            if value != 0.0 {
                for (row, entry) in self.matrix.entries(column) {
                    if let Some(slot) = rest.get_mut(row) {
                        *slot -= value * f64::from(entry);
                    }
                }
            }
        }
        let basics = self.inverse.times(&rest);
        for (basic, value) in self.basis.iter().zip(basics) {
            if let Some(slot) = self.values.get_mut(*basic) {
                *slot = value;
            }
        }
    }

    /// The inverse anew.
    fn invert(&mut self) {
        self.pivots = 0;
        let first = self.matrix.columns() - self.rhs.len();
        (self.inverse, self.basis) = Inverse::of(&self.matrix, &self.basis, first);
        self.is_basic.iter_mut().for_each(|flag| *flag = false);
        for column in &self.basis {
            if let Some(flag) = self.is_basic.get_mut(*column) {
                *flag = true;
            }
        }
    }
}

/// Takes `work` from `steps`; false, and nothing left, where it is more than there is.
pub(super) fn spend(steps: &mut u64, work: u64) -> bool {
    let left = steps.checked_sub(work);
    *steps = left.unwrap_or(0);
    left.is_some()
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}
