//! The sheet of all measurements: each a pair of figures and its aim. Pure; it judges by the aims of the design: limits
//! by the worst run, ratios by the medians of both sides. A ratio that nothing was measured for is not met.

use serde::Serialize;

use super::form::Formed;
use super::place::Placed;
use super::report::{Report, Row};
use super::reshard::Moved;
use super::roll::Rolled;
use super::run::{Side, What};

/// A line of the sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was measured, and under what circumstances.
    pub what: String,
    /// Ours: the median, and the least and the most where there are several runs.
    pub ours: String,
    /// The other side, measured in the same run.
    pub other: String,
    /// Acknowledged writes that were lost, of both sides, where somebody wrote.
    pub lost: String,
    /// How many times better ours is.
    pub ratio: Option<f64>,
    /// What is aimed at.
    pub aim: String,
    /// Whether that is met; none where nothing is aimed at.
    pub is_met: Option<bool>,
    /// How many runs each figure is of.
    pub runs: usize,
}

/// All lines, and where they were measured.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sheet {
    /// Processors of the machine.
    pub processors: usize,
    /// The day.
    pub date: String,
    /// Each line.
    pub lines: Vec<Line>,
}

/// Numbers over some runs.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }

    fn text(&self, unit: &str) -> String {
        let digits = usize::from(self.most < 100.0) * 2;
        let one = |value: f64| format!("{value:.digits$}");
        if self.least.to_bits() == self.most.to_bits() {
            return format!("{} {unit}", one(self.median));
        }
        format!(
            "{} ({}–{}) {unit}",
            one(self.median),
            one(self.least),
            one(self.most)
        )
    }
}

fn seconds(millis: u128) -> f64 {
    std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).as_secs_f64()
}

fn ratio(worse: f64, better: f64) -> Option<f64> {
    (better > 0.0).then(|| worse / better)
}

/// Outages, with the operator and with the bus alone.
pub(super) fn outages(report: &Report) -> Vec<Line> {
    let rows = report.rows();
    let of_operator = rows.iter().filter(|row| row.side() == Side::Operator);
    of_operator
        .map(|ours| {
            let is_other = |row: &&Row| row.side() == Side::Bus && row.is_same_fault(ours);
            outage(ours, rows.iter().find(is_other))
        })
        .collect()
}

fn outage(ours: &Row, bus: Option<&Row>) -> Line {
    let spread = |row: &Row| Spread::of(row.worst_outages().iter().map(|it| seconds(*it)));
    let (own, other) = (spread(ours), bus.map(spread));
    let ratio = other.as_ref().and_then(|it| ratio(it.median, own.median));
    let is_tenfold = ratio.is_some_and(|it| it >= 10.0);
    let (aim, is_met) = match ours.what() {
        What::Leader | What::Third => (
            "less than 1 s, and a tenth of the bus alone",
            Some(own.most < 1.0 && is_tenfold),
        ),
        What::Zone => ("at most 3.5 s", Some(own.most <= 3.5)),
        What::Followers => ("", None),
    };
    let theirs = bus.map(|row| format!("; the bus alone: {}", row.writes()));
    Line {
        what: format!("outage of the worst shard: {}", ours.fault()),
        ours: own.text("s"),
        other: other.map_or_else(String::new, |it| format!("the bus alone: {}", it.text("s"))),
        lost: format!("{}{}", ours.writes(), theirs.unwrap_or_default()),
        ratio,
        aim: aim.to_owned(),
        is_met,
        runs: ours.worst_outages().len(),
    }
}

/// Forming, by the operator and by the command line.
pub(super) fn formed(all: &[Formed]) -> Vec<Line> {
    let mut sizes: Vec<u32> = all.iter().map(|it| it.leaders).collect();
    sizes.dedup();
    let of_size = |leaders: u32| all.iter().filter(move |it| it.leaders == leaders);
    sizes
        .iter()
        .map(|leaders| {
            let ours = Spread::of(of_size(*leaders).map(|it| seconds(it.operator)));
            let other = Spread::of(of_size(*leaders).map(|it| seconds(it.command_line)));
            let ratio = ratio(other.median, ours.median);
            Line {
                what: format!(
                    "form {} members until all views are equal, T = 15000 ms",
                    leaders * 2
                ),
                ours: ours.text("s"),
                other: format!("--cluster create: {}", other.text("s")),
                lost: String::new(),
                ratio,
                aim: "10 times as fast for 30 members".to_owned(),
                is_met: (*leaders == 15).then(|| ratio.is_some_and(|it| it >= 10.0)),
                runs: of_size(*leaders).count(),
            }
        })
        .collect()
}

/// Updates: many shards at once beside one at a time; how the time grows with the shards; and what writers saw.
pub(super) fn rolled(all: &[(Rolled, Rolled)]) -> Vec<Line> {
    let fewest = all.iter().min_by_key(|(it, _)| it.leaders);
    let time = |(ours, one): &(Rolled, Rolled)| {
        let took = seconds(ours.took);
        let growth = fewest.and_then(|(few, _)| ratio(took, seconds(few.took)));
        let is_larger = fewest.is_some_and(|(few, _)| few.leaders < ours.leaders);
        Line {
            what: format!("update of all pods of {} shards", ours.leaders),
            ours: Spread::of([took]).text("s"),
            other: format!(
                "one shard at a time: {}",
                Spread::of([seconds(one.took)]).text("s")
            ),
            lost: format!("{}; one at a time: {}", ours.writes(), one.writes()),
            ratio: ratio(seconds(one.took), took),
            aim: "at most twice the time of the fewest shards".to_owned(),
            is_met: is_larger.then(|| growth.is_some_and(|it| it <= 2.0)),
            runs: 1,
        }
    };
    let pause = |(ours, one): &(Rolled, Rolled)| Line {
        what: format!("longest pause of the same update, {} shards", ours.leaders),
        ours: Spread::of([seconds(ours.worst_pause)]).text("s"),
        other: format!(
            "one shard at a time: {}",
            Spread::of([seconds(one.worst_pause)]).text("s")
        ),
        lost: ours.writes().to_string(),
        ratio: None,
        aim: "at most 0.1 s, and no write lost".to_owned(),
        is_met: Some(ours.worst_pause <= 100 && ours.writes().lost == 0),
        runs: 1,
    };
    let lines = all.iter().flat_map(|pair| [time(pair), pause(pair)]);
    lines.collect()
}

/// Slots moved by the operator and by the command line: the last of each server's.
pub(super) fn moved(server: &str, all: &[Moved]) -> Vec<Line> {
    let Some((other, ours)) = all.split_last() else {
        return Vec::new();
    };
    let line = |(place, it): (usize, &Moved)| {
        let faster = ratio(it.rate(), other.rate());
        let p99 = it.trip.percentile(0.99).as_secs_f64() * 1000.0;
        let least = match (server.starts_with("valkey-9"), place) {
            (true, _) => 15.0,
            (false, 0) => 5.0,
            (false, _) => 2.5,
        };
        Line {
            what: format!(
                "{server}: 4096 slots with {} keys, {}; clients' p99 {p99:.1} ms, theirs {:.1} ms",
                it.keys,
                it.who,
                other.trip.percentile(0.99).as_secs_f64() * 1000.0
            ),
            ours: format!("{:.0} keys/s", it.rate()),
            other: format!("{}: {:.0} keys/s", other.who, other.rate()),
            lost: String::new(),
            ratio: faster,
            aim: format!("{least} times as fast, p99 at most 3 ms"),
            is_met: Some(faster.is_some_and(|it| it >= least) && p99 <= 3.0),
            runs: 1,
        }
    };
    ours.iter().enumerate().map(line).collect()
}

/// The solver.
pub(super) fn placed(all: &[Placed]) -> Vec<Line> {
    let line = |it: &Placed| Line {
        what: format!(
            "placement of {} members, anew and after a zone is lost",
            it.members
        ),
        ours: format!("{:.1} ms and {:.1} ms", it.anew, it.zone_lost),
        other: String::new(),
        lost: String::new(),
        ratio: None,
        aim: "less than 50 ms for 1000 members, proven best".to_owned(),
        is_met: (it.members == 1000)
            .then_some(it.anew < 50.0 && it.zone_lost < 50.0 && it.is_proven),
        runs: super::place::RUNS,
    };
    all.iter().map(line).collect()
}

impl Sheet {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec![
            "# Measurements".to_owned(),
            String::new(),
            format!(
                "Written by `make bench` on {}, on {} processors: real servers on loopback, both sides one after the other in \
                 one run. Medians, with the least and the most of several runs. ✓ met its aim, ✗ missed it: limits are judged by \
                 the worst run, ratios by the medians.",
                self.date, self.processors
            ),
            String::new(),
            "| what | ours | beside it | ratio | aim | writes lost | runs |".to_owned(),
            "| --- | --- | --- | --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.lines.iter().map(Line::row));
        lines.join("\n") + "\n"
    }
}

impl Line {
    /// One cell after the other.
    pub fn cells(&self) -> [String; 7] {
        let mark = match self.is_met {
            Some(true) => "✓ ",
            Some(false) => "✗ ",
            None => "",
        };
        let ratio = self
            .ratio
            .map_or_else(String::new, |it| format!("{it:.1} ×"));
        [
            self.what.clone(),
            format!("{mark}{}", self.ours),
            self.other.clone(),
            ratio,
            self.aim.clone(),
            self.lost.clone(),
            self.runs.to_string(),
        ]
    }

    fn row(&self) -> String {
        format!("| {} |", self.cells().join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Run;
    use super::*;

    #[test]
    fn a_pair_is_told_with_its_ratio_and_its_aim() {
        let formed = |operator, command_line| Formed {
            leaders: 15,
            operator,
            command_line,
        };
        let lines = super::formed(&[formed(500, 9000), formed(400, 8000), formed(900, 7000)]);
        let sheet = Sheet {
            processors: 2,
            date: "2026-11-23".to_owned(),
            lines,
        };
        let text = sheet.markdown();
        let row = "| form 30 members until all views are equal, T = 15000 ms | ✓ 0.50 (0.40–0.90) s | --cluster create: \
            8.00 (7.00–9.00) s | 16.0 × | 10 times as fast for 30 members |  | 3 |";
        assert!(text.contains(row), "{text}");
    }

    fn run(side: Side, outage: u128, lost: usize) -> Run {
        Run {
            what: What::Leader,
            shape: "3x1".to_owned(),
            side,
            node_timeout_millis: 5000,
            outages: vec![outage],
            worst_other: 0,
            failovers: Vec::new(),
            redundant: None,
            acknowledged: 1_000,
            lost,
        }
    }

    fn told(runs: Vec<Run>) -> Line {
        let report = Report {
            server: "redis-8".to_owned(),
            processors: 2,
            runs,
        };
        super::outages(&report).remove(0)
    }

    #[test]
    fn one_bad_run_is_not_hidden_by_the_median_and_lost_writes_are_told() {
        let ours = |outage| run(Side::Operator, outage, 1);
        let bus = || run(Side::Bus, 12_000, 2);
        let good = told(vec![ours(300), ours(300), ours(900), bus()]);
        assert_eq!(good.is_met, Some(true));
        assert_eq!(good.lost, "3 of 3000; the bus alone: 2 of 1000");
        let bad = told(vec![ours(300), ours(300), ours(1_100), bus()]);
        assert_eq!(bad.is_met, Some(false));
    }

    #[test]
    fn a_ratio_to_nothing_is_not_met() {
        let alone = told(vec![run(Side::Operator, 300, 0)]);
        assert_eq!((alone.is_met, alone.ratio), (Some(false), None));
    }

    #[test]
    fn an_update_is_judged_by_its_growth_its_pause_and_its_lost_writes() {
        let rolled = |leaders, took, worst_pause, lost| Rolled {
            leaders,
            at_once: 15,
            took,
            worst_pause,
            acknowledged: 100,
            lost,
        };
        let pair = |leaders, took, pause, lost| {
            let ours = rolled(leaders, took, pause, lost);
            (ours, rolled(leaders, took * 3, 50, 0))
        };
        let all = [
            pair(3, 10_000, 90, 0),
            pair(15, 19_000, 110, 0),
            pair(45, 21_000, 90, 1),
        ];
        let met: Vec<Option<bool>> = rolled_marks(&all);
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(met, [None, yes, yes, no, no, no]);
    }

    fn rolled_marks(all: &[(Rolled, Rolled)]) -> Vec<Option<bool>> {
        let lines = super::rolled(all).into_iter();
        lines.map(|it| it.is_met).collect()
    }

    #[test]
    fn who_misses_an_aim_is_marked() {
        let placed = |members, anew| Placed {
            members,
            anew,
            zone_lost: 1.0,
            is_proven: true,
        };
        let met = super::placed(&[placed(1000, 51.0), placed(1000, 49.0), placed(30, 99.0)]);
        let met: Vec<Option<bool>> = met.iter().map(|it| it.is_met).collect();
        assert_eq!(met, [Some(false), Some(true), None]);
    }
}
