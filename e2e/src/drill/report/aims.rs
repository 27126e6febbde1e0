//! What drills aim at, and whether they met it. Pure; the aims are those of the design and of the README, and
//! stand nowhere else.

use serde::Serialize;

use super::figures::Figures;
use super::times::Time;
use super::words::{self, count, duration};
use crate::drill::measured::{Level, Outcome};
use crate::drill::named;

/// How long a shard may take no writes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    /// No longer than this.
    AtMost(f64),
    /// Not as long as this.
    LessThan(f64),
    /// Nothing is promised; why.
    Any(&'static str),
}

/// What is promised of the outage in these drills.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// When it is promised.
    pub when: &'static str,
    /// How long.
    pub pause: Pause,
    /// The drills that it is about.
    pub drills: &'static [&'static str],
}

/// What is promised of the outage. Each drill stands in one row.
pub const PAUSES: &[Aim] = &[
    Aim {
        when: "a leader is asked to go: its pod is deleted, its host drained, its pod changed or updated",
        pause: Pause::AtMost(0.1),
        drills: &[
            "leader-pod",
            "drain",
            "roll",
            "roll-volumes",
            "roll-6x1",
            "upgrade-redis",
            "upgrade-redis-volumes",
            "upgrade-valkey",
            "roll-operator",
            "bad-image",
        ],
    },
    Aim {
        when: "no leader is touched: all followers end, or passwords are made anew",
        pause: Pause::AtMost(0.1),
        drills: &["followers", "passwords"],
    },
    Aim {
        when: "a leader ends without a word, or a third of them at once",
        pause: Pause::LessThan(1.0),
        drills: &["leader-crash", "leader-process", "third", "host"],
    },
    Aim {
        when: "a zone with a minority of the leaders is lost, in the middle of whatever",
        pause: Pause::AtMost(3.5),
        drills: &[
            "zone-kill",
            "zone-kill-6x1",
            "zone-kill-3x2",
            "zone-kill-volumes",
            "zone-kill-valkey-9",
            "zone-pause",
            "zone-kill-operator",
            "zone-pause-operator",
            "zone-cut",
            "next-zone",
            "two-zone-layout",
            "roll-zone-kill",
            "scale-zone-kill",
        ],
    },
    Aim {
        when: "the majority of the leaders is lost: two of three zones, or the larger one of two",
        pause: Pause::Any(
            "too few leaders are left to vote: it waits for a human's word, or for the policy",
        ),
        drills: &[
            "two-zones-tainted",
            "two-zones",
            "two-zones-unreachable",
            "two-zone-layout-majority",
        ],
    },
    Aim {
        when: "slots move to more leaders, and back",
        pause: Pause::Any(
            "the aim is about the latency of clients, which zoneward-local reshard measures",
        ),
        drills: &["scale", "scale-valkey-9", "scale-100k", "scale-operator"],
    },
    Aim {
        when: "all hosts lose their power",
        pause: Pause::Any("the machines have to start first"),
        drills: &["power"],
    },
];

/// How soon all is to be well again.
#[derive(Clone, Copy, Debug)]
pub struct Healing {
    /// After what.
    pub when: &'static str,
    /// What is reached.
    pub level: Level,
    /// In so many seconds.
    pub seconds: f64,
    /// The drills that it is about.
    pub drills: &'static [&'static str],
}

/// What is promised of the time until all is well again. A zone that comes back before its members are given up
/// is not made up for, and an update has its own pace: nothing is promised there.
pub const HEALINGS: &[Healing] = &[
    Healing {
        when: "a zone was lost, while it is away",
        level: Level::Redundant,
        seconds: 60.0,
        drills: &[
            "zone-kill",
            "zone-kill-6x1",
            "zone-kill-3x2",
            "zone-kill-valkey-9",
            "zone-pause",
            "zone-kill-operator",
            "zone-pause-operator",
            "zone-cut",
            "next-zone",
        ],
    },
    Healing {
        when: "all followers ended",
        level: Level::Redundant,
        seconds: 60.0,
        drills: &["followers"],
    },
    Healing {
        when: "the zone came back",
        level: Level::Balanced,
        seconds: 60.0,
        drills: &[
            "zone-kill",
            "zone-kill-6x1",
            "zone-kill-3x2",
            "zone-kill-volumes",
            "zone-kill-valkey-9",
            "zone-pause",
            "zone-kill-operator",
            "zone-pause-operator",
            "zone-cut",
            "next-zone",
        ],
    },
];

/// A figure that has an aim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// The longest outage of a shard.
    WorstOutage,
    /// The time until each leader has a follower in another zone.
    Redundant,
    /// The time until leaders are even over the zones.
    Balanced,
    /// Acknowledged writes that are lost.
    Lost,
    /// Acknowledged writes that nobody could be asked about.
    Unverified,
    /// That the drill came to its end.
    End,
}

/// A figure that missed its aim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Miss {
    /// The drill.
    pub drill: String,
    /// Which figure.
    pub measure: Measure,
    /// What was measured.
    pub measured: String,
    /// What was aimed at.
    pub aim: String,
}

impl Pause {
    /// Whether an outage is as promised.
    pub fn allows(self, seconds: f64) -> bool {
        match self {
            Self::AtMost(limit) => seconds <= limit,
            Self::LessThan(limit) => seconds < limit,
            Self::Any(_) => true,
        }
    }

    /// For people.
    pub fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("at most {limit} s"),
            Self::LessThan(limit) => format!("less than {limit} s"),
            Self::Any(why) => format!("none: {why}"),
        }
    }
}

impl Measure {
    /// The time to this level, where it has an aim anywhere.
    pub fn of(level: Level) -> Option<Self> {
        match level {
            Level::Redundant => Some(Self::Redundant),
            Level::Balanced => Some(Self::Balanced),
            Level::Unserved | Level::Served | Level::ZoneSafe => None,
        }
    }
}

/// What is promised of the outage in this drill; none where nobody has said.
pub fn pause_of(drill: &str) -> Option<&'static Aim> {
    PAUSES.iter().find(|aim| aim.drills.contains(&drill))
}

/// Why this drill may lose acknowledged writes; none where it may not.
pub fn may_lose(drill: &str) -> Option<&'static str> {
    named(drill)?.may_lose
}

/// What missed its aim.
pub fn judge(outcome: &Outcome, figures: &Figures) -> Vec<Miss> {
    let mut misses = Vec::new();
    let mut miss = |measure, measured: String, aim: String| {
        misses.push(Miss {
            drill: outcome.drill.clone(),
            measure,
            measured,
            aim,
        });
    };
    if let (Some(aim), Some(worst)) = (pause_of(&outcome.drill), figures.worst_outage)
        && !aim.pause.allows(worst)
    {
        let measured = format!("a shard took no writes for {}", duration(worst));
        miss(
            Measure::WorstOutage,
            measured,
            format!("{} when {}", aim.pause.text(), aim.when),
        );
    }
    for (measure, measured, aim) in late(&outcome.drill, figures) {
        miss(measure, measured, aim);
    }
    let of = count(figures.acknowledged);
    if figures.lost > 0 && may_lose(&outcome.drill).is_none() {
        let measured = format!(
            "{} of {of} acknowledged writes are lost",
            count(figures.lost)
        );
        miss(Measure::Lost, measured, "none lost".to_owned());
    }
    if figures.lost_for_sure > 0 {
        let lost = count(figures.lost_for_sure);
        let measured = format!(
            "{lost} writes are lost that a follower had, or that were there from the start"
        );
        miss(Measure::Lost, measured, "none of these, ever".to_owned());
    }
    if figures.unverified > 0 {
        let unverified = count(figures.unverified);
        let measured = format!("{unverified} of {of} acknowledged writes could not be read back");
        miss(
            Measure::Unverified,
            measured,
            "each is read back at the end".to_owned(),
        );
    }
    if let Some(error) = &outcome.error {
        let aim = "all that the drill waits for is reached in time";
        miss(Measure::End, error.clone(), aim.to_owned());
    }
    misses
}

/// What was not well again in time: what, how late, and the aim.
fn late<'a>(
    drill: &'a str,
    figures: &'a Figures,
) -> impl Iterator<Item = (Measure, String, String)> + 'a {
    let about = HEALINGS.iter().filter(move |it| it.drills.contains(&drill));
    about.filter_map(|healing| {
        let time = *figures.times.get(&healing.level)?;
        let measured = match time {
            Time::After(seconds) if seconds > healing.seconds => {
                format!(
                    "{} after {}",
                    words::level(healing.level),
                    words::time(time)
                )
            }
            Time::NotReached => format!("never {}", words::level(healing.level)),
            Time::After(_) | Time::Held | Time::Unknown => return None,
        };
        let aim = format!("at most {} s after {}", healing.seconds, healing.when);
        Some((Measure::of(healing.level)?, measured, aim))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::DRILLS;
    use crate::drill::report::figures::figures;
    use crate::drill::report::samples;

    #[test]
    fn each_drill_has_one_aim_of_its_outage() {
        for drill in &DRILLS {
            let aims = PAUSES.iter().filter(|it| it.drills.contains(&drill.name));
            assert_eq!(aims.count(), 1, "{}", drill.name);
        }
        let aimed = PAUSES.iter().flat_map(|it| it.drills);
        for name in aimed {
            assert!(named(name).is_some(), "there is no drill {name}");
        }
    }

    #[test]
    fn limits_are_kept_to_the_millisecond() {
        for (pause, seconds, is_allowed) in [
            (Pause::AtMost(0.1), 0.1, true),
            (Pause::AtMost(0.1), 0.101, false),
            (Pause::LessThan(1.0), 0.999, true),
            (Pause::LessThan(1.0), 1.0, false),
            (Pause::Any("because"), 99.0, true),
        ] {
            assert_eq!(pause.allows(seconds), is_allowed, "{pause:?} {seconds}");
        }
    }

    /// Of each figure: a value that meets its aim, and one that does not.
    #[test]
    fn each_aim_is_judged() {
        type Case = (
            &'static str,
            f64,
            u64,
            u64,
            Option<&'static str>,
            &'static [Measure],
        );
        let table: [Case; 15] = [
            ("leader-pod", 0.1, 0, 0, None, &[]),
            ("leader-pod", 0.26, 0, 0, None, &[Measure::WorstOutage]),
            ("leader-crash", 0.26, 0, 0, None, &[]),
            ("leader-crash", 1.0, 0, 0, None, &[Measure::WorstOutage]),
            ("zone-kill", 3.5, 0, 0, None, &[]),
            ("zone-kill", 3.9, 0, 0, None, &[Measure::WorstOutage]),
            ("two-zones-tainted", 99.0, 0, 0, None, &[]),
            ("scale", 99.0, 0, 0, None, &[]),
            ("power", 99.0, 0, 0, None, &[]),
            ("nobody-knows", 99.0, 0, 0, None, &[]),
            ("zone-kill", 0.1, 3, 0, None, &[Measure::Lost]),
            ("two-zones", 0.1, 654, 0, None, &[]),
            ("two-zones", 0.1, 654, 2, None, &[Measure::Unverified]),
            ("power", 0.1, 0, 0, Some("in vain"), &[Measure::End]),
            (
                "zone-kill",
                4.0,
                1,
                0,
                Some("in vain"),
                &[Measure::WorstOutage, Measure::Lost, Measure::End],
            ),
        ];
        for (drill, outage, lost, unverified, error, missed) in table {
            let outcome = Outcome {
                drill: drill.to_owned(),
                error: error.map(str::to_owned),
                ..samples::zone_kill()
            };
            let figures = Figures {
                worst_outage: Some(outage),
                lost,
                unverified,
                ..figures(&outcome)
            };
            let found: Vec<Measure> = judge(&outcome, &figures)
                .iter()
                .map(|miss| miss.measure)
                .collect();
            assert_eq!(
                found, missed,
                "{drill} {outage} {lost} {unverified} {error:?}"
            );
        }
    }

    #[test]
    fn who_is_well_again_too_late_is_told() {
        let outcome = samples::zone_kill();
        let measured = |redundant, balanced| {
            let times = [(Level::Redundant, redundant), (Level::Balanced, balanced)];
            let figures = Figures {
                worst_outage: None,
                times: times.into(),
                ..figures(&outcome)
            };
            let misses = judge(&outcome, &figures);
            misses.into_iter().map(|it| it.measured).collect::<Vec<_>>()
        };
        assert!(measured(Time::After(60.0), Time::Held).is_empty());
        assert_eq!(
            measured(Time::After(61.0), Time::NotReached),
            ["redundant after 61.0 s", "never balanced"]
        );
    }

    #[test]
    fn the_aims_of_healing_are_about_drills_that_exist() {
        for name in HEALINGS.iter().flat_map(|it| it.drills) {
            assert!(named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_miss_says_what_was_measured_and_aimed_at() {
        let outcome = samples::zone_kill();
        let misses = judge(&outcome, &figures(&outcome));
        let told: Vec<String> = misses
            .iter()
            .map(|it| format!("{}: {}; aim: {}", it.drill, it.measured, it.aim))
            .collect();
        assert_eq!(
            told,
            [
                "zone-kill: a shard took no writes for 3.90 s; aim: at most 3.5 s when a zone with a \
              minority of the leaders is lost, in the middle of whatever"
            ]
        );
    }
}
