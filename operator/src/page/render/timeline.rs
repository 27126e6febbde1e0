//! The last hour: a picture of it, and every happening in words.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::{Look, clock};
use crate::rounds::{Happening, What};

/// What the picture shows.
const SPAN: SignedDuration = SignedDuration::from_hours(1);
/// How many happenings are told before the rest is folded away.
const TOLD_MAX: usize = 30;

/// The timeline, or why there is none.
pub(super) fn timeline(look: &Look<'_>) -> Markup {
    if look.happenings.is_empty() {
        return html! { p .note { (nothing(look)) } };
    }
    let newest_first: Vec<&Happening> = look.happenings.iter().rev().collect();
    let (told, folded) = newest_first.split_at(newest_first.len().min(TOLD_MAX));
    html! {
        (picture(look))
        (table(told, "The latest"))
        @if !folded.is_empty() {
            details #earlier {
                summary { "Earlier in this hour: " (folded.len()) }
                (table(folded, "Earlier"))
            }
        }
    }
}

fn nothing(look: &Look<'_>) -> &'static str {
    if look.seen.is_some() {
        "Nothing happened in the last hour, or since this operator became active."
    } else {
        "This replica of the operator stands by, or has just started: what happened is known to the \
         active one alone. All else on this page is as true here as there."
    }
}

/// Kinds by row: the worse, the higher.
fn row(what: What) -> (&'static str, u32, u32) {
    match what {
        What::Warning => ("warn", 4, 10),
        What::Condition => ("good", 17, 8),
        What::Action => ("busy", 28, 6),
    }
}

fn picture(look: &Look<'_>) -> Markup {
    html! {
        svg .hour width="100%" height="56" aria-hidden="true" {
            @for minutes in (0..=60).step_by(10) {
                @let x = percent(look.now - SignedDuration::from_mins(minutes), look.now);
                line .tick x1=(x) x2=(x) y1="2" y2="38" {}
                text .label x=(x) y="52" text-anchor=(anchor(minutes)) {
                    @if minutes == 0 { "now" } @else { "-" (minutes) " min" }
                }
            }
            @for it in look.happenings {
                @let (class, y, height) = row(it.what);
                rect .(class) x=(percent(it.at, look.now)) y=(y) width="3" height=(height) rx="1" {}
            }
        }
        p .legend aria-hidden="true" {
            span .warn { "worse" } span .good { "better" } span .busy { "asked" }
        }
    }
}

/// Labels at the ends stay inside.
fn anchor(minutes: i64) -> &'static str {
    match minutes {
        0 => "end",
        60 => "start",
        _ => "middle",
    }
}

/// Where a moment stands in the hour, from the left, to half a percent: the picture shall not change
/// at each look.
fn percent(at: Timestamp, now: Timestamp) -> String {
    let ago = now
        .duration_since(at)
        .as_millis()
        .clamp(0, SPAN.as_millis());
    let halves = 200 - ago * 200 / SPAN.as_millis();
    format!("{}.{}%", halves / 2, halves % 2 * 5)
}

fn table(happenings: &[&Happening], caption: &str) -> Markup {
    html! {
        table .happenings {
            caption .unseen { (caption) ", the newest first" }
            thead .unseen {
                tr {
                    th scope="col" { "Time, UTC" } th scope="col" { "Kind" }
                    th scope="col" { "What, and why" }
                }
            }
            tbody {
                @for it in happenings {
                    @let (class, ..) = row(it.what);
                    tr .(class) {
                        td .time { (clock(it.at)) }
                        td .kind { (kind(it.what)) }
                        td .what { (it.text) div .why { (it.why) } }
                    }
                }
            }
        }
    }
}

fn kind(what: What) -> &'static str {
    match what {
        What::Warning => "worse",
        What::Condition => "better",
        What::Action => "asked",
    }
}
