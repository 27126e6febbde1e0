//! Pods and volumes follow the roster: made for who is on it, taken away from who is not.

mod leftovers;

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Deed, Draft, WaitingReason, forget, reshard, roster, spacing, votes};
use crate::api::WhenUnsatisfiable;
use crate::model::{Enrolled, MemberAnswer, MemberName, PodPhase, PodView, ShardId};
use crate::resources::{self, PodRequest};
pub(super) use leftovers::clear_leftovers;

/// Makes the pod (and first the volume) of every member that is on record and was never seen.
/// The record was written in an earlier round, so neither a crash nor a stale cache can make a
/// double: the name is the same each time.
pub(super) fn make_pods(round: &Round<'_>, draft: &mut Draft) {
    for member in round.census.members() {
        let entry = draft.record.member(member.name());
        let still_wanted = entry.is_some_and(|entry| is_wanted(round, entry));
        let on_record = round.seen.record.member(member.name()).is_some();
        if !still_wanted || !on_record {
            continue;
        }
        if matches!(member.verdict, Verdict::NotMade | Verdict::Starting) {
            make_volume(round, draft, member);
        }
        if member.verdict != Verdict::NotMade || is_double(round, draft, member) {
            continue;
        }
        let entry = member.entry;
        let request = PodRequest {
            name: entry.name.clone(),
            shard: entry.shard,
            zone: entry.zone.clone(),
            volume: entry.volume.clone(),
            secret_generation: round.seen.record.passwords.generation,
        };
        draft.act(
            Deed::Create(resources::pod(round.desired, &request)),
            format!(
                "shard {} needs a member in zone {}",
                entry.shard, entry.zone
            ),
        );
    }
}

/// Another member of its shard has its zone (promise I1): a body that was taken back while its replacement
/// was lost, too. `placing` makes one of them surplus when there is a placement again.
fn is_double(round: &Round<'_>, draft: &Draft, member: &Member<'_>) -> bool {
    let entry = member.entry;
    let is_leaving = |name: &MemberName| round.seen.pod(name).is_some_and(|pod| pod.is_leaving);
    let rank = |other: &Enrolled| {
        let has_pod = round.seen.pod(&other.name).is_some();
        (!has_pod, !other.joined, other.name.clone())
    };
    let mut others = draft.record.members.iter().filter(|other| {
        let is_near = (other.shard, &other.zone) == (entry.shard, &entry.zone);
        is_near && other.name != entry.name && !other.surplus && !is_leaving(&other.name)
    });
    round.desired.zones.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule
        && !entry.surplus
        && others.any(|other| rank(other) < rank(entry))
}

/// A pod may be there without its volume: the call that was to make that one failed.
fn make_volume(round: &Round<'_>, draft: &mut Draft, member: &Member<'_>) {
    let entry = member.entry;
    if let Some(volume) = &entry.volume
        && !round.seen.volumes.iter().any(|seen| &seen.name == volume)
    {
        let manifest = resources::volume(round.desired, volume, entry.shard, &entry.zone);
        draft.act(
            Deed::Create(manifest),
            format!("the body of {}", entry.name),
        );
    }
}

/// A process ran on its volume, and may have made its copy a moment before it ended: nobody saw it in sync.
fn may_be_a_copy(entry: &Enrolled) -> bool {
    entry.volume.is_some() && (entry.joined || entry.member_id.is_some())
}

/// The same, as far as it tells itself.
fn may_hold_keys(member: &Member<'_>) -> bool {
    let keys = member.answer().map(|answer| answer.keys);
    let may_run = matches!(member.verdict, Verdict::Silent(_) | Verdict::Gone);
    let may_be = may_be_a_copy(member.entry) || may_run && member.entry.may_have_copied(false);
    keys.map_or(may_be, |keys| keys > 0)
}

/// Whether it is to have a pod. A body whose place was given away is started after all: it may be the only copy
/// that is left, or newer than the leader's, which waits closed for that.
pub(super) fn is_wanted(round: &Round<'_>, entry: &Enrolled) -> bool {
    !entry.surplus || may_be_a_copy(entry) && is_leaderless(round, entry.shard)
}

fn is_leaderless(round: &Round<'_>, shard: ShardId) -> bool {
    let shard = round.census.shard(shard);
    shard.is_some_and(|shard| {
        let leader = shard.living_leader();
        leader.is_none_or(|(_, answer)| !answer.is_open_to_followers && !answer.loading)
    })
}

/// Strikes surplus members out once their shard is whole without them. A leader first hands
/// over (`leadership`). Of a shard one at a time, and none while its leadership is on the move
/// (promise I6).
pub(super) fn retire_surplus(round: &Round<'_>, draft: &mut Draft) {
    let whole = usize::try_from(round.desired.members_per_shard()).unwrap_or(usize::MAX);
    for shard in &round.census.shards {
        let is_past_the_last = shard.id.0 >= reshard::shards_kept(round);
        let staying: Vec<&Member<'_>> = shard
            .members
            .iter()
            .filter(|member| stays(draft, member))
            .collect();
        let is_whole = staying.len() >= whole && staying.iter().all(|m| shard.is_current(m));
        let mut is_disturbed = spacing::is_in_flight_in(round, shard)
            || shard
                .members
                .iter()
                .any(|member| draft.asks_for_failover_by(member.name()));
        // one that was taken back this round is needed
        let is_surplus = |it: &&Member<'_>| it.entry.surplus && !stays(draft, it);
        let surplus: Vec<&Member<'_>> = shard.members.iter().filter(is_surplus).collect();
        for member in surplus {
            let is_needed = is_leaderless(round, shard.id) && may_hold_keys(member);
            let may_have_copied = member.entry.may_have_copied(member.answer().is_some());
            let never_held_data = !may_have_copied && !is_owner(round, member);
            // it may have handed over a moment ago, and not everybody has heard of it
            let owns = is_owner(round, member) && !was_succeeded(round, member);
            let leads = shard.is_led_by(member) || owns;
            // a leader that waits closed for what this one may hold is whole only as far as it knows
            let may_go = is_whole || never_held_data || makes_room(member, &staying);
            if leads || is_past_the_last || is_needed || !may_go {
                continue;
            }
            if let Some(answer) = member.answer().filter(|_| member.entry.joined) {
                let is_asked = spacing::may_still_be_asked(round, shard, &answer.id);
                if is_disturbed || is_asked || !has_heir(round, shard, &staying) {
                    continue;
                }
                is_disturbed = true;
            }
            let is_dead = matches!(member.verdict, Verdict::Dead(_));
            let has_ended = is_dead || is_idle_body(member);
            roster::strike_out(round, draft, member.entry, has_ended);
            if let Some(pod) = member.pod {
                delete(draft, pod, is_dead, "its place is taken");
            }
        }
    }
}

/// A new copy of little data is whole before the voters have heard whom it follows: without the old one nobody
/// could be elected for a second or more. (Without a majority of voters nobody can be anyhow.)
fn has_heir(round: &Round<'_>, shard: &Shard<'_>, staying: &[&Member<'_>]) -> bool {
    let mut followers = staying.iter().filter(|it| !shard.is_led_by(it)).peekable();
    let wants_none = followers.peek().is_none();
    let may_be_elected =
        |it: &&Member<'_>| it.answer().is_some_and(|it| votes::would_elect(round, it));
    wants_none || !votes::can_be_elected(round, shard) || followers.any(may_be_elected)
}

/// It has nothing, and one whose volume is on its host finds no room beside it: the body of their leader, say.
fn makes_room(member: &Member<'_>, staying: &[&Member<'_>]) -> bool {
    let is_blank = |it: &MemberAnswer| {
        let up = it.replication.upstream.as_ref();
        it.keys == 0 && !it.loading && up.is_none_or(|up| !up.is_syncing)
    };
    let finds_no_room = |pod: &PodView| {
        let PodPhase::Waiting { unschedulable, .. } = &pod.phase else {
            return false;
        };
        unschedulable.is_some()
    };
    let mut near = staying.iter().filter(|it| it.zone() == member.zone());
    member.answer().is_some_and(is_blank)
        && near.any(|it| it.entry.volume.is_some() && it.pod.is_some_and(finds_no_room))
}

/// Its last process is proven to have ended, and no other one was started on its volume.
fn is_idle_body(member: &Member<'_>) -> bool {
    member.entry.has_ended && member.verdict == Verdict::NotMade
}

/// A body that does not run, and whose slots others serve: whoever lists it as their owner still, by its
/// successor's epoch, hears no better while it is on the roster. That one is to forget it (`forget`).
fn was_succeeded(round: &Round<'_>, member: &Member<'_>) -> bool {
    let id = member.entry.member_id.as_ref();
    is_idle_body(member) && id.is_some_and(|id| forget::is_succeeded(round, id))
}

/// Whether anybody who lives gives it slots.
pub(super) fn is_owner(round: &Round<'_>, member: &Member<'_>) -> bool {
    member
        .entry
        .member_id
        .as_ref()
        .is_some_and(|id| round.census.owns_slots(id))
}

fn stays(draft: &Draft, member: &Member<'_>) -> bool {
    draft
        .record
        .member(member.name())
        .is_some_and(|entry| !entry.surplus)
}

/// Asks a pod to go; one that has ended is taken away.
pub(super) fn delete(draft: &mut Draft, pod: &PodView, is_dead: bool, why: &str) {
    draft.act(
        Deed::DeletePod {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            is_dead,
        },
        why,
    );
}

/// Says why pods do not start.
pub(super) fn report_waiting_pods(round: &Round<'_>, draft: &mut Draft) {
    for member in round.census.members() {
        if member.verdict != Verdict::Starting {
            continue;
        }
        let name = member.name();
        match member.pod.map(|pod| &pod.phase) {
            Some(PodPhase::Waiting { unschedulable: Some(why), .. }) => draft.wait(
                WaitingReason::NoRoom,
                format!(
                    "no host in zone {} takes pod {name}: {why}. Add a host to the zone, make room, \
                     or lower spec.followersPerLeader",
                    member.entry.zone
                ),
            ),
            Some(PodPhase::Waiting { kubelet: Some(why), .. }) if is_image_problem(why) => draft.wait(
                WaitingReason::ImageProblem,
                format!(
                    "pod {name} cannot start image {}: {why}. Correct spec.image, or make the \
                     image available",
                    round.desired.image
                ),
            ),
            Some(PodPhase::Waiting { kubelet: Some(why), .. }) => {
                draft.wait(WaitingReason::PodStarting, format!("pod {name}: {why}"));
            }
            _ => draft.wait(WaitingReason::PodStarting, format!("pod {name} is starting")),
        }
    }
}

fn is_image_problem(why: &str) -> bool {
    why.contains("Image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Observation;
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    #[test]
    fn a_body_that_may_hold_the_only_copy_is_kept_and_started_until_somebody_leads() {
        let at = |second| Timestamp::from_second(second).unwrap();
        // its process told its id and ended; nobody saw it in sync
        let mut seen = formed();
        let body = MemberName::from("c-0-6");
        seen.record.members.push(Enrolled {
            volume: Some("c-0-5".into()),
            member_id: Some("id-c-0-5".into()),
            has_ended: true,
            surplus: true,
            ..crate::plan::testing::enrolled("c-0-6", 0, "c")
        });
        let seen_at = |seen: &Observation| {
            let plan = plan(&desired(3, 1), seen, at(1));
            let creates =
                |deed: &Deed| matches!(deed, Deed::Create(it) if it.name == body.as_str());
            let is_made = plan.actions.iter().any(|it| creates(&it.deed));
            (plan.record.member(&body).is_some(), is_made)
        };
        assert_eq!(seen_at(&seen), (false, false), "its shard is whole");
        seen.members.remove(&MemberName::from("c-0-1"));
        assert_eq!(seen_at(&seen), (true, true));
        let entry = seen.record.members.last_mut().unwrap();
        entry.member_id = None;
        assert_eq!(seen_at(&seen), (false, false), "it never ran");
    }

    #[test]
    fn a_body_that_is_started_because_it_is_needed_is_not_given_up_in_the_same_breath() {
        let mut seen = formed();
        let body = MemberName::from("c-0-6");
        let followers = ["c-0-2", "c-1-4", "c-2-6"].map(MemberName::from);
        let is_follower = |name: &MemberName| followers.contains(name);
        seen.record.members.retain(|it| !is_follower(&it.name));
        seen.pods.retain(|it| !is_follower(&it.name));
        seen.members.retain(|name, _| !is_follower(name));
        seen.record.members.push(Enrolled {
            volume: Some("c-0-0".into()),
            member_id: Some("id-c-0-0".into()),
            has_ended: true,
            joined: true,
            surplus: true,
            ..crate::plan::testing::enrolled("c-0-6", 0, "c")
        });
        let seen_at = |seen: &Observation| {
            let plan = plan(&desired(3, 0), seen, Timestamp::UNIX_EPOCH);
            let creates =
                |deed: &Deed| matches!(deed, Deed::Create(it) if it.name == body.as_str());
            let is_made = plan.actions.iter().any(|it| creates(&it.deed));
            (plan.record.member(&body).is_some(), is_made)
        };
        assert_eq!(seen_at(&seen), (false, false), "its shard is whole");
        // it came back with its last snapshot, and the body may be newer
        let leader = answer_of(&mut seen, "c-0-1");
        (leader.is_open, leader.is_open_to_followers) = (false, false);
        assert_eq!(seen_at(&seen), (true, true));
    }

    #[test]
    fn who_has_nothing_makes_room_for_the_body_of_its_leader() {
        // (keys of the surplus follower, the body finds no room, the follower stays)
        let table = [(0, true, false), (0, false, true), (1, true, true)];
        for (keys, is_stuck, expected) in table {
            let mut seen = formed();
            let (body, blank) = (MemberName::from("c-0-1"), MemberName::from("c-0-6"));
            seen.members.remove(&body);
            for entry in seen.record.members.iter_mut().filter(|it| it.name == body) {
                entry.volume = Some("c-0-1".into());
            }
            for pod in seen.pods.iter_mut().filter(|it| it.name == body) {
                let unschedulable = is_stuck.then(|| "0/1 nodes are available".to_owned());
                pod.phase = PodPhase::Waiting {
                    unschedulable,
                    kubelet: None,
                };
            }
            let pod = crate::plan::testing::pod("c-0-6", 0, "a");
            seen.record.members.push(Enrolled {
                volume: Some("c-0-6".into()),
                member_id: Some("id-c-0-6".into()),
                pod_uid: Some(pod.uid.clone()),
                joined: true,
                surplus: true,
                ..crate::plan::testing::enrolled("c-0-6", 0, "a")
            });
            seen.pods.push(pod);
            let mut answer = crate::plan::testing::answer("id-c-0-6");
            answer.keys = keys;
            let asked = crate::model::Asked::Answered(Box::new(answer));
            seen.members.insert(blank.clone(), asked);
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            let stays = plan.record.member(&blank).is_some();
            assert_eq!(stays, expected, "{keys} keys, no room: {is_stuck}");
        }
    }

    #[test]
    fn a_body_that_was_succeeded_goes_although_somebody_lists_it_as_the_owner() {
        let mut seen = formed();
        let body = MemberName::from("c-0-6");
        seen.record.members.push(Enrolled {
            volume: Some("c-0-0".into()),
            member_id: Some("id-c-0-0".into()),
            has_ended: true,
            joined: true,
            surplus: true,
            ..crate::plan::testing::enrolled("c-0-6", 0, "c")
        });
        let view = &mut crate::plan::testing::answer_of(&mut seen, "c-2-5").view;
        let leader = view
            .entries
            .iter_mut()
            .find(|it| it.id.as_str() == "id-c-0-1");
        let leader = leader.unwrap();
        let mut old = leader.clone();
        leader.slots = crate::model::SlotSet::empty();
        old.id = "id-c-0-0".into();
        old.flags.failed = true;
        view.entries.push(old);
        let first = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
        assert!(first.record.member(&body).is_none());
        assert!(first.record.departed[0].is_proven_dead);
        seen.record = first.record;
        let second = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
        let forgets = second
            .actions
            .iter()
            .filter(|it| it.deed.kind() == "forget");
        assert_eq!(forgets.count(), 1);
        let refusals = crate::plan::check(&desired(3, 1), &seen, &second, Timestamp::UNIX_EPOCH);
        assert!(refusals.is_empty(), "{refusals:?}");
    }
}
