//! Shards that may not be moved now.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use placement::{
    Problem, ReasonCode, Role, SolveError, Violation, WhenUnsatisfiable, explain, moves, solve,
    verify,
};
use support::seated;

fn pinned(zones: u32, members: u32, seats: &[&str]) -> Problem {
    let mut problem = seated(zones, members, seats);
    problem.current[0].pinned = true;
    problem
}

#[test]
fn a_pin_is_named_as_the_reason_why_two_members_share_a_zone() {
    let mut problem = pinned(3, 2, &["aa/a"]);
    problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    let lines = explain(&problem, &solve(&problem).unwrap());
    let follower = lines.iter().find(|it| it.role == Role::Follower).unwrap();
    assert_eq!(follower.why, "the shard is pinned, so it stays");

    // where the member is a new one, the pin is not what keeps it there
    let mut full = pinned(1, 2, &["a/a"]);
    full.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    let lines = explain(&full, &solve(&full).unwrap());
    assert!(lines[1].why.contains("no zone without one"), "{lines:?}");
}

#[test]
fn a_pinned_shard_keeps_members_beyond_those_asked_for() {
    let problem = pinned(4, 2, &["abc/b", "ad/a"]);
    let placement = solve(&problem).unwrap();
    assert_eq!(verify(&problem, &placement), []);
    assert!(placement.optimal);
    let kept = &placement.shards[0];
    assert_eq!((kept.leader.as_str(), kept.followers.len()), ("zone-b", 2));
    let list = moves(&problem, &placement);
    assert!(list.iter().all(|step| step.shard != 0), "{list:?}");

    let mut shed = placement.clone();
    shed.shards[0].followers.pop();
    let faults = verify(&problem, &shed);
    let is_count = |it: &Violation| {
        matches!(
            it,
            Violation::MemberCount {
                shard: 0,
                found: 2,
                asked: 3
            }
        )
    };
    assert!(faults.iter().any(is_count), "{faults:?}");
    assert!(faults.contains(&Violation::PinMoved { shard: 0 }));
}

#[test]
fn what_a_pinned_surplus_breaks_is_told() {
    let cases: [(&str, u32, ReasonCode); 3] = [
        ("aab/a", 9, ReasonCode::PinnedTogether),
        ("abc/a", 0, ReasonCode::PinnedBeyondCapacity),
        ("ab/a", 0, ReasonCode::PinnedBeyondCapacity),
    ];
    for (seats, room, code) in cases {
        let mut problem = pinned(3, 1, &[seats]);
        problem.zones[1].capacity = Some(room);
        let Err(SolveError::Infeasible(why)) = solve(&problem) else {
            panic!("{seats}");
        };
        let codes: Vec<ReasonCode> = why.reasons.iter().map(|it| it.reason).collect();
        assert_eq!(codes, [code], "{seats}: {why}");
    }
}
