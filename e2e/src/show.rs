//! What people see: the only place of this crate that writes to standard output for them.

#![allow(clippy::print_stdout, reason = "its purpose")]

use std::time::Duration;

use crate::drill::report::{Judged, table};
use crate::map;
use crate::objects::RedisCluster;
use crate::workload::report::Report;
use terminal::{Color, Paint};

/// Where it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    paint: Paint,
}

impl Screen {
    /// Coloured where it may be.
    pub fn new(paint: Paint) -> Self {
        Self { paint }
    }

    /// A new part of the story.
    pub fn heading(self, text: &str) {
        println!("\n{}", self.paint.text(Color::Bold, text));
    }

    /// A sentence.
    pub fn line(self, text: &str) {
        println!("  {text}");
    }

    /// Something that matters less.
    pub fn aside(self, text: &str) {
        println!("  {}", self.paint.text(Color::Dim, text));
    }

    /// Something that is not as it should be.
    pub fn warning(self, text: &str) {
        println!("  {}", self.paint.text(Color::Yellow, text));
    }

    /// Something that happened so long after the start.
    pub fn event(self, at: Duration, color: Color, text: &str) {
        let text = self.paint.text(color, text);
        println!("  {:>7.1} s  {text}", at.as_secs_f64());
    }

    /// The zone map.
    pub fn map(self, cluster: &RedisCluster) {
        println!(
            "\n{}",
            terminal::map::render(&map::of(cluster), self.paint).trim_end()
        );
    }

    /// The table of drills.
    pub fn drills(self, drills: &[Judged]) {
        for line in table(drills, self.paint).lines() {
            println!("  {line}");
        }
    }

    /// The lines of check-cluster.
    pub fn checks(self, lines: &str) {
        for line in lines.lines() {
            let color = match line.split_whitespace().next() {
                Some("ok") => Color::Green,
                Some("FAIL") => Color::Red,
                _ => Color::Plain,
            };
            println!("  {}", self.paint.text(color, line));
        }
    }

    /// The workload's report. `stop` is when the zone was stopped, in milliseconds since 1970.
    pub fn report(self, report: &Report, stop: Option<i64>) {
        for (number, shard) in report.shards.iter().enumerate() {
            let gap = shard.longest_gap;
            let began = report.unix_millis.saturating_add_unsigned(gap.start_millis);
            let when = stop.map_or_else(String::new, |stop| {
                format!(", from {} s after the stop", signed_seconds(began - stop))
            });
            println!(
                "  shard {number}: {:>6} writes acknowledged; longest pause {:>6.2} s{when}{}",
                shard.acknowledged,
                Duration::from_millis(gap.millis).as_secs_f64(),
                if gap.open { ", never ended" } else { "" },
            );
        }
        let total = report.acknowledged();
        let missing = report.missing_in_followers();
        let (color, text) = match (report.lost(), report.unverified()) {
            (0, 0) if missing > 0 => (
                Color::Red,
                format!(
                    "all {total} acknowledged writes were read back from the leaders; {missing} are MISSING in followers"
                ),
            ),
            (0, 0) => (
                Color::Green,
                format!(
                    "all {total} acknowledged writes were read back from the leaders, and {} copies from the followers",
                    report.read_from_followers()
                ),
            ),
            (lost, unverified) => (
                Color::Red,
                format!(
                    "of {total} acknowledged writes {lost} are LOST, {unverified} not verified"
                ),
            ),
        };
        println!("  {}", self.paint.text(color, &text));
    }
}

/// Seconds with one digit after the point.
fn signed_seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let tenths = (millis.unsigned_abs() + 50) / 100;
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_to_tenths() {
        let shown: Vec<String> = [0, 49, 1250, -320, 60_000]
            .into_iter()
            .map(signed_seconds)
            .collect();
        assert_eq!(shown, ["0.0", "0.0", "1.3", "-0.3", "60.0"]);
    }
}
