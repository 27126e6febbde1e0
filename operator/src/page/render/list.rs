//! All RedisClusters, one line each, those that need somebody first.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{Part, said, sign};
use crate::api::RedisCluster;
use crate::model::{ClusterKey, SLOT_COUNT};
use crate::page::words::{self, Level, Saying};

/// A RedisCluster in the list; or, in its words, why the stored one cannot be read.
pub(in crate::page) struct Listed<'a> {
    /// Its name.
    pub(in crate::page) key: ClusterKey,
    /// What is stored.
    pub(in crate::page) resource: Result<&'a RedisCluster, &'a str>,
}

impl Listed<'_> {
    fn verdict(&self) -> Saying {
        match self.resource {
            Ok(resource) => words::verdict(resource),
            Err(why) => unreadable(why),
        }
    }
}

/// What there is to say of a resource that cannot be read.
pub(super) fn unreadable(why: &str) -> Saying {
    Saying {
        level: Level::Bad,
        words: "Cannot be read".to_owned(),
        more: words::sentence(why),
    }
}

/// The list. `unread` names what the operator has not been told yet.
pub(in crate::page) fn clusters(
    listed: &[Listed<'_>],
    unread: Option<&str>,
    now: Timestamp,
) -> Vec<Part> {
    let mut lines: Vec<_> = listed.iter().map(|it| (it.verdict(), it)).collect();
    lines.sort_by(|(a, one), (b, other)| b.level.cmp(&a.level).then(one.key.cmp(&other.key)));
    let markup = html! {
        section #clusters aria-labelledby="clusters-title" {
            h1 #clusters-title { "RedisClusters" }
            @if let Some(unread) = unread {
                p .note { "Not all is known yet: waiting for the first list of " (unread) "." }
            } @else if lines.is_empty() {
                p .note { "There is none in the namespaces that this operator looks after." }
            }
            @if !lines.is_empty() { (table(&lines)) }
        }
    };
    let id = "clusters";
    vec![Part { id, markup }, as_of(now)]
}

fn table(lines: &[(Saying, &Listed<'_>)]) -> Markup {
    html! {
        table .clusters {
            thead {
                tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Zones: may each be lost?" }
                    th scope="col" .number { "Slots served" }
                }
            }
            tbody { @for (verdict, it) in lines { (line(verdict, it)) } }
        }
    }
}

fn line(verdict: &Saying, it: &Listed<'_>) -> Markup {
    let key = &it.key;
    let status = it
        .resource
        .ok()
        .and_then(|resource| resource.status.as_ref());
    html! {
        tr {
            th scope="row" {
                a href={ "/clusters/" (key.namespace) "/" (key.name) } { (key.namespace) "/" (key.name) }
            }
            td .verdict {
                (said(verdict))
                @if !verdict.more.is_empty() { " " span .more { (verdict.more) } }
            }
            td .zones {
                @for zone in status.iter().flat_map(|status| &status.zones) {
                    @let verdict = words::zone_verdict(zone);
                    span .mark .(verdict.level.class()) {
                        (sign(verdict.level)) (words::zone_name(&zone.zone))
                        span .unseen { ": " (verdict.words) }
                    } " "
                }
            }
            td .number { (status.map_or(0, |status| status.slots_served)) " of " (SLOT_COUNT) }
        }
    }
}

fn as_of(now: Timestamp) -> Part {
    let markup = html! { p #asof .note { "As of " (super::clock(now)) " UTC." } };
    Part { id: "asof", markup }
}
