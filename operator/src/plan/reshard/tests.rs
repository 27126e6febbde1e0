//! What is told of a reshard that moves, and of one that does not.

use jiff::Timestamp;

use crate::model::{Departed, Desired, MemberId, MemberName, Observation, Role, ShardId, SlotSet};
use crate::plan::testing::{answer_of, desired, formed, reshard};
use crate::plan::{Census, WaitingReason, check, plan};

/// Ten slots of shard 1 are with shard 0, and on record to go back; nothing moved since the beginning.
fn uneven() -> Observation {
    let mut seen = formed();
    let slots = reshard(&mut seen, 1, Some(Timestamp::UNIX_EPOCH));
    let names: Vec<String> = seen.members.keys().map(ToString::to_string).collect();
    for name in names {
        for entry in &mut answer_of(&mut seen, &name).view.entries {
            match entry.id.as_str() {
                "id-c-0-1" => entry.slots = entry.slots.union(&slots),
                "id-c-1-3" => entry.slots = entry.slots.difference(&slots),
                _ => {}
            }
        }
    }
    seen
}

/// Shard 1 is led by c-1-4; its former leader took a slot by this epoch before it heard of that, and all know.
fn two_lead_a_shard(epoch: u64) -> Observation {
    let mut seen = formed();
    let one = SlotSet::from(crate::model::Slot::new(5461).unwrap());
    let names: Vec<String> = seen.members.keys().map(ToString::to_string).collect();
    for name in names {
        for entry in &mut answer_of(&mut seen, &name).view.entries {
            match entry.id.as_str() {
                "id-c-1-3" => {
                    entry.slots = one.clone();
                    entry.config_epoch.0 = epoch;
                }
                "id-c-1-4" => {
                    (entry.role, entry.leader) = (Role::Leader, None);
                    entry.slots = SlotSet::even_share(1, 3).difference(&one);
                    entry.config_epoch.0 = 7;
                }
                _ => {}
            }
        }
    }
    answer_of(&mut seen, "c-1-4").replication.upstream = None;
    seen
}

#[test]
fn who_was_succeeded_and_took_a_slot_before_it_heard_of_that_gives_it_back() {
    let moved = |seen: &Observation| -> Vec<String> {
        let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
        assert!(check(&desired(3, 1), seen, &plan, Timestamp::UNIX_EPOCH).is_empty());
        let deeds = plan.actions.iter().map(|it| &it.deed);
        let moves = deeds.filter(|deed| deed.kind() == "move-slots");
        moves.map(ToString::to_string).collect()
    };
    for epoch in [3, 8] {
        let seen = two_lead_a_shard(epoch);
        assert_eq!(moved(&seen), ["tell c-1-3: move slots 5461 to c-1-4"]);
    }
    let mut seen = two_lead_a_shard(8);
    let mut entries = answer_of(&mut seen, "c-2-5").view.entries.iter_mut();
    let former = entries.find(|it| it.id.as_str() == "id-c-1-3").unwrap();
    former.slots = SlotSet::empty();
    assert!(moved(&seen).is_empty(), "it may be about to lose it");
    seen.members
        .remove(&crate::model::MemberName::from("c-1-3"));
    let census = Census::new(&desired(3, 1), &seen, &seen.record);
    let leader = census.shards[1].leader.as_ref();
    assert_eq!(
        leader.map(crate::model::MemberId::as_str),
        Some("id-c-1-4"),
        "also when that one has ended"
    );
}

fn told(seen: &Observation, seconds: i64) -> (String, bool) {
    let plan = plan(
        &desired(3, 1),
        seen,
        Timestamp::from_second(seconds).unwrap(),
    );
    let mut waits = plan.waiting_on.iter();
    let wait = waits.find(|it| it.reason == WaitingReason::Resharding);
    let mut deeds = plan.actions.iter().map(|it| it.deed.kind());
    (
        wait.unwrap().message.clone(),
        deeds.any(|kind| kind == "move-slots"),
    )
}

#[test]
fn a_reshard_that_stands_still_says_so() {
    let seen = uneven();
    assert_eq!(told(&seen, 59), ("0 of 10 slots moved".to_owned(), true));
    let (message, is_asked_for) = told(&seen, 61);
    assert!(message.contains("none for a minute: they are asked for"));
    assert!(is_asked_for);
}

#[test]
fn what_holds_a_move_up_is_told() {
    let mut seen = uneven();
    let target = answer_of(&mut seen, "c-1-3");
    target
        .view
        .entries
        .retain(|it| it.id.as_str() != "id-c-0-1");
    let (message, is_asked_for) = told(&seen, 61);
    assert!(!is_asked_for);
    let words = "shard 0 gives to shard 1 once c-0-1 and c-1-3 know each other";
    assert!(message.contains(words), "{message}");
}

#[test]
fn slots_on_the_way_are_in_service_where_one_who_answers_is_said_to_have_them() {
    let mut seen = formed();
    let slots = reshard(&mut seen, 1, None);
    let names: Vec<String> = seen.members.keys().map(ToString::to_string).collect();
    for name in &names {
        for entry in &mut answer_of(&mut seen, name).view.entries {
            entry.slots = entry.slots.difference(&slots);
        }
    }
    let desired = desired(3, 1);
    let in_service = |seen: &Observation| {
        let census = Census::new(&desired, seen, &seen.record);
        crate::plan::in_service(&census, &seen.record).is_all()
    };
    assert!(!in_service(&seen), "nobody is said to have them");
    // each says that the other has them: they were asked one after the other
    for (by, of) in [("c-0-1", "id-c-1-3"), ("c-1-3", "id-c-0-1")] {
        let entries = &mut answer_of(&mut seen, by).view.entries;
        for entry in entries.iter_mut().filter(|it| it.id.as_str() == of) {
            entry.slots = entry.slots.union(&slots);
        }
    }
    assert!(in_service(&seen));
    let silent = crate::model::Asked::NotAsked;
    seen.members.insert("c-0-1".into(), silent);
    assert!(!in_service(&seen), "one of the two does not answer");
}

/// The plan was refused as a whole, so that nobody introduced him to the others, and nothing was done any more.
#[test]
fn slots_that_a_deposed_leader_claims_wait_until_he_has_heard() {
    let mut seen = uneven();
    let slots = answer_of(&mut seen, "c-0-1").view.own_entry().cloned();
    let deposed = answer_of(&mut seen, "c-0-2");
    deposed.replication.upstream = None;
    (deposed.is_open, deposed.is_open_to_followers) = (false, false);
    let mut entries = deposed.view.entries.iter_mut();
    let own = entries.find(|it| it.flags.myself).unwrap();
    (own.role, own.leader, own.config_epoch.0) = (Role::Leader, None, 0);
    own.slots = slots.unwrap().slots;
    assert!(!told(&seen, 61).1);
    let plan = plan(&desired(3, 1), &seen, Timestamp::from_second(61).unwrap());
    let mut waits = plan.waiting_on.iter();
    assert!(waits.all(|it| it.reason != WaitingReason::PlanRefused));
}

/// The same, and the former leader has ended before it gave the slot back.
fn second_leader_has_ended() -> Observation {
    let mut seen = two_lead_a_shard(8);
    let name = MemberName::from("c-1-3");
    seen.members.remove(&name);
    seen.pods.retain(|pod| pod.name != name);
    seen.record.members.retain(|entry| entry.name != name);
    seen.record.departed.push(Departed {
        member_id: MemberId::from("id-c-1-3"),
        name,
        shard: ShardId(1),
        host: None,
        is_proven_dead: true,
        ended_unseen: false,
        since: Timestamp::UNIX_EPOCH,
    });
    seen
}

/// Nobody would serve it ever again: who departed is not forgotten while it owns slots, and nobody follows it.
#[test]
fn slots_of_a_second_leader_that_ended_go_to_the_leader_of_their_shard_once_that_is_told() {
    let mut seen = second_leader_has_ended();
    let seized = |seen: &Observation, desired: &Desired| {
        let plan = plan(desired, seen, Timestamp::UNIX_EPOCH);
        let refused = check(desired, seen, &plan, Timestamp::UNIX_EPOCH);
        assert!(refused.is_empty(), "{refused:?}");
        let deeds = plan.actions.iter().map(|it| it.deed.to_string());
        let seized: Vec<String> = deeds.filter(|it| it.contains("begin slots")).collect();
        (plan.record.losses, seized)
    };
    let (losses, done) = seized(&seen, &desired(3, 1));
    assert_eq!((losses.len(), done.len()), (1, 0), "told first: {losses:?}");
    assert_eq!(losses[0].older_copy, Some(MemberName::from("c-1-4")));
    seen.record.losses = losses;
    let waits = Desired {
        shard_loss: crate::api::ShardLossPolicy::Wait,
        ..desired(3, 1)
    };
    let (losses, done) = seized(&seen, &waits);
    assert_eq!((losses.len(), done.len()), (1, 0), "by policy: {losses:?}");
    let (losses, done) = seized(&seen, &desired(3, 1));
    assert_eq!(done, ["tell c-1-4: begin slots 5461 anew"]);
    assert!(losses[0].accepted.is_some());

    seen.record.departed[0].is_proven_dead = false;
    let (_, done) = seized(&seen, &desired(3, 1));
    assert!(done.is_empty(), "it may come back with them");
}
