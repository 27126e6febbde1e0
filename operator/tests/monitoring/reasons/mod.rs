//! `docs/reasons.md`: where each reason is seen, and that none is without an entry, a figure, an alert
//! or a word for why it has none.
//!
//! What the code, the rules and the runbook say is taken from them. By hand stands only what none of
//! them says: why a reason wakes nobody, and what it comes to where it lasts.

mod alerts;
mod known;
mod shown;
mod table;

use std::collections::BTreeSet;
use std::fs;

use super::{assert_fresh, at, rules};

const PAGE: &str = "docs/reasons.md";
const RUNBOOK: &str = "docs/operations.md";

/// Why no alert fires on these. A reason that stands here and has one is a mistake, too.
pub(super) const WAKES_NOBODY: &[(&str, &str)] = &[
    ("Converging", "progress"),
    ("RollingUpdate", "progress"),
    (
        "RollPaused",
        "what it waits for has its own: a zone, missing members, slots",
    ),
    (
        "Resharding",
        "progress; what holds it up has its own, or stands in `Degraded`",
    ),
    ("RoleChangeTooSoon", "a distance in time, over by itself"),
    (
        "LeadWish",
        "shards are led and served; what holds it up has its own",
    ),
    ("Departure", "over with the pod's grace period"),
    (
        "PasswordRotation",
        "clients are served all along, until the time that you set",
    ),
    ("RestartNeeded", "followed by `RollingUpdate`"),
    ("PausedBySpec", "by your own hand"),
    ("Paused", "by your own hand"),
];

/// What is waited for alone, and what stands in the conditions meanwhile: a member that starts, copies or
/// is silent is missing, a shard without a leader is not served.
pub(super) const COMES_TO: &[(&str, &str)] = &[
    ("PodStarting", "MembersMissing"),
    ("FollowerSync", "MembersMissing"),
    ("MemberSilent", "MembersMissing"),
    ("ClosedStart", "MembersMissing"),
    ("Election", "SlotsUnserved"),
];

/// What cannot be read has no status: its rounds end with this, and the event comes beside the loop.
const UNREADABLE: (&str, &str, &str) = (
    "Unreadable",
    "zoneward_reconciles_total",
    r#"zoneward_reconciles_total{outcome="invalid"}"#,
);

#[test]
fn the_table_of_reasons_is_up_to_date() {
    assert_fresh(PAGE, &table::page());
}

#[test]
fn no_reason_has_a_gap() {
    let gaps: Vec<String> = table::rows().iter().flat_map(table::Row::gaps).collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

#[test]
fn every_reason_that_is_defined_can_be_seen() {
    let rows = table::rows();
    let seen: BTreeSet<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    let constants = known::constants().into_values();
    let waits = known::waits().into_iter().map(|it| it.to_string());
    let rejections = known::rejections()
        .into_iter()
        .map(|it| it.reason.to_owned());
    let all: Vec<String> = constants.chain(waits).chain(rejections).collect();
    let unseen: Vec<&String> = all
        .iter()
        .filter(|it| !seen.contains(it.as_str()))
        .collect();
    assert!(unseen.is_empty(), "no row of {PAGE} tells of {unseen:?}");
}

#[test]
fn what_is_said_by_hand_is_of_reasons_that_need_it() {
    let rows = table::rows();
    for (reason, _) in WAKES_NOBODY.iter().chain(COMES_TO) {
        let of_it: Vec<_> = rows.iter().filter(|row| row.reason == *reason).collect();
        assert!(!of_it.is_empty(), "{reason} is no reason");
        for row in of_it {
            assert!(
                row.own_alerts.is_empty(),
                "{reason} has an alert: {:?}",
                row.own_alerts
            );
        }
    }
    for (reason, to) in COMES_TO {
        assert!(
            rows.iter().any(|row| row.reason == *to),
            "{reason}: {to} is no reason"
        );
    }
}

/// What the runbook says of a condition's reasons is what the code gives.
#[test]
fn the_runbook_lists_the_reasons_of_each_condition() {
    let runbook = fs::read_to_string(at(RUNBOOK)).unwrap();
    let constants: BTreeSet<String> = known::constants().into_values().collect();
    let waits: BTreeSet<String> = known::waits().iter().map(ToString::to_string).collect();
    let standings = known::standings();
    let conditions: BTreeSet<&str> = standings.iter().map(|it| it.condition.as_str()).collect();
    for condition in conditions {
        let start = format!("| `{condition}` |");
        let row = runbook.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("{RUNBOOK} has no row of {condition}"));
        let listed: BTreeSet<&str> = row
            .split('[')
            .skip(1)
            .filter_map(|rest| rest.split_once("](#"))
            .filter(|(reason, _)| constants.contains(*reason) || waits.contains(*reason))
            .map(|(reason, _)| reason)
            .collect();
        let given: BTreeSet<&str> = standings
            .iter()
            .filter(|it| it.condition == condition && it.reason != "AsWanted")
            .map(|it| it.reason.as_str())
            .collect();
        let wrong: Vec<_> = listed.difference(&given).collect();
        assert!(
            wrong.is_empty(),
            "{condition} never has {wrong:?}, as {RUNBOOK} says"
        );
        // of waits Progressing has them all: the runbook says so in words
        let is_any_wait = |it: &str| condition == "Progressing" && waits.contains(it);
        let must = given
            .iter()
            .filter(|it| constants.contains(**it) && !is_any_wait(it));
        let missing: Vec<_> = must.filter(|it| !listed.contains(**it)).collect();
        assert!(
            missing.is_empty(),
            "{RUNBOOK}: the row of {condition} lacks {missing:?}"
        );
    }
}
