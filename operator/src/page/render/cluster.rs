//! One RedisCluster: its verdict, its zone map, what it waits for, its conditions, its last hour.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use maud::{Markup, html};

use super::{Look, Part, clock, list, map, reason, said, sign, timeline};
use crate::api::{RedisClusterStatus, WaitingStatus};
use crate::model::{ClusterKey, SLOT_COUNT};
use crate::page::words::{self, Saying};

/// How many messages of one reason are told before the rest is counted.
const MESSAGES_MAX: usize = 5;

/// All parts, in the order in which they are read.
pub(in crate::page) fn parts(look: &Look<'_>) -> Vec<Part> {
    let nothing = RedisClusterStatus::default();
    let status = look.resource.status.as_ref().unwrap_or(&nothing);
    vec![
        title(look.key),
        verdict(&words::verdict(look.resource)),
        facts(look, status),
        part("map", "Zones and shards", &map::map(status)),
        part("waits", "What it waits for", &waits(status)),
        part("conditions", "Conditions", &conditions(look, status)),
        part("timeline", "The last hour", &timeline::timeline(look)),
        as_of(look),
    ]
}

/// A RedisCluster that is not there, or no more: every other part is emptied.
pub(in crate::page) fn gone(key: &ClusterKey) -> Vec<Part> {
    let words = "There is no such RedisCluster";
    let more = "It was deleted, or never was in the namespaces that this operator looks after.";
    alone(
        key,
        &Saying {
            level: words::Level::Warn,
            words: words.to_owned(),
            more: more.to_owned(),
        },
    )
}

/// One whose stored form is malformed.
pub(in crate::page) fn unreadable(key: &ClusterKey, why: &str) -> Vec<Part> {
    alone(key, &list::unreadable(why))
}

fn alone(key: &ClusterKey, saying: &Saying) -> Vec<Part> {
    let empty = |id: &'static str| Part {
        id,
        markup: html! { section #(id) hidden {} },
    };
    let mut parts = vec![title(key), verdict(saying)];
    parts.extend(["facts", "map", "waits", "conditions", "timeline", "asof"].map(empty));
    parts
}

fn title(key: &ClusterKey) -> Part {
    let markup = html! { h1 #title { span .namespace { (key.namespace) "/" } (key.name) } };
    Part {
        id: "title",
        markup,
    }
}

/// An element of its own that stays: a screen reader tells what changes in it.
fn verdict(saying: &Saying) -> Part {
    let markup = html! {
        section #verdict .(saying.level.class()) role="status" aria-live="polite" aria-atomic="true" {
            p .words { (sign(saying.level)) (saying.words) }
            @if !saying.more.is_empty() { p .more { (saying.more) } }
        }
    };
    Part {
        id: "verdict",
        markup,
    }
}

/// What is wanted and what there is, in one row.
fn facts(look: &Look<'_>, status: &RedisClusterStatus) -> Part {
    let spec = &look.resource.spec;
    let members = || status.shards.iter().flat_map(|shard| &shard.members);
    let in_sync = members().filter(|member| member.in_sync).count();
    let wanted = spec
        .leaders
        .saturating_mul(spec.followers_per_leader.saturating_add(1));
    let leaders = map::count(spec.leaders, "leader");
    let followers = map::count(spec.followers_per_leader, "follower");
    let version = status.engine_version.as_deref();
    let markup = html! {
        dl #facts {
            div { dt { "Slots served" } dd { (status.slots_served) " of " (SLOT_COUNT) } }
            div { dt { "Members in sync" } dd { (in_sync) " of " (wanted) } }
            div { dt { "Wanted" } dd { (leaders) ", " (followers) " each" } }
            @if let (Some(engine), Some(version)) = (status.engine, version) {
                div { dt { "Server" } dd { (format!("{engine:?}")) " " (version) } }
            }
        }
    };
    Part {
        id: "facts",
        markup,
    }
}

fn part(id: &'static str, title: &str, content: &Markup) -> Part {
    let heading = format!("{id}-title");
    // what is wider than the screen is scrolled, by the keyboard too
    let stop = (id == "map").then_some("0");
    let markup = html! {
        section #(id) aria-labelledby=(heading) tabindex=[stop] {
            h2 #(heading) { (title) }
            (content)
        }
    };
    Part { id, markup }
}

fn waits(status: &RedisClusterStatus) -> Markup {
    if status.waiting_on.is_empty() {
        return html! { p .note { "Nothing." } };
    }
    html! {
        dl .waits {
            @for (why, waits) in words::waits(status) {
                div { dt { (reason(why)) } (messages(&waits)) }
            }
        }
    }
}

fn messages(waits: &[&WaitingStatus]) -> Markup {
    let more = waits.len().saturating_sub(MESSAGES_MAX);
    html! {
        @for wait in waits.iter().take(MESSAGES_MAX) { dd { (words::sentence(&wait.message)) } }
        @if more > 0 { dd .note { "and " (more) " more" } }
    }
}

fn conditions(look: &Look<'_>, status: &RedisClusterStatus) -> Markup {
    if status.conditions.is_empty() {
        return html! { p .note { "No operator has written any yet." } };
    }
    html! {
        table .conditions {
            thead .unseen {
                tr {
                    th scope="col" { "Condition" } th scope="col" { "Reason and message" }
                    th scope="col" { "Since" }
                }
            }
            tbody { @for it in &status.conditions { (condition(look, it)) } }
        }
    }
}

fn condition(look: &Look<'_>, it: &Condition) -> Markup {
    let (level, since) = (words::condition_level(it), it.last_transition_time.0);
    let words = format!("{} {}", it.type_, it.status);
    let more = String::new();
    html! {
        tr .(level.class()) {
            th scope="row" { (said(&Saying { level, words, more })) }
            td { (reason(&it.reason)) " " span .more { (words::sentence(&it.message)) } }
            td .since title=(since.strftime("%F %T UTC")) { (words::ago(since, look.now)) }
        }
    }
}

fn as_of(look: &Look<'_>) -> Part {
    let markup = html! {
        p #asof .note {
            "As of " (clock(look.now)) " UTC"
            @match look.seen {
                Some(seen) => { ". The operator looked last at " (clock(seen)) "." }
                None => { ", as status has it: this replica of the operator has made no round." }
            }
        }
    };
    Part { id: "asof", markup }
}
