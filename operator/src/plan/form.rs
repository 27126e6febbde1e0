//! Forms a new Redis Cluster: configuration epochs and slots. Meeting and following are the same
//! for a new cluster and for a new member (`join`).
//!
//! Slots are dealt out only before the cluster was ever whole (`record.formed`), and only to
//! members that hold no key (promises I5 and I9).

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Deed, Draft, MemberCommand, WaitingReason, failover, placing};
use crate::model::{ConfigEpoch, Desired, MemberAnswer, Observation, PodPhase, Role, SlotSet};

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
    let may_be_owned = shard.members.iter().any(|other| {
        let is_another = other.name() != member.name();
        is_another && may_own_unheard(other)
    });
    let is_first = leads && shard.leader.is_none() && !may_be_owned;
    if is_first && answer.keys == 0 && answer.role() == Role::Leader {
        let slots = SlotSet::even_share(shard.id.0, round.desired.leaders);
        draft.tell(
            target,
            MemberCommand::AddSlots(slots),
            format!("it is the first leader of shard {}", shard.id),
        );
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
    // who is merely silent may have been written to
    let is_silent = |member: &Member<'_>| matches!(member.verdict, Verdict::Silent(_));
    lost_owner
        && round.census.living().all(|(_, answer)| answer.keys == 0)
        && !round.census.members().any(is_silent)
}

fn start_over(round: &Round<'_>, draft: &mut Draft) {
    for member in round.census.members() {
        super::roster::strike_out(round, draft, member.entry, false);
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
