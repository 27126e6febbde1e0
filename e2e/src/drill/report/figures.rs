//! The figures of a drill, out of what was measured: outages, counts, and how long it took until things were
//! well again. Pure; it judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;

use crate::drill::measured::{Event, Level, Outcome, Sort, Standing};
use crate::workload::gaps::Gap;
use crate::workload::report::LaneReport;

/// The levels whose times are told, in order.
pub const LEVELS: [Level; 4] = [
    Level::Served,
    Level::Redundant,
    Level::ZoneSafe,
    Level::Balanced,
];

/// Deeds that follow one another as close as this, with nothing reached or said between, are one: the
/// status is not looked at between them.
const ONE_DEED: f64 = 0.3;

/// How long after a deed something held, and went on to hold until the next deed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Time {
    /// Nobody looked.
    Unknown,
    /// It held at every look.
    Held,
    /// Seconds from the beginning of the deed.
    After(f64),
    /// It did not hold when the next deed came, or at the end.
    NotReached,
}

/// The time of each level.
pub type Times = BTreeMap<Level, Time>;

/// The figures of a drill.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The longest outage of any shard, in seconds; none where nothing was written.
    pub worst_outage: Option<f64>,
    /// The median of the shards' longest outages.
    pub median_outage: Option<f64>,
    /// Tries to write.
    pub attempted: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged writes that cannot be read back.
    pub lost: u64,
    /// Acknowledged writes that nobody could be asked about.
    pub unverified: u64,
    /// The longest time to each level, over all deeds.
    pub times: Times,
    /// The times after each deed.
    pub deeds: Vec<Deed>,
    /// Each shard.
    pub shards: Vec<Shard>,
}

/// What was done at a time, and how long it took until things were well again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deed {
    /// When it was begun.
    pub at: f64,
    /// What.
    pub text: String,
    /// The times of the levels.
    pub times: Times,
}

/// What the writer of a shard saw. Seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Its name; with its `RedisCluster` where there are several.
    pub name: String,
    /// The slots that it began with.
    pub slots: String,
    /// The longest time without an acknowledged write.
    pub outage: f64,
    /// When that began.
    pub outage_at: f64,
    /// No write ended it: the drill was over first.
    pub is_open: bool,
    /// How many pauses of 100 ms or more there were.
    pub pauses: usize,
    /// The median of these.
    pub median_pause: Option<f64>,
    /// Tries to write.
    pub attempted: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged writes that cannot be read back.
    pub lost: u64,
    /// Acknowledged writes that nobody could be asked about.
    pub unverified: u64,
}

/// The figures of what was measured.
pub fn figures(outcome: &Outcome) -> Figures {
    let shards = shards(outcome);
    let outages: Vec<f64> = shards.iter().map(|shard| shard.outage).collect();
    let sum = |of: fn(&Shard) -> u64| shards.iter().map(of).sum();
    let deeds = deeds(outcome);
    Figures {
        worst_outage: outages.iter().copied().reduce(f64::max),
        median_outage: median(outages),
        attempted: sum(|it| it.attempted),
        acknowledged: sum(|it| it.acknowledged),
        lost: sum(|it| it.lost),
        unverified: sum(|it| it.unverified),
        times: LEVELS.map(|level| (level, longest(&deeds, level))).into(),
        deeds,
        shards,
    }
}

/// Half of them are not larger, and half not smaller.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(*lower, *upper))
}

/// When the writer's clock began, in seconds from the first deed.
pub fn shift(outcome: &Outcome, writer_unix_millis: i64) -> f64 {
    SignedDuration::from_millis(writer_unix_millis - outcome.unix_millis).as_secs_f64()
}

/// Milliseconds as seconds.
pub fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn shards(outcome: &Outcome) -> Vec<Shard> {
    let mut shards = Vec::new();
    for (cluster, workload) in outcome.workloads.iter().enumerate() {
        let shift = shift(outcome, workload.unix_millis);
        for (number, lane) in workload.shards.iter().enumerate() {
            let name = match outcome.workloads.len() {
                1 => format!("shard {number}"),
                _ => format!("cluster {}, shard {number}", cluster + 1),
            };
            shards.push(shard(name, lane, shift));
        }
    }
    shards
}

fn shard(name: String, lane: &LaneReport, shift: f64) -> Shard {
    let pauses: Vec<f64> = lane.gaps.iter().map(length).collect();
    Shard {
        name,
        slots: lane.slots.clone(),
        outage: length(&lane.longest_gap),
        outage_at: seconds(lane.longest_gap.start_millis) + shift,
        is_open: lane.longest_gap.open,
        pauses: pauses.len(),
        median_pause: median(pauses),
        attempted: lane.attempted(),
        acknowledged: lane.acknowledged,
        lost: lane.lost,
        unverified: lane.unverified,
    }
}

fn length(gap: &Gap) -> f64 {
    seconds(gap.millis)
}

fn deeds(outcome: &Outcome) -> Vec<Deed> {
    let groups = groups(&outcome.events);
    let mut deeds = Vec::new();
    for (number, (at, text)) in groups.iter().enumerate() {
        let next = groups.get(number + 1).map_or(f64::INFINITY, |next| next.0);
        let time = |level| (level, settled(&outcome.standings, level, (*at, next)));
        deeds.push(Deed {
            at: *at,
            text: text.clone(),
            times: LEVELS.map(time).into(),
        });
    }
    deeds
}

/// What was done, with deeds as one that follow one another at once.
fn groups(events: &[Event]) -> Vec<(f64, String)> {
    let mut groups: Vec<(f64, String)> = Vec::new();
    let mut before: Option<&Event> = None;
    for event in events {
        if event.sort == Sort::Done {
            let is_one =
                before.is_some_and(|it| it.sort == Sort::Done && event.from() - it.at < ONE_DEED);
            match groups.last_mut().filter(|_| is_one) {
                Some((_, text)) => {
                    text.push_str("; ");
                    text.push_str(&event.text);
                }
                None => groups.push((event.from(), event.text.clone())),
            }
        }
        before = Some(event);
    }
    groups
}

/// When the level was there for good, between a deed and the next.
fn settled(standings: &[Standing], level: Level, (from, next): (f64, f64)) -> Time {
    let (before, rest): (Vec<&Standing>, Vec<_>) = standings.iter().partition(|it| it.at <= from);
    let mut holds = match before.last() {
        Some(standing) => standing.level >= level,
        None if standings.is_empty() => return Time::Unknown,
        None => true,
    };
    let mut time = Time::Held;
    for standing in rest.iter().filter(|it| it.at < next) {
        let held = std::mem::replace(&mut holds, standing.level >= level);
        if holds && !held {
            time = Time::After(standing.at - from);
        }
    }
    if holds { time } else { Time::NotReached }
}

/// Deeds that came too early for it do not count, but the last does.
fn longest(deeds: &[Deed], level: Level) -> Time {
    let time = |deed: &Deed| deed.times.get(&level).copied().unwrap_or(Time::Unknown);
    let last = deeds.last().map_or(Time::Unknown, time);
    if matches!(last, Time::Unknown | Time::NotReached) {
        return last;
    }
    let after = |deed: &Deed| match time(deed) {
        Time::After(seconds) => Some(seconds),
        _ => None,
    };
    let longest = deeds.iter().filter_map(after).reduce(f64::max);
    longest.map_or(Time::Held, Time::After)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::samples;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![9.0, 1.0], Some(5.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0, 2.0, 9.0], Some(3.0)),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }

    type Case<'a> = (&'a str, &'a [(f64, Level)], f64, Time);

    #[test]
    fn a_level_is_reached_when_it_stays() {
        use Level::{Balanced, Redundant, Served, Unserved};
        let at = |looks: &[(f64, Level)]| {
            let each = looks.iter();
            each.map(|(at, level)| Standing {
                at: *at,
                level: *level,
            })
            .collect::<Vec<_>>()
        };
        let table: [Case<'_>; 7] = [
            ("nobody looked", &[], 99.0, Time::Unknown),
            ("nothing happened", &[(0.0, Balanced)], 99.0, Time::Held),
            (
                "less was lost",
                &[(0.0, Balanced), (2.0, Redundant)],
                99.0,
                Time::Held,
            ),
            (
                "once",
                &[(0.0, Balanced), (2.0, Unserved), (4.0, Redundant)],
                99.0,
                Time::After(3.0),
            ),
            (
                "twice",
                &[
                    (0.0, Balanced),
                    (2.0, Served),
                    (4.0, Redundant),
                    (5.0, Served),
                    (7.0, Balanced),
                ],
                99.0,
                Time::After(6.0),
            ),
            (
                "never",
                &[(0.0, Balanced), (2.0, Served)],
                99.0,
                Time::NotReached,
            ),
            (
                "after the next deed",
                &[(0.0, Balanced), (2.0, Served), (4.0, Redundant)],
                3.0,
                Time::NotReached,
            ),
        ];
        for (case, looks, next, time) in table {
            let found = settled(&at(looks), Redundant, (1.0, next));
            assert_eq!(found, time, "{case}");
        }
    }

    #[test]
    fn figures_are_of_all_shards_and_all_deeds() {
        let figures = figures(&samples::zone_kill());
        assert_eq!(figures.worst_outage, Some(3.9));
        assert_eq!(figures.median_outage, Some(0.3));
        assert_eq!((figures.attempted, figures.acknowledged), (3030, 3000));
        let texts: Vec<&str> = figures.deeds.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "zone-b: its hosts are dead",
                "zone-b: its hosts are started"
            ]
        );
        let times: Vec<Time> = figures.times.values().copied().collect();
        assert_eq!(times[0], Time::After(4.0));
        assert_eq!(times[1], Time::After(34.0));
        assert_eq!(times[2], times[3], "both from the return");
    }

    #[test]
    fn deeds_without_a_look_between_are_one() {
        let mut outcome = samples::zone_kill();
        let mut second = outcome.events[0].clone();
        second.begun = Some(outcome.events[0].at);
        second.at += 0.5;
        second.text = "zone-c: its hosts are dead".to_owned();
        outcome.events.insert(1, second);
        let deeds = figures(&outcome).deeds;
        assert_eq!(deeds.len(), 2);
        assert_eq!(
            deeds[0].text,
            "zone-b: its hosts are dead; zone-c: its hosts are dead"
        );
    }
}
