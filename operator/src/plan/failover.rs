//! Gives shards whose leader is lost another one, faster than the bus or where the bus cannot.
//!
//! The operator is the only sender of failover commands. One at a time, over all shards
//! (`spacing`), and only to a follower whose copy was whole: the server itself does not ask for
//! that when it is told to FORCE (REDIS-LAB section 13: an empty follower was made leader).

use std::collections::BTreeSet;
use std::fmt;

use super::census::{Census, Member, Round, Shard, follows};
use super::evidence::Verdict;
use super::{
    Draft, FailoverMode, MemberCommand, MemberRef, WaitingReason, fence, histories, holders,
    opening, placing, spacing, votes, zone_loss,
};
use crate::model::{MemberAnswer, MemberId, MemberName, ShardId, ZoneName};

/// A follower that heard its leader less than this long ago is being fed: it hears it every second.
pub const FED_SECONDS: u64 = 2;
/// Who has not answered for less than this may only have missed a question.
const MISSED_MILLIS: u64 = 1_000;

/// Shards whose slots' owner does not answer.
pub(super) fn leaderless<'a, 'b>(census: &'b Census<'a>) -> impl Iterator<Item = &'b Shard<'a>> {
    census
        .shards
        .iter()
        .filter(|shard| shard.leader.is_some() && shard.living_leader().is_none())
}

/// A leader whose end is known is succeeded at once, without waiting for the bus to notice (1.2 to
/// 1.5 node timeouts and up to a second). FORCE needs the votes of a majority of leaders, so it
/// cannot split the cluster; after an election that was lost the shard is left to the bus.
pub(super) fn force(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed || spacing::is_in_flight(round) {
        return;
    }
    let mut lost = leaderless(round.census)
        .filter(|shard| votes::can_be_elected(round, shard))
        .filter(|shard| !spacing::was_asked_in_vain(round, shard))
        .peekable();
    if lost.peek().is_none() {
        return;
    }
    let gone = zone_loss::gone(round);
    let mut lost = lost.filter_map(|shard| Some((shard, end_of_leader(round, shard, &gone)?)));
    let homes = placing::wanted_leaders(round, draft).unwrap_or_default();
    let next = lost.find_map(|(shard, end)| {
        let of = shard.leader.clone()?;
        let (heir, _) =
            best_candidate(round, shard, &of, homes.get(&shard.id)).filter(|(heir, answer)| {
                let may_stand = !is_fed(answer) && may_stand_again(round, shard, answer);
                let has_votes = votes::would_elect(round, answer);
                holders::is_whole(shard, heir)
                    && may_stand
                    && has_votes
                    && is_on_record(round, shard)
            })?;
        Some((shard, of, heir.command_target()?, end))
    });
    if let Some((shard, of, target, end)) = next {
        if let End::ZoneGone(zone) = &end {
            zone_loss::note_alarm(round, &mut draft.record, zone);
        }
        let why = format!("shard {}: its leader has ended: {end}", shard.id);
        ask(round, draft, shard, FailoverMode::Force, of, target, why);
    }
}

/// An election of it would not be lost for one that was held already. The one with the most data is waited for:
/// another would have it give up what only it has. (A takeover asks for no vote, and is told again at once.)
fn may_stand_again(round: &Round<'_>, shard: &Shard<'_>, heir: &MemberAnswer) -> bool {
    !spacing::is_behind(round, heir) && !spacing::has_just_stood(round, shard, &heir.id)
}

/// Whose copies are whole was noted in an earlier round: the record is written before what relies on it is
/// done.
fn is_on_record(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    shard.members.iter().all(|member| {
        let stands = |answer: &MemberAnswer| {
            let entry = round.seen.record.member(member.name());
            entry.is_some_and(|entry| entry.was_in_sync(answer))
        };
        !member.was_in_sync() || member.answer().is_some_and(stands)
    })
}

/// How a lost leader is known to have ended.
enum End {
    Proven,
    Goodbye,
    /// Its pod was deleted by force. The object proves nothing: a process may live on where its kubelet is away. But
    /// there its followers would be fed.
    PodGone,
    ZoneGone(ZoneName),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven => f.write_str("proven"),
            Self::Goodbye => {
                f.write_str("its connections were ended there, and the others have lost it, too")
            }
            Self::PodGone => f.write_str("its pod is gone, and the others have lost it, too"),
            Self::ZoneGone(zone) => write!(f, "zone {zone} fell silent"),
        }
    }
}

/// How the shard's lost leader is known to have ended; none where it may only be silent.
fn end_of_leader(round: &Round<'_>, shard: &Shard<'_>, gone: &BTreeSet<ZoneName>) -> Option<End> {
    let id = shard.leader.as_ref()?;
    if fence::unproven_leader(round, shard).is_none() {
        return Some(End::Proven);
    }
    let member = shard
        .members
        .iter()
        .find(|member| shard.is_led_by(member))?;
    match member.verdict {
        Verdict::Silent(it) if it.said_goodbye && is_cut_off(round, id) => Some(End::Goodbye),
        Verdict::Gone if is_cut_off(round, id) => Some(End::PodGone),
        Verdict::Silent(_) if gone.contains(member.zone()) => {
            Some(End::ZoneGone(member.zone().clone()))
        }
        _ => None,
    }
}

/// Whether the others have lost their connections to it: each of its followers, and most of the bus.
fn is_cut_off(round: &Round<'_>, id: &MemberId) -> bool {
    let is_fed = round.census.living().any(|(_, answer)| {
        follows(answer, id)
            && answer
                .replication
                .upstream
                .as_ref()
                .is_some_and(|up| up.is_up)
    });
    let in_touch = |answer: &MemberAnswer| answer.view.entry(id).is_some_and(|it| it.link_up);
    let all = round.census.living().count();
    let linked = round
        .census
        .living()
        .filter(|(_, answer)| in_touch(answer))
        .count();
    !is_fed && linked * 2 < all
}

/// The server would be told no for it (`wire::command`), and the try would count as one: a link whose
/// other end fell silent stands for a while.
fn is_fed(answer: &MemberAnswer) -> bool {
    let up = answer.replication.upstream.as_ref();
    up.is_some_and(|up| up.is_up && up.last_io_seconds.is_some_and(|age| age < FED_SECONDS))
}

/// Notes when it was asked for, and asks; one failover in a round, over all shards.
fn ask(
    round: &Round<'_>,
    draft: &mut Draft,
    shard: &Shard<'_>,
    mode: FailoverMode,
    of: MemberId,
    target: MemberRef,
    why: String,
) {
    if draft.asks_for_failover() {
        return;
    }
    draft
        .record
        .note_role_change(shard.id, of.clone(), target.id.clone(), round.now);
    draft.tell(target, MemberCommand::Failover { mode, of }, why);
}

/// Where no majority of leaders can vote, a follower takes over without a vote, one at a time, once
/// the fence lets it (`fence`).
pub(super) fn take_over(round: &Round<'_>, draft: &mut Draft) {
    let lost: Vec<&Shard<'_>> = leaderless(round.census).collect();
    let is_stuck = lost
        .iter()
        .any(|shard| !votes::can_be_elected(round, shard));
    if !round.record.formed || !is_stuck {
        return;
    }
    let homes = placing::wanted_leaders(round, draft).unwrap_or_default();
    let stuck = lost
        .iter()
        .filter(|shard| !votes::can_be_elected(round, shard));
    let next = stuck.into_iter().find_map(|shard| {
        let old = shard.leader.clone()?;
        let (member, _) = best_candidate(round, shard, &old, homes.get(&shard.id))
            .filter(|(_, answer)| !is_fed(answer) && !spacing::is_behind(round, answer))
            .filter(|_| is_on_record(round, shard))?;
        Some((shard, old, member.command_target()?))
    });
    let reason = match fence::of(round, &lost) {
        fence::Fence::Open(reason) => reason,
        fence::Fence::Shut(words) => return draft.wait(WaitingReason::QuorumLost, words),
        fence::Fence::Manual(words) => {
            let next = next.map(|(shard, _, target)| (shard.id, target.name));
            let words = format!("{words}. {}", by_hand(round, next));
            return draft.wait(WaitingReason::QuorumLost, words);
        }
    };
    if spacing::is_in_flight(round) {
        return;
    }
    if let Some((shard, of, target)) = next {
        let why = format!("shard {}: {reason}", shard.id);
        ask(round, draft, shard, FailoverMode::Takeover, of, target, why);
    }
}

/// The command for the next shard; the one after it follows when this one is led.
fn by_hand(round: &Round<'_>, next: Option<(ShardId, MemberName)>) -> String {
    let Some((shard, follower)) = next else {
        return "recovery.quorumLoss is Manual, and no follower of a lost leader can lead now"
            .to_owned();
    };
    format!(
        "recovery.quorumLoss is Manual. If that leader is off for good, make a follower of shard \
         {shard} lead: kubectl exec -n {} {follower} -c redis -- sh /etc/zoneward/takeover.sh",
        round.desired.key.namespace
    )
}

/// Among the followers of the lost leader that were in sync with it to the last: the one with the
/// most data, ties to the zone that the solver wants. What is to be done with older copies is `loss`'s.
/// Of a leader that came back without its data any copy is better, of one with less of it any that has more.
fn best_candidate<'a, 'b>(
    round: &Round<'_>,
    shard: &'b Shard<'a>,
    old: &MemberId,
    home: Option<&ZoneName>,
) -> Option<(&'b Member<'a>, &'a MemberAnswer)> {
    if shard
        .members
        .iter()
        .any(|it| may_answer_yet(round, old, it))
    {
        return None;
    }
    let has_body = shard.members.iter().any(|member| {
        member.entry.member_id.as_ref() == Some(old) && member.entry.volume.is_some()
    });
    shard
        .members
        .iter()
        .filter(|member| !member.is_leaving())
        .filter_map(|member| member.answer().map(|answer| (member, answer)))
        .filter(|(member, answer)| member.entry.joined || answer.keys > 0)
        .filter(|(member, answer)| {
            let body = shard.living_leader().filter(|(_, body)| &body.id == old);
            let is_newer = body.is_some_and(|(_, body)| histories::is_ahead_of(answer, body));
            holders::is_whole(shard, member) || is_newer || (body.is_some() && !has_body)
        })
        .filter(|(_, answer)| follows(answer, old) && !answer.loading)
        .filter(|(_, answer)| holders::knows_as_owner(answer, old))
        .filter(|(_, answer)| {
            answer
                .replication
                .upstream
                .as_ref()
                .is_some_and(|up| !up.is_syncing)
        })
        .max_by_key(|(member, answer)| {
            (
                holders::is_whole(shard, member),
                answer.replication.offset,
                !spacing::has_just_stood(round, shard, &answer.id),
                votes::would_elect(round, answer),
                home == Some(member.zone()),
                std::cmp::Reverse(member.name()),
            )
        })
}

/// A follower of this one that was not heard this time, and was a moment ago: it may have more than the others.
fn may_answer_yet(round: &Round<'_>, old: &MemberId, member: &Member<'_>) -> bool {
    let entry = member.entry;
    let is_silent = matches!(member.verdict, Verdict::Silent(_)) && entry.joined;
    let since = entry.silent_since.unwrap_or(round.now);
    is_silent && entry.member_id.as_ref() != Some(old) && round.millis_since(since) < MISSED_MILLIS
}

/// A leader that came back on its volume waits closed (`opening::open`): its follower has newer or
/// equal data and leads first. The bus sees nothing wrong with the returner, so it will not elect.
pub(super) fn relieve_closed_leaders(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, answer)) = shard.living_leader() else {
            continue;
        };
        let was_let_in = answer.is_open_to_followers;
        if was_let_in || answer.loading || !opening::endangers_followers(round, shard, answer) {
            continue;
        }
        if spacing::is_in_flight(round) || spacing::was_asked_in_vain(round, shard) {
            draft.wait(
                WaitingReason::RoleChangeTooSoon,
                format!(
                    "shard {}: {} waits closed for a follower to lead",
                    shard.id,
                    leader.name()
                ),
            );
            continue; // one shard's distance must not hold up the next
        }
        // who would not be elected would only have to wait the longer
        let heir = best_candidate(round, shard, &answer.id, None).filter(|(_, heir)| {
            votes::would_elect(round, heir) && may_stand_again(round, shard, heir)
        });
        // a copy that is only newer than the body is not the one to lead while a whole one may live
        let mut members = shard.members.iter();
        let may_be_outdone = members.any(|it| opening::may_hold_newer_unheard(round, it));
        let heir = heir.filter(|(heir, _)| holders::is_whole(shard, heir) || !may_be_outdone);
        if let Some((_, target)) = heir.and_then(|(m, _)| Some((m, m.command_target()?))) {
            let why = format!(
                "{} restarted and may be older than its followers",
                leader.name()
            );
            let of = answer.id.clone();
            ask(round, draft, shard, FailoverMode::Force, of, target, why);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
