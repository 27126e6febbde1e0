//! Forms a new Redis Cluster: configuration epochs and slots. Meeting and following are the same
//! for a new cluster and for a new member (`join`).
//!
//! Slots are dealt out only before the cluster was ever whole (`record.formed`), and only to
//! members that hold no key (promises I5 and I9).

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Deed, Draft, MemberCommand, WaitingReason, failover, placing, roster};
use crate::model::{
    ConfigEpoch, Departed, Desired, MemberAnswer, MemberName, Observation, PodPhase, Role, SlotSet,
};

/// How long a pod may take to start before the others begin to serve without it.
const HELD_UP_AFTER_MILLIS: u64 = 20_000;

/// The spec as it was when the first slots were dealt out, for as long as the cluster forms: shares of
/// another number of shards would overlap. The reshard follows.
pub(super) fn pinned(desired: &Desired, seen: &Observation) -> Option<Desired> {
    let dealt = seen.record.dealt.filter(|_| !seen.record.formed)?;
    (dealt != desired.leaders).then(|| Desired {
        leaders: dealt,
        ..desired.clone()
    })
}

/// Gives every new member an epoch of its own, and the first leaders their slots.
pub(super) fn deal_out(round: &Round<'_>, draft: &mut Draft) {
    if round.record.formed {
        return;
    }
    if must_start_over(round) {
        start_over(round, draft);
        draft.record.dealt = None;
        return;
    }
    if round.record.dealt.is_none() {
        // on record before a slot is
        draft.record.dealt = Some(round.desired.leaders);
        return;
    }
    let leaders = placing::wanted_leaders(round, draft);
    for shard in &round.census.shards {
        let wanted_zone = leaders.as_ref().and_then(|zones| zones.get(&shard.id));
        let wanted =
            wanted_zone.and_then(|zone| shard.members.iter().find(|member| member.zone() == zone));
        // leadership goes home by switchover once the one that is held up is there
        let first_leader = wanted
            .filter(|member| !is_held_up(round, member))
            .or_else(|| wanted.and(shard.members.iter().find(|m| m.answer().is_some())));
        for member in &shard.members {
            let leads = first_leader.is_some_and(|leader| leader.name() == member.name());
            prepare(round, draft, shard, member, leads);
        }
    }
}

fn prepare(
    round: &Round<'_>,
    draft: &mut Draft,
    shard: &Shard<'_>,
    member: &Member<'_>,
    leads: bool,
) {
    let (Some(answer), Some(target)) = (member.answer(), member.command_target()) else {
        return;
    };
    if knows_nobody(answer) && own_epoch(answer) == ConfigEpoch(0) {
        // unique by construction, so that no collision has to be resolved later
        let epoch = ConfigEpoch(
            member
                .entry
                .name
                .serial()
                .map_or(1, |serial| serial.0.max(1)),
        );
        draft.tell(
            target.clone(),
            MemberCommand::SetConfigEpoch(epoch),
            "it is new and alone",
        );
    }
    let mut others = shard.members.iter().filter(|it| it.name() != member.name());
    let unheard = others.find(|other| may_own_unheard(other));
    let mut departed = round.record.departed.iter();
    let may_run = departed.find(|gone| {
        // one that was on no host never ran
        gone.shard == shard.id && !gone.is_proven_dead && gone.host.is_some()
    });
    let slots = SlotSet::even_share(shard.id.0, round.desired.leaders);
    let is_free = slots.difference(&slots_of_former(round)) == slots && may_run.is_none();
    let is_first = leads && shard.leader.is_none();
    if let Some(other) = unheard.filter(|_| is_first) {
        let message = format!(
            "shard {}: {} was heard before and may own its slots: it is waited for",
            shard.id,
            other.name()
        );
        return draft.wait(WaitingReason::ViewsDiffer, message);
    }
    if is_first && !is_free {
        return draft.wait(
            WaitingReason::ViewsDiffer,
            former_message(round, shard, may_run),
        );
    }
    if is_first && answer.keys == 0 && answer.role() == Role::Leader {
        draft.tell(
            target,
            MemberCommand::AddSlots(slots),
            format!("it is the first leader of shard {}", shard.id),
        );
    }
}

/// Who is waited for, and what ends that.
fn former_message(round: &Round<'_>, shard: &Shard<'_>, gone: Option<&Departed>) -> String {
    let words = format!(
        "shard {}: a process of an earlier try to form the cluster",
        shard.id
    );
    let Some((gone, host)) = gone.and_then(|gone| Some((gone, gone.host.as_ref()?))) else {
        return format!("{words} answers yet, and owns its slots");
    };
    let name = &gone.name;
    let words = format!("{words}, {name} on host {host}, may run yet, and own its slots");
    if round.seen.host(host).is_some() {
        format!(
            "{words}. It counts as ended when its host's kubelet had time to end it; if the host is off: \
             kubectl taint node {host} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        )
    } else {
        format!(
            "{words}. If that host is gone for good: kubectl annotate rdc {} -n {} \
             zoneward.io/lost-hosts={host} --overwrite",
            round.desired.key.name, round.desired.key.namespace
        )
    }
}

/// It was heard before, and may have been dealt slots then that nobody else has heard of: dealt out once
/// more they would have two owners as soon as it is back, on its volume or from its silence.
fn may_own_unheard(member: &Member<'_>) -> bool {
    let was_heard = member.entry.member_id.is_some();
    was_heard
        && match member.verdict {
            Verdict::Alive(_) => false,
            Verdict::Silent(_) | Verdict::Gone => true,
            Verdict::Dead(_) | Verdict::Starting | Verdict::NotMade => {
                member.entry.volume.is_some()
            }
        }
}

/// What processes own that were struck out and have not ended yet: of a cluster that began again.
fn slots_of_former(round: &Round<'_>) -> SlotSet {
    let is_former = |name: &MemberName| round.record.member(name).is_none();
    let former = round
        .seen
        .members
        .iter()
        .filter(|(name, _)| is_former(name));
    let answers = former.filter_map(|(_, asked)| asked.answer());
    answers
        .flat_map(|answer| &answer.view.entries)
        .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
}

fn knows_nobody(answer: &MemberAnswer) -> bool {
    answer.view.entries.len() <= 1
}

fn own_epoch(answer: &MemberAnswer) -> ConfigEpoch {
    answer
        .view
        .own_entry()
        .map(|own| own.config_epoch)
        .unwrap_or_default()
}

/// A member that was given slots died before the cluster was whole, and no key was ever written:
/// nothing is lost by beginning again, and nothing simpler is safe (its slots would have to be
/// taken from it by force).
fn must_start_over(round: &Round<'_>) -> bool {
    let lost_owner = round.census.shards.iter().any(|shard| {
        !shard.slots.is_empty()
            && shard.living_leader().is_none()
            && shard
                .leader
                .as_ref()
                .is_some_and(|id| round.record.member_by_id(id).is_none())
    });
    lost_owner
        && round.census.living().all(|(_, answer)| answer.keys == 0)
        && !round.census.members().any(|it| may_lead_unheard(round, it))
}

/// Who is merely silent may have been written to, and whose pod was deleted by force may own its slots
/// until it has ended.
fn may_lead_unheard(round: &Round<'_>, member: &Member<'_>) -> bool {
    match member.verdict {
        Verdict::Silent(_) => true,
        Verdict::Gone => !roster::kubelet_has_ended_it(round, member),
        _ => false,
    }
}

fn start_over(round: &Round<'_>, draft: &mut Draft) {
    for member in round.census.members() {
        roster::strike_out(round, draft, member.entry, false);
        if let Some(pod) = member.pod {
            draft.act(
                Deed::DeletePod {
                    pod: pod.name.clone(),
                    uid: pod.uid.clone(),
                    is_dead: false,
                },
                "a first leader died before the cluster was whole; no key was written: begin again",
            );
        }
    }
    draft.wait(
        WaitingReason::ViewsDiffer,
        "a first leader died while the cluster formed; beginning again",
    );
}

/// Notes when the cluster is whole for the first time: all slots served, all views equal, and all
/// members in sync but those that something outside holds up. A follower without room must not
/// keep clients from all the others. A leader lost before that, when clients have written already, is
/// a matter of repair and not of beginning again.
pub(super) fn note_formed(round: &Round<'_>, draft: &mut Draft) {
    let per_shard = usize::try_from(round.desired.members_per_shard()).unwrap_or(usize::MAX);
    let whole = round.census.served.is_all()
        && round.census.views_are_equal
        && round.census.shards.iter().all(|shard| {
            shard.members.len() >= per_shard
                && shard
                    .members
                    .iter()
                    .all(|m| shard.is_current(m) || is_held_up(round, m))
        });
    let is_in_use = round.census.living().any(|(_, answer)| answer.keys > 0);
    let is_to_repair = is_in_use
        && round.census.owned_slots().is_all()
        && failover::leaderless(round.census).next().is_some();
    if whole || is_to_repair {
        draft.record.formed = true;
        draft.record.dealt = None;
    }
}

/// Its pod has not started for long, for lack of room or of an image.
fn is_held_up(round: &Round<'_>, member: &Member<'_>) -> bool {
    matches!(member.verdict, Verdict::Starting)
        && member.pod.is_some_and(|pod| {
            matches!(pod.phase, PodPhase::Waiting { .. })
                && round.millis_since(pod.created) >= HELD_UP_AFTER_MILLIS
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Asked, MemberId, Record, Serial};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, enrolled, formed, pod};
    use jiff::Timestamp;

    /// All but shard 0 have their slots; of that one only c-0-2 is there, new and alone.
    fn forming() -> Observation {
        let mut seen = formed();
        let gone = MemberName::from("c-0-1");
        seen.members.remove(&gone);
        seen.pods.retain(|pod| pod.name != gone);
        let is_gone = |name: &MemberName| name == &gone;
        seen.record = Record {
            formed: false,
            dealt: Some(3),
            next_serial: Serial(9),
            ..seen.record
        };
        seen.record.members.retain(|entry| !is_gone(&entry.name));
        // its follower finds no room: the one that is there leads, wherever the solver wants the leader
        seen.record.members.push(enrolled("c-0-8", 0, "a"));
        let mut held_up = pod("c-0-8", 0, "a");
        held_up.phase = PodPhase::Waiting {
            unschedulable: Some("no room".to_owned()),
            kubelet: None,
        };
        seen.pods.push(held_up);
        for asked in seen.members.values_mut() {
            let Asked::Answered(answer) = asked else {
                continue;
            };
            answer.keys = 0;
            let entries = &mut answer.view.entries;
            entries.retain(|entry| entry.id.as_str() != "id-c-0-1");
            for new in entries.iter_mut().filter(|it| it.id.as_str() == "id-c-0-2") {
                (new.role, new.leader) = (Role::Leader, None);
            }
        }
        answer_of(&mut seen, "c-0-2").replication.upstream = None;
        seen
    }

    fn deals(seen: &Observation) -> bool {
        let plan = plan(&desired(3, 1), seen, Timestamp::new(30, 0).unwrap());
        let mut actions = plan.actions.iter();
        actions.any(|it| {
            let is_dealing =
                |command: &MemberCommand| matches!(command, MemberCommand::AddSlots(_));
            matches!(&it.deed, Deed::Command { command, .. } if is_dealing(command))
        })
    }

    /// A cut of all power while the cluster formed: a newcomer had the room of a body that may own the slots, and
    /// each waited for the other.
    #[test]
    fn a_body_that_may_own_the_slots_has_room_before_a_newcomer() {
        let mut seen = forming();
        let mut entries = seen.record.members.iter_mut();
        let body = entries.find(|it| it.name.as_str() == "c-0-8").unwrap();
        (body.volume, body.member_id) = (Some("c-0-8".into()), Some("id-c-0-8".into()));
        (body.surplus, body.has_ended) = (true, true);
        let newcomer = enrolled("c-0-9", 0, "a");
        seen.record.members.push(newcomer);
        seen.record.next_serial = Serial(10);
        seen.pods.push(pod("c-0-9", 0, "a"));
        assert!(!deals(&seen));
        let plan = plan(&desired(3, 1), &seen, Timestamp::new(30, 0).unwrap());
        let mut waits = plan.waiting_on.iter();
        assert!(waits.any(|it| it.message.contains("c-0-8 was heard before")));
        let stays = |name: &str| {
            let entry = plan.record.member(&MemberName::from(name));
            entry.is_some_and(|it| !it.surplus)
        };
        assert!(
            stays("c-0-8") && !stays("c-0-9"),
            "{:?}",
            plan.record.members
        );
    }

    #[test]
    fn slots_wait_for_who_may_still_own_them_from_an_earlier_try() {
        let seen = forming();
        assert!(deals(&seen));
        let mut left = seen.clone();
        left.record.departed.push(Departed {
            member_id: MemberId::from("id-c-0-1"),
            name: MemberName::from("c-0-1"),
            shard: crate::model::ShardId(0),
            host: Some("ha".into()),
            is_proven_dead: false,
            ended_unseen: false,
            since: Timestamp::UNIX_EPOCH,
        });
        assert!(!deals(&left), "its process may run");
        left.record.departed[0].is_proven_dead = true;
        assert!(deals(&left));
        let mut answers = seen;
        let whole = formed();
        let former = MemberName::from("c-0-1");
        let answer = whole.members[&former].clone();
        answers.members.insert(former, answer);
        assert!(!deals(&answers), "it answers yet, off the roster");
    }

    #[test]
    fn nothing_begins_again_while_one_whose_pod_is_gone_may_own_slots() {
        let begins = |seen: &Observation| {
            let record = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH).record;
            record.dealt.is_none()
        };
        let mut seen = forming();
        // its leader died, and was struck out
        for entry in &mut answer_of(&mut seen, "c-1-4").view.entries {
            entry.slots = match entry.id.as_str() {
                "id-c-1-3" => SlotSet::empty(),
                _ => entry.slots.clone(),
            };
        }
        let lost = formed();
        let owner = answer_of(&mut lost.clone(), "c-1-3")
            .view
            .own_entry()
            .cloned();
        for name in ["c-0-2", "c-1-4", "c-2-5", "c-2-6"] {
            let view = &mut answer_of(&mut seen, name).view;
            let mut dead = owner.clone().unwrap();
            dead.id = MemberId::from("id-dead");
            dead.slots = SlotSet::even_share(0, 3);
            dead.flags.myself = false;
            view.entries.push(dead);
        }
        seen.record.departed.push(Departed {
            member_id: MemberId::from("id-dead"),
            name: MemberName::from("c-0-0"),
            shard: crate::model::ShardId(0),
            host: None,
            is_proven_dead: true,
            ended_unseen: false,
            since: Timestamp::UNIX_EPOCH,
        });
        assert!(begins(&seen));
        let by_force = MemberName::from("c-1-3");
        seen.members.remove(&by_force);
        seen.pods.retain(|pod| pod.name != by_force);
        assert!(!begins(&seen));
    }
}
