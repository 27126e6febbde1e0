//! The page of the report: one file without scripts, for people who never saw the project. Pure, and every
//! value is escaped; it judges nothing, and draws what is handed in.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Judged;
use super::aims::{Aim, Measure, PAUSES, Pause, may_lose};
use super::figures::LEVELS;
use super::part::{id, part};
use super::words;

/// It is ours, and holds nothing from outside.
const STYLE: &str = include_str!("style.css");

/// The page.
pub fn page(drills: &[Judged]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Zoneward: drills" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (introduction(drills))
                    (verdict(drills))
                    (overview(drills))
                    (columns())
                    (aims())
                    (settings(drills))
                    (legend())
                    @for (number, drill) in drills.iter().enumerate() { (part(drill, number)) }
                }
            }
        }
    };
    markup.into_string() + "\n"
}

fn introduction(drills: &[Judged]) -> Markup {
    let played = match drills.len() {
        1 => "This page tells of 1 drill".to_owned(),
        more => format!("This page tells of {more} drills"),
    };
    html! {
        header {
            h1 { "Zoneward: drills" }
            p {
                "Zoneward is a Kubernetes operator. It runs Redis Cluster and Valkey in several zones, so that the "
                "loss of any one zone is survived. A " em { "drill" } " shows whether that is so: on a real Kubernetes "
                "(kind: its hosts are containers of one machine, in three zones) something is broken or changed on "
                "purpose, while a writer writes to every shard all the time. When all is well again, every write that "
                "was acknowledged is read back."
            }
            p {
                "A " em { "shard" } " is a part of the data: a " em { "leader" } " that takes its writes, and the "
                em { "followers" } " that copy it, each in another zone. "
                (played) @if let Some(date) = date(drills) { ", played on " (date) } "."
            }
        }
    }
}

/// The day of the first drill, and of the last where that is another.
fn date(drills: &[Judged]) -> Option<String> {
    let times = drills.iter().map(|it| it.outcome.unix_millis);
    let mut days: Vec<i64> = times.filter(|time| *time > 0).collect();
    days.sort_unstable();
    let day = |millis: &i64| {
        let time = jiff::Timestamp::from_millisecond(*millis).ok()?;
        Some(time.strftime("%F").to_string())
    };
    let (first, last) = (day(days.first()?)?, day(days.last()?)?);
    Some(if first == last {
        first
    } else {
        format!("{first} to {last}")
    })
}

fn verdict(drills: &[Judged]) -> Markup {
    let all: Vec<_> = drills.iter().enumerate().collect();
    let missed: usize = drills.iter().map(|it| it.missed.len()).sum();
    html! {
        section .verdict .bad[missed > 0] .good[missed == 0] {
            h2 { "What missed its aim" }
            @if missed == 0 { p { "Nothing: each figure that has an aim met it." } }
            @else {
                ul {
                    @for (number, drill) in all {
                        @for miss in &drill.missed {
                            li {
                                a href={ "#" (id(number)) } { (miss.drill) } ": " strong { (miss.measured) }
                                ". Aim: " (miss.aim) "."
                            }
                        }
                    }
                }
            }
        }
    }
}

fn overview(drills: &[Judged]) -> Markup {
    html! {
        section {
            h2 { "All drills" }
            div .wide {
                table .overview {
                    thead {
                        tr {
                            th rowspan="2" scope="col" { "drill" }
                            th colspan="2" scope="colgroup" .group { "outage of a shard" }
                            th colspan="3" scope="colgroup" .group { "writes" }
                            th colspan=(LEVELS.len()) scope="colgroup" .group { "time until" }
                        }
                        tr {
                            @for name in ["median", "worst", "attempted", "acknowledged", "lost"] {
                                th scope="col" .number { (name) }
                            }
                            @for level in LEVELS { th scope="col" .number { (words::level(level)) } }
                        }
                    }
                    tbody {
                        @for (number, drill) in drills.iter().enumerate() { (row(drill, number)) }
                    }
                }
            }
            p .note { "A cell that is marked ✗ missed its aim. The columns are explained below." }
        }
    }
}

fn row(drill: &Judged, number: usize) -> Markup {
    let figures = &drill.figures;
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), words::duration);
    let lost = match figures.unverified {
        0 => words::count(figures.lost),
        more => format!(
            "{} + {} unknown",
            words::count(figures.lost),
            words::count(more)
        ),
    };
    let missed = |measure: Measure| drill.missed.iter().any(|miss| miss.measure == measure);
    let is_allowed = figures.lost > 0 && may_lose(&drill.outcome.drill).is_some();
    html! {
        tr {
            th scope="row" {
                a href={ "#" (id(number)) } { (drill.outcome.drill) }
                @if missed(Measure::End) { " " (cell_mark("did not end well")) }
                div .title { (drill.outcome.title) }
            }
            td .number { (seconds(figures.median_outage)) }
            (cell(&seconds(figures.worst_outage), missed(Measure::WorstOutage)))
            td .number { (words::count(figures.attempted)) }
            td .number { (words::count(figures.acknowledged)) }
            @if is_allowed {
                td .number { (lost) " " span .allowed { "allowed" } }
            } @else {
                (cell(&lost, missed(Measure::Lost) || missed(Measure::Unverified)))
            }
            @for time in figures.times.values() { td .number { (words::time(*time)) } }
        }
    }
}

fn cell(text: &str, is_missed: bool) -> Markup {
    html! {
        td .number .missed[is_missed] {
            @if is_missed { (cell_mark("")) " " }
            (text)
        }
    }
}

/// A sign for the eye, and words for who does not see it.
fn cell_mark(text: &str) -> Markup {
    html! {
        span .cross {
            span aria-hidden="true" { "✗ " (text) }
            span .unseen { (text) " missed its aim: " }
        }
    }
}

fn columns() -> Markup {
    let told = [
        (
            "outage",
            "The longest time between two acknowledged writes of a shard, seen by the writer from beside the \
            members. It writes every 10 ms and waits up to 300 ms for a reply, so an outage may be told up to 0.4 s \
            too long, never too short. Of the shards' outages the median and the worst.",
        ),
        (
            "attempted",
            "How often a write was sent: also those that were sent on to another member, refused, or \
            not answered. The writer tries again until each is acknowledged.",
        ),
        ("acknowledged", "Writes that a leader said it has."),
        (
            "lost",
            "Acknowledged writes that no leader holds at the end. What nobody answered for within a minute is \
            unknown, and never counted as fine. In a few drills Redis itself cannot keep all: there it is allowed, \
            and the drill says why.",
        ),
        (
            "served",
            "Until all slots, the parts of the key space, have a leader that can be reached.",
        ),
        (
            "redundant",
            "Until each leader has a follower in another zone as well, with a whole copy.",
        ),
        (
            "zone-safe",
            "Until the loss of any one zone would be survived as well.",
        ),
        (
            "balanced",
            "Until also leaders are even over the zones, nothing is missing, and nothing left over.",
        ),
    ];
    html! {
        section {
            h2 { "What the columns mean" }
            dl .columns {
                @for (name, text) in told { dt { (name) } dd { (text) } }
            }
            p {
                "The times are what the operator's status said, looked at five times a second, and never what it "
                "said of members that a drill had taken away. Each counts from the beginning of what was done last "
                "before it: from the loss of a zone until redundant, from its return until balanced. The longest is "
                "shown; each drill has all of them. " em { "held" } ": it never ceased to be so. " em { "not reached" }
                ": not when the drill ended. –: not measured."
            }
        }
    }
}

fn aims() -> Markup {
    html! {
        section {
            h2 { "What is aimed at" }
            div .wide {
                table {
                    thead {
                        tr {
                            th scope="col" { "when" } th scope="col" { "worst outage of a shard" }
                            th scope="col" { "drills" }
                        }
                    }
                    tbody { @for aim in PAUSES { (aim_row(aim)) } }
                }
            }
            p {
                "In all drills: no acknowledged write is lost, each is read back at the end, and all that the drill "
                "waits for is reached in time. The aims are those of the project's design and README. What they say of "
                "speed beside other ways (a bus alone, redis-cli), of clients' latency while slots move, and of the "
                "operator's own use of the machine is measured elsewhere: " code { "make local-bench" } "."
            }
        }
    }
}

fn aim_row(aim: &Aim) -> Markup {
    let is_promised = !matches!(aim.pause, Pause::Any(_));
    html! {
        tr {
            td { (aim.when) }
            td .strong[is_promised] { (aim.pause.text()) }
            td { (aim.drills.join(", ")) }
        }
    }
}

/// Where the drills were played: each place once, with its drills where there are several.
fn settings(drills: &[Judged]) -> Markup {
    let mut places = Vec::new();
    for drill in drills {
        let Some(setting) = &drill.outcome.setting else {
            continue;
        };
        if !places.contains(&setting) {
            places.push(setting);
        }
    }
    let at = |place| {
        let here = drills
            .iter()
            .filter(|it| it.outcome.setting.as_ref() == Some(place));
        let names: Vec<&str> = here.map(|it| it.outcome.drill.as_str()).collect();
        names.join(", ")
    };
    html! {
        section {
            h2 { "Where they were played" }
            @if places.is_empty() { p { "It was not kept where." } }
            @for place in &places {
                @if places.len() > 1 { h3 { (at(*place)) } }
                dl .facts { @for (name, value) in place.facts() { dt { (name) } dd { (value) } } }
            }
            p .note {
                "The machine bears the whole Kubernetes, the writers, and whatever else it does: each drill says how "
                "busy it was. Which Redis or Valkey ran stands with each drill."
            }
        }
    }
}

fn legend() -> Markup {
    let signs = [
        ("fault", "a fault, from its beginning to its end"),
        ("takes", "a shard takes writes"),
        (
            "gap",
            "it does not, for 100 ms or more; at the right its longest outage",
        ),
        ("holds", "it held, by the status"),
        ("said", "the status said something new"),
        (
            "worse",
            "the operator tells of a change for the worse; of pods: one is ended",
        ),
        (
            "better",
            "the operator tells of a change for the better; of pods: one is made",
        ),
    ];
    html! {
        section {
            h2 { "How to read a timeline" }
            p {
                "Time goes from left to right. Solid lines are what was done, dashed lines what was reached. Each "
                "sign tells what it is when the pointer rests on it; all of it stands in words below the picture."
            }
            ul .legend {
                @for (class, text) in signs { li { (sign(class)) " " (text) } }
            }
            p .note {
                "Events of Kubernetes that tell of pods' ends have whole seconds: such a sign may stand up to 1 s too early."
            }
        }
    }
}

fn sign(class: &str) -> Markup {
    html! {
        svg .sign width="22" height="14" viewBox="0 0 22 14" aria-hidden="true" {
            @match class {
                "said" => circle .said cx="11" cy="7" r="4.5" {},
                "worse" => polygon .worse points="6,2 16,2 11,12" {},
                "better" => polygon .better points="6,12 16,12 11,2" {},
                other => rect .(other) width="22" height="13" {},
            }
        }
    }
}
