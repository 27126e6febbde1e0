//! Markup: what is known of RedisClusters in, HTML out. Pure, and every value is escaped: nothing here
//! may be passed through as markup that was not written here.
//!
//! A page is made of parts, each an element with an id. Live updates replace those that changed.

mod cluster;
mod list;
mod map;
mod timeline;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::words::{Level, Saying};
use crate::api::RedisCluster;
use crate::model::ClusterKey;
use crate::rounds::Happening;

pub(super) use cluster::{gone, parts, unreadable};
pub(super) use list::{Listed, clusters};

/// One RedisCluster, and what this replica of the operator knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    /// Its name.
    pub(super) key: &'a ClusterKey,
    /// Its spec and its status.
    pub(super) resource: &'a RedisCluster,
    /// The last hour, the oldest first.
    pub(super) happenings: &'a [Happening],
    /// When a round of this replica saw it last; none where another one is active.
    pub(super) seen: Option<Timestamp>,
    /// Now.
    pub(super) now: Timestamp,
}

/// A part of a page.
#[derive(Debug)]
pub(super) struct Part {
    /// The id of its element.
    pub(super) id: &'static str,
    /// The element.
    pub(super) markup: Markup,
}

/// How often a page without JavaScript loads itself again.
const RELOAD_SECONDS: u32 = 10;

/// A whole page. `class` chooses the layout, `events` is where its updates come from.
pub(super) fn page(title: &str, class: &str, events: Option<&str>, content: &[Part]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Zoneward" }
                link rel="icon" type="image/svg+xml" href="/page/icon.svg";
                link rel="stylesheet" href="/page/style.css";
                @if events.is_some() {
                    script src="/page/script.js" defer {}
                    noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); }
                }
            }
            body data-events=[events] {
                a .skip href="#content" { "Skip to the content" }
                header .top {
                    a .home href="/" { "Zoneward" }
                    nav aria-label="Pages" {
                        a href="/" { "All clusters" }
                        a href="/runbook" { "Runbook" }
                    }
                    @if events.is_some() {
                        p #light .light {
                            noscript { "loads itself again every " (RELOAD_SECONDS) " s" }
                        }
                    }
                }
                main #content .(class) { @for part in content { (part.markup) } }
            }
        }
    }
}

/// A sign and its words: never the colour alone.
fn said(saying: &Saying) -> Markup {
    html! { span .mark .(saying.level.class()) { (sign(saying.level)) (saying.words) } }
}

/// For the eye only: the words beside it say the same.
fn sign(level: Level) -> Markup {
    html! { span .sign aria-hidden="true" { (level.sign()) } }
}

/// A reason, with the way to what the runbook says of it.
fn reason(reason: &str) -> Markup {
    let anchor = reason.to_lowercase();
    html! { a .reason href={ "/runbook#" (anchor) } { (reason) } }
}

/// A time of day, in full for who asks.
fn clock(at: Timestamp) -> Markup {
    html! {
        time datetime={ (at.strftime("%FT%TZ")) } title={ (at.strftime("%F %T UTC")) } {
            (at.strftime("%T"))
        }
    }
}

#[cfg(test)]
mod tests;
