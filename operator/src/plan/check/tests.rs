//! For each promise: a plan that breaks it is refused, and the like that does not is not.

mod forgetting;
mod places;

use super::*;
use crate::model::{Address, Asked, PodUid, RunId, ViewEntry, ZoneName};
use crate::plan::Manifest;
use crate::plan::testing::{answer_of, desired, enrolled, formed, reshard};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn promises(seen: &Observation, deeds: Vec<Deed>) -> Vec<&'static str> {
    let plan = Plan {
        actions: deeds
            .into_iter()
            .map(|deed| Action {
                deed,
                why: "a test".to_owned(),
            })
            .collect(),
        record: seen.record.clone(),
        waiting_on: Vec::new(),
    };
    check(&desired(3, 1), seen, &plan, NOW)
        .into_iter()
        .map(|refusal| refusal.promise)
        .collect()
}

fn tell(name: &str, command: MemberCommand) -> Deed {
    let member = MemberRef {
        name: MemberName::from(name),
        id: MemberId::new(format!("id-{name}")),
        run_id: RunId::new(format!("run-id-{name}")),
        address: Address {
            ip: [10, 0, 0, 9].into(),
            port: 6379,
        },
    };
    Deed::Command { member, command }
}

fn delete(name: &str, is_dead: bool) -> Deed {
    Deed::DeletePod {
        pod: MemberName::from(name),
        uid: PodUid::new(format!("uid-{name}")),
        is_dead,
    }
}

fn create(name: &str) -> Deed {
    Deed::Create(Manifest {
        kind: ManifestKind::Pod,
        name: name.to_owned(),
        body: serde_json::Value::Null,
    })
}

fn failover(name: &str, mode: FailoverMode, of: &str) -> Deed {
    tell(
        name,
        MemberCommand::Failover {
            mode,
            of: MemberId::from(of),
        },
    )
}

#[test]
fn i8_only_names_on_record_are_made_and_spoken_to() {
    let seen = formed();
    assert_eq!(promises(&seen, vec![create("c-0-9")]), ["I8"]);
    assert_eq!(
        promises(&seen, vec![tell("c-0-9", MemberCommand::Open)]),
        ["I8"]
    );
}

#[test]
fn i3_the_last_whole_copy_is_not_taken_away() {
    let mut seen = formed();
    assert!(
        promises(&seen, vec![delete("c-0-2", false)]).is_empty(),
        "its leader answers"
    );
    assert_eq!(
        promises(&seen, vec![delete("c-0-1", false)]),
        ["I3"],
        "it leads"
    );
    seen.members.remove(&MemberName::from("c-0-1"));
    assert_eq!(
        promises(&seen, vec![delete("c-0-2", false)]),
        ["I3"],
        "nobody else answers"
    );
}

#[test]
fn i11_only_what_is_proven_dead_goes_without_its_kubelet() {
    let mut seen = formed();
    assert_eq!(promises(&seen, vec![delete("c-0-2", true)]), ["I11"]);
    seen.hosts[1].is_out_of_service = true;
    assert_eq!(
        promises(&seen, vec![delete("c-0-2", true)]),
        ["I11"],
        "it answers"
    );
    seen.pods[1].phase = PodPhase::Ended {
        reason: "exit code 137".to_owned(),
    };
    assert!(promises(&seen, vec![delete("c-0-2", true)]).is_empty());
}

#[test]
fn i11_a_volume_in_use_is_not_deleted() {
    let mut seen = formed();
    let volume = crate::model::VolumeName::from("c-0-2");
    seen.record.members[1].volume = Some(volume.clone());
    let deed = |volume| Deed::DeleteVolume {
        volume,
        uid: "u".to_owned(),
    };
    assert_eq!(promises(&seen, vec![deed(volume)]), ["I11"]);
    assert!(promises(&seen, vec![deed("c-0-0".into())]).is_empty());
}

#[test]
fn i5_an_owner_that_others_have_succeeded_since_is_no_lost_leader() {
    let mut seen = formed();
    let gone = MemberName::from("c-0-1");
    seen.members.remove(&gone);
    seen.pods.retain(|pod| pod.name != gone);
    for entry in seen.record.members.iter_mut().filter(|it| it.name == gone) {
        entry.silent_since = Some(NOW);
    }
    let takeover = || failover("c-1-4", FailoverMode::Takeover, "id-c-1-3");
    let dead = MemberName::from("c-1-3");
    seen.members.remove(&dead);
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == dead) {
        pod.phase = PodPhase::Ended {
            reason: "exit code 137".to_owned(),
        };
    }
    assert_eq!(promises(&seen, vec![takeover()]), ["I5"], "c-0-1 may serve");
    // another one owns its slots by a later epoch, and one old view has not heard
    let succeeded = |entries: &mut Vec<ViewEntry>| {
        let old = entries.iter().find(|it| it.id.as_str() == "id-c-0-1");
        let slots = old.map(|it| it.slots.clone()).unwrap();
        for entry in entries.iter_mut().filter(|it| it.id.as_str() == "id-c-0-2") {
            (entry.slots, entry.config_epoch.0) = (slots.clone(), 9);
            (entry.role, entry.leader) = (crate::model::Role::Leader, None);
        }
        entries.retain(|it| it.id.as_str() != "id-c-0-1");
    };
    for name in ["c-0-2", "c-2-5", "c-2-6"] {
        succeeded(&mut answer_of(&mut seen, name).view.entries);
    }
    let heir = MemberName::from("c-0-2");
    seen.members.remove(&heir);
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == heir) {
        pod.phase = PodPhase::Ended {
            reason: "exit code 137".to_owned(),
        };
    }
    assert!(promises(&seen, vec![takeover()]).is_empty());
}

#[test]
fn i5_slots_are_dealt_out_once_and_to_the_empty() {
    let mut seen = formed();
    let deal = || {
        vec![tell(
            "c-0-1",
            MemberCommand::AddSlots(SlotSet::even_share(0, 3)),
        )]
    };
    assert_eq!(promises(&seen, deal()), ["I5"], "it was whole once");
    seen.record.formed = false;
    assert_eq!(promises(&seen, deal()), ["I5"], "they have an owner");
    for name in ["c-0-1", "c-0-2", "c-1-3", "c-1-4", "c-2-5", "c-2-6"] {
        let answer = answer_of(&mut seen, name);
        answer
            .view
            .entries
            .iter_mut()
            .for_each(|entry| entry.slots = SlotSet::empty());
    }
    assert_eq!(promises(&seen, deal()), ["I5"], "it holds keys");
    answer_of(&mut seen, "c-0-1").keys = 0;
    assert!(promises(&seen, deal()).is_empty());
}

#[test]
fn i5_no_takeover_from_a_leader_that_answers() {
    let mut seen = formed();
    let takeover = || vec![failover("c-0-2", FailoverMode::Takeover, "id-c-0-1")];
    assert_eq!(promises(&seen, takeover()), ["I5"]);
    seen.members.remove(&MemberName::from("c-0-1"));
    assert_eq!(promises(&seen, takeover()), ["I5"], "it is only silent");
    seen.hosts[0].is_out_of_service = true;
    assert!(promises(&seen, takeover()).is_empty());
}

#[test]
fn i3_nobody_is_forced_over_a_leader_that_serves_nor_with_a_copy_that_was_not_whole() {
    let mut seen = formed();
    let force = |name| failover(name, FailoverMode::Force, "id-c-0-1");
    assert_eq!(promises(&seen, vec![force("c-0-2")]), ["I3"], "it serves");
    answer_of(&mut seen, "c-0-1").is_open = false;
    assert!(promises(&seen, vec![force("c-0-2")]).is_empty());
    seen.members.remove(&MemberName::from("c-0-1"));
    let run = answer_of(&mut seen, "c-0-2").run_id.clone();
    let entry = |seen: &mut Observation, run| {
        let mut members = seen.record.members.iter_mut();
        let entry = members.find(|it| it.name.as_str() == "c-0-2").unwrap();
        entry.synced_run = run;
        entry.synced_with = Some("id-c-0-1".into());
    };
    entry(&mut seen, None);
    assert_eq!(promises(&seen, vec![force("c-0-2")]), ["I3"], "not whole");
    entry(&mut seen, Some(run));
    assert!(promises(&seen, vec![force("c-0-2")]).is_empty());
}

#[test]
fn i5_a_death_and_a_closed_leader_at_once_make_one_election() {
    let mut seen = formed();
    for name in ["c-0-2", "c-1-4"] {
        let run = answer_of(&mut seen, name).run_id.clone();
        let mut members = seen.record.members.iter_mut();
        let entry = members.find(|it| it.name.as_str() == name).unwrap();
        entry.synced_run = Some(run);
    }
    seen.members.remove(&MemberName::from("c-0-1"));
    let pod = seen
        .pods
        .iter_mut()
        .find(|pod| pod.name.as_str() == "c-0-1");
    pod.unwrap().phase = PodPhase::Ended {
        reason: "exit code 137".to_owned(),
    };
    answer_of(&mut seen, "c-1-3").is_open = false;
    let made = crate::plan::plan(&desired(3, 1), &seen, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(check(&desired(3, 1), &seen, &made, NOW), []);
}

#[test]
fn i5_no_two_elections_at_a_time() {
    let mut seen = formed();
    for host in &mut seen.hosts {
        host.is_out_of_service = true;
    }
    for name in ["c-0-1", "c-1-3"] {
        seen.members.remove(&MemberName::from(name));
    }
    let take = |name, of| failover(name, FailoverMode::Takeover, of);
    let both = vec![take("c-0-2", "id-c-0-1"), take("c-1-4", "id-c-1-3")];
    assert_eq!(promises(&seen, both), ["I5"]);
}

#[test]
fn i3_only_a_follower_of_that_leader_that_is_in_sync_takes_over_in_peace() {
    let mut seen = formed();
    let graceful = |of| vec![failover("c-0-2", FailoverMode::Graceful, of)];
    assert!(promises(&seen, graceful("id-c-0-1")).is_empty());
    assert_eq!(promises(&seen, graceful("id-c-1-3")), ["I3"]);
    answer_of(&mut seen, "c-0-2").is_open = false;
    assert_eq!(
        promises(&seen, graceful("id-c-0-1")),
        ["I3"],
        "it is closed"
    );
    answer_of(&mut seen, "c-0-2").is_open = true;
    if let Some(link) = answer_of(&mut seen, "c-0-2").replication.upstream.as_mut() {
        link.is_up = false;
    }
    assert_eq!(promises(&seen, graceful("id-c-0-1")), ["I3"]);
}

#[test]
fn i3_only_who_was_succeeded_is_kept_from_writes() {
    let hold = || vec![tell("c-0-1", MemberCommand::HoldWrites { millis: 1 })];
    let mut seen = formed();
    assert_eq!(promises(&seen, hold()), ["I3"]);
    let heir = &mut answer_of(&mut seen, "c-0-2").view;
    for own in heir.entries.iter_mut().filter(|it| it.flags.myself) {
        own.slots = SlotSet::even_share(0, 3);
        (own.leader, own.config_epoch.0) = (None, 7);
    }
    assert!(promises(&seen, hold()).is_empty());
}

#[test]
fn i3_no_leader_with_slots_is_made_a_follower_and_nobody_follows_another_shard() {
    let seen = formed();
    let follow = |name, leader: &str| {
        vec![tell(
            name,
            MemberCommand::Replicate {
                leader: MemberId::from(leader),
            },
        )]
    };
    assert!(promises(&seen, follow("c-0-2", "id-c-0-1")).is_empty());
    assert_eq!(promises(&seen, follow("c-0-2", "id-c-1-3")), ["I3"]);
    assert_eq!(promises(&seen, follow("c-0-1", "id-c-0-2")), ["I3"]);
}

#[test]
fn i6_one_member_of_a_shard_at_a_time() {
    let mut seen = formed();
    let both = vec![
        delete("c-0-2", false),
        failover("c-0-2", FailoverMode::Graceful, "id-c-0-1"),
    ];
    assert_eq!(promises(&seen, both), ["I6"]);
    let apart = || vec![delete("c-0-2", false), delete("c-1-4", false)];
    assert_eq!(promises(&seen, apart()), ["I6"], "two zones");
    for entry in &mut seen.record.members {
        entry.zone = ZoneName::from("b");
    }
    assert!(promises(&seen, apart()).is_empty());
}

#[test]
fn i9_who_copies_from_a_stranger_holds_nothing_of_its_leader() {
    let mut seen = formed();
    let dead = MemberName::from("c-0-1");
    seen.members.remove(&dead);
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == dead) {
        pod.phase = PodPhase::Ended {
            reason: "exit code 137".to_owned(),
        };
    }
    seen.record.losses.push(crate::model::DataLoss {
        shard: ShardId(0),
        slots: SlotSet::even_share(0, 3),
        older_copy: None,
        noticed: NOW,
        accepted: None,
    });
    let seize = || {
        let slots = SlotSet::even_share(0, 3);
        let of = Some(MemberId::from("id-c-0-1"));
        vec![tell("c-0-2", MemberCommand::SeizeSlots { slots, of })]
    };
    answer_of(&mut seen, "c-0-2").keys = 0;
    assert_eq!(promises(&seen, seize()), ["I9"], "its link is up");
    let up = answer_of(&mut seen, "c-0-2").replication.upstream.as_mut();
    up.unwrap().host = "10.0.0.3".to_owned();
    assert!(promises(&seen, seize()).is_empty(), "to c-1-3");
}

#[test]
fn i5_directives_that_the_cluster_relies_on_are_set_our_way_only() {
    let set = |name: &str, value: &str| {
        let settings = [(name.to_owned(), value.to_owned())].into();
        vec![tell("c-0-1", MemberCommand::Configure(settings))]
    };
    let seen = formed();
    assert!(promises(&seen, set("maxmemory", "1gb")).is_empty());
    assert!(promises(&seen, set("cluster-require-full-coverage", "no")).is_empty());
    for (name, value) in [
        ("cluster-require-full-coverage", "yes"),
        ("masterauth", "x"),
        ("port", "1"),
    ] {
        assert_eq!(promises(&seen, set(name, value)), ["I5"], "{name}");
    }
}

/// Two of three leaders are silent since the beginning, and it is much later.
fn two_silent() -> Observation {
    let mut seen = formed();
    for name in ["c-0-1", "c-1-3"] {
        seen.members.remove(&MemberName::from(name));
        let mut entries = seen.record.members.iter_mut();
        let entry = entries.find(|it| it.name.as_str() == name).unwrap();
        entry.silent_since = Some(NOW);
    }
    for asked in seen.members.values_mut() {
        let Asked::Answered(answer) = asked else {
            continue;
        };
        for entry in &mut answer.view.entries {
            let is_lost = ["id-c-0-1", "id-c-1-3"].contains(&entry.id.as_str());
            entry.flags.suspected |= is_lost;
        }
    }
    seen
}

#[test]
fn i5_silence_opens_the_fence_where_the_policy_and_the_time_let_it() {
    use crate::api::QuorumLossPolicy::{Fenced, Manual, Unreachable};

    let later = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let takeover = |seen: &Observation, policy, now| {
        let plan = Plan {
            actions: vec![Action {
                deed: failover("c-0-2", FailoverMode::Takeover, "id-c-0-1"),
                why: "a test".to_owned(),
            }],
            record: seen.record.clone(),
            waiting_on: Vec::new(),
        };
        let mut wanted = desired(3, 1);
        wanted.quorum_loss = policy;
        check(&wanted, seen, &plan, now).is_empty()
    };
    let seen = two_silent();
    assert!(!takeover(&seen, Fenced, later(100)), "two of three");
    assert!(!takeover(&seen, Unreachable, later(59)), "too soon");
    assert!(takeover(&seen, Unreachable, later(61)));
    assert!(!takeover(&seen, Manual, later(61)));

    let mut heard = two_silent();
    for entry in &mut answer_of(&mut heard, "c-2-5").view.entries {
        entry.flags.suspected = false;
    }
    assert!(
        !takeover(&heard, Unreachable, later(61)),
        "another hears it"
    );

    let mut one = two_silent();
    let whole = formed();
    let back = MemberName::from("c-1-3");
    one.members
        .insert(back.clone(), whole.members[&back].clone());
    for entry in &mut answer_of(&mut one, "c-1-3").view.entries {
        entry.flags.suspected = entry.id.as_str() == "id-c-0-1";
    }
    assert!(!takeover(&one, Fenced, later(61)), "its host is Ready");
    for host in &mut one.hosts {
        host.is_ready = false;
    }
    assert!(
        takeover(&one, Fenced, later(61)),
        "one of three has stopped"
    );
}

/// Slots go from shard 0 to shard 1, and are struck off the record while this leader owns them.
fn is_struck_off_while_owned_by(owner: &str) -> bool {
    let mut seen = formed();
    let slots = reshard(&mut seen, 0, None);
    for name in ["c-0-1", "c-1-3", "c-2-5"] {
        let mut entries = answer_of(&mut seen, name).view.entries.iter_mut();
        let own = entries.find(|it| it.flags.myself).unwrap();
        own.slots = if name == owner {
            own.slots.union(&slots)
        } else {
            own.slots.difference(&slots)
        };
    }
    let mut record = seen.record.clone();
    record.reshard = None;
    let plan = Plan {
        record,
        ..Plan::default()
    };
    check(&desired(3, 1), &seen, &plan, NOW).is_empty()
}

#[test]
fn i5_slots_stay_on_record_until_their_new_owner_or_a_third_says_that_it_owns_them() {
    assert!(!is_struck_off_while_owned_by("c-0-1"));
    assert!(is_struck_off_while_owned_by("c-1-3"));
    assert!(is_struck_off_while_owned_by("c-2-5"), "moved on by hand");
    assert!(!is_struck_off_while_owned_by("nobody"));
}
