//! Golden stories: `scenarios/*.json` in, placement, moves and words out. `INSTA_UPDATE=always`
//! rewrites them.

#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;

use placement::{Problem, SolveError, explain, moves, solve, verify};

#[test]
fn stories_end_as_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "json"));
    files.sort();
    assert!(files.len() >= 14);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let problem: Problem = serde_json::from_str(&text).unwrap();
        insta::with_settings!({ snapshot_path => "scenarios", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, told(&problem));
        });
    }
}

fn told(problem: &Problem) -> String {
    let placement = match solve(problem) {
        Ok(placement) => placement,
        Err(SolveError::Infeasible(why)) => {
            let reasons = why.reasons.iter().map(|it| format!("{it}\n"));
            return format!("infeasible\n{}", reasons.collect::<String>());
        }
        Err(error) => return format!("{error}\n"),
    };
    assert_eq!(verify(problem, &placement), []);
    let mut out = format!("{}\n", serde_json::to_string(&placement.score).unwrap());
    assert!(placement.optimal);
    for line in explain(problem, &placement) {
        writeln!(out, "{line}").unwrap();
    }
    for it in moves(problem, &placement) {
        writeln!(out, "-> {it}").unwrap();
    }
    out
}
