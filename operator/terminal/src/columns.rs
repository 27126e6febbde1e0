//! Columns as wide as their widest cell.

use crate::clean;
use crate::paint::{Color, Paint};

/// Text with its colour. It is clean, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    color: Color,
}

impl Cell {
    /// With a colour.
    pub fn new(text: impl AsRef<str>, color: Color) -> Self {
        Self {
            text: clean(text.as_ref()),
            color,
        }
    }

    /// Without one.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Color::Plain)
    }

    /// What is seen.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many characters it takes.
    pub fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// Painted, with blanks up to this width: colour takes no room.
    pub fn padded(&self, width: usize, paint: Paint) -> String {
        let room = " ".repeat(width.saturating_sub(self.width()));
        format!("{}{room}", paint.text(self.color, &self.text))
    }
}

/// Rows under one another, a line for each, three blanks between the columns.
pub fn aligned(rows: &[Vec<Cell>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(Cell::width).max().unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<Cell>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| cell.padded(*width, paint))
            .collect();
        format!("{}\n", padded.join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let rows = [
            vec![Cell::plain("zone"), Cell::plain("state")],
            vec![Cell::new("zü\u{1b}[32mrich", Color::Red), Cell::plain("")],
            vec![Cell::plain("b")],
        ];
        assert_eq!(
            aligned(&rows, Paint::plain()),
            "zone     state\nzürich\nb\n"
        );
        let painted = aligned(&rows, Paint::colored());
        assert!(painted.contains("\u{1b}[31mzürich\u{1b}[0m"), "{painted:?}");
    }
}
