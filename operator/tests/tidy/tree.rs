//! The repository as the rules see it: every text file, read once.

use std::fs;
use std::path::{Path, PathBuf};

use super::source;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", ".cache"];

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// From the top of the repository, with `/`.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
    /// For Rust: the text with comments and literals blanked, test code too. Same lines.
    pub(super) code: String,
    /// Whether all of it is test code: below a `tests` folder, or declared behind `#[cfg(test)]`.
    pub(super) is_test: bool,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    pub(super) fn is_markdown(&self) -> bool {
        has_extension(&self.path, "md")
    }

    /// Its lines, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }

    /// Lines of code that is not a test's, from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }
}

fn has_extension(path: &str, wanted: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == wanted)
}

/// All text files.
pub(super) struct Tree {
    /// Where the repository is.
    pub(super) root: PathBuf,
    /// Sorted by path.
    pub(super) files: Vec<File>,
}

impl Tree {
    /// Reads the repository that this crate is in.
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_owned();
        let mut files = Vec::new();
        walk(&root, &root, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 50, "the tree was not found in {root:?}");
        mark_test_modules(&mut files);
        Self { root, files }
    }

    /// Rust files below this folder (or that file), tests left out.
    pub(super) fn code_below(&self, folder: &str) -> impl Iterator<Item = &File> {
        let folder = folder.to_owned();
        self.files
            .iter()
            .filter(move |file| file.is_rust() && !file.is_test && file.path.starts_with(&folder))
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if SKIPPED.iter().any(|skipped| name == *skipped) || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            walk(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap().to_str().unwrap();
            let path = path.replace(std::path::MAIN_SEPARATOR, "/");
            let code = if has_extension(&path, "rs") {
                source::code_of(&text)
            } else {
                String::new()
            };
            let is_test = path
                .split('/')
                .any(|part| matches!(part, "tests" | "benches" | "tests.rs"));
            files.push(File {
                path,
                text,
                code,
                is_test,
            });
        }
    }
}

/// Marks the files of `#[cfg(test)] mod name;`.
fn mark_test_modules(files: &mut [File]) {
    let mut modules = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let inside = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => file.path.trim_end_matches(".rs").to_owned(),
        };
        let lines: Vec<&str> = file.text.lines().collect();
        for pair in lines.windows(2) {
            let declared = pair[1]
                .trim()
                .strip_suffix(';')
                .and_then(|text| text.rsplit_once("mod "));
            if let (true, Some((_, name))) = (pair[0].trim() == "#[cfg(test)]", declared) {
                modules.push(format!("{inside}/{name}"));
            }
        }
    }
    for file in files {
        let path = file.path.trim_end_matches(".rs");
        file.is_test |= modules.iter().any(|module| {
            path.strip_prefix(module.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    }
}
