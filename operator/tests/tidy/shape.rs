//! How long things may be, and that each says what it is.

use super::Finding;
use super::source;
use super::tree::Tree;

/// Lines of a file, its tests among them. The aim is 300.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function. The aim is 40.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that one can take in: a test is read as often as what it tests.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(Finding {
                rule: "file length",
                file: file.path.clone(),
                line: 0,
                what: format!("{lines} lines"),
                cure: format!(
                    "at most {FILE_LINES_MAX}, better 300: give a part that has a name of its own a \
                     file of its own"
                ),
            });
        }
    }
    findings
}

/// Functions that fit a screen.
pub(super) fn functions_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.code_below("") {
        for function in source::functions(&file.code) {
            if function.length > FUNCTION_LINES_MAX {
                findings.push(Finding {
                    rule: "function length",
                    file: file.path.clone(),
                    line: function.line,
                    what: format!("fn {} has {} lines", function.name, function.length),
                    cure: format!(
                        "at most {FUNCTION_LINES_MAX}, better 40: keep the decisions here and move \
                         what they lead to into functions"
                    ),
                });
            }
        }
    }
    findings
}

/// Every file of Rust begins with what it is for.
pub(super) fn modules_say_what_they_are(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//! "))
        .map(|file| Finding {
            rule: "module doc",
            file: file.path.clone(),
            line: 1,
            what: "does not begin with a `//!` line".to_owned(),
            cure: "say what the module is for, and what it may not do".to_owned(),
        })
        .collect()
}

/// Marks of unfinished work. Spelt so that they are not found here.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("unimplemented", "!"),
    concat!("to", "do!"),
    concat!("dbg", "!"),
];

/// What is unfinished is an issue, not a comment.
pub(super) fn nothing_is_left_half_done(tree: &Tree) -> Vec<Finding> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|f| !is_generated(&f.path)) {
        for (line, text) in file.lines() {
            for mark in UNFINISHED {
                let stands = text.match_indices(mark).any(|(at, _)| {
                    !text[..at].ends_with(is_word)
                        && (mark.ends_with('!') || !text[at + mark.len()..].starts_with(is_word))
                });
                if stands {
                    findings.push(Finding {
                        rule: "unfinished",
                        file: file.path.clone(),
                        line,
                        what: format!("`{mark}`"),
                        cure:
                            "finish it, or file an issue and leave the code as if it were finished"
                                .to_owned(),
                    });
                }
            }
        }
    }
    findings
}

/// Lists that tools write, of names that others gave.
fn is_generated(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("lock" | "sum"))
}
