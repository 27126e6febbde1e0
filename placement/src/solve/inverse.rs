//! The inverse of a basis, kept dense: small enough here, and simple.

use crate::solve::matrix::Matrix;

/// A pivot below this is no pivot.
const PIVOT_MIN: f64 = 1e-8;

/// Columns of the inverse, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Inverse {
    rows: usize,
    parts: Vec<f64>,
}

impl Inverse {
    /// The inverse of the slack basis.
    pub(super) fn identity(rows: usize) -> Self {
        let mut parts = vec![0.0; rows * rows];
        for slot in parts.iter_mut().step_by(rows + 1) {
            *slot = 1.0;
        }
        Self { rows, parts }
    }

    fn columns(&self) -> impl Iterator<Item = &[f64]> {
        self.parts.chunks_exact(self.rows.max(1))
    }

    pub(super) fn row(&self, row: usize) -> Vec<f64> {
        self.parts
            .iter()
            .skip(row)
            .step_by(self.rows.max(1))
            .copied()
            .collect()
    }

    /// A row vector times the inverse.
    pub(super) fn left_times(&self, row: &[f64]) -> Vec<f64> {
        self.columns()
            .map(|part| part.iter().zip(row).map(|(a, b)| a * b).sum())
            .collect()
    }

    /// The squared length of each row.
    pub(super) fn norms(&self) -> Vec<f64> {
        let mut norms = vec![0.0; self.rows];
        for part in self.columns() {
            for (norm, value) in norms.iter_mut().zip(part) {
                *norm += value * value;
            }
        }
        norms
    }

    /// The inverse times a vector.
    pub(super) fn times(&self, dense: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.rows];
        for (part, factor) in self
            .columns()
            .zip(dense)
            .filter(|(_, factor)| **factor != 0.0)
        {
            for (slot, value) in out.iter_mut().zip(part) {
                *slot += factor * value;
            }
        }
        out
    }

    /// The inverse times a sum of columns of `matrix`.
    pub(super) fn times_columns(&self, matrix: &Matrix, columns: &[(usize, f64)]) -> Vec<f64> {
        let mut dense = vec![0.0; self.rows];
        for (column, factor) in columns {
            for (row, value) in matrix.entries(*column) {
                if let Some(slot) = dense.get_mut(row) {
                    *slot += factor * f64::from(value);
                }
            }
        }
        self.times(&dense)
    }

    /// Replaces the basic column of `row` by the one whose image under the inverse is `image`.
    pub(super) fn replace(&mut self, row: usize, image: &[f64]) {
        let Some(&pivot) = image.get(row) else { return };
        for part in self.parts.chunks_exact_mut(self.rows.max(1)) {
            let factor = part.get(row).copied().unwrap_or(0.0) / pivot;
            if factor == 0.0 {
                continue;
            }
            for (slot, change) in part.iter_mut().zip(image) {
                *slot -= change * factor;
            }
            if let Some(slot) = part.get_mut(row) {
                *slot = factor;
            }
        }
    }

    /// The inverse of the basis of `wanted`, by elimination, and the basic column of each row. A
    /// column that has become dependent is replaced by the slack of a row that is left; slacks
    /// begin at column `first`.
    pub(super) fn of(matrix: &Matrix, wanted: &[usize], first: usize) -> (Self, Vec<usize>) {
        let rows = wanted.len();
        let mut inverse = Self::identity(rows);
        let mut basis: Vec<usize> = (first..first + rows).collect();
        let mut is_free = vec![true; rows];
        for &column in wanted {
            let image = inverse.times_columns(matrix, &[(column, 1.0)]);
            let open = image
                .iter()
                .zip(&is_free)
                .enumerate()
                .filter(|(_, (_, free))| **free);
            let best = open.max_by(|a, b| a.1.0.abs().total_cmp(&b.1.0.abs()));
            let Some((row, (pivot, _))) = best else {
                continue;
            };
            if pivot.abs() < PIVOT_MIN {
                continue;
            }
            inverse.replace(row, &image);
            for slot in basis.iter_mut().skip(row).take(1) {
                *slot = column;
            }
            for slot in is_free.iter_mut().skip(row).take(1) {
                *slot = false;
            }
        }
        (inverse, basis)
    }
}
