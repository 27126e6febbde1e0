//! Rolling updates: members whose pods were made from another spec than the present one are replaced.
//!
//! One zone at a time, and in it many shards side by side, so that the time grows with the zones and
//! not with the shards. All followers first, in all zones, then the leaders: a newer server follows an
//! older one, and an older one cannot read a newer one's data, so no follower is left behind an
//! upgraded leader. The first member goes alone: where it does not join, nobody follows it.
//!
//! Nothing is kept but who is surplus and who starts again (in the record): each round asks anew who is
//! outdated by the present spec, so a spec that changes on the way, also back, is followed at once.

mod hindrance;
mod room;
mod turn;

use std::collections::BTreeMap;

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Draft, WaitingReason, leadership, placing, pods, roster, spacing};
use crate::model::{PodPhase, ZoneName};
use room::Way;

/// Who was made for a spec that is wanted no more, and is not needed: whom it was to replace stays.
/// A pod that never started is not waited for; nor is that of a surplus body that is to start after all.
pub(super) fn settle(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        for newcomer in &shard.members {
            if !newcomer.is_outdated || !pods::is_wanted(round, newcomer.entry) {
                continue;
            }
            let old = predecessor(shard, newcomer).filter(|_| !newcomer.entry.surplus);
            if let Some(old) = old {
                placing::set_surplus(draft, old, false);
                placing::set_surplus(draft, newcomer, true);
            } else if never_started(newcomer) {
                make_anew(round, draft, newcomer);
            }
        }
    }
}

/// The member that this one was to replace, if it is as the present spec wants it and still there: in the
/// same zone, or in one that nobody else of the shard has.
fn predecessor<'a, 'b>(shard: &'b Shard<'a>, newcomer: &Member<'_>) -> Option<&'b Member<'a>> {
    shard.members.iter().find(|old| {
        let mut others = shard.members.iter().filter(|it| !it.entry.surplus);
        let has_place = others.all(|it| it.name() == newcomer.name() || it.zone() != old.zone());
        // the other way round it is the old one whose place was taken back, and that is to be replaced still;
        // unless the new one leads already, and would have to hand over to an older server
        let came_before = old.name().serial() < newcomer.name().serial();
        let is_first = came_before || shard.is_led_by(old);
        let is_pair = old.entry.surplus && has_place && is_first;
        is_pair && !old.is_outdated && !old.is_leaving() && shard.is_current(old)
    })
}

fn never_started(member: &Member<'_>) -> bool {
    let is_waiting = |phase: &PodPhase| matches!(phase, PodPhase::Waiting { .. });
    member.verdict == Verdict::Starting && member.pod.is_some_and(|pod| is_waiting(&pod.phase))
}

/// Its next pod is made from the present spec.
fn make_anew(round: &Round<'_>, draft: &mut Draft, member: &Member<'_>) {
    let Some(pod) = member.pod.filter(|pod| !pod.is_leaving) else {
        return;
    };
    if member.entry.volume.is_some() {
        note_restart(draft, member);
    } else {
        roster::strike_out(round, draft, member.entry, false);
    }
    pods::delete(
        draft,
        pod,
        false,
        "it was made for a spec that is wanted no more",
    );
}

fn note_restart(draft: &mut Draft, member: &Member<'_>) {
    let mut entries = draft.record.members.iter_mut();
    if let Some(entry) = entries.find(|entry| &entry.name == member.name()) {
        entry.restarts = true;
    }
}

/// Begins with the next members, or says why not.
pub(super) fn go_on(round: &Round<'_>, draft: &mut Draft) {
    let is_over = round.census.members().all(|member| !member.is_outdated);
    if is_over || !round.record.formed {
        return;
    }
    let trouble = hindrance::stuck(round);
    let is_pausing = roster::start_failures::pause_left_millis(round, &draft.record) > 0;
    if let Some(why) = trouble.clone().or_else(|| hindrance::failed_start(round)) {
        draft.wait(
            WaitingReason::RollStuck,
            format!(
                "the update has stopped, and members that run are not touched: {why}. Correct \
                 spec.image and spec.pod, or change them back"
            ),
        );
        // a start that failed is tried again, at growing distances
        if trouble.is_some() || is_pausing {
            return;
        }
    }
    if let Some(why) = hindrance::disturbed(round, draft) {
        draft.wait(
            WaitingReason::RollPaused,
            format!("the update goes on by itself when this is over: {why}"),
        );
        return;
    }
    let busy = turn::busy_zones(round);
    let Some(zone) = turn::zone(round, &busy) else {
        report_no_turn(draft, &busy);
        return;
    };
    draft.wait(WaitingReason::RollingUpdate, turn::progress(round, &zone));
    let mut left = turn::width(round).saturating_sub(busy.get(&zone).copied().unwrap_or(0));
    for (shard, member) in turn::next(round, &zone) {
        if left == 0 {
            return;
        }
        if turn::is_calm(round, draft, shard, member) && replace(round, draft, shard, member) {
            left -= 1;
        }
    }
}

/// Two zones are worked on, or whoever is left to replace is silent, or goes with its shard.
fn report_no_turn(draft: &mut Draft, busy: &BTreeMap<ZoneName, usize>) {
    let zones: Vec<&str> = busy.keys().map(ZoneName::as_str).collect();
    let why = if zones.is_empty() {
        "nobody is left to replace who answers and stays".to_owned()
    } else {
        let zones = zones.join(" and ");
        format!("zones {zones} are to be whole first: one zone is worked on at a time")
    };
    draft.wait(
        WaitingReason::RollPaused,
        format!("the update goes on by itself: {why}"),
    );
}

/// Begins to replace this member; whether anything was begun.
fn replace(round: &Round<'_>, draft: &mut Draft, shard: &Shard<'_>, member: &Member<'_>) -> bool {
    match room::way(round, shard, member) {
        Some(Way::Beside(zone)) => {
            // surplus once the new one is in sync: `leadership` has it hand over, `pods` lets it go
            placing::set_surplus(draft, member, true);
            roster::enroll(round, draft, shard.id, zone);
            true
        }
        Some(Way::InPlace) => replace_in_place(round, draft, shard, member),
        None => {
            draft.wait(
                WaitingReason::NoRoom,
                format!(
                    "no host in zone {} has room for a member beside {}, which it is to replace, and \
                     no other copy of shard {} is in another zone: add a host to the zone, or make room",
                    member.zone(),
                    member.name(),
                    shard.id
                ),
            );
            false
        }
    }
}

/// Empties its place first: by then somebody else leads.
fn replace_in_place(
    round: &Round<'_>,
    draft: &mut Draft,
    shard: &Shard<'_>,
    member: &Member<'_>,
) -> bool {
    if shard.is_led_by(member) {
        let heir = leadership::heir(shard, |other| {
            !other.is_outdated && room::is_elsewhere(round, member, other)
        });
        let Some(heir) = heir else {
            return false;
        };
        let why = "its leader's pod is to be replaced";
        leadership::hand_over(round, draft, shard, heir, why);
        return true;
    }
    let Some(pod) = member.pod.filter(|_| !pods::is_owner(round, member)) else {
        return false;
    };
    let mut answers = member.answer().into_iter();
    if answers.any(|it| spacing::may_still_be_asked(round, shard, &it.id)) {
        return false;
    }
    if member.entry.volume.is_some() {
        note_restart(draft, member);
    } else {
        roster::strike_out(round, draft, member.entry, false);
        roster::enroll(round, draft, shard.id, member.zone().clone());
    }
    pods::delete(
        draft,
        pod,
        false,
        "it was made from another spec than the present one",
    );
    true
}

#[cfg(test)]
mod tests {
    use crate::api::Persistence;
    use crate::model::{Asked, Enrolled, MemberName, Observation, PodPhase, PodView, Serial};
    use crate::plan::testing::{answer_of, desired, enrolled, formed, pod};
    use crate::plan::{Deed, plan};
    use jiff::Timestamp;

    #[test]
    fn a_surplus_body_that_is_needed_starts_from_the_present_spec() {
        let mut seen = formed();
        seen.record.members.push(Enrolled {
            volume: Some("c-0-0".into()),
            pod_uid: Some("uid-c-0-6".into()),
            member_id: Some("id-c-0-0".into()),
            made_from: Some("another".into()),
            has_ended: true,
            joined: true,
            surplus: true,
            ..enrolled("c-0-6", 0, "c")
        });
        seen.pods.push(PodView {
            phase: PodPhase::Waiting {
                unschedulable: None,
                kubelet: Some("ErrImagePull".to_owned()),
            },
            volume: Some("c-0-0".into()),
            fingerprint: Some("another".into()),
            ..pod("c-0-6", 0, "c")
        });
        let is_made_anew = |seen: &Observation| {
            let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
            let body = MemberName::from("c-0-6");
            let takes_away =
                |deed: &Deed| matches!(deed, Deed::DeletePod { pod, .. } if pod == &body);
            let is_kept = plan.record.member(&body).is_some_and(|it| it.restarts);
            is_kept && plan.actions.iter().any(|it| takes_away(&it.deed))
        };
        assert!(!is_made_anew(&seen), "its shard is led");
        seen.members.remove(&MemberName::from("c-0-1"));
        assert!(is_made_anew(&seen));
    }

    /// Shard 0's leader is outdated, and its place was given to another that finds no room, and back; its
    /// follower's was given to `c-0-7`.
    fn replaced_where_there_is_no_room() -> Observation {
        let mut seen = formed();
        let own = answer_of(&mut seen, "c-0-2").view.own_entry().cloned();
        let mut listed = own.unwrap();
        (listed.id, listed.flags.myself) = ("id-c-0-7".into(), false);
        for asked in seen.members.values_mut() {
            if let Asked::Answered(answer) = asked {
                answer.view.entries.push(listed.clone());
            }
        }
        let mut answer = answer_of(&mut seen, "c-0-2").clone();
        for own in &mut answer.view.entries {
            own.flags.myself = own.id.as_str() == "id-c-0-7";
        }
        (answer.id, answer.view.myself) = ("id-c-0-7".into(), "id-c-0-7".into());
        let asked = Asked::Answered(Box::new(answer));
        seen.members.insert("c-0-7".into(), asked);
        seen.record.next_serial = Serial(9);
        let place = |name: &str, zone: &str, phase: PodPhase, joined: bool| {
            let host = joined.then(|| format!("h{zone}").as_str().into());
            let entry = Enrolled {
                pod_uid: Some(format!("uid-{name}").as_str().into()),
                member_id: joined.then(|| format!("id-{name}").as_str().into()),
                joined,
                host: host.clone(),
                ..enrolled(name, 0, zone)
            };
            let address = joined.then(|| [10, 0, 0, 7].into());
            let pod = PodView {
                host,
                address,
                phase,
                ..pod(name, 0, zone)
            };
            (entry, pod)
        };
        let waiting = PodPhase::Waiting {
            unschedulable: Some("0 nodes are available".to_owned()),
            kubelet: None,
        };
        for (entry, pod) in [
            place("c-0-7", "c", PodPhase::Running, true),
            place("c-0-8", "a", waiting, false),
        ] {
            seen.record.members.push(entry);
            seen.pods.push(pod);
        }
        for entry in &mut seen.record.members {
            entry.volume = Some(entry.name.as_str().into());
            entry.surplus = ["c-0-2", "c-0-8"].contains(&entry.name.as_str());
        }
        for pod in &mut seen.pods {
            pod.volume = Some(pod.name.as_str().into());
            if pod.name.as_str() == "c-0-1" {
                pod.fingerprint = Some("old".into());
            }
        }
        seen
    }

    #[test]
    fn who_was_there_before_is_not_taken_for_whom_another_replaces() {
        let mut seen = replaced_where_there_is_no_room();
        let mut desired = desired(3, 1);
        desired.persistence = Persistence::Aof;
        for second in 6..9 {
            let plan = plan(&desired, &seen, Timestamp::new(second, 0).unwrap());
            seen.record = plan.record;
            let leader = seen.record.member(&MemberName::from("c-0-1")).unwrap();
            assert!(!leader.surplus, "it has its place back, after {second} s");
        }
        let is_new = |entry: &Enrolled| entry.name.serial() >= Some(Serial(9));
        assert!(!seen.record.members.iter().any(is_new), "nobody else comes");
    }

    /// A surplus body came back from the present spec and leads; the one that stays is of an older one, and could
    /// not lead in its place: the update ended there.
    #[test]
    fn who_leads_and_is_up_to_date_stays_instead_of_an_outdated_follower() {
        for (outdated, stays) in [("c-0-2", "c-0-9"), ("c-0-9", "c-0-2")] {
            let mut seen = formed();
            let is_superfluous = |name: &MemberName| ["c-1-4", "c-2-6"].contains(&name.as_str());
            seen.record.members.retain(|it| !is_superfluous(&it.name));
            seen.pods.retain(|it| !is_superfluous(&it.name));
            seen.members.retain(|name, _| !is_superfluous(name));
            // the leader came later than its follower
            let newcomer = MemberName::from("c-0-9");
            let answer = seen.members.remove(&MemberName::from("c-0-1")).unwrap();
            seen.members.insert(newcomer.clone(), answer);
            for entry in seen
                .record
                .members
                .iter_mut()
                .filter(|it| it.name.as_str() == "c-0-1")
            {
                (entry.name, entry.surplus) = (newcomer.clone(), true);
            }
            for pod in &mut seen.pods {
                if pod.name.as_str() == "c-0-1" {
                    pod.name = newcomer.clone();
                }
                if pod.name.as_str() == outdated {
                    pod.fingerprint = Some("old".into());
                }
            }
            seen.record.next_serial = Serial(10);
            let record = plan(&desired(3, 0), &seen, Timestamp::new(6, 0).unwrap()).record;
            let of_shard = record
                .members
                .iter()
                .filter(|it| it.shard.0 == 0 && !it.surplus);
            let staying: Vec<&str> = of_shard.map(|it| it.name.as_str()).collect();
            assert_eq!(staying, [stays], "{outdated} is outdated");
        }
    }
}
