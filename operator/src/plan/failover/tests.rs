//! Who is told to lead in place of a lost leader, and when.

use super::*;
use crate::model::{Observation, PodPhase, RoleChange};
use crate::plan::plan;
use crate::plan::testing::{answer_of, desired, enrolled, formed};
use jiff::Timestamp;

fn commands(seen: &Observation) -> Vec<&'static str> {
    let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
    plan.actions
        .iter()
        .map(|action| action.deed.kind())
        .collect()
}

/// Shard 0's leader has ended, and another shard's a moment ago.
fn second_of_two() -> Observation {
    let mut seen = formed();
    let dead = MemberName::from("c-0-1");
    seen.members.remove(&dead);
    let heir = answer_of(&mut seen, "c-0-2");
    if let Some(up) = &mut heir.replication.upstream {
        (up.is_up, up.last_io_seconds) = (false, None);
    }
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == dead) {
        pod.phase = PodPhase::Ended {
            reason: "exit code 137".to_owned(),
        };
    }
    for entry in &mut seen.record.members {
        let id = entry.member_id.as_ref().unwrap();
        entry.synced_run = Some(crate::model::RunId::new(format!("run-{id}")));
        entry.synced_with = Some(MemberId::from("id-c-0-1"));
    }
    let change = RoleChange {
        shard: ShardId(2),
        of: Some(MemberId::from("id-c-2-4")),
        of_since: None,
        to: None,
        at: Timestamp::UNIX_EPOCH,
    };
    seen.record.clocks.role_changes.push(change);
    seen
}

#[test]
fn who_has_not_heard_of_the_last_election_does_not_stand_for_the_next() {
    let mut seen = second_of_two();
    answer_of(&mut seen, "c-1-3").view.current_epoch.0 = 5;
    assert!(!commands(&seen).contains(&"failover-force"));
    answer_of(&mut seen, "c-0-2").view.current_epoch.0 = 5;
    assert!(commands(&seen).contains(&"failover-force"));
}

#[test]
fn who_missed_a_question_is_asked_again_before_another_is_told() {
    let mut seen = second_of_two();
    let mut other = enrolled("c-0-7", 0, "c");
    (other.pod_uid, other.joined) = (Some("uid-c-0-7".into()), true);
    other.member_id = Some("id-c-0-7".into());
    seen.record.members.push(other);
    seen.record.next_serial = crate::model::Serial(8);
    let mut pod = crate::plan::testing::pod("c-0-7", 0, "c");
    (pod.uid, pod.phase) = ("uid-c-0-7".into(), PodPhase::Running);
    seen.pods.push(pod);
    let silence = crate::model::Silence {
        reason: crate::model::SilenceReason::Timeout,
        millis: 300,
        said_goodbye: false,
    };
    let asked = crate::model::Asked::Silent(silence);
    seen.members.insert(MemberName::from("c-0-7"), asked);
    for (silent_millis, is_told) in [(0, false), (999, false), (1000, true)] {
        let since = Timestamp::from_millisecond(-silent_millis).unwrap();
        for entry in &mut seen.record.members {
            if entry.name.as_str() == "c-0-7" {
                entry.silent_since = Some(since);
            }
        }
        assert_eq!(commands(&seen).contains(&"failover-force"), is_told);
    }
}

#[test]
fn an_older_copy_does_not_relieve_a_body_while_a_whole_one_is_unheard() {
    let mut seen = formed();
    // shard 0 gets a second follower, in sync to the last, whose pod somebody deleted by force
    let mut gone = enrolled("c-0-7", 0, "c");
    (gone.pod_uid, gone.joined) = (Some("uid-7".into()), true);
    (gone.member_id, gone.host) = (Some("id-c-0-7".into()), Some("hc".into()));
    gone.synced_run = Some("run-id-c-0-7".into());
    seen.record.members.push(gone);
    let back = answer_of(&mut seen, "c-0-1");
    (back.is_open, back.is_open_to_followers) = (false, false);
    let own = &mut back.replication;
    (own.replication_id, own.offset) = ("new".to_owned(), 900);
    (own.former_id, own.former_until) = (Some("old".to_owned()), Some(900));
    let copy = &mut answer_of(&mut seen, "c-0-2").replication;
    copy.replication_id = "old".to_owned();
    let up = copy.upstream.as_mut().expect("it follows");
    (up.is_up, up.last_io_seconds) = (false, None);
    let relieves = |seen: &Observation| {
        let mut desired = desired(3, 1);
        desired.persistence = crate::api::Persistence::Rdb;
        let plan = plan(&desired, seen, Timestamp::UNIX_EPOCH);
        let mut kinds = plan.actions.iter().map(|it| it.deed.kind());
        kinds.any(|kind| kind == "failover-force")
    };
    assert!(!relieves(&seen));
    seen.record.members.retain(|it| it.name.as_str() != "c-0-7");
    assert!(relieves(&seen));
}

#[test]
fn who_leads_since_a_moment_ago_is_succeeded_at_once_all_the_same() {
    let long_enough_to_show = Timestamp::new(-3, 0).unwrap();
    let last = |of: &str, of_since: Option<i64>, to: Option<&str>| {
        let mut seen = second_of_two();
        seen.record.clocks.role_changes = vec![RoleChange {
            shard: ShardId(0),
            of: Some(MemberId::from(of)),
            of_since: of_since.map(|at| Timestamp::new(at, 0).unwrap()),
            to: to.map(MemberId::from),
            at: long_enough_to_show,
        }];
        commands(&seen).contains(&"failover-force")
    };
    let heir = "id-c-0-2";
    assert!(last(heir, None, None), "the last change made it the leader");
    assert!(last(heir, Some(-20), None), "the heir led for long");
    assert!(
        !last(heir, Some(-19), None),
        "its votes of then count still"
    );
    let other = "id-c-0-9";
    assert!(last(other, None, Some(other)));
    assert!(!last(other, None, Some(heir)), "it stood, and lost");
    assert!(
        !last("id-c-0-1", None, None),
        "its successor stood, and lost"
    );
}

#[test]
fn who_lost_an_election_is_waited_for_where_the_other_has_less() {
    let told = |others_offset: u64| {
        let mut seen = second_of_two();
        let own = answer_of(&mut seen, "c-0-2").view.own_entry().cloned();
        let mut listed = own.expect("it is in its own table");
        (listed.id, listed.flags.myself) = ("id-c-0-7".into(), false);
        for asked in seen.members.values_mut() {
            if let crate::model::Asked::Answered(answer) = asked {
                answer.view.entries.push(listed.clone());
            }
        }
        let mut other = answer_of(&mut seen, "c-0-2").clone();
        other.view.entries.retain(|it| !it.flags.myself);
        for own in &mut other.view.entries {
            own.flags.myself = own.id.as_str() == "id-c-0-7";
        }
        other.id = "id-c-0-7".into();
        other.run_id = "run-id-c-0-7".into();
        other.replication.offset = others_offset;
        other.view.myself = other.id.clone();
        let mut entry = enrolled("c-0-7", 0, "c");
        (entry.pod_uid, entry.joined) = (Some("uid-c-0-7".into()), true);
        entry.member_id = Some(other.id.clone());
        entry.synced_run = Some(other.run_id.clone());
        entry.synced_with = Some("id-c-0-1".into());
        seen.record.members.push(entry);
        seen.record.next_serial = crate::model::Serial(8);
        let mut pod = crate::plan::testing::pod("c-0-7", 0, "c");
        (pod.uid, pod.phase) = ("uid-c-0-7".into(), PodPhase::Running);
        pod.address = Some([10, 0, 0, 7].into());
        seen.pods.push(pod);
        let asked = crate::model::Asked::Answered(Box::new(other));
        seen.members.insert(MemberName::from("c-0-7"), asked);
        seen.record.clocks.role_changes = vec![RoleChange {
            shard: ShardId(0),
            of: Some("id-c-0-9".into()),
            of_since: None,
            to: Some("id-c-0-2".into()),
            at: Timestamp::new(-3, 0).unwrap(),
        }];
        let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
        let mut actions = plan.actions.iter();
        let force = actions.find(|it| it.deed.kind() == "failover-force");
        force.map(|it| format!("{:?}", it.deed).contains("c-0-7"))
    };
    assert_eq!(told(1000), Some(true), "it has as much");
    assert_eq!(told(999), None);
}

/// The followers of shard 0 were in sync with its leader to the last.
fn with_whole_copies() -> Observation {
    let mut seen = formed();
    for entry in &mut seen.record.members {
        let id = entry.member_id.as_ref().unwrap();
        entry.synced_run = Some(crate::model::RunId::new(format!("run-{id}")));
        entry.synced_with = Some(MemberId::from("id-c-0-1"));
    }
    seen
}

fn end_feeding(seen: &mut Observation) {
    if let Some(up) = &mut answer_of(seen, "c-0-2").replication.upstream {
        (up.is_up, up.last_io_seconds) = (false, None);
    }
}

fn end_links(seen: &mut Observation) {
    for name in ["c-0-2", "c-1-3", "c-1-4"] {
        let entries = &mut answer_of(seen, name).view.entries;
        let entry = entries.iter_mut().find(|it| it.id.as_str() == "id-c-0-1");
        entry.unwrap().link_up = false;
    }
}

#[test]
fn a_goodbye_that_the_others_heard_too_is_an_end() {
    let mut seen = with_whole_copies();
    let silent = |said_goodbye| {
        crate::model::Asked::Silent(crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 300,
            said_goodbye,
        })
    };
    let lost = MemberName::from("c-0-1");
    seen.members.insert(lost.clone(), silent(true));
    assert!(!commands(&seen).contains(&"failover-force"), "it is fed");
    end_feeding(&mut seen);
    assert!(!commands(&seen).contains(&"failover-force"), "linked");
    end_links(&mut seen);
    assert!(commands(&seen).contains(&"failover-force"));
    seen.members.insert(lost, silent(false));
    assert!(!commands(&seen).contains(&"failover-force"), "only silent");
}

/// Nobody is left who would tell of its end, and the bus takes 7 to 9 s at the default node timeout.
#[test]
fn a_leader_whose_pod_was_deleted_by_force_is_succeeded_when_the_others_have_lost_it() {
    let mut seen = with_whole_copies();
    let lost = MemberName::from("c-0-1");
    seen.members.remove(&lost);
    seen.pods.retain(|pod| pod.name != lost);
    assert!(!commands(&seen).contains(&"failover-force"), "it is fed");
    end_feeding(&mut seen);
    assert!(!commands(&seen).contains(&"failover-force"), "linked");
    end_links(&mut seen);
    assert!(commands(&seen).contains(&"failover-force"));
}

#[test]
fn nobody_is_forgotten_while_a_failover_goes_on() {
    let mut seen = second_of_two();
    let departed = crate::model::Departed {
        member_id: MemberId::from("id-c-1-3"),
        name: MemberName::from("c-9-9"),
        shard: ShardId(1),
        host: None,
        is_proven_dead: true,
        ended_unseen: false,
        since: Timestamp::UNIX_EPOCH,
    };
    // a former member that all still list
    for asked in seen.members.values_mut() {
        if let crate::model::Asked::Answered(answer) = asked {
            let mut entry = answer.view.entries[1].clone();
            entry.id = MemberId::from("id-old");
            answer.view.entries.push(entry);
        }
    }
    seen.record.departed.push(crate::model::Departed {
        member_id: MemberId::from("id-old"),
        ..departed
    });
    assert!(!commands(&seen).contains(&"forget"), "shard 0 comes first");
    let mut whole = seen.clone();
    let calm = formed();
    whole.members.insert(
        MemberName::from("c-0-1"),
        calm.members[&MemberName::from("c-0-1")].clone(),
    );
    whole.pods.clone_from(&calm.pods);
    assert!(commands(&whole).contains(&"forget"));
}
