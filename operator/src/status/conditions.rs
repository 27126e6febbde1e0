//! Conditions: each computed on its own, merged so that times change only when a status flips.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use placement::ZoneState;

use super::facts::Facts;
use super::{Input, reasons};
use crate::model::DataLoss;
use crate::plan::WaitingReason;

/// How many leaders that take no writes are told of by name.
const LEADERS_NAMED_MAX: usize = 3;

/// One condition without its times.
pub(super) struct Finding {
    kind: &'static str,
    holds: bool,
    reason: String,
    message: String,
}

impl Finding {
    fn new(kind: &'static str, holds: bool, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            holds,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// All conditions of a spec that can work.
pub(super) fn findings(input: &Input<'_>, facts: &Facts<'_>) -> Vec<Finding> {
    vec![
        ready(input, facts),
        available(facts),
        progressing(input, facts),
        degraded(input, facts),
        placement_satisfied(input, facts),
        zone_safe(facts),
        zone_outage(facts),
        data_lost(facts),
        paused(facts),
    ]
}

/// What a spec that cannot work leaves to be said.
pub(super) fn rejected(reason: &str, message: &str) -> Vec<Finding> {
    vec![
        Finding::new("Ready", false, reason, message),
        Finding::new(
            "Progressing",
            false,
            reason,
            "nothing is done until the spec is corrected",
        ),
        // what first appears is told by an event only if it is this one
        Finding::new("Degraded", true, reason, message),
    ]
}

fn ready(input: &Input<'_>, facts: &Facts<'_>) -> Finding {
    let (reason, message) = if !facts.formed {
        (
            reasons::FORMING.to_owned(),
            first_wait(input, "the cluster is being formed"),
        )
    } else if !facts.served.is_all() {
        (reasons::SLOTS_UNSERVED.to_owned(), unserved(facts))
    } else if let Some(message) = facts.missing_members() {
        (reasons::MEMBERS_MISSING.to_owned(), message)
    } else {
        return Finding::new(
            "Ready",
            true,
            reasons::AS_WANTED,
            "all slots are served and every member is in sync",
        );
    };
    Finding::new("Ready", false, &reason, message)
}

fn available(facts: &Facts<'_>) -> Finding {
    if facts.served.is_all() && facts.formed {
        Finding::new(
            "Available",
            true,
            reasons::AS_WANTED,
            "all 16384 slots are served",
        )
    } else if facts.formed {
        Finding::new("Available", false, reasons::SLOTS_UNSERVED, unserved(facts))
    } else {
        Finding::new(
            "Available",
            false,
            reasons::FORMING,
            "the cluster is being formed",
        )
    }
}

fn unserved(facts: &Facts<'_>) -> String {
    let (mut shut, unserved) = (facts.shut(), facts.unserved());
    if shut.is_empty() {
        return format!("no leader answers for slots {unserved}");
    }
    let more = shut.len().saturating_sub(LEADERS_NAMED_MAX);
    shut.truncate(LEADERS_NAMED_MAX);
    let mut words = shut.join("; ");
    if more > 0 {
        words = format!("{words}; and {more} leaders more");
    }
    format!("clients cannot write to slots {unserved}: {words}")
}

fn progressing(input: &Input<'_>, facts: &Facts<'_>) -> Finding {
    let plan = input.plan;
    let rests = plan.actions.is_empty()
        && plan
            .waiting_on
            .iter()
            .all(|it| it.reason == WaitingReason::LeadWish);
    if facts.is_converged(rests) {
        return Finding::new(
            "Progressing",
            false,
            reasons::AS_WANTED,
            "nothing is left to do",
        );
    }
    let wait_of = |reason: WaitingReason| {
        let mut waits = input.plan.waiting_on.iter();
        waits.find(|wait| wait.reason == reason)
    };
    if let Some(wait) = wait_of(WaitingReason::RollStuck) {
        let reason = wait.reason.to_string();
        return Finding::new("Progressing", false, &reason, wait.message.clone());
    }
    let roll = wait_of(WaitingReason::RollingUpdate);
    if let Some(wait) = roll.or_else(|| wait_of(WaitingReason::RollPaused)) {
        let reason = WaitingReason::RollingUpdate.to_string();
        return Finding::new("Progressing", true, &reason, wait.message.clone());
    }
    let reason = input.plan.waiting_on.first().map_or_else(
        || reasons::CONVERGING.to_owned(),
        |wait| wait.reason.to_string(),
    );
    Finding::new(
        "Progressing",
        true,
        &reason,
        first_wait(input, "the cluster is being changed"),
    )
}

fn degraded(input: &Input<'_>, facts: &Facts<'_>) -> Finding {
    if let Some(refusal) = input.refusals.first() {
        let message = format!(
            "a plan was refused and nothing done, promise {}: {}",
            refusal.promise, refusal.message
        );
        return Finding::new("Degraded", true, reasons::PLAN_REFUSED, message);
    }
    if let Some(failure) = input.failures.first() {
        return Finding::new("Degraded", true, reasons::ACTION_FAILED, failure.clone());
    }
    if facts.formed && !facts.served.is_all() {
        return Finding::new("Degraded", true, reasons::SLOTS_UNSERVED, unserved(facts));
    }
    match facts.missing_members() {
        Some(message) if facts.formed => {
            Finding::new("Degraded", true, reasons::MEMBERS_MISSING, message)
        }
        _ => {
            let trouble = input
                .plan
                .waiting_on
                .iter()
                .find(|wait| is_trouble(wait.reason));
            match trouble {
                Some(wait) => Finding::new(
                    "Degraded",
                    true,
                    &wait.reason.to_string(),
                    wait.message.clone(),
                ),
                None => Finding::new("Degraded", false, reasons::AS_WANTED, "nothing is amiss"),
            }
        }
    }
}

/// What will not pass by itself.
fn is_trouble(reason: WaitingReason) -> bool {
    use WaitingReason as W;
    matches!(
        reason,
        W::NoRoom
            | W::ImageProblem
            | W::MemberFailsToStart
            | W::SecretMissing
            | W::RecordMissing
            | W::ZoneLabelMissing
            | W::PlacementInfeasible
            | W::RollStuck
            | W::QuorumLost
            | W::DataLost
            | W::Stranger
            | W::DirectiveRefused
            | W::VolumeResize
            | W::DiskTrouble
            | W::CertificateExpires
    )
}

fn placement_satisfied(input: &Input<'_>, facts: &Facts<'_>) -> Finding {
    use WaitingReason as W;
    let hindrance = input.plan.waiting_on.iter().find(|wait| {
        matches!(
            wait.reason,
            W::PlacementInfeasible | W::ZoneLabelMissing | W::NoRoom
        )
    });
    let kind = "PlacementSatisfied";
    if let Some(wait) = hindrance {
        return Finding::new(kind, false, &wait.reason.to_string(), wait.message.clone());
    }
    if !facts.formed {
        return Finding::new(kind, false, reasons::FORMING, "the cluster is being formed");
    }
    if let Some(message) = facts.shared_zone() {
        return Finding::new(kind, false, reasons::ZONE_SHARED, message);
    }
    if let Some(message) = facts.uneven_leaders() {
        return Finding::new(kind, false, reasons::LEADERS_UNEVEN, message);
    }
    if let Some(message) = facts.missing_members() {
        return Finding::new(kind, false, reasons::MEMBERS_MISSING, message);
    }
    let message = "every shard's members are in zones of their own and leaders are even";
    Finding::new(kind, true, reasons::AS_WANTED, message)
}

fn zone_safe(facts: &Facts<'_>) -> Finding {
    let whys: Vec<String> = facts
        .zones
        .iter()
        .filter_map(|zone| {
            zone.why_not
                .as_ref()
                .map(|why| format!("{}: {why}", zone.zone))
        })
        .collect();
    if facts.zones.is_empty() {
        return Finding::new(
            "ZoneSafe",
            false,
            reasons::LOSS_NOT_SURVIVED,
            "no zone is known",
        );
    }
    if whys.is_empty() {
        let message = "the loss of any one zone would be survived now";
        return Finding::new("ZoneSafe", true, reasons::AS_WANTED, message);
    }
    Finding::new(
        "ZoneSafe",
        false,
        reasons::LOSS_NOT_SURVIVED,
        whys.join("; "),
    )
}

fn zone_outage(facts: &Facts<'_>) -> Finding {
    let gone: Vec<&str> = facts
        .states
        .iter()
        .filter(|(_, state)| **state == ZoneState::Gone)
        .map(|(zone, _)| zone.as_str())
        .collect();
    if gone.is_empty() {
        return Finding::new(
            "ZoneOutage",
            false,
            reasons::AS_WANTED,
            "every zone answers",
        );
    }
    let message = format!("all hosts of {} are silent", gone.join(", "));
    Finding::new("ZoneOutage", true, reasons::ZONE_SILENT, message)
}

fn data_lost(facts: &Facts<'_>) -> Finding {
    if facts.losses.is_empty() {
        let message = "no shard has lost its last copy";
        return Finding::new("DataLost", false, reasons::AS_WANTED, message);
    }
    let losses: Vec<String> = facts.losses.iter().map(lost_words).collect();
    Finding::new("DataLost", true, reasons::DATA_LOST, losses.join("; "))
}

fn lost_words(loss: &DataLoss) -> String {
    let (slots, at) = (&loss.slots, loss.noticed);
    match (&loss.older_copy, loss.accepted) {
        (None, None) => format!("slots {slots} lost every copy at {at:.0}"),
        (None, Some(_)) => format!(
            "slots {slots} lost every copy at {at:.0} and were begun anew, empty; told for a day"
        ),
        (Some(copy), None) => {
            format!("slots {slots} lost every whole copy at {at:.0}; {copy} has an older one")
        }
        (Some(copy), Some(_)) => format!(
            "slots {slots} lost every whole copy at {at:.0}, and go on with the older one of {copy}: \
             what was written since it was cut off is lost; told for a day"
        ),
    }
}

fn paused(facts: &Facts<'_>) -> Finding {
    if facts.desired.paused {
        Finding::new(
            "Paused",
            true,
            reasons::PAUSED_BY_SPEC,
            "spec.paused is set: nothing is touched",
        )
    } else {
        Finding::new(
            "Paused",
            false,
            reasons::AS_WANTED,
            "the cluster is looked after",
        )
    }
}

fn first_wait(input: &Input<'_>, otherwise: &str) -> String {
    input
        .plan
        .waiting_on
        .first()
        .map_or_else(|| otherwise.to_owned(), |wait| wait.message.clone())
}

/// The findings as conditions: transition times are kept unless the status flips.
pub(super) fn merge(
    input: &Input<'_>,
    before: &[Condition],
    findings: Vec<Finding>,
) -> Vec<Condition> {
    let mut merged: Vec<Condition> = findings
        .into_iter()
        .map(|finding| {
            let status = if finding.holds { "True" } else { "False" };
            let since = before
                .iter()
                .find(|old| old.type_ == finding.kind && old.status == status)
                .map_or(Time(input.now), |old| old.last_transition_time.clone());
            Condition {
                type_: finding.kind.to_owned(),
                status: status.to_owned(),
                reason: finding.reason,
                message: finding.message,
                observed_generation: Some(input.generation),
                last_transition_time: since,
            }
        })
        .collect();
    let kept: Vec<Condition> = before
        .iter()
        .filter(|old| !merged.iter().any(|new| new.type_ == old.type_))
        .cloned()
        .collect();
    merged.extend(kept);
    merged
}
