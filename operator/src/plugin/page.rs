//! A page of text for people. Whatever is put on it is cleaned: nothing on it controls the terminal but our
//! own colours.

use terminal::{Cell, Color, Paint, aligned, clean, map};

/// Longer lines are broken.
const WIDTH: usize = 100;

/// What is printed in the end.
#[derive(Debug)]
pub(super) struct Page {
    out: String,
    paint: Paint,
}

impl Page {
    /// An empty one.
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            out: String::new(),
            paint,
        }
    }

    /// All of it.
    pub(super) fn text(self) -> String {
        self.out
    }

    /// A line.
    pub(super) fn line(&mut self, text: &str) {
        self.painted(text, Color::Plain);
    }

    /// A line in a colour.
    pub(super) fn painted(&mut self, text: &str, color: Color) {
        let text = clean(text);
        self.out.push_str(&self.paint.text(color, &text));
        self.out.push('\n');
    }

    /// A heading, with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.painted(text, Color::Bold);
    }

    /// An empty line.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// A paragraph, indented and broken into lines.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.paragraph_in(indent, text, Color::Plain);
    }

    /// The same in a colour.
    pub(super) fn paragraph_in(&mut self, indent: usize, text: &str, color: Color) {
        let text = clean(text);
        let margin = " ".repeat(indent);
        for line in broken(&text, WIDTH.saturating_sub(indent)) {
            self.out.push_str(&margin);
            self.out.push_str(&self.paint.text(color, &line));
            self.out.push('\n');
        }
    }

    /// A line that must stay one, such as a command.
    pub(super) fn verbatim(&mut self, indent: usize, text: &str) {
        let text = format!("{}{}", " ".repeat(indent), clean(text));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// Columns.
    pub(super) fn table(&mut self, rows: &[Vec<Cell>]) {
        self.out.push_str(&aligned(rows, self.paint));
    }

    /// The map of zones.
    pub(super) fn map(&mut self, map: &map::Map) {
        self.out.push_str(&map::render(map, self.paint));
    }

    /// Things that one should know about the rest.
    pub(super) fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.blank();
            self.paragraph_in(0, &format!("Note: {note}"), Color::Yellow);
        }
    }
}

/// Broken between words. A word that is too long has a line of its own.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut room = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if length < room => {
                line.push(' ');
                line.push_str(word);
                room -= length + 1;
            }
            _ => {
                lines.push(word.to_owned());
                room = width.saturating_sub(length);
            }
        }
    }
    lines
}

/// The first row of a table.
pub(super) fn titles(names: &[&str]) -> Vec<Cell> {
    let names = names.iter();
    names.map(|name| Cell::new(name, Color::Dim)).collect()
}

/// How long, in the one unit that matters.
pub(super) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        it @ 0..120 => format!("{it}s"),
        it @ 120..7200 => format!("{}m", it / 60),
        it @ 7200..172_800 => format!("{}h", it / 3600),
        it => format!("{}d", it / 86_400),
    }
}

/// `1 leader`, `2 leaders`.
pub(super) fn count(number: u32, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(broken("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(broken("a bbbbbbbbb c", 4), ["a", "bbbbbbbbb", "c"]);
        assert_eq!(broken("ab cd", 5), ["ab cd"]);
        assert!(broken("  ", 5).is_empty());
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let table = [
            (-3, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7200, "2h"),
            (172_800, "2d"),
        ];
        for (seconds, expected) in table {
            assert_eq!(age(seconds), expected);
        }
    }
}
