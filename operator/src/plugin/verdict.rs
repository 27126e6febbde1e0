//! A status in one line, and what one must know to believe it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use terminal::Color;

use crate::api::{RedisCluster, RedisClusterStatus};
use crate::status::{is_good, reasons};

/// Reasons of `Ready` that a spec which can work has.
const OF_A_GOOD_SPEC: &[&str] = &[
    reasons::AS_WANTED,
    reasons::FORMING,
    reasons::SLOTS_UNSERVED,
    reasons::MEMBERS_MISSING,
];

/// What it comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In words.
    pub text: String,
    /// How it is.
    pub(super) color: Color,
    /// Whether it is ready.
    pub is_ready: bool,
}

/// The verdict on a RedisCluster.
pub fn verdict(cluster: &RedisCluster) -> Verdict {
    let (text, color) = words(cluster);
    let is_ready = holds(cluster.status.as_ref(), "Ready");
    let paused = if cluster.spec.paused { "paused; " } else { "" };
    Verdict {
        text: format!("{paused}{text}"),
        color: if is_ready && cluster.spec.paused {
            Color::Yellow
        } else {
            color
        },
        is_ready,
    }
}

fn words(cluster: &RedisCluster) -> (String, Color) {
    if cluster.metadata.deletion_timestamp.is_some() {
        return ("is being deleted".to_owned(), Color::Yellow);
    }
    let Some((status, ready)) = cluster
        .status
        .as_ref()
        .and_then(|status| Some((status, condition(status, "Ready")?)))
    else {
        return ("no operator has looked at it yet".to_owned(), Color::Yellow);
    };
    let message = &ready.message;
    let state = |kind: &str| holds(Some(status), kind);
    if state("DataLost") {
        let lost = condition(status, "DataLost").map_or("", |it| it.message.as_str());
        return (format!("data is lost: {lost}"), Color::Red);
    }
    if state("Ready") {
        return of_a_ready_one(status);
    }
    if !OF_A_GOOD_SPEC.contains(&ready.reason.as_str()) {
        return (format!("the spec cannot work: {message}"), Color::Red);
    }
    if ready.reason == reasons::FORMING {
        return (format!("is being formed: {message}"), Color::Yellow);
    }
    if state("Available") {
        let text = format!("all slots are served, but not ready: {message}");
        return (text, Color::Yellow);
    }
    (format!("slots are not served: {message}"), Color::Red)
}

/// Clients are served and every member is there. What else is not as it should be: the worst of it.
fn of_a_ready_one(status: &RedisClusterStatus) -> (String, Color) {
    let amiss = [
        ("ZoneSafe", "the loss of a zone would not be survived"),
        ("Degraded", "not all is well"),
        ("ZoneOutage", "a zone is silent"),
        ("PlacementSatisfied", "not placed as it should be"),
    ];
    for (kind, words) in amiss {
        let is_amiss = |it: &&Condition| !is_good(&it.type_, &it.status);
        if let Some(it) = condition(status, kind).filter(is_amiss) {
            return (format!("ready, but {words}: {}", it.message), Color::Yellow);
        }
    }
    if !holds(Some(status), "ZoneSafe") {
        return ("ready".to_owned(), Color::Yellow);
    }
    let text = "ready; the loss of any one zone would be survived";
    (text.to_owned(), Color::Green)
}

/// The condition of this type.
pub(super) fn condition<'a>(status: &'a RedisClusterStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|it| it.type_ == kind)
}

/// Whether it is there and True.
pub(super) fn holds(status: Option<&RedisClusterStatus>, kind: &str) -> bool {
    let found = status.and_then(|status| condition(status, kind));
    found.is_some_and(|it| it.status == "True")
}

/// Why the status may not be about the spec as it is now.
pub(super) fn lag_of_the_status(cluster: &RedisCluster) -> Option<String> {
    let generation = cluster.metadata.generation.unwrap_or_default();
    let seen = cluster.status.as_ref()?.observed_generation;
    (seen < generation).then(|| {
        "the spec was changed since the operator looked last: the status is about the former one"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{conditions, whole};

    #[test]
    fn each_standing_has_its_verdict() {
        type Change = fn(&mut RedisCluster);
        let table: [(&str, Change, &str, bool); 11] = [
            ("whole", |_| {}, "ready; the loss of any", true),
            (
                "unsafe",
                |it| conditions(it, &[("ZoneSafe", "False", "LossNotSurvived", "b: why")]),
                "ready, but the loss of a zone would not be survived: b: why",
                true,
            ),
            (
                "degraded",
                |it| conditions(it, &[("Degraded", "True", "DiskTrouble", "c-0-1")]),
                "ready, but not all is well: c-0-1",
                true,
            ),
            (
                "uneven",
                |it| conditions(it, &[("PlacementSatisfied", "False", "LeadersUneven", "a")]),
                "ready, but not placed as it should be: a",
                true,
            ),
            (
                "an outage that is repaired",
                |it| conditions(it, &[("ZoneOutage", "True", "ZoneSilent", "zone a")]),
                "ready, but a zone is silent: zone a",
                true,
            ),
            (
                "paused",
                |it| it.spec.paused = true,
                "paused; ready; the",
                true,
            ),
            (
                "missing members",
                |it| conditions(it, &[("Ready", "False", "MembersMissing", "shard 0")]),
                "all slots are served, but not ready: shard 0",
                false,
            ),
            (
                "unserved",
                |it| {
                    let unserved = [
                        ("Ready", "False", "SlotsUnserved", "no leader"),
                        ("Available", "False", "SlotsUnserved", "no leader"),
                    ];
                    conditions(it, &unserved);
                },
                "slots are not served: no leader",
                false,
            ),
            (
                "rejected",
                |it| conditions(it, &[("Ready", "False", "DirectiveOwned", "port")]),
                "the spec cannot work: port",
                false,
            ),
            (
                "lost",
                |it| conditions(it, &[("DataLost", "True", "DataLost", "slots 0-9")]),
                "data is lost: slots 0-9",
                true,
            ),
            (
                "unseen",
                |it| it.status = None,
                "no operator has looked at it yet",
                false,
            ),
        ];
        for (case, change, expected, is_ready) in table {
            let mut cluster = whole();
            change(&mut cluster);
            let verdict = verdict(&cluster);
            assert!(verdict.text.starts_with(expected), "{case}: {verdict:?}");
            assert_eq!(verdict.is_ready, is_ready, "{case}");
        }
    }
}
