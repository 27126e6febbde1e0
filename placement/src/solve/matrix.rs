//! Sparse columns of a linear program, in whole numbers.
//!
//! Many columns share a part (all classes that may take one pattern): the part is stored and priced
//! once. Values are whole numbers, so that bounds can be recomputed without rounding.

/// A row and the value of a column in it.
pub(super) type Entry = (usize, i32);

#[derive(Debug, Clone, Copy)]
struct Column {
    shared: usize,
    /// Where its own entries begin, and how many they are.
    start: usize,
    count: usize,
}

/// The columns.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    shared: Vec<Vec<Entry>>,
    columns: Vec<Column>,
    own: Vec<Entry>,
}

impl Matrix {
    pub(super) fn new() -> Self {
        Self {
            shared: vec![Vec::new()],
            columns: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Adds a part that columns can share; returns its number. Number 0 is the empty part.
    pub(super) fn share(&mut self, entries: Vec<Entry>) -> usize {
        self.shared.push(entries);
        self.shared.len() - 1
    }

    pub(super) fn push(&mut self, shared: usize, own: &[Entry]) {
        self.columns.push(Column {
            shared,
            start: self.own.len(),
            count: own.len(),
        });
        self.own.extend_from_slice(own);
    }

    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn entries(&self, column: usize) -> impl Iterator<Item = Entry> {
        let column = self.columns.get(column);
        let own = column.and_then(|it| self.own.get(it.start..it.start + it.count));
        let shared = column.and_then(|column| self.shared.get(column.shared));
        own.unwrap_or_default()
            .iter()
            .chain(shared.into_iter().flatten())
            .copied()
    }

    /// Every column's shared part and own entries.
    fn parts(&self) -> impl Iterator<Item = (usize, &[Entry])> {
        let mut rest = self.own.as_slice();
        self.columns.iter().map(move |column| {
            let (mine, others) = rest.split_at_checked(column.count).unwrap_or((rest, &[]));
            rest = others;
            (column.shared, mine)
        })
    }

    /// The product of `row` with every column.
    pub(super) fn price(&self, row: &[f64], out: &mut Vec<f64>) {
        let sum = |entries: &[Entry]| -> f64 {
            entries
                .iter()
                .map(|(at, v)| row.get(*at).unwrap_or(&0.0) * f64::from(*v))
                .sum()
        };
        let shared: Vec<f64> = self.shared.iter().map(|part| sum(part)).collect();
        out.clear();
        let last = |part: usize| shared.get(part).copied().unwrap_or(0.0);
        out.extend(self.parts().map(|(part, own)| sum(own) + last(part)));
    }

    /// The same in whole numbers.
    pub(super) fn price_exactly(&self, row: &[i64]) -> Vec<i128> {
        let sum = |entries: &[Entry]| -> i128 {
            let terms = entries
                .iter()
                .map(|(at, v)| i128::from(row.get(*at).copied().unwrap_or(0)) * i128::from(*v));
            terms.sum()
        };
        let shared: Vec<i128> = self.shared.iter().map(|part| sum(part)).collect();
        let last = |part: usize| shared.get(part).copied().unwrap_or(0);
        self.parts()
            .map(|(part, own)| sum(own) + last(part))
            .collect()
    }
}
