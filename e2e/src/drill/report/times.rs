//! How long it took after each deed until things were well again, by what the status said. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::drill::measured::{Event, Level, Outcome, Sort, Standing};

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

/// Between two looks at the status. What a drill waits for shows at one of its own looks, and it goes on at once: the
/// look that is told may come so much later, and nothing that is done makes things better as fast as that.
const ONE_LOOK: f64 = 0.3;

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

/// What was done, and the times after it.
pub(super) fn deeds(outcome: &Outcome) -> Vec<Deed> {
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
    for standing in rest {
        let held = holds;
        let is_better = standing.level >= level && !held;
        if standing.at >= next && !(is_better && standing.at < next + ONE_LOOK) {
            break;
        }
        holds = standing.level >= level;
        if holds && !held {
            time = Time::After(standing.at - from);
        }
    }
    if holds { time } else { Time::NotReached }
}

/// Deeds that came too early for it do not count, but the last does.
pub(super) fn longest(deeds: &[Deed], level: Level) -> Time {
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
        let table: [Case<'_>; 9] = [
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
                "seen while the next deed began",
                &[(0.0, Balanced), (2.0, Served), (9.1, Redundant)],
                9.0,
                Time::After(8.1),
            ),
            (
                "after the next deed",
                &[(0.0, Balanced), (2.0, Served), (9.4, Redundant)],
                9.0,
                Time::NotReached,
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
    fn deeds_without_a_look_between_are_one() {
        let mut outcome = samples::zone_kill();
        let mut second = outcome.events[0].clone();
        second.begun = Some(outcome.events[0].at);
        second.at += 0.5;
        second.text = "zone-c: its hosts are dead".to_owned();
        outcome.events.insert(1, second);
        let deeds = deeds(&outcome);
        assert_eq!(deeds.len(), 2);
        assert_eq!(
            deeds[0].text,
            "zone-b: its hosts are dead; zone-c: its hosts are dead"
        );
    }
}
