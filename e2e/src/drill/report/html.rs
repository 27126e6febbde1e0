//! The page of the report: one file without scripts, for people who never saw the project. Pure, and every
//! value is escaped; it judges nothing, and draws what is handed in.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Judged;
use super::aims::{Measure, may_lose};
use super::explain::{aims, columns, legend, settings};
use super::part::{id, part};
use super::times::LEVELS;
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
                "loss of any one zone is survived. A " em { "drill" } " shows whether that is so: on "
                (words::place(drills).0) " (" (words::place(drills).1) ") something is broken or changed on "
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
                            th rowspan="2" scope="col" .number { "normal client: slowest, errors" }
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
            td .number { (words::client(figures.client.as_ref())) }
            @for (level, time) in &figures.times {
                (cell(&words::time(*time), Measure::of(*level).is_some_and(missed)))
            }
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
