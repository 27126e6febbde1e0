//! Gives shards whose leader is lost another one, faster than the bus or where the bus cannot.
//!
//! The operator is the only sender of failover commands. One at a time, over all shards
//! (`spacing`), and only to a follower whose copy was whole: the server itself does not ask for
//! that when it is told to FORCE (REDIS-LAB section 13: an empty follower was made leader).

use std::collections::BTreeSet;

use super::census::{Census, Member, Round, Shard, follows};
use super::evidence::Verdict;
use super::{
    Draft, FailoverMode, MemberCommand, MemberRef, WaitingReason, opening, placing, spacing,
    zone_loss,
};
use crate::model::{MemberAnswer, MemberId, SilenceReason, ZoneName};

/// A follower that heard its leader less than this long ago is being fed: it hears it every second.
pub const FED_SECONDS: u64 = 2;

/// Shards whose slots' owner does not answer.
pub(super) fn leaderless<'a, 'b>(census: &'b Census<'a>) -> impl Iterator<Item = &'b Shard<'a>> {
    census
        .shards
        .iter()
        .filter(|shard| shard.leader.is_some() && shard.living_leader().is_none())
}

/// Whether leaders enough answer to elect the shard another one. Who came after its leader was lost has
/// never heard of that one, and denies its vote.
pub(super) fn can_be_elected(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let Some(lost) = &shard.leader else {
        return false;
    };
    let (all, _) = round.census.voters();
    let voting = round.census.shards.iter().filter(|other| {
        let voter = other.living_leader().filter(|_| !other.slots.is_empty());
        voter.is_some_and(|(_, answer)| answer.view.entry(lost).is_some())
    });
    voting.count() > all / 2
}

/// A leader whose end is known is succeeded at once, without waiting for the bus to notice (1.2 to
/// 1.5 node timeouts and up to a second). FORCE needs the votes of a majority of leaders, so it
/// cannot split the cluster; after an election that was lost the shard is left to the bus.
pub(super) fn force(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed || spacing::is_in_flight(round) {
        return;
    }
    let mut lost = leaderless(round.census)
        .filter(|shard| can_be_elected(round, shard))
        .filter(|shard| !spacing::is_too_soon(round, shard))
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
            best_candidate(shard, &of, homes.get(&shard.id)).filter(|(heir, answer)| {
                let may_stand = !is_fed(answer) && !spacing::is_behind(round, answer);
                may_stand && (heir.was_in_sync() || is_all_that_is_left(round, shard, heir))
            })?;
        Some((shard, of, heir.command_target()?, end))
    });
    if let Some((shard, of, target, end)) = next {
        let why = format!("shard {}: its leader has ended: {end}", shard.id);
        ask(round, draft, shard, FailoverMode::Force, of, target, why);
    }
}

/// Whether this copy, which was not whole when its leader was heard last, is the best that there will
/// ever be: everybody else who may hold more is proven dead, and no body of theirs is left. The bus
/// elects nobody whose copy is that old.
fn is_all_that_is_left(round: &Round<'_>, shard: &Shard<'_>, heir: &Member<'_>) -> bool {
    let Some(own) = heir.answer().filter(|answer| answer.keys > 0) else {
        return false;
    };
    let mut others = shard.members.iter().filter(|it| it.name() != heir.name());
    let mut departed = round.seen.record.departed.iter();
    unproven_leader(round, shard).is_none()
        && departed.all(|gone| gone.shard != shard.id || gone.is_proven_dead)
        && others.all(|other| match other.verdict {
            _ if !other.entry.joined => true,
            Verdict::Alive(answer) => answer.replication.offset <= own.replication.offset,
            Verdict::Dead(_) => other.entry.volume.is_none(),
            _ => false,
        })
}

/// How the shard's lost leader is known to have ended; none where it may only be silent.
fn end_of_leader(
    round: &Round<'_>,
    shard: &Shard<'_>,
    gone: &BTreeSet<ZoneName>,
) -> Option<&'static str> {
    let id = shard.leader.as_ref()?;
    if unproven_leader(round, shard).is_none() {
        return Some("proven");
    }
    let member = shard
        .members
        .iter()
        .find(|member| shard.is_led_by(member))?;
    match member.verdict {
        Verdict::Silent(it) if it.reason == SilenceReason::Refused && is_cut_off(round, id) => {
            Some("its host says that nothing listens there, and the others have lost it, too")
        }
        Verdict::Silent(_) if gone.contains(member.zone()) => Some("its zone fell silent"),
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
        .note_role_change(shard.id, of.clone(), round.now);
    draft.tell(target, MemberCommand::Failover { mode, of }, why);
}

/// Where no majority of leaders can vote, a follower takes over without a vote: only when *every*
/// lost leader is proven dead, one at a time (anything less splits the brain: 51,584 of 58,000
/// acknowledged writes lost, REDIS-LAB section 10).
pub(super) fn take_over(round: &Round<'_>, draft: &mut Draft) {
    let lost: Vec<&Shard<'_>> = leaderless(round.census).collect();
    let is_stuck = lost.iter().any(|shard| !can_be_elected(round, shard));
    if !round.record.formed || !is_stuck {
        return;
    }
    let unproven: Vec<String> = lost
        .iter()
        .filter_map(|shard| unproven_leader(round, shard))
        .collect();
    if !unproven.is_empty() {
        draft.wait(WaitingReason::QuorumLost, quorum_message(round, &unproven));
        return;
    }
    if spacing::is_in_flight(round) {
        return;
    }
    let homes = placing::wanted_leaders(round, draft).unwrap_or_default();
    let stuck = lost.iter().filter(|shard| !can_be_elected(round, shard));
    let candidate = stuck.into_iter().find_map(|shard| {
        let old = shard.leader.clone()?;
        let (member, _) = best_candidate(shard, &old, homes.get(&shard.id))
            .filter(|(_, answer)| !is_fed(answer))?;
        Some((shard, old, member.command_target()?))
    });
    if let Some((shard, of, target)) = candidate {
        let why = format!(
            "shard {}: its leader is proven dead and no majority is left that could vote",
            shard.id
        );
        ask(round, draft, shard, FailoverMode::Takeover, of, target, why);
    }
}

/// The shard's lost leader, where nothing proves that it is dead.
fn unproven_leader(round: &Round<'_>, shard: &Shard<'_>) -> Option<String> {
    let id = shard.leader.as_ref()?;
    if let Some(entry) = round.record.member_by_id(id) {
        let dead = shard.members.iter().any(|member| {
            // a body that is to start again, closed: the process that led is no more
            let is_over = matches!(member.verdict, Verdict::Dead(_)) || entry.has_ended;
            member.name() == &entry.name && is_over
        });
        return (!dead).then(|| entry.name.to_string());
    }
    // off the roster: was its death proven when it was struck out, or was its pod merely gone?
    // as it stands on record: what was proven this round is acted on in the next, for the checker
    // goes by what was seen
    let departed = round
        .seen
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
        "{living} of {all} leaders answer, {} that know the lost one must vote. {} may still serve clients on the other side \
         of a partition. If the hosts are really down, say so for each: kubectl taint node HOST \
         node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
        all / 2 + 1,
        unproven.join(", "),
    )
}

/// Among the followers of the lost leader that were in sync with it to the last: the one with the
/// most data, ties to the zone that the solver wants. Where its data is not on a volume, an older copy is better than none (where nobody can vote:
/// `force` takes whole copies only); else its body
/// is to come back.
fn best_candidate<'a, 'b>(
    shard: &'b Shard<'a>,
    old: &MemberId,
    home: Option<&ZoneName>,
) -> Option<(&'b Member<'a>, &'a MemberAnswer)> {
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
            let is_newer = body.is_some_and(|(_, body)| is_ahead_of(answer, body));
            member.was_in_sync() || !has_body || is_newer
        })
        .filter(|(_, answer)| follows(answer, old) && !answer.loading)
        .filter(|(_, answer)| gives_slots_to(answer, old))
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
                home == Some(member.zone()),
                std::cmp::Reverse(member.name()),
            )
        })
}

/// It takes over what its own table gives its leader, and nothing where that leader died before it heard
/// of the slots.
pub(super) fn gives_slots_to(answer: &MemberAnswer, leader: &MemberId) -> bool {
    let entry = answer.view.entry(leader);
    entry.is_some_and(|entry| !entry.slots.is_empty())
}

/// Whether it holds more of the same history: a body that was started again goes on from the offset that
/// its snapshot had.
pub(super) fn is_ahead_of(copy: &MemberAnswer, body: &MemberAnswer) -> bool {
    copy.keys > 0 && copy.replication.offset > body.replication.offset
}

/// A leader that came back on its volume waits closed (`opening::open`): its follower has newer or
/// equal data and leads first. The bus sees nothing wrong with the returner, so it will not elect.
pub(super) fn relieve_closed_leaders(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, answer)) = shard.living_leader() else {
            continue;
        };
        if answer.is_open || answer.loading || !opening::endangers_followers(round, shard, answer) {
            continue;
        }
        if spacing::is_in_flight(round) || spacing::is_too_soon(round, shard) {
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
        let heir = best_candidate(shard, &answer.id, None);
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
mod tests {
    use super::*;
    use crate::model::{MemberName, Observation, PodPhase, RoleChange, ShardId};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    fn commands(seen: &Observation) -> Vec<&'static str> {
        let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
        plan.actions
            .iter()
            .map(|action| action.deed.kind())
            .collect()
    }

    /// Shard 0's leader has ended, and another shard's a moment ago.
    fn second_of_two() -> Observation {
        let mut seen = formed();
        let dead = MemberName::from("c-0-1");
        seen.members.remove(&dead);
        let heir = answer_of(&mut seen, "c-0-2");
        if let Some(up) = &mut heir.replication.upstream {
            (up.is_up, up.last_io_seconds) = (false, None);
        }
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == dead) {
            pod.phase = PodPhase::Ended {
                reason: "exit code 137".to_owned(),
            };
        }
        for entry in &mut seen.record.members {
            let id = entry.member_id.as_ref().unwrap();
            entry.synced_run = Some(crate::model::RunId::new(format!("run-{id}")));
        }
        let change = RoleChange {
            shard: ShardId(2),
            of: Some(MemberId::from("id-c-2-4")),
            at: Timestamp::UNIX_EPOCH,
        };
        seen.record.clocks.role_changes.push(change);
        seen
    }

    #[test]
    fn who_has_not_heard_of_the_last_election_does_not_stand_for_the_next() {
        let mut seen = second_of_two();
        answer_of(&mut seen, "c-1-3").view.current_epoch.0 = 5;
        assert!(!commands(&seen).contains(&"failover-force"));
        answer_of(&mut seen, "c-0-2").view.current_epoch.0 = 5;
        assert!(commands(&seen).contains(&"failover-force"));
    }

    #[test]
    fn an_older_copy_leads_only_where_it_is_all_that_is_left() {
        let mut seen = second_of_two();
        seen.record.clocks.role_changes.clear();
        for entry in &mut seen.record.members {
            entry.synced_run = None;
        }
        let is_forced = |seen: &Observation| {
            let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
            assert_eq!(crate::plan::check(&desired(3, 1), seen, &plan), []);
            let mut kinds = plan.actions.iter().map(|action| action.deed.kind());
            kinds.any(|kind| kind == "failover-force")
        };
        assert!(is_forced(&seen));
        let mut wiped = seen.clone();
        answer_of(&mut wiped, "c-0-2").keys = 0;
        assert!(!is_forced(&wiped), "nothing is no copy");
        let mut on_volume = seen.clone();
        for entry in &mut on_volume.record.members {
            entry.volume = Some(crate::model::VolumeName::new(entry.name.as_str()));
        }
        assert!(!is_forced(&on_volume), "the leader's body comes back");
        seen.record.departed.push(crate::model::Departed {
            member_id: MemberId::from("id-c-0-0"),
            name: MemberName::from("c-0-0"),
            shard: ShardId(0),
            host: None,
            is_proven_dead: false,
            since: Timestamp::UNIX_EPOCH,
        });
        assert!(!is_forced(&seen), "c-0-0 may hold more");
    }

    #[test]
    fn nobody_is_forgotten_while_a_failover_goes_on() {
        let mut seen = second_of_two();
        let departed = crate::model::Departed {
            member_id: MemberId::from("id-c-1-3"),
            name: MemberName::from("c-9-9"),
            shard: ShardId(1),
            host: None,
            is_proven_dead: true,
            since: Timestamp::UNIX_EPOCH,
        };
        // a former member that all still list
        for asked in seen.members.values_mut() {
            if let crate::model::Asked::Answered(answer) = asked {
                let mut entry = answer.view.entries[1].clone();
                entry.id = MemberId::from("id-old");
                answer.view.entries.push(entry);
            }
        }
        seen.record.departed.push(crate::model::Departed {
            member_id: MemberId::from("id-old"),
            ..departed
        });
        assert!(!commands(&seen).contains(&"forget"), "shard 0 comes first");
        let mut whole = seen.clone();
        let calm = formed();
        whole.members.insert(
            MemberName::from("c-0-1"),
            calm.members[&MemberName::from("c-0-1")].clone(),
        );
        whole.pods.clone_from(&calm.pods);
        assert!(commands(&whole).contains(&"forget"));
    }
}
