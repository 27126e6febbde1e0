//! What an owner's wish changes, and what it does not.

use jiff::{SignedDuration, Timestamp};

use crate::model::{Asked, MemberName, Observation, Role, ShardId};
use crate::plan::testing::{answer_of, desired, formed, reshard};
use crate::plan::{Deed, FailoverMode, MemberCommand, Plan, WaitingReason, check, plan};

/// Who is told to lead.
fn told(plan: &Plan) -> Vec<String> {
    let told = plan.actions.iter().filter_map(|it| match &it.deed {
        Deed::Command {
            member,
            command:
                MemberCommand::Failover {
                    mode: FailoverMode::Graceful,
                    ..
                },
        } => Some(member.name.to_string()),
        _ => None,
    });
    told.collect()
}

fn wishes(plan: &Plan) -> Vec<&str> {
    let waits = plan.waiting_on.iter();
    let waits = waits.filter(|it| it.reason == WaitingReason::LeadWish);
    waits.map(|it| it.message.as_str()).collect()
}

fn wish(seen: &mut Observation, name: &str, wish: bool) {
    let mut pods = seen.pods.iter_mut();
    let is_it = |pod: &&mut crate::model::PodView| pod.name == MemberName::from(name);
    pods.find(is_it).expect("there").is_to_lead = wish;
}

fn planned(seen: &Observation, now: Timestamp) -> Plan {
    let desired = desired(3, 1);
    let plan = plan(&desired, seen, now);
    let refusals = check(&desired, seen, &plan, now);
    assert!(refusals.is_empty(), "{refusals:?}");
    plan
}

/// The follower leads, and the leader follows it; everybody has heard.
fn hand_over(seen: &mut Observation, heir: &str) {
    let heir = answer_of(seen, heir).id.clone();
    let entries = seen.members.values().find_map(|asked| match asked {
        Asked::Answered(answer) => Some(answer.view.entries.clone()),
        _ => None,
    });
    let entries = entries.expect("somebody answers");
    let of = |id| entries.iter().find(|it| it.id == id).expect("listed");
    let old = of(of(heir.clone()).leader.clone().expect("it follows"));
    let epoch = entries.iter().map(|it| it.config_epoch.0).max().unwrap() + 1;
    let at = of(heir.clone()).address.expect("told").ip.to_string();
    for asked in seen.members.values_mut() {
        let Asked::Answered(answer) = asked else {
            continue;
        };
        answer.view.current_epoch.0 = epoch;
        for entry in &mut answer.view.entries {
            if entry.id == heir {
                (entry.role, entry.leader) = (Role::Leader, None);
                entry.slots = old.slots.clone();
                entry.config_epoch.0 = epoch;
            } else if entry.id == old.id {
                (entry.role, entry.leader) = (Role::Follower, Some(heir.clone()));
                entry.slots = crate::model::SlotSet::empty();
            }
        }
        let upstream = answer.replication.upstream.clone();
        if answer.id == heir {
            answer.replication.upstream = None;
        } else if answer.id == old.id {
            answer.replication.upstream = upstream.or(Some(crate::model::UpstreamLink {
                host: at.clone(),
                port: 6379,
                is_up: true,
                is_syncing: false,
                last_io_seconds: Some(0),
                down_seconds: None,
            }));
        }
    }
}

/// Plays on until nobody is told to lead any more: who was, in order.
fn play(seen: &mut Observation, now: &mut Timestamp) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..30 {
        *now += SignedDuration::from_secs(60);
        let plan = planned(seen, *now);
        seen.record = plan.record.clone();
        for heir in told(&plan) {
            hand_over(seen, &heir);
            all.push(heir);
        }
    }
    all
}

#[test]
fn a_wish_is_fulfilled_and_then_the_other_leaders_make_room_and_there_it_rests() {
    let (mut seen, mut now) = (formed(), Timestamp::UNIX_EPOCH);
    assert_eq!(play(&mut seen, &mut now), Vec::<String>::new());
    wish(&mut seen, "c-1-4", true);
    let told = play(&mut seen, &mut now);
    assert_eq!(told.len(), 3, "one in each shard, and no more: {told:?}");
    assert_eq!(told[0], "c-1-4");
    for name in ["c-0-2", "c-2-6"] {
        assert!(told.contains(&name.to_owned()), "{told:?}");
    }
    let plan = planned(&seen, now);
    assert!(wishes(&plan).is_empty(), "{:?}", plan.waiting_on);
    wish(&mut seen, "c-1-4", false);
    let told = play(&mut seen, &mut now);
    assert!(told.is_empty(), "leaders are even as they are: {told:?}");
}

#[test]
fn leadership_goes_home_when_the_wish_is_taken_back_and_was_all_that_kept_it() {
    let (mut seen, mut now) = (formed(), Timestamp::UNIX_EPOCH);
    for name in ["c-0-2", "c-1-3", "c-2-5"] {
        wish(&mut seen, name, true);
    }
    let told = play(&mut seen, &mut now);
    assert_eq!(told, ["c-0-2"], "the others stay where they are wished");
    wish(&mut seen, "c-0-2", false);
    assert_eq!(play(&mut seen, &mut now), ["c-0-1"]);
}

#[test]
fn of_two_the_one_that_leads_stays_else_the_first_by_name_goes_first() {
    let mut seen = formed();
    wish(&mut seen, "c-0-1", true);
    wish(&mut seen, "c-0-2", true);
    let plan = planned(&seen, Timestamp::UNIX_EPOCH);
    assert!(told(&plan).is_empty());
    let expected = "c-0-2 is to lead shard 0, by its annotation: c-0-1 is, too, and goes before it; take one \
                    back: kubectl zoneward switchover c-0-2 --release";
    assert_eq!(wishes(&plan), [expected]);
    hand_over(&mut seen, "c-0-2");
    let plan = planned(&seen, Timestamp::UNIX_EPOCH);
    assert!(!told(&plan).contains(&"c-0-1".to_owned()));
    assert!(wishes(&plan)[0].contains("c-0-2 is, too"), "{plan:?}");
}

#[test]
fn who_cannot_lead_is_not_handed_over_to_and_it_is_said_why() {
    fn entry<'a>(seen: &'a mut Observation, name: &str) -> &'a mut crate::model::Enrolled {
        let name = MemberName::from(name);
        let mut entries = seen.record.members.iter_mut();
        entries.find(|it| it.name == name).expect("on record")
    }
    fn leave(seen: &mut Observation, name: &str) {
        let name = MemberName::from(name);
        let mut pods = seen.pods.iter_mut();
        pods.find(|it| it.name == name).expect("there").is_leaving = true;
    }
    type Change = fn(&mut Observation);
    let table: [(&str, Change, &str); 7] = [
        (
            "on its way out",
            |seen| leave(seen, "c-0-2"),
            "it leaves, and the wish with it",
        ),
        (
            "replaced",
            |seen| {
                entry(seen, "c-0-2").surplus = true;
                // else it would be needed after all
                let mut other = entry(seen, "c-0-2").clone();
                (other.name, other.zone) = ("c-0-7".into(), "c".into());
                (other.surplus, other.joined) = (false, false);
                (other.pod_uid, other.member_id) = (None, None);
                seen.record.next_serial.0 = 8;
                seen.record.members.push(other);
            },
            "it leaves, and the wish with it",
        ),
        (
            "cut off",
            |seen| {
                let link = answer_of(seen, "c-0-2").replication.upstream.as_mut();
                link.expect("it follows").is_up = false;
            },
            "it is not in sync",
        ),
        (
            "silent",
            |seen| {
                seen.members.remove(&MemberName::from("c-0-2"));
            },
            "it is not in sync",
        ),
        (
            "behind",
            |seen| answer_of(seen, "c-0-1").replication.offset += 2 << 20,
            "it is too far behind",
        ),
        (
            "on the move",
            |seen| {
                reshard(seen, 0, None);
            },
            "the shard gives or takes slots",
        ),
        (
            "an election elsewhere",
            |seen| {
                seen.members.remove(&MemberName::from("c-2-5"));
            },
            "shard 2 has nobody to lead it",
        ),
    ];
    for (case, change, why) in table {
        let mut seen = formed();
        wish(&mut seen, "c-0-2", true);
        assert_eq!(told(&planned(&seen, Timestamp::UNIX_EPOCH)), ["c-0-2"]);
        change(&mut seen);
        let plan = planned(&seen, Timestamp::UNIX_EPOCH);
        assert!(!told(&plan).contains(&"c-0-2".to_owned()), "{case}");
        let words = wishes(&plan);
        assert_eq!(words.len(), 1, "{case}: {words:?}");
        assert!(words[0].contains(why), "{case}: {words:?}");
    }
}

#[test]
fn a_wish_waits_for_the_distance_to_the_last_role_change() {
    let mut seen = formed();
    wish(&mut seen, "c-0-2", true);
    let at = |second| Timestamp::from_second(second).unwrap();
    let other = "id-c-0-2".into();
    seen.record
        .note_role_change(ShardId(0), other, "id-c-0-1".into(), at(100));
    let early = planned(&seen, at(119));
    assert!(!told(&early).contains(&"c-0-2".to_owned()));
    let waits = |it: &crate::plan::WaitingOn| {
        it.reason == WaitingReason::RoleChangeTooSoon && it.message.contains("c-0-2")
    };
    assert!(early.waiting_on.iter().any(waits), "{early:?}");
    assert_eq!(told(&planned(&seen, at(120))), ["c-0-2"]);
}

#[test]
fn a_leader_that_leaves_hands_over_whoever_was_wished_for() {
    let mut seen = formed();
    wish(&mut seen, "c-0-1", true);
    let name = MemberName::from("c-0-1");
    let mut pods = seen.pods.iter_mut();
    pods.find(|it| it.name == name).expect("there").is_leaving = true;
    assert_eq!(told(&planned(&seen, Timestamp::UNIX_EPOCH)), ["c-0-2"]);
}
