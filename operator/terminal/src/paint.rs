//! Colour, where people look at it.

use std::io::IsTerminal;

/// What stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Nothing.
    Plain,
    /// A heading.
    Bold,
    /// Something good.
    Green,
    /// Something to look at.
    Yellow,
    /// Something bad.
    Red,
    /// Something that matters less.
    Dim,
}

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Colours where standard output is a terminal and `NO_COLOR` is not set.
    pub fn detect() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(!refused && std::io::stdout().is_terminal())
    }

    /// Never colours.
    pub fn plain() -> Self {
        Self(false)
    }

    /// Always colours.
    pub fn colored() -> Self {
        Self(true)
    }

    /// The text in that colour.
    pub fn text(self, color: Color, text: &str) -> String {
        let code = match color {
            _ if !self.0 => return text.to_owned(),
            Color::Plain => return text.to_owned(),
            Color::Bold => "1",
            Color::Green => "32",
            Color::Yellow => "33",
            Color::Red => "31",
            Color::Dim => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
