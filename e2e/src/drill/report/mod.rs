//! The report of drills: `report.json` for machines, `report.html` for people, `report.md` where the code is read. What was measured stands in
//! `measured`; `figures` and `times` are taken out of it, `aims` judges them, `html`, `explain`, `part`, `lanes` and `svg` draw them, `markdown` and
//! `console` tell them in a text and in the terminal. Only this file touches files.

pub mod aims;
mod console;
mod explain;
pub mod figures;
mod html;
mod lanes;
mod markdown;
mod part;
#[cfg(test)]
mod samples;
mod svg;
#[cfg(test)]
mod tests;
pub mod times;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::measured::Outcome;
use aims::{Miss, judge};
use figures::{Figures, figures};

pub use console::table;
pub use html::page;

/// The version of `report.json`.
const FORMAT: u32 = 1;

/// A drill with its figures, judged.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// What was measured.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The figures of it.
    pub figures: Figures,
    /// What missed its aim.
    pub missed: Vec<Miss>,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    drills: &'a [Judged],
}

/// Of figures and judgement nothing is read: they follow from what was measured.
#[derive(Deserialize)]
struct Read {
    format: u32,
    drills: Vec<Outcome>,
}

/// Figures and judgement of what was measured.
pub fn judged(outcomes: &[Outcome]) -> Vec<Judged> {
    let one = |outcome: &Outcome| {
        let figures = figures(outcome);
        Judged {
            missed: judge(outcome, &figures),
            outcome: outcome.clone(),
            figures,
        }
    };
    outcomes.iter().map(one).collect()
}

/// Writes all three files into this folder, and says where the page is.
pub fn write(folder: &Path, drills: &[Judged]) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to make {}", folder.display()))?;
    let format = FORMAT;
    let mut text = serde_json::to_string_pretty(&Written { format, drills })?;
    text.push('\n');
    put(&folder.join("report.json"), &text)?;
    put(&folder.join("report.md"), &markdown::markdown(drills))?;
    let page_file = folder.join("report.html");
    put(&page_file, &page(drills))?;
    Ok(page_file)
}

fn put(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
}

/// What was measured, out of reports and out of the files of single drills, in this order. Of a drill that
/// stands in several the last counts, in the place of the first.
pub fn read(files: &[PathBuf]) -> Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| {
            format!(
                "failed to read {}: run drills first, or name a report or a drill's file",
                file.display()
            )
        })?;
        let read = parse(&text).with_context(|| format!("{}: no drill's figures", file.display()));
        for outcome in read? {
            match outcomes.iter_mut().find(|it| it.drill == outcome.drill) {
                Some(before) => *before = outcome,
                None => outcomes.push(outcome),
            }
        }
    }
    Ok(outcomes)
}

fn parse(text: &str) -> Result<Vec<Outcome>> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    if value.get("drill").is_some() {
        return Ok(vec![serde_json::from_value(value)?]);
    }
    let read: Read = serde_json::from_value(value)?;
    if read.format != FORMAT {
        bail!(
            "its format is {}, this program reads {FORMAT}: draw it with the program that wrote it",
            read.format
        );
    }
    Ok(read.drills)
}
