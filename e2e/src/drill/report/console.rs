//! The report as a table in the terminal. Pure.

use terminal::{Cell, Color, Paint, aligned};

use super::Judged;
use super::aims::{Measure, may_lose};
use super::words;

const HEAD: [&str; 10] = [
    "drill",
    "median",
    "worst outage",
    "lost",
    "acknowledged",
    "normal client",
    "served",
    "redundant",
    "zone-safe",
    "balanced",
];

/// A row for each drill, and below what missed its aim.
pub fn table(drills: &[Judged], paint: Paint) -> String {
    let mut rows = vec![HEAD.map(|name| Cell::new(name, Color::Dim)).to_vec()];
    rows.extend(drills.iter().map(row));
    let mut text = aligned(&rows, paint);
    let missed: Vec<_> = drills.iter().flat_map(|it| &it.missed).collect();
    if missed.is_empty() {
        let told = "each figure that has an aim met it";
        text.push_str(&line_of(&paint.text(Color::Green, told)));
        return text;
    }
    let title = format!("what missed its aim: {}", missed.len());
    text.push_str(&line_of(&paint.text(Color::Red, &title)));
    for miss in missed {
        let line = format!("{}: {}; aim: {}", miss.drill, miss.measured, miss.aim);
        text.push_str(&line_of(&terminal::clean(&line)));
    }
    text
}

fn line_of(text: &str) -> String {
    format!("{text}\n")
}

fn row(drill: &Judged) -> Vec<Cell> {
    let (outcome, figures) = (&drill.outcome, &drill.figures);
    let color = |measures: &[Measure]| {
        let mut missed = drill.missed.iter();
        if missed.any(|miss| measures.contains(&miss.measure)) {
            Color::Red
        } else {
            Color::Plain
        }
    };
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), words::duration);
    let lost = match (figures.unverified, may_lose(&outcome.drill)) {
        (0, Some(_)) if figures.lost > 0 => format!("{} allowed", words::count(figures.lost)),
        (0, _) => words::count(figures.lost),
        (more, _) => format!("{} + {more} unknown", words::count(figures.lost)),
    };
    let mut cells = vec![
        Cell::new(&outcome.drill, color(&[Measure::End])),
        Cell::plain(seconds(figures.median_outage)),
        Cell::new(
            seconds(figures.worst_outage),
            color(&[Measure::WorstOutage]),
        ),
        Cell::new(lost, color(&[Measure::Lost, Measure::Unverified])),
        Cell::plain(words::count(figures.acknowledged)),
        Cell::plain(words::client(figures.client.as_ref())),
    ];
    let times = figures.times.iter();
    cells.extend(times.map(|(level, time)| {
        let measure = Measure::of(*level);
        Cell::new(words::time(*time), color(measure.as_slice()))
    }));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::{judged, samples};

    #[test]
    fn a_table_tells_what_the_page_tells() {
        let mut fine = samples::zone_kill();
        fine.drill = "power".to_owned();
        let drills = judged(&[samples::zone_kill(), fine]);
        insta::assert_snapshot!(table(&drills, Paint::plain()), @"
        drill       median   worst outage   lost   acknowledged   normal client      served   redundant   zone-safe   balanced
        zone-kill   0.30 s   3.90 s         0      3,000          1.20 s, 2 errors   4.0 s    34.0 s      8.0 s       8.0 s
        power       0.30 s   3.90 s         0      3,000          1.20 s, 2 errors   4.0 s    34.0 s      8.0 s       8.0 s
        what missed its aim: 1
        zone-kill: a shard took no writes for 3.90 s; aim: at most 3.5 s when a zone with a minority of the leaders is lost, in the middle of whatever
        ");
    }
}
