//! Keeps role labels and readiness gates true. Services route by them.

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Deed, Draft};
use crate::model::{MemberAnswer, PodPhase, Role};

/// Marks every pod whose label or gate tells something else than what is.
///
/// Where nobody answers, all marks stay: a gate that our own blindness closed would part clients
/// from members that serve them.
pub(super) fn mark(round: &Round<'_>, draft: &mut Draft) {
    let is_blind = round.census.hears_nobody();
    for shard in &round.census.shards {
        for member in &shard.members {
            let Some(pod) = member
                .pod
                .filter(|pod| Some(&pod.uid) == member.entry.pod_uid.as_ref())
            else {
                continue;
            };
            let is_unheard = matches!(member.verdict, Verdict::Silent(_) | Verdict::Starting);
            if is_blind && is_unheard && pod.phase == PodPhase::Running {
                continue;
            }
            let (role, is_ready) = truth(round, shard, member);
            if pod.role_label == role && pod.gate_is_open == is_ready {
                continue;
            }
            let deed = Deed::MarkPod {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
                role,
                is_ready,
            };
            draft.act(deed, "its marks do not tell what it is");
        }
    }
}

/// The role that the cluster gives it, and whether clients should be sent to it: open, and
/// leading slots or in sync.
fn truth(round: &Round<'_>, shard: &Shard<'_>, member: &Member<'_>) -> (Option<Role>, bool) {
    match member.verdict {
        Verdict::Alive(answer) if answer.is_open && !answer.loading => {
            alive(round, shard, member, answer)
        }
        Verdict::Alive(_) | Verdict::NotMade | Verdict::Starting => (None, false),
        // a leader that fell silent is the leader until another one is
        Verdict::Silent(_) | Verdict::Gone | Verdict::Dead(_) => {
            let role = if shard.is_led_by(member) {
                Role::Leader
            } else {
                Role::Follower
            };
            (member.entry.joined.then_some(role), false)
        }
    }
}

fn alive(
    round: &Round<'_>,
    shard: &Shard<'_>,
    member: &Member<'_>,
    answer: &MemberAnswer,
) -> (Option<Role>, bool) {
    if shard.is_led_by(member) {
        return (Some(Role::Leader), round.record.formed);
    }
    let follows = answer.role() == Role::Follower;
    (
        follows.then_some(Role::Follower),
        round.record.formed && shard.is_current(member),
    )
}
