//! The report as Markdown, to be read where the code is. Pure; it judges nothing.

use super::Judged;
use super::aims::{Measure, may_lose};
use super::times::LEVELS;
use super::words;

/// What it is, a row for each drill, what missed its aim, and where it was played.
pub(super) fn markdown(drills: &[Judged]) -> String {
    let mut lines = vec![
        "# Drills".to_owned(),
        String::new(),
        format!(
            "Written by `make drills`. On {} something is broken or changed on purpose, while a writer \
             writes to every shard; at the end every acknowledged write is read back. What the columns mean, the aims and \
             a timeline of each drill are in `report.html` beside this, the figures in `report.json`. ✗: missed its aim.",
            words::place(drills).0
        ),
        String::new(),
    ];
    let levels = LEVELS.map(words::level).join(" | ");
    lines.push(format!(
        "| drill | what | median outage | worst outage | lost of acknowledged | normal client: slowest, errors | {levels} |"
    ));
    lines.push(format!("|{}", " --- |".repeat(6 + LEVELS.len())));
    lines.extend(drills.iter().map(row));
    lines.extend([
        String::new(),
        "## What missed its aim".to_owned(),
        String::new(),
    ]);
    let missed: Vec<_> = drills.iter().flat_map(|it| &it.missed).collect();
    if missed.is_empty() {
        lines.push("Nothing: each figure that has an aim met it.".to_owned());
    }
    let told = missed.iter().map(|it| {
        let line = format!("- `{}`: {}; aim: {}", it.drill, it.measured, it.aim);
        plain(&line)
    });
    lines.extend(told);
    let allowed = drills.iter().filter(|it| it.figures.lost > 0);
    for (drill, why) in allowed.filter_map(|it| Some((it, may_lose(&it.outcome.drill)?))) {
        let name = &drill.outcome.drill;
        let lost = words::count(drill.figures.lost);
        lines.push(format!(
            "- `{name}`: {lost} writes were lost, which Redis allows: {why}"
        ));
    }
    lines.extend([String::new(), "## Where they were played".to_owned()]);
    let mut settings = Vec::new();
    for setting in drills.iter().filter_map(|it| it.outcome.setting.as_ref()) {
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    for setting in settings {
        lines.push(String::new());
        let facts = setting.facts().into_iter();
        lines.extend(facts.map(|(name, value)| format!("- {name}: {}", plain(value))));
    }
    lines.join("\n") + "\n"
}

fn row(drill: &Judged) -> String {
    let (outcome, figures) = (&drill.outcome, &drill.figures);
    let mark = |text: String, measures: &[Measure]| {
        let mut missed = drill.missed.iter();
        if missed.any(|miss| measures.contains(&miss.measure)) {
            format!("✗ {text}")
        } else {
            text
        }
    };
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), words::duration);
    let of = words::count(figures.acknowledged);
    let lost = match figures.unverified {
        0 => format!("{} of {of}", words::count(figures.lost)),
        more => format!("{} and {more} unknown of {of}", words::count(figures.lost)),
    };
    let mut cells = vec![
        mark(format!("`{}`", outcome.drill), &[Measure::End]),
        plain(&format!("{}: {}", outcome.title, outcome.shape)),
        seconds(figures.median_outage),
        mark(seconds(figures.worst_outage), &[Measure::WorstOutage]),
        mark(lost, &[Measure::Lost, Measure::Unverified]),
        words::client(figures.client.as_ref()),
    ];
    let times = figures.times.iter();
    cells.extend(times.map(|(level, time)| {
        let measure = Measure::of(*level);
        mark(words::time(*time), measure.as_slice())
    }));
    format!("| {} |", cells.join(" | "))
}

/// In one line, and with nothing that Markdown takes for its own.
fn plain(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::{judged, samples};

    #[test]
    fn a_row_for_each_drill_and_what_missed_its_aim() {
        let mut outcome = samples::zone_kill();
        outcome.title = "A zone | of three".to_owned();
        let text = markdown(&judged(&[outcome]));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        assert_eq!(rows.len(), 3);
        assert!(
            rows.iter().all(|it| columns(it) == columns(rows[0])),
            "{text}"
        );
        assert!(
            rows[2].contains("`zone-kill` | A zone \\| of three: 3 leaders"),
            "{text}"
        );
        assert!(
            rows[2].contains("| ✗ 3.90 s | 0 of 3,000 | 1.20 s, 2 errors |"),
            "{text}"
        );
        assert!(text.contains("- `zone-kill`: a shard took no writes for 3.90 s; aim: "));
        assert!(text.contains("- Commit: abc123"));
        assert!(text.contains("On a real Kubernetes something"));
    }

    /// Nobody shall take loopback for a Kubernetes.
    #[test]
    fn what_was_played_on_the_local_testbed_says_so() {
        let mut outcome = samples::zone_kill();
        outcome.setting.as_mut().unwrap().testbed = "processes on loopback".to_owned();
        let text = markdown(&judged(&[outcome]));
        assert!(text.contains("On the local testbed"), "{text}");
        assert!(text.contains("- Testbed: processes on loopback"), "{text}");
        assert!(!text.contains("- Kubernetes:"), "{text}");
    }
}
