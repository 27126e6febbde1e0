//! Pods and volumes that belong to nobody on the roster. Stage: plan, pure.
//!
//! Such a pod was struck out, or a call that came late made it. Asks for nothing that the checker refuses: a
//! plan that is refused does nothing at all, so a pod that has to stay would hold everything else up with it.

use super::super::census::{Member, Round};
use super::super::{Deed, Draft, WaitingReason, reshard};
use super::delete;
use crate::api::RetainPolicy;
use crate::model::{
    Asked, Enrolled, MemberAnswer, MemberId, MemberName, Observation, PodPhase, PodView, Record,
    Role, ShardId, SlotSet,
};

/// Takes away pods and volumes that belong to nobody on the roster. A name with a serial that is
/// still to come tells that our record is stale: hands off.
pub(in super::super) fn clear_leftovers(round: &Round<'_>, draft: &mut Draft) {
    let record = &round.seen.record;
    let kept_for_inspection = draft
        .record
        .start_failures
        .as_ref()
        .map(|failures| failures.pod.clone());
    for pod in &round.seen.pods {
        let is_ours = pod
            .name
            .serial()
            .is_some_and(|serial| serial < record.next_serial);
        // of the same name and not the same: a call that came late made it again
        let is_its_pod = |entry: &Enrolled| entry.pod_uid.as_ref().is_none_or(|it| it == &pod.uid);
        let is_wanted = record.member(&pod.name).is_some_and(is_its_pod)
            || draft.record.member(&pod.name).is_some_and(is_its_pod);
        let is_dead = matches!(pod.phase, PodPhase::Ended { .. });
        let is_asked_already = pod.is_leaving && !is_dead;
        if !is_ours
            || is_wanted
            || is_asked_already
            || Some(&pod.name) == kept_for_inspection.as_ref()
        {
            continue;
        }
        match why_it_stays(round, draft, pod) {
            Some(why) if !is_dead => draft.wait(WaitingReason::Departure, stays_message(pod, why)),
            _ => delete(draft, pod, is_dead, "it is on the roster no more"),
        }
    }
    clear_volumes(round, draft);
}

fn stays_message(pod: &PodView, why: &str) -> String {
    let name = &pod.name;
    format!(
        "pod {name} is on the roster no more and is not taken away: {why}. It goes by itself once that is \
         over; if it lasts, and the shard's data is known to be elsewhere: kubectl delete pod {name}"
    )
}

/// Whom the roster does not know (any more) may hold the last copy all the same.
fn why_it_stays(round: &Round<'_>, draft: &Draft, pod: &PodView) -> Option<&'static str> {
    let answer = match round.seen.members.get(&pod.name) {
        Some(Asked::Answered(answer)) => Some(answer.as_ref()),
        _ => None,
    };
    let is_formed = round.seen.record.formed;
    let claims = |it: &MemberAnswer| (is_formed || it.keys > 0) && leads_slots(round, it);
    let is_empty = answer.is_some_and(|it| {
        let owns = is_formed && !claimed_slots(round, &it.id).is_empty();
        it.keys == 0 && !owns && !round.census.owns_slots(&it.id)
    });
    let never_ran = answer.is_none() && never_ran(round, draft, pod);
    if answer.is_some_and(claims) {
        Some(
            "it takes itself for the owner of slots, and nobody else is known to have them all by a later epoch",
        )
    } else if is_empty || never_ran || is_copied(round, draft, pod.shard) {
        None
    } else {
        Some("it may hold data, and no other whole copy of its shard answers")
    }
}

/// It would start on a body at the most, and that stays (`restartPolicy: Never`: it never ran). Where it bears
/// the name of a member, that one's body is to stay, too.
fn never_ran(round: &Round<'_>, draft: &Draft, pod: &PodView) -> bool {
    let namesake = round.seen.record.member(&pod.name);
    let mut members = draft.record.members.iter();
    let keeps_body = pod.volume.is_some() && members.any(|entry| entry.volume == pod.volume);
    matches!(pod.phase, PodPhase::Waiting { .. })
        && (namesake.is_none_or(|entry| !entry.may_have_copied(false)) || keeps_body)
}

/// What anybody who answers, on the roster or off it, gives to this id.
fn claimed_slots(round: &Round<'_>, id: &MemberId) -> SlotSet {
    let entries = answers(round.seen).filter_map(|it| it.view.entry(id));
    entries.fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
}

/// Whether slots may be led by this one. A process that is closed and has not heard of its successors leads
/// none where they own all of them by later epochs, by their own word.
fn leads_slots(round: &Round<'_>, answer: &MemberAnswer) -> bool {
    let epoch = answer.view.own_entry().map(|own| own.config_epoch);
    let living = round.census.living().map(|(_, it)| it);
    let left = living
        .filter(|it| !answer.is_open && it.is_open && it.role() == Role::Leader)
        .filter_map(|it| it.view.own_entry())
        .filter(|own| epoch.is_some_and(|epoch| own.config_epoch > epoch))
        .fold(claimed_slots(round, &answer.id), |left, own| {
            left.difference(&own.slots)
        });
    answer.role() == Role::Leader && !left.is_empty()
}

/// Whether somebody who stays has all that its shard has; or that has nothing any more, and others serve all.
fn is_copied(round: &Round<'_>, draft: &Draft, id: ShardId) -> bool {
    let Some(shard) = round.census.shard(id) else {
        return is_served_by_others(round, id);
    };
    // a leader that owns nothing is a copy of nothing
    let is_whole = |member: &Member<'_>| {
        member.answer().is_some_and(|answer| match answer.role() {
            Role::Leader => !shard.slots.is_empty(),
            Role::Follower => answer.is_in_sync(),
        })
    };
    let stays = |member: &Member<'_>| draft.record.member(member.name()).is_some();
    let current = || shard.members.iter().filter(|it| shard.is_current(it));
    current().any(|it| stays(it) && is_whole(it))
        || current().next().is_some() && is_served_by_others(round, id)
}

/// Leaders of other shards serve every slot by their own word, nobody else claims one, and none is on its way
/// from here or to here.
fn is_served_by_others(round: &Round<'_>, id: ShardId) -> bool {
    let record = &round.seen.record;
    let is_anothers = |it: &MemberAnswer| {
        let entry = record.member_by_id(&it.id);
        entry.is_some_and(|entry| entry.shard != id)
    };
    let (mut served, mut claimed) = (SlotSet::empty(), SlotSet::empty());
    for answer in answers(round.seen) {
        let own = answer
            .view
            .own_entry()
            .filter(|own| own.role == Role::Leader);
        let slots = own.map(|own| own.slots.clone()).unwrap_or_default();
        if !is_anothers(answer) {
            claimed = claimed.union(&slots);
        } else if answer.is_open && !answer.loading {
            served = served.union(&slots);
        }
    }
    let mut transfers = record.transfers().iter();
    record.formed
        && served.is_all()
        && claimed.is_empty()
        && !transfers.any(|it| it.from == id || it.to == id)
}

fn answers(seen: &Observation) -> impl Iterator<Item = &MemberAnswer> {
    seen.members.values().filter_map(Asked::answer)
}

fn clear_volumes(round: &Round<'_>, draft: &mut Draft) {
    let Some(storage) = &round.desired.storage else {
        return;
    };
    if storage.retain != RetainPolicy::Delete {
        return;
    }
    for volume in round
        .seen
        .volumes
        .iter()
        .filter(|volume| !volume.is_leaving)
    {
        let held = |record: &Record| {
            record
                .members
                .iter()
                .any(|entry| entry.volume.as_ref() == Some(&volume.name))
        };
        let is_mounted = round
            .seen
            .pods
            .iter()
            .any(|pod| pod.volume.as_ref() == Some(&volume.name));
        let serial = MemberName::new(volume.name.as_str()).serial();
        let is_past = serial.is_some_and(|serial| serial < round.seen.record.next_serial);
        // what is on it is kept as long as nobody else is seen to have it
        let is_spare = is_led(round, volume.shard);
        if is_past && is_spare && !is_mounted && !held(&round.seen.record) && !held(&draft.record) {
            let deed = Deed::DeleteVolume {
                volume: volume.name.clone(),
                uid: volume.uid.clone(),
            };
            draft.act(
                deed,
                "its member was replaced, and spec.storage.retain is Delete",
            );
        }
    }
}

/// Its leader answers and serves; or it is a shard no more, and gave all that it had away.
fn is_led(round: &Round<'_>, shard: ShardId) -> bool {
    let leader = round.census.shard(shard).and_then(|it| it.living_leader());
    let serves = leader.is_some_and(|(_, it)| it.is_open && !it.loading);
    serves || shard.0 >= reshard::shards_kept(round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Silence, SilenceReason, ViewEntry, VolumeView};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed, pod};
    use jiff::Timestamp;

    #[test]
    fn a_pod_that_never_ran_holds_nothing_also_where_its_shard_has_no_leader() {
        let is_taken_away = |phase: PodPhase| {
            let mut seen = formed();
            let lost = MemberName::from("c-0-1");
            seen.members.remove(&lost);
            seen.pods.retain(|pod| pod.name != lost);
            let stray = MemberName::from("c-0-0");
            seen.pods.push(PodView {
                phase,
                ..pod("c-0-0", 0, "a")
            });
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            let is_it = |deed: &Deed| matches!(deed, Deed::DeletePod { pod, .. } if pod == &stray);
            plan.actions.iter().any(|action| is_it(&action.deed))
        };
        assert!(!is_taken_away(PodPhase::Running), "it may hold the data");
        assert!(is_taken_away(PodPhase::Waiting {
            unschedulable: None,
            kubelet: None
        }));
    }

    /// `c-0-0` is on the roster no more, its pod came late, and it answers so.
    fn with_leftover(change: impl FnOnce(&mut MemberAnswer)) -> Observation {
        let mut seen = formed();
        let mut late = answer_of(&mut seen, "c-0-1").clone();
        let id = MemberId::from("id-c-0-0");
        (late.id, late.view.myself, late.is_open) = (id.clone(), id.clone(), false);
        late.view.entries.retain(|it| it.flags.myself);
        for own in &mut late.view.entries {
            (own.id, own.config_epoch.0) = (id.clone(), 0);
        }
        change(&mut late);
        let late = Asked::Answered(Box::new(late));
        seen.members.insert("c-0-0".into(), late);
        seen.pods.push(pod("c-0-0", 0, "a"));
        seen
    }

    fn own(answer: &mut MemberAnswer) -> &mut ViewEntry {
        &mut answer.view.entries[0]
    }

    fn silence(seen: &mut Observation, name: &str) {
        let silence = Silence {
            reason: SilenceReason::Timeout,
            millis: 0,
            said_goodbye: false,
        };
        seen.members.insert(name.into(), Asked::Silent(silence));
    }

    fn bear_the_name_of_a_lost_leader(seen: &mut Observation) {
        let gone = seen.record.members[0].clone();
        let late = PodView {
            phase: PodPhase::Waiting {
                unschedulable: None,
                kubelet: None,
            },
            ..pod("c-0-1", 0, "a")
        };
        seen.record.members[0] = Enrolled {
            pod_uid: Some("another".into()),
            ..gone
        };
        seen.pods
            .retain(|it| it.name.as_str() != "c-0-1" && it.name.as_str() != "c-0-0");
        seen.members.remove(&MemberName::from("c-0-1"));
        seen.members.remove(&MemberName::from("c-0-0"));
        seen.pods.push(late);
    }

    #[test]
    fn a_leftover_that_may_not_be_taken_away_is_waited_for_and_holds_nothing_else_up() {
        type Change = fn(&mut MemberAnswer);
        type Scene = fn(&mut Observation);
        let nothing: Scene = |_| {};
        let table: [(&str, Change, Scene, bool); 9] = [
            ("it was succeeded", |_| {}, nothing, true),
            ("it takes writes", |it| it.is_open = true, nothing, false),
            (
                "its epoch is the later one",
                |it| own(it).config_epoch.0 = 2,
                nothing,
                false,
            ),
            (
                "it has no key, and takes itself for the owner",
                |it| (it.keys, own(it).config_epoch.0) = (0, 2),
                nothing,
                false,
            ),
            (
                "it has no key and no slot",
                |it| (it.keys, own(it).slots) = (0, SlotSet::empty()),
                nothing,
                true,
            ),
            (
                "nobody leads its shard",
                |it| own(it).slots = SlotSet::empty(),
                |seen| silence(seen, "c-0-1"),
                false,
            ),
            (
                "its shard is on the roster no more",
                |it| own(it).slots = SlotSet::empty(),
                |seen| seen.pods.last_mut().unwrap().shard = ShardId(7),
                true,
            ),
            (
                "the same, and a slot is served by nobody",
                |it| own(it).slots = SlotSet::empty(),
                |seen| {
                    seen.pods.last_mut().unwrap().shard = ShardId(7);
                    silence(seen, "c-2-5");
                },
                false,
            ),
            (
                "the name is a member's that ended, whose copies are lost",
                |it| own(it).slots = SlotSet::empty(),
                bear_the_name_of_a_lost_leader,
                false,
            ),
        ];
        for (why, change, scene, expected) in table {
            let mut seen = with_leftover(change);
            scene(&mut seen);
            let late = seen.pods.last().unwrap().name.clone();
            let (desired, now) = (desired(3, 1), Timestamp::UNIX_EPOCH);
            let plan = plan(&desired, &seen, now);
            let refusals = crate::plan::check(&desired, &seen, &plan, now);
            assert!(refusals.is_empty(), "{why}: {refusals:?}");
            let is_it = |deed: &Deed| matches!(deed, Deed::DeletePod { pod, .. } if pod == &late);
            let goes = plan.actions.iter().any(|it| is_it(&it.deed));
            assert_eq!(goes, expected, "{why}");
            let mut waiting = plan.waiting_on.iter();
            let is_told = waiting.any(|it| {
                it.reason == WaitingReason::Departure && it.message.contains(late.as_str())
            });
            assert_eq!(is_told, !expected, "{why}");
        }
    }

    #[test]
    fn a_volume_that_is_left_is_kept_until_its_shard_is_led() {
        let mut desired = desired(3, 1);
        desired.storage = Some(crate::api::Storage {
            size: "1Gi".to_owned(),
            storage_class_name: None,
            retain: RetainPolicy::Delete,
        });
        let mut seen = formed();
        seen.volumes = vec![VolumeView {
            name: "c-0-0".into(),
            uid: "u".to_owned(),
            shard: ShardId(0),
            zone: "a".into(),
            is_leaving: false,
            size: "1Gi".to_owned(),
            resize_trouble: None,
        }];
        let is_deleted = |seen: &Observation| {
            let plan = plan(&desired, seen, Timestamp::UNIX_EPOCH);
            plan.actions
                .iter()
                .any(|it| it.deed.kind() == "delete-volume")
        };
        assert!(is_deleted(&seen));
        answer_of(&mut seen, "c-0-1").is_open = false;
        assert!(!is_deleted(&seen), "its leader waits closed");
        seen.members.remove(&MemberName::from("c-0-1"));
        assert!(!is_deleted(&seen), "its leader is silent");
    }
}
