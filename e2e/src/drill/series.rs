//! Plays several drills one after another, also after one that failed, and writes what each came to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::measured::Outcome;
use super::{DRILLS, Drill, named, report};
use crate::show::Screen;

/// Where the outcomes are written.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The report of all.
    pub report: PathBuf,
    /// A file for each.
    pub each: PathBuf,
}

/// The drills of these names, in this order; none where nothing is named.
///
/// # Errors
/// When there is no drill of a name.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Drill>> {
    let found = names.iter().map(|name| {
        named(name).with_context(|| {
            let all: Vec<&str> = DRILLS.iter().map(|it| it.name).collect();
            format!("there is no drill {name}: {}", all.join(", "))
        })
    });
    found.collect()
}

/// Plays them, and writes and shows the report.
///
/// # Errors
/// When one failed, after all others were played.
pub async fn series(
    drills: &[&'static Drill],
    folders: &Folders,
    screen: Screen,
    mut play: impl AsyncFnMut(&'static Drill) -> Outcome,
) -> Result<()> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for one in drills {
        let outcome = play(one).await;
        keep(&folders.each, &outcome)?;
        let is_over = outcome.interrupted;
        outcomes.push(outcome);
        // after each: whatever becomes of the next, these are told
        report::write(&folders.report, &report::judged(&outcomes))?;
        if is_over {
            break;
        }
    }
    tell(&outcomes, &folders.report, screen)?;
    let failed = outcomes.iter().filter_map(|outcome| {
        let error = outcome.error.as_ref()?;
        Some(format!("{}: {error}", outcome.drill))
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} drills failed:\n{}", failed.len(), failed.join("\n"))
}

/// Writes the report of these drills, and shows its table.
///
/// # Errors
/// When it cannot be written.
pub fn tell(outcomes: &[Outcome], folder: &Path, screen: Screen) -> Result<()> {
    let drills = report::judged(outcomes);
    let page = report::write(folder, &drills)?;
    screen.heading("Drills");
    screen.drills(&drills);
    screen.aside(&format!("the report is {}", page.display()));
    Ok(())
}

fn keep(folder: &Path, outcome: &Outcome) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to make {}", folder.display()))?;
    let file = folder.join(format!("drill-{}.json", outcome.drill));
    let mut text = serde_json::to_string_pretty(outcome)?;
    text.push('\n');
    std::fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drills_are_chosen_by_name_and_in_order() {
        let names = |text: &[&str]| text.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let found = chosen(&names(&["roll", "host"])).unwrap();
        let found: Vec<&str> = found.iter().map(|it| it.name).collect();
        assert_eq!(found, ["roll", "host"]);
        let unknown = chosen(&names(&["roll", "storm"])).unwrap_err().to_string();
        assert!(unknown.starts_with("there is no drill storm: leader-pod, "));
    }
}
