//! The part of the page that tells of one drill. Pure, and every value is escaped.

use maud::{Markup, html};

use super::Judged;
use super::aims::{Measure, Pause, may_lose, pause_of};
use super::figures::{ClientSaw, Shard};
use super::svg::timeline;
use super::times::{Deed, LEVELS, Time};
use super::words;
use crate::drill::measured::{About, Event, Outcome, Sort, Told};

/// The anchor of a drill's part. A number: names may be twice, and hold anything.
pub(super) fn id(number: usize) -> String {
    format!("drill-{}", number + 1)
}

/// All of a drill.
pub(super) fn part(drill: &Judged, number: usize) -> Markup {
    let outcome = &drill.outcome;
    html! {
        section .drill id=(id(number)) {
            h2 { (outcome.title) " " code { (outcome.drill) } }
            p .note { (facts(outcome)) }
            (verdict(drill))
            div .wide { (timeline(outcome, &drill.figures, number + 1)) }
            div .tables {
                @if !drill.figures.deeds.is_empty() { (deeds(&drill.figures.deeds)) }
                @if !drill.figures.shards.is_empty() { (shards(&drill.figures.shards)) }
            }
            @if let Some(saw) = &drill.figures.client { (client(saw)) }
            (events(&outcome.events))
            @if !outcome.told.is_empty() { (told(&outcome.told)) }
        }
    }
}

fn facts(outcome: &Outcome) -> String {
    let mut facts = Vec::new();
    if !outcome.shape.is_empty() {
        facts.push(outcome.shape.clone());
    }
    if !outcome.engines.is_empty() {
        facts.push(outcome.engines.join(", then "));
    }
    if let Ok(time) = jiff::Timestamp::from_millisecond(outcome.unix_millis)
        && outcome.unix_millis > 0
    {
        facts.push(time.strftime("%F %T UTC").to_string());
    }
    let load = outcome.load;
    facts.extend(load.map(|load| format!("load of the machine before it: {load}")));
    if outcome.interrupted {
        facts.push("interrupted".to_owned());
    }
    facts.join(" · ")
}

fn verdict(drill: &Judged) -> Markup {
    let aim = pause_of(&drill.outcome.drill);
    let mut missed = drill.missed.iter();
    let is_missed = missed.any(|miss| miss.measure == Measure::WorstOutage);
    html! {
        @if drill.missed.is_empty() {
            p .good { span aria-hidden="true" { "✓ " } "Met its aims." }
        }
        @for miss in &drill.missed {
            p .bad { span aria-hidden="true" { "✗ " } strong { (miss.measured) } ". Aim: " (miss.aim) "." }
        }
        @if let Some(aim) = aim.filter(|_| !is_missed) {
            p .note {
                @match aim.pause {
                    Pause::Any(why) => { "The outage has no aim: " (why) "." }
                    pause => { "Aim of the outage: " (pause.text()) "." }
                }
            }
        }
        @if let Some(why) = may_lose(&drill.outcome.drill) {
            p .note { "Acknowledged writes may be lost in this drill: " (why) "." }
        }
    }
}

fn deeds(deeds: &[Deed]) -> Markup {
    html! {
        table {
            caption { "How long after what was done, from its beginning" }
            thead {
                tr {
                    th scope="col" .number { "at" } th scope="col" { "done" }
                    @for level in LEVELS { th scope="col" .number { (words::level(level)) } }
                }
            }
            tbody {
                @for (place, deed) in deeds.iter().enumerate() {
                    @let is_last = place + 1 == deeds.len();
                    tr {
                        td .number { (words::moment(deed.at)) }
                        th scope="row" { (deed.text) }
                        @for time in deed.times.values() {
                            td .number {
                                @if *time == Time::NotReached && !is_last { span .soft { "not before the next" } }
                                @else { (words::time(*time)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn shards(shards: &[Shard]) -> Markup {
    html! {
        table {
            caption { "What the writer of each shard saw; a pause is 100 ms or more without an acknowledged write" }
            thead {
                tr {
                    th scope="col" { "shard" } th scope="col" { "slots" }
                    @for name in ["outage", "from", "pauses", "their median", "attempted", "acknowledged", "of these with WAIT 1", "lost"] {
                        th scope="col" .number { (name) }
                    }
                }
            }
            tbody { @for it in shards { (shard(it)) } }
        }
    }
}

fn shard(shard: &Shard) -> Markup {
    let median = shard.median_pause;
    html! {
        tr {
            th scope="row" { (shard.name) }
            td .slots { (words::cut(&shard.slots, 40)) }
            td .number { (words::duration(shard.outage)) @if shard.is_open { ", until the end" } }
            td .number { (words::moment(shard.outage_at)) }
            td .number { (shard.pauses) }
            td .number { (median.map_or_else(|| "–".to_owned(), words::duration)) }
            td .number { (words::count(shard.attempted)) }
            td .number { (words::count(shard.acknowledged)) }
            td .number { (words::count(shard.acknowledged_with_wait)) }
            td .number {
                (words::count(shard.lost))
                @if shard.unverified > 0 { " + " (words::count(shard.unverified)) " unknown" }
            }
        }
    }
}

fn client(saw: &ClientSaw) -> Markup {
    html! {
        p .note {
            "A normal client beside them: " (words::count(saw.operations)) " reads and writes, of which "
            (words::count(saw.slow)) " took 100 ms or more, the slowest " (words::duration(saw.slowest)) ", and "
            (words::count(saw.errors)) " ended with an error."
            @if saw.filled > 0 { " " (words::count(saw.filled)) " keys were there before, and were read back." }
        }
    }
}

fn events(events: &[Event]) -> Markup {
    html! {
        details {
            summary { "What was done, reached, and said by the status: " (events.len()) }
            table {
                thead {
                    tr { th scope="col" .number { "at" } th scope="col" { "kind" } th scope="col" { "what" } }
                }
                tbody {
                    @for event in events {
                        tr {
                            td .number { (words::moment(event.from())) }
                            td .soft { (kind(event)) }
                            td { (event.text) }
                        }
                    }
                }
            }
        }
    }
}

fn kind(event: &Event) -> String {
    match (event.sort, event.begun) {
        (Sort::Done, Some(begun)) => format!("done, in {}", words::moment(event.at - begun)),
        (Sort::Done, None) => "done".to_owned(),
        (Sort::Reached, _) => "reached".to_owned(),
        (Sort::Said, _) => "status says".to_owned(),
    }
}

fn told(told: &[Told]) -> Markup {
    html! {
        details {
            summary { "What Kubernetes' events tell: " (told.len()) }
            table {
                thead {
                    tr { th scope="col" .number { "at" } th scope="col" { "of" } th scope="col" { "what" } }
                }
                tbody {
                    @for it in told {
                        tr {
                            td .number { (words::moment(it.at)) }
                            @match it.about {
                                About::Operator => {
                                    td .soft { (it.reason) @if it.is_warning { ", for the worse" } }
                                    td { (it.text) }
                                }
                                About::PodMade => { td .soft { "pod" } td { (it.text) " is made" } }
                                About::PodEnded => { td .soft { "pod" } td { (it.text) " is ended" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
