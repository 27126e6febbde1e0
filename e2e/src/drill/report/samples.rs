//! Outcomes to test with.

use std::collections::BTreeMap;

use crate::drill::measured::{About, Edge, Event, Level, Outcome, Setting, Sort, Standing, Told};
use crate::workload::gaps::Gap;
use crate::workload::report::{ClientReport, LaneReport, Report};

fn gap(start_millis: u64, millis: u64) -> Gap {
    Gap {
        start_millis,
        millis,
        open: false,
    }
}

/// The lane of a writer that paused so.
pub(super) fn lane(gaps: &[(u64, u64)]) -> LaneReport {
    let gaps: Vec<Gap> = gaps.iter().map(|(at, length)| gap(*at, *length)).collect();
    let longest = gaps.iter().max_by_key(|gap| gap.millis).copied();
    LaneReport {
        slots: "0-5460".to_owned(),
        acknowledged: 1000,
        longest_gap: longest.unwrap_or_else(|| gap(2000, 20)),
        gaps,
        failed_tries: BTreeMap::from([("MOVED".to_owned(), 7), ("broken".to_owned(), 3)]),
        ..LaneReport::default()
    }
}

fn client() -> ClientReport {
    ClientReport {
        operations: 9000,
        failed: BTreeMap::from([("timeout".to_owned(), 2)]),
        slow: 5,
        longest: gap(2100, 1200),
        ..ClientReport::default()
    }
}

/// Something that took half a second to be done.
pub(super) fn done(at: f64, text: &str, fault: &str, ends: bool) -> Event {
    Event {
        at: at + 0.5,
        begun: Some(at),
        sort: Sort::Done,
        text: text.to_owned(),
        fault: Some(Edge {
            fault: fault.to_owned(),
            ends,
        }),
    }
}

fn other(at: f64, sort: Sort, text: &str) -> Event {
    Event {
        at,
        begun: None,
        sort,
        text: text.to_owned(),
        fault: None,
    }
}

/// A zone is killed and comes back; a shard paused for longer than it should.
pub(super) fn zone_kill() -> Outcome {
    let levels = [
        (0.0, Level::Balanced),
        (0.6, Level::Unserved),
        (4.0, Level::Served),
        (34.0, Level::Redundant),
        (43.0, Level::Balanced),
    ];
    Outcome {
        drill: "zone-kill".to_owned(),
        title: "A zone of three is killed".to_owned(),
        shape: "3 leaders with 1 follower each, in memory".to_owned(),
        engines: vec!["Redis 8.0.2".to_owned()],
        setting: Some(Setting {
            machine: "2 × Fast One".to_owned(),
            commit: "abc123".to_owned(),
            ..Setting::default()
        }),
        load: Some(1.5),
        unix_millis: 1_795_362_110_000,
        events: vec![
            done(0.0, "zone-b: its hosts are dead", "zone-b dead", false),
            other(0.7, Sort::Said, "bench: ZoneSafe is False"),
            other(34.0, Sort::Reached, "redundant"),
            done(35.0, "zone-b: its hosts are started", "zone-b dead", true),
            other(43.0, Sort::Reached, "home"),
        ],
        standings: levels.map(|(at, level)| Standing { at, level }).into(),
        told: vec![
            Told {
                at: 0.9,
                about: About::Operator,
                reason: "ZoneSilent".to_owned(),
                text: "all hosts of zone-b are silent".to_owned(),
                is_warning: true,
            },
            Told {
                at: 30.9,
                about: About::PodMade,
                reason: "Scheduled".to_owned(),
                text: "bench-0-7".to_owned(),
                is_warning: false,
            },
        ],
        workloads: vec![Report {
            unix_millis: 1_795_362_108_000,
            millis: 46_000,
            shards: vec![lane(&[]), lane(&[(2100, 3900)]), lane(&[(2100, 300)])],
            client: Some(client()),
            ..Report::default()
        }],
        ..Outcome::default()
    }
}
