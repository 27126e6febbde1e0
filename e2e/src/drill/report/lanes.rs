//! What a timeline shows: lanes with bars and marks, in seconds. Pure; where they stand on paper is `svg`'s.

use super::figures::{Figures, seconds, shift};
use super::times::LEVELS;
use super::words;
use crate::drill::measured::{About, Level, Outcome, Sort, Told};

/// How long before the first deed the picture begins: the writer writes by then.
const BEFORE: f64 = 2.0;

/// A row of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lane {
    /// At its left.
    pub(super) label: String,
    /// What lasted, in order.
    pub(super) bars: Vec<Bar>,
    /// What happened in a moment.
    pub(super) marks: Vec<Mark>,
    /// At its right.
    pub(super) note: String,
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    /// From.
    pub(super) from: f64,
    /// To.
    pub(super) to: f64,
    /// Its class in the style sheet.
    pub(super) class: &'static str,
    /// What it was.
    pub(super) text: String,
}

/// Something that happened in a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// When.
    pub(super) at: f64,
    /// Its class in the style sheet.
    pub(super) class: &'static str,
    /// What it was.
    pub(super) text: String,
}

/// From when to when a timeline goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    /// From.
    pub(super) from: f64,
    /// To.
    pub(super) to: f64,
}

impl Span {
    /// All that was measured of a drill.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let events = outcome.events.iter().map(|event| event.at);
        let standings = outcome.standings.iter().map(|standing| standing.at);
        let workloads = outcome
            .workloads
            .iter()
            .map(|workload| shift(outcome, workload.unix_millis) + seconds(workload.millis));
        let last = events.chain(standings).chain(workloads).fold(0.0, f64::max);
        Self {
            from: -BEFORE,
            to: last + 1.0,
        }
    }

    /// The part of a bar that lies within; none where none does.
    fn clip(self, bar: Bar) -> Option<Bar> {
        let from = bar.from.max(self.from);
        let to = bar.to.min(self.to);
        (to >= from).then_some(Bar { from, to, ..bar })
    }

    fn has(self, at: f64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// All lanes of a drill: the faults, the operator, the status, the writer of each shard.
pub(super) fn lanes(outcome: &Outcome, figures: &Figures, span: Span) -> Vec<Lane> {
    let mut lanes = faults(outcome, span);
    lanes.push(conditions(outcome));
    lanes.extend(operator(outcome, span));
    lanes.extend(levels(outcome, span));
    lanes.extend(shards(outcome, figures, span));
    lanes
}

/// A lane for each fault, and one for what was done in a moment.
fn faults(outcome: &Outcome, span: Span) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut moments = Vec::new();
    for event in outcome.deeds() {
        let Some(edge) = &event.fault else {
            moments.push(Mark {
                at: event.from(),
                class: "deed",
                text: format!("{}: {}", words::moment(event.from()), event.text),
            });
            continue;
        };
        if !lanes.iter().any(|lane| lane.label == edge.fault) {
            lanes.push(lane(&edge.fault));
        }
        let mut same = lanes.iter_mut().filter(|lane| lane.label == edge.fault);
        let Some(lane) = same.next() else { continue };
        if !edge.ends {
            lane.bars.push(Bar {
                from: event.from(),
                to: span.to,
                class: "fault",
                text: edge.fault.clone(),
            });
        } else if let Some(bar) = lane.bars.last_mut() {
            bar.to = event.at;
        }
    }
    for bar in lanes.iter_mut().flat_map(|lane| &mut lane.bars) {
        let (from, to) = (words::moment(bar.from), words::moment(bar.to));
        bar.text = format!("{}, {from} to {to}", bar.text);
    }
    if !moments.is_empty() {
        lanes.push(Lane {
            marks: moments,
            ..lane("done")
        });
    }
    lanes
}

/// What the status said newly.
fn conditions(outcome: &Outcome) -> Lane {
    let said = outcome.events.iter().filter(|it| it.sort == Sort::Said);
    let marks = said.map(|event| Mark {
        at: event.at,
        class: "said",
        text: format!("{}: {}", words::moment(event.at), event.text),
    });
    Lane {
        marks: marks.collect(),
        ..lane("status says")
    }
}

/// What the operator told, and the pods that were made and ended.
fn operator(outcome: &Outcome, span: Span) -> [Lane; 2] {
    let marks = |wanted: fn(About) -> bool| {
        let each = outcome.told.iter();
        let of = each.filter(|told| wanted(told.about) && span.has(told.at));
        of.map(mark).collect()
    };
    [
        Lane {
            marks: marks(|about| about == About::Operator),
            ..lane("operator tells")
        },
        Lane {
            marks: marks(|about| about != About::Operator),
            ..lane("pods")
        },
    ]
}

fn mark(told: &Told) -> Mark {
    let at = words::moment(told.at);
    let (class, text) = match told.about {
        About::Operator if told.is_warning => ("worse", format!("{}: {}", told.reason, told.text)),
        About::Operator => ("better", format!("{}: {}", told.reason, told.text)),
        About::PodMade => ("made", format!("pod {} is made", told.text)),
        About::PodEnded => ("ended", format!("pod {} is ended", told.text)),
    };
    Mark {
        at: told.at,
        class,
        text: format!("{at}: {text}"),
    }
}

/// When each level held, by the status. None where nobody looked.
fn levels(outcome: &Outcome, span: Span) -> Vec<Lane> {
    if outcome.standings.is_empty() {
        return Vec::new();
    }
    LEVELS.map(|level| level_lane(outcome, level, span)).into()
}

fn level_lane(outcome: &Outcome, level: Level, span: Span) -> Lane {
    let mut bars: Vec<Bar> = Vec::new();
    let mut is_held = false;
    for standing in &outcome.standings {
        let holds = standing.level >= level;
        if holds && !is_held {
            bars.push(Bar {
                from: standing.at,
                to: span.to,
                class: "holds",
                text: String::new(),
            });
        } else if let (false, true, Some(bar)) = (holds, is_held, bars.last_mut()) {
            bar.to = standing.at;
        }
        is_held = holds;
    }
    for bar in &mut bars {
        let (from, to) = (words::moment(bar.from), words::moment(bar.to));
        bar.text = format!("{}, {from} to {to}", words::level(level));
    }
    Lane {
        bars,
        ..lane(words::level(level))
    }
}

/// Each shard: when it took writes, and its pauses.
fn shards(outcome: &Outcome, figures: &Figures, span: Span) -> Vec<Lane> {
    let of_writers = outcome
        .workloads
        .iter()
        .flat_map(|workload| workload.shards.iter().map(move |lane| (workload, lane)));
    let mut lanes = Vec::new();
    for ((workload, measured), shard) in of_writers.zip(&figures.shards) {
        let shift = shift(outcome, workload.unix_millis);
        let mut bars = vec![Bar {
            from: shift,
            to: shift + seconds(workload.millis),
            class: "takes",
            text: format!("{}: longest {}", shard.name, words::duration(shard.outage)),
        }];
        for gap in &measured.gaps {
            let from = seconds(gap.start_millis) + shift;
            let length = seconds(gap.millis);
            let at = words::moment(from);
            bars.push(Bar {
                from,
                to: from + length,
                class: "gap",
                text: format!("no writes for {} from {at}", words::duration(length)),
            });
        }
        lanes.push(Lane {
            bars: bars.into_iter().filter_map(|bar| span.clip(bar)).collect(),
            note: words::duration(shard.outage),
            ..lane(&shard.name)
        });
    }
    lanes
}

fn lane(label: &str) -> Lane {
    Lane {
        label: label.to_owned(),
        bars: Vec::new(),
        marks: Vec::new(),
        note: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::figures::figures;
    use crate::drill::report::samples;

    fn drawn(outcome: &Outcome) -> Vec<Lane> {
        lanes(outcome, &figures(outcome), Span::of(outcome))
    }

    #[test]
    fn a_drill_has_a_lane_for_all_that_matters() {
        let lanes = drawn(&samples::zone_kill());
        let labels: Vec<&str> = lanes.iter().map(|lane| lane.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "zone-b dead",
                "status says",
                "operator tells",
                "pods",
                "served",
                "redundant",
                "zone-safe",
                "balanced",
                "shard 0",
                "shard 1",
                "shard 2"
            ]
        );
        let fault = &lanes[0].bars[0];
        assert_eq!((fault.from, fault.to), (0.0, 35.5), "from end to end");
        assert_eq!(fault.text, "zone-b dead, 0.0 s to 35.5 s");
        let served: Vec<(f64, f64)> = lanes[4].bars.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(served, [(0.0, 0.6), (4.0, 45.0)]);
        let classes = |lane: &Lane| lane.bars.iter().map(|it| it.class).collect::<Vec<_>>();
        assert_eq!(classes(&lanes[8]), ["takes"], "no pause");
        assert_eq!(classes(&lanes[9]), ["takes", "gap"]);
        assert_eq!(lanes[9].note, "3.90 s");
    }

    #[test]
    fn a_fault_that_was_not_undone_lasts_to_the_end() {
        let mut outcome = samples::zone_kill();
        outcome.events.truncate(1);
        let lanes = drawn(&outcome);
        assert!((lanes[0].bars[0].to - Span::of(&outcome).to).abs() < 1e-9);
    }

    #[test]
    fn a_zone_that_is_lost_twice_has_one_lane() {
        let mut outcome = samples::zone_kill();
        let again = samples::done(44.0, "again", "zone-b dead", false);
        outcome.events.push(again);
        let lanes = drawn(&outcome);
        assert_eq!(lanes[0].bars.len(), 2);
        assert_eq!(lanes[1].label, "status says");
    }

    #[test]
    fn what_happens_in_a_moment_is_a_mark() {
        let mut outcome = samples::zone_kill();
        outcome.events[0].fault = None;
        let lanes = drawn(&outcome);
        let done = lanes.iter().find(|lane| lane.label == "done").unwrap();
        assert_eq!(done.marks[0].text, "0.0 s: zone-b: its hosts are dead");
    }
}
