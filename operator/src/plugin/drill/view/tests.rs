//! What is told of a drill.

use std::time::Duration;

use super::super::proposal::{Facts, Objection};
use super::*;
use crate::plugin::activity::Activity;
use crate::plugin::testing::{assert_is_tame, drawn, hostile, whole};

fn proposal(objections: &[(&str, bool)]) -> Proposal {
    let facts = Facts {
        cluster: whole(),
        operator: Activity::Active {
            holder: "zoneward-1".to_owned(),
        },
        trouble: None,
        pods: Vec::new(),
        policies: Vec::new(),
        in_the_way: Vec::new(),
    };
    let mut proposal = Proposal::new(&facts, "zone-a", Duration::from_secs(60));
    let objections = objections.iter().map(|(why, can_be_overruled)| Objection {
        why: (*why).to_owned(),
        can_be_overruled: *can_be_overruled,
    });
    proposal.objections = objections.collect();
    proposal
}

fn view(proposal: Proposal, is_overruled: bool, outcome: Outcome) -> View {
    View {
        proposal,
        is_overruled,
        outcome,
    }
}

fn report(end: End, home_seconds: Option<u64>) -> Report {
    Report {
        end,
        was_cut: true,
        was_served_at_end: true,
        restored_seconds: 60,
        home_seconds,
        timeline: Vec::new(),
    }
}

const HURTS: (&str, bool) = ("the loss of zone-a would not be survived: why", true);
const NEVER: (&str, bool) = ("a zone is silent already", false);

#[test]
fn what_would_be_done_is_told_with_the_command_that_does_it() {
    let pages = [
        view(proposal(&[]), false, Outcome::Proposed),
        view(proposal(&[HURTS]), false, Outcome::Proposed),
        view(proposal(&[HURTS]), true, Outcome::Proposed),
        view(proposal(&[HURTS, NEVER]), false, Outcome::Refused),
    ]
    .map(|view| drawn(|page| view.draw(page)));
    insta::assert_snapshot!(pages.join("--\n"));
}

#[test]
fn each_end_is_told() {
    let heard = vec!["cache-0-1".to_owned()];
    let why = "cache-1-3 in zone-b has fallen silent, too".to_owned();
    let mut unserved = report(End::Over, None);
    unserved.was_served_at_end = false;
    let reports = [
        report(End::Over, Some(71)),
        unserved,
        report(End::Stopped { signal: "SIGINT" }, Some(61)),
        report(End::NotCut { heard }, Some(61)),
        report(End::Alarmed { why }, Some(61)),
        report(End::TakenAway, Some(61)),
    ];
    let pages = reports.map(|report| {
        let view = view(proposal(&[]), false, Outcome::Ran(report));
        drawn(|page| view.draw(page))
    });
    insta::assert_snapshot!(pages.join("--\n"));
}

#[test]
fn it_went_well_only_where_the_zone_was_really_lost_and_all_was_as_before_afterwards() {
    let over = || report(End::Over, Some(71));
    assert!(over().is_good());
    let table = [
        (
            "not cut",
            Report {
                was_cut: false,
                ..over()
            },
        ),
        (
            "unserved",
            Report {
                was_served_at_end: false,
                ..over()
            },
        ),
        ("not home", report(End::Over, None)),
        (
            "stopped",
            report(End::Stopped { signal: "SIGINT" }, Some(71)),
        ),
        ("taken away", report(End::TakenAway, Some(71))),
    ];
    for (case, report) in table {
        assert!(!report.is_good(), "{case}");
    }
}

#[test]
fn no_status_controls_the_terminal() {
    let mut proposal = proposal(&[("\u{1b}[2J\u{202e}", true)]);
    proposal.zone = hostile().status.unwrap().zones[0].zone.clone();
    proposal.members[0].pod = "\u{9b}31m".to_owned();
    let view = view(proposal, false, Outcome::Proposed);
    assert_is_tame(&drawn(|page| view.draw(page)));
}
