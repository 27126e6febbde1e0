//! Who leads: waits for elections, and moves leadership by switchover where it should be.
//!
//! The operator is the only sender of failover commands. A switchover pauses clients for about
//! 45 ms and loses nothing (REDIS-LAB section 4); it is sent only to a follower that is in sync,
//! one at a time, and not within 4 node timeouts of the shard's last role change (a phantom win
//! otherwise).

use super::census::{Census, Member, Round, Shard, follows};
use super::evidence::Verdict;
use super::{Draft, FailoverMode, MemberCommand, WaitingReason, join, placing};
use crate::model::{MemberAnswer, MemberId, SlotSet};

/// How far a follower may be behind, in bytes, for a switchover to be asked of it.
const SWITCHOVER_LAG_BYTES_MAX: u64 = 1 << 20;
/// The least distance between two role changes in one shard, in node timeouts (REDIS-LAB 4).
const ROLE_CHANGE_DISTANCE_TIMEOUTS: u64 = 4;
/// How long a command for a role change may take to show, before another shard's is sent.
const ROLE_CHANGE_SETTLES_MILLIS: u64 = 2_000;

/// Says which shards wait for an election, and why none can come where that is so.
pub(super) fn report_leaderless(round: &Round<'_>, draft: &mut Draft) {
    report_lost_data(round, draft);
    for shard in leaderless(round.census) {
        let old = shard.leader.as_ref().map_or_else(String::new, |id| {
            round
                .record
                .member_by_id(id)
                .map_or(id.to_string(), |entry| entry.name.to_string())
        });
        let has_candidate = shard
            .members
            .iter()
            .any(|m| m.answer().is_some() && m.entry.joined);
        if !has_candidate {
            draft.wait(
                WaitingReason::SlotsUnserved,
                format!(
                    "shard {}: no member with its data lives; slots {} are not served",
                    shard.id, shard.slots
                ),
            );
        } else if round.census.has_majority() {
            draft.wait(
                WaitingReason::Election,
                format!(
                    "shard {}: {old} does not answer; the other leaders elect a follower",
                    shard.id
                ),
            );
        }
    }
}

/// Says which shards have lost all their data: nobody owns their slots, and nobody on the roster
/// ever held a copy. Slots are never given to an empty member unasked (promise I9).
fn report_lost_data(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    for shard in &round.census.shards {
        if shard.leader.is_some() || shard.members.iter().any(|member| member.entry.joined) {
            continue;
        }
        draft.wait(
            WaitingReason::SlotsUnserved,
            format!(
                "shard {}: every member that held its data is lost, and slots {} are given to no empty \
                 one. Copy out what is needed of the other shards, delete the RedisCluster and make \
                 it anew",
                shard.id,
                SlotSet::even_share(shard.id.0, round.desired.leaders)
            ),
        );
    }
}

/// Shards whose slots' owner does not answer.
fn leaderless<'a, 'b>(census: &'b Census<'a>) -> impl Iterator<Item = &'b Shard<'a>> {
    census
        .shards
        .iter()
        .filter(|shard| shard.leader.is_some() && shard.living_leader().is_none())
}

/// Where no majority of leaders can vote, a follower takes over without a vote: only when *every*
/// lost leader is proven dead, one at a time (anything less splits the brain: 51,584 of 58,000
/// acknowledged writes lost, REDIS-LAB section 10).
pub(super) fn take_over(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed || round.census.has_majority() {
        return;
    }
    let lost: Vec<&Shard<'_>> = leaderless(round.census).collect();
    let unproven: Vec<String> = lost
        .iter()
        .filter_map(|shard| unproven_leader(round, shard))
        .collect();
    if !unproven.is_empty() {
        draft.wait(WaitingReason::QuorumLost, quorum_message(round, &unproven));
        return;
    }
    if in_flight(round).is_some() {
        return;
    }
    let candidate = lost.iter().find_map(|shard| {
        let old = shard.leader.clone()?;
        let (member, _) = best_candidate(shard, &old)?;
        Some((shard, old, member.command_target()?))
    });
    if let Some((shard, of, target)) = candidate {
        draft.record.note_role_change(shard.id, round.now);
        draft.tell(
            target,
            MemberCommand::Failover {
                mode: FailoverMode::Takeover,
                of,
            },
            format!(
                "shard {}: its leader is proven dead and no majority is left to vote",
                shard.id
            ),
        );
    }
}

/// The shard's lost leader, where nothing proves that it is dead.
fn unproven_leader(round: &Round<'_>, shard: &Shard<'_>) -> Option<String> {
    let id = shard.leader.as_ref()?;
    if let Some(entry) = round.record.member_by_id(id) {
        let dead = shard.members.iter().any(|member| {
            member.name() == &entry.name && matches!(member.verdict, Verdict::Dead(_))
        });
        return (!dead).then(|| entry.name.to_string());
    }
    // off the roster: was its death proven when it was struck out, or was its pod merely gone?
    let departed = round
        .record
        .departed
        .iter()
        .find(|gone| &gone.member_id == id);
    match departed {
        Some(gone) if gone.is_proven_dead => None,
        Some(gone) => Some(gone.name.to_string()),
        None => Some(id.to_string()),
    }
}

fn quorum_message(round: &Round<'_>, unproven: &[String]) -> String {
    let (all, living) = round.census.voters();
    format!(
        "{living} of {all} leaders answer, {} must vote. {} may still serve clients on the other side \
         of a partition. If the hosts are really down, say so for each: kubectl taint node HOST \
         node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
        all / 2 + 1,
        unproven.join(", "),
    )
}

/// Among the followers of the dead leader that were in sync with it to the last: the one with the
/// most data. Where its data is not on a volume, an older copy is better than none; else its body
/// is to come back.
fn best_candidate<'a, 'b>(
    shard: &'b Shard<'a>,
    old: &MemberId,
) -> Option<(&'b Member<'a>, &'a MemberAnswer)> {
    let has_body = shard.members.iter().any(|member| {
        member.entry.member_id.as_ref() == Some(old) && member.entry.volume.is_some()
    });
    shard
        .members
        .iter()
        .filter(|member| member.entry.joined && !member.is_leaving())
        .filter(|member| member.was_in_sync() || !has_body)
        .filter_map(|member| member.answer().map(|answer| (member, answer)))
        .filter(|(_, answer)| follows(answer, old) && !answer.loading)
        .filter(|(_, answer)| {
            answer
                .replication
                .upstream
                .as_ref()
                .is_some_and(|up| !up.is_syncing)
        })
        .max_by_key(|(member, answer)| {
            (
                member.was_in_sync(),
                answer.replication.offset,
                std::cmp::Reverse(member.name()),
            )
        })
}

/// A leader that came back on its volume waits closed (`join::open`): its follower has newer or
/// equal data and leads first. The bus sees nothing wrong with the returner, so it will not elect.
pub(super) fn relieve_closed_leaders(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, answer)) = shard.living_leader() else {
            continue;
        };
        if answer.is_open || answer.loading || !join::endangers_followers(round, shard, answer) {
            continue;
        }
        if in_flight(round).is_some() || is_too_soon(round, shard) {
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
        if let Some((_, target)) =
            best_candidate(shard, &answer.id).and_then(|(m, _)| Some((m, m.command_target()?)))
        {
            draft.record.note_role_change(shard.id, round.now);
            draft.tell(
                target,
                MemberCommand::Failover {
                    mode: FailoverMode::Force,
                    of: answer.id.clone(),
                },
                format!(
                    "{} restarted and may be older than its followers",
                    leader.name()
                ),
            );
            return;
        }
    }
}

/// Leaders that were asked to go hand over first, then leadership goes to the zones that the
/// solver wants.
pub(super) fn switch_over(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    see_departures_through(round, draft);
    let Some(wanted) = placing::wanted_leaders(round, draft) else {
        return;
    };
    for shard in &round.census.shards {
        let Some((leader, _)) = shard.living_leader() else {
            continue;
        };
        if leader.is_leaving() {
            continue;
        }
        let Some(zone) = wanted.get(&shard.id) else {
            continue;
        };
        let must_go = draft
            .record
            .member(leader.name())
            .is_some_and(|entry| entry.surplus);
        if zone == leader.zone() && !must_go {
            continue;
        }
        if let Some(candidate) = heir(shard, |member| member.zone() == zone) {
            hand_over(
                round,
                draft,
                shard,
                candidate,
                "leaders are to be even over the zones",
            );
        }
    }
}

/// Keeps the promise that the preStop hook waits for: acknowledge, switch over, release.
fn see_departures_through(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, _)) = shard.living_leader() else {
            continue;
        };
        let Some(target) = leader.command_target().filter(|_| leader.is_leaving()) else {
            continue;
        };
        let name = leader.name();
        draft.tell(
            target.clone(),
            MemberCommand::AcknowledgeDeparture,
            "its pod was asked to go",
        );
        match heir(shard, |member| !member.is_leaving()) {
            Some(candidate) => {
                hand_over(round, draft, shard, candidate, "its leader was asked to go");
                draft.wait(
                    WaitingReason::Departure,
                    format!("{name} hands shard {} over", shard.id),
                );
            }
            None if shard
                .members
                .iter()
                .any(|m| !m.is_leaving() && m.name() != name) =>
            {
                draft.wait(
                    WaitingReason::Departure,
                    format!(
                        "{name} was asked to go; no follower of shard {} is in sync yet",
                        shard.id
                    ),
                );
            }
            None => draft.tell(
                target,
                MemberCommand::ReleaseDeparture,
                "nobody can follow it",
            ),
        }
    }
}

/// The follower that could lead at once: current, close behind, staying; the furthest first.
fn heir<'a, 'b>(
    shard: &'b Shard<'a>,
    suits: impl Fn(&Member<'a>) -> bool,
) -> Option<&'b Member<'a>> {
    let (leader, leader_answer) = shard.living_leader()?;
    shard
        .members
        .iter()
        .filter(|member| {
            member.name() != leader.name() && shard.is_current(member) && suits(member)
        })
        .filter(|member| !member.entry.surplus && !member.is_leaving())
        .filter_map(|member| member.answer().map(|answer| (member, answer)))
        .filter(|(_, answer)| {
            let lag = leader_answer
                .replication
                .offset
                .saturating_sub(answer.replication.offset);
            lag <= SWITCHOVER_LAG_BYTES_MAX
        })
        .max_by_key(|(member, answer)| {
            (answer.replication.offset, std::cmp::Reverse(member.name()))
        })
        .map(|(member, _)| member)
}

fn hand_over(round: &Round<'_>, draft: &mut Draft, shard: &Shard<'_>, to: &Member<'_>, why: &str) {
    let (Some(of), Some(target)) = (shard.leader.clone(), to.command_target()) else {
        return;
    };
    if is_too_soon(round, shard) || in_flight(round).is_some() || draft.asks_for_failover() {
        draft.wait(
            WaitingReason::RoleChangeTooSoon,
            format!(
                "shard {}: switchover to {} waits for its distance to the last role change",
                shard.id,
                to.name()
            ),
        );
        return;
    }
    draft.record.note_role_change(shard.id, round.now);
    draft.tell(
        target,
        MemberCommand::Failover {
            mode: FailoverMode::Graceful,
            of,
        },
        why,
    );
}

/// A role change asked for a moment ago that may still be under way.
fn in_flight(round: &Round<'_>) -> Option<crate::model::ShardId> {
    round
        .record
        .clocks
        .role_changes
        .iter()
        .find(|change| {
            let age = round.millis_since(change.at);
            age < ROLE_CHANGE_SETTLES_MILLIS && (age < 200 || !round.census.views_are_equal)
        })
        .map(|change| change.shard)
}

fn is_too_soon(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let distance = ROLE_CHANGE_DISTANCE_TIMEOUTS * round.desired.node_timeout_millis;
    round
        .record
        .last_role_change(shard.id)
        .is_some_and(|at| round.millis_since(at) < distance)
}
