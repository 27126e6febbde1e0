//! Brings members into the cluster: open, meet, follow, timeout. The same rules serve a new
//! cluster, a new member, a member that comes back, and addresses that changed.

use super::census::{Member, Round, Shard, follows};
use super::evidence::Verdict;
use super::{Draft, MemberCommand, WaitingReason, failover, objects, placing, roster};
use crate::api::Persistence;
use crate::model::{Address, Asked, ClusterView, MemberAnswer, MemberId, Role, ShardId, ViewEntry};
use crate::resources;

/// Full copies begun at once: each forks its leader (REDIS-LAB section 1).
const COPIES_AT_ONCE_MAX: usize = 15;

/// Lets clients and followers in where that can harm no data.
///
/// A process that remembers slots may have come back empty, and its followers would copy that.
/// So it stays closed until it owns none, or someone else owns them, or no follower of it lives
/// (DESIGN section 4).
pub(super) fn open(round: &Round<'_>, draft: &mut Draft) {
    if !objects::clients_can_be_let_in(round) {
        return; // said in `objects`
    }
    for (member, answer) in round.census.living() {
        if answer.is_open || answer.loading {
            continue;
        }
        let Some(target) = member.command_target() else {
            continue;
        };
        if may_be_copied_unseen(round, member) {
            draft.wait(
                WaitingReason::ClosedStart,
                format!(
                    "{} stays closed: its address was a member's, and a follower of that one which is \
                     silent may copy from there",
                    member.name()
                ),
            );
            continue;
        }
        if let Some(other) = listed_under_another_id(round, member, answer) {
            draft.wait(
                WaitingReason::ClosedStart,
                format!(
                    "{} stays closed: its address is still listed as {other}'s",
                    member.name()
                ),
            );
            continue;
        }
        let Some(shard) = round.census.shard(member.shard()) else {
            continue;
        };
        if is_succeeded(shard, answer) {
            draft.wait(
                WaitingReason::ClosedStart,
                format!(
                    "{} stays closed: it has not heard yet who leads in its place",
                    member.name()
                ),
            );
        } else if is_about_to_be_succeeded(round, shard, answer) {
            draft.wait(
                WaitingReason::ClosedStart,
                format!(
                    "{} stays closed: the others hold it for dead still, and may elect a follower",
                    member.name()
                ),
            );
        } else if endangers_followers(round, shard, answer) {
            draft.wait(
                WaitingReason::ClosedStart,
                format!("{} stays closed: it may be older than its followers, one of which is to lead first", member.name()),
            );
        } else {
            draft.tell(target, MemberCommand::Open, "its opening endangers no copy");
        }
    }
}

/// Addresses are given out again: who is silent may copy from this one as soon as it goes on. Somebody
/// on the roster whose pod is gone has left his, too, and is struck out later.
fn may_be_copied_unseen(round: &Round<'_>, member: &Member<'_>) -> bool {
    let Some(address) = member.address() else {
        return false;
    };
    let others = || {
        let members = round.census.members();
        members.filter(|other| other.name() != member.name())
    };
    let is_copied = |shard: ShardId| {
        let mut copying = others().filter(|other| other.shard() == shard);
        copying.any(roster::may_copy_unseen)
    };
    let left = round.record.left_addresses.iter();
    let left = left.map(|left| (left.shard, left.address));
    let leaving = others().filter(|other| other.entry.joined && other.answer().is_none());
    let leaving = leaving.filter_map(|other| Some((other.shard(), other.entry.address?)));
    let mut all = left.chain(leaving);
    all.any(|(shard, left)| left == address.ip && is_copied(shard))
}

/// A follower of whoever had this address before would take this process for its leader: it copies
/// from an address, also when the bus has noticed that somebody else lives there.
fn listed_under_another_id(
    round: &Round<'_>,
    member: &Member<'_>,
    answer: &MemberAnswer,
) -> Option<MemberId> {
    let address = member.address()?;
    let others = || {
        let living = round.census.living();
        living.filter(|(other, _)| other.name() != member.name())
    };
    let listed = others()
        .flat_map(|(_, other)| &other.view.entries)
        .find(|entry| {
            entry.address == Some(address)
                && entry.id != answer.id
                && !entry.flags.handshake
                && !entry.slots.is_empty()
        })
        .map(|entry| entry.id.clone());
    listed.or_else(|| {
        others().find_map(|(copying, other)| {
            let up = other.replication.upstream.as_ref()?;
            let leader = other.view.own_entry()?.leader.clone()?;
            let copies = up.host == address.ip.to_string() && leader != answer.id;
            // who holds nothing has nothing to lose, and is not to hold another shard's
            let is_harmed = other.keys > 0 || copying.shard() != member.shard();
            (copies && is_harmed).then_some(leader)
        })
    })
}

/// It believes that it owns slots, and somebody else leads them by now: what clients write to it would be
/// lost as soon as it hears of that.
fn is_succeeded(shard: &Shard<'_>, answer: &MemberAnswer) -> bool {
    let owns = answer
        .view
        .own_entry()
        .is_some_and(|own| !own.slots.is_empty());
    owns && shard
        .leader
        .as_ref()
        .is_some_and(|leader| leader != &answer.id)
}

/// The others have agreed that it is dead, and do not take that back for two node timeouts: what it
/// is given to write meanwhile would be lost to the follower that they elect.
fn is_about_to_be_succeeded(round: &Round<'_>, shard: &Shard<'_>, answer: &MemberAnswer) -> bool {
    let owns = |view: &ClusterView| view.own_entry().is_some_and(|own| !own.slots.is_empty());
    let is_failed = round.census.living().any(|(_, other)| {
        let entry = other.view.entry(&answer.id);
        owns(&other.view) && entry.is_some_and(|it| it.flags.failed && !it.slots.is_empty())
    });
    let may_stand = |member: &Member<'_>| {
        let stands = |it: &MemberAnswer| follows(it, &answer.id) && !it.loading;
        member.answer().is_some_and(stands)
    };
    is_failed && owns(&answer.view) && shard.members.iter().any(may_stand)
}

/// It believes that it owns slots, and a follower of it may have newer data: one whose copy was
/// whole to the last. (One that was started again too, as after a power cut, or that had fallen
/// behind, has less than its leader's body.) A follower that is silent may live: where the body
/// may be older than it, it is waited for as long as it keeps its place.
pub(super) fn endangers_followers(
    round: &Round<'_>,
    shard: &Shard<'_>,
    answer: &MemberAnswer,
) -> bool {
    let owns = answer
        .view
        .own_entry()
        .is_some_and(|own| !own.slots.is_empty());
    let is_fresh = answer.view.entries.len() <= 1;
    let may_be_old = round.desired.persistence != Persistence::Aof || answer.keys == 0;
    owns && !is_fresh
        && shard.members.iter().any(|other| match other.verdict {
            Verdict::Alive(a) => {
                let is_newer = may_be_old && failover::is_ahead_of(a, answer);
                let is_copy = other.was_in_sync() || is_newer;
                a.id != answer.id && follows(a, &answer.id) && is_copy
            }
            Verdict::Silent(_) | Verdict::Gone => {
                let keeps_its_place = other.entry.joined && placing::counts(round, other);
                may_be_old && (keeps_its_place || may_hold_newer(round, other))
            }
            _ => false,
        })
}

/// Its copy was whole when their leader was heard last, and that leader's snapshot may be older. It is
/// waited for, as a lost shard's bodies are, until it answers or is proven dead; where even its host is
/// gone from Kubernetes nobody could prove that.
fn may_hold_newer(round: &Round<'_>, silent: &Member<'_>) -> bool {
    round.desired.persistence != Persistence::Aof
        && silent.entry.synced_run.is_some()
        && silent.host.is_some()
}

/// Introduces members whom the seed does not know, or knows at another address. MEET is fire and
/// forget: whoever is missing in the next view is met again.
pub(super) fn meet(round: &Round<'_>, draft: &mut Draft) {
    let Some((seed, view)) = round
        .census
        .seed
        .as_ref()
        .and_then(|s| Some((s, &s.answer()?.view)))
    else {
        return;
    };
    let strangers_to_seed: Vec<Address> = round
        .census
        .living()
        .filter(|(member, _)| member.name() != seed.name())
        .filter(|(member, _)| {
            !(round.record.formed && member.entry.surplus && !member.entry.joined)
        })
        .filter_map(|(member, answer)| {
            let address = member.address()?;
            let is_met = view
                .entry(&answer.id)
                .is_some_and(|entry| is_reached(entry, address));
            let is_being_met = view
                .entries
                .iter()
                .any(|e| e.flags.handshake && e.address == Some(address));
            (!is_met && !is_being_met).then_some(address)
        })
        .collect();
    if let (false, Some(target)) = (strangers_to_seed.is_empty(), seed.command_target()) {
        draft.tell(
            target,
            MemberCommand::Meet(strangers_to_seed),
            "it does not know them",
        );
    }
}

fn is_reached(entry: &ViewEntry, address: Address) -> bool {
    entry.address == Some(address) && !entry.flags.no_address
}

/// Makes every member without slots, in anybody's view, follow its shard's leader.
pub(super) fn follow(round: &Round<'_>, draft: &mut Draft) {
    let copying = round
        .census
        .living()
        .filter(|(_, answer)| {
            answer
                .replication
                .upstream
                .as_ref()
                .is_some_and(|up| up.is_syncing)
        })
        .count();
    let mut left = COPIES_AT_ONCE_MAX.saturating_sub(copying);
    for shard in &round.census.shards {
        let Some((leader, leader_answer)) = shard.living_leader() else {
            continue;
        };
        for member in &shard.members {
            let Some(why) = member
                .answer()
                .filter(|answer| !round.census.owns_slots(&answer.id))
                .and_then(|a| must_follow(member, a, leader, leader_answer))
            else {
                continue;
            };
            if let (Some(target), true) = (member.command_target(), left > 0) {
                left -= 1;
                let command = MemberCommand::Replicate {
                    leader: leader_answer.id.clone(),
                };
                draft.tell(target, command, why);
            }
        }
    }
}

fn must_follow(
    member: &Member<'_>,
    answer: &MemberAnswer,
    leader: &Member<'_>,
    leader_answer: &MemberAnswer,
) -> Option<String> {
    let knows_leader = answer
        .view
        .entry(&leader_answer.id)
        .is_some_and(|entry| entry.address == leader.address() && !entry.flags.handshake);
    if answer.id == leader_answer.id
        || !knows_leader
        || member.entry.surplus
        || !leader_answer.is_open
    {
        return None;
    }
    if answer.role() == Role::Leader {
        return Some(format!(
            "shard {} is led by {}",
            member.shard(),
            leader.name()
        ));
    }
    if !follows(answer, &leader_answer.id) {
        return Some(format!("its shard is led by {} now", leader.name()));
    }
    // gossip mends the table, not the replication target (REDIS-LAB section 6)
    let up = answer.replication.upstream.as_ref()?;
    let stale = leader
        .address()
        .is_some_and(|address| up.host != address.ip.to_string());
    (stale && !up.is_up).then(|| format!("it still copies from {}, where its leader was", up.host))
}

/// What keeps a follower's copy from being current; none for one that is, or that is to follow yet.
/// Only a copy that is being made is called so: one that hears nothing makes no progress.
fn out_of_sync(answer: &MemberAnswer, leader: &MemberAnswer) -> Option<&'static str> {
    let link = answer.replication.upstream.as_ref()?;
    if !follows(answer, &leader.id) {
        return Some("does not yet follow");
    }
    if answer.is_in_sync() {
        None
    } else if answer.loading {
        Some("reads its own data before it follows")
    } else if link.is_syncing {
        Some("copies the data of")
    } else if link.is_up {
        Some("hears nothing from")
    } else {
        Some("has no link to")
    }
}

/// Sets the wanted timeout once the cluster is whole; while it forms, the short one.
pub(super) fn set_timeouts(round: &Round<'_>, draft: &mut Draft) {
    let wanted = if round.record.formed {
        round.desired.node_timeout_millis
    } else {
        resources::forming_node_timeout_millis(round.desired)
    };
    for (member, answer) in round.census.living() {
        if answer.node_timeout_millis != wanted
            && let Some(target) = member.command_target()
        {
            let why = format!("it is {} ms", answer.node_timeout_millis);
            draft.tell(
                target,
                MemberCommand::SetNodeTimeout { millis: wanted },
                why,
            );
        }
    }
}

/// Says who is still on the way in.
pub(super) fn report(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let Some((leader, leader_answer)) = shard.living_leader() else {
            continue;
        };
        for member in &shard.members {
            let answer = member.answer().filter(|_| !shard.is_led_by(member));
            let Some(what) = answer.and_then(|it| out_of_sync(it, leader_answer)) else {
                continue;
            };
            let (name, leader) = (member.name(), leader.name());
            draft.wait(
                WaitingReason::FollowerSync,
                format!("{name} {what} {leader}, its leader"),
            );
        }
    }
    let silent = round.census.members().filter(|member| {
        matches!(
            round.seen.members.get(member.name()),
            Some(Asked::Silent(_))
        ) && member.entry.member_id.is_some()
    });
    for member in silent {
        draft.wait(
            WaitingReason::MemberSilent,
            format!("{} does not answer", member.name()),
        );
    }
    if !round.census.views_are_equal && round.census.living().next().is_some() {
        draft.wait(
            WaitingReason::ViewsDiffer,
            "the members' views of the cluster differ still",
        );
    }
    for id in &round.census.strangers {
        draft.wait(
            WaitingReason::Stranger,
            format!(
                "member {id} on the bus is not ours: it is left alone. If it is not yours either, \
                 find out who joined it"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, Observation, RunId, Silence, SilenceReason};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    /// Shard 0's leader came back with a snapshot; its follower is silent, and its place was given away.
    fn back_with_a_snapshot() -> Observation {
        let mut seen = formed();
        answer_of(&mut seen, "c-0-1").is_open = false;
        let silence = Silence {
            reason: SilenceReason::Timeout,
            millis: 600_000,
        };
        let silent = MemberName::from("c-0-2");
        seen.members.insert(silent.clone(), Asked::Silent(silence));
        for entry in &mut seen.record.members {
            if entry.name == silent {
                entry.surplus = true;
                entry.silent_since = Some(Timestamp::UNIX_EPOCH);
                entry.synced_run = Some(RunId::from("run-id-c-0-2"));
            }
        }
        seen
    }

    #[test]
    fn a_snapshot_is_not_opened_while_a_whole_copy_is_silent() {
        let opens = |seen: &Observation, persistence| {
            let mut desired = desired(3, 1);
            desired.persistence = persistence;
            let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(600);
            let plan = plan(&desired, seen, later);
            plan.actions.iter().any(|it| it.deed.kind() == "open")
        };
        let mut seen = back_with_a_snapshot();
        assert!(!opens(&seen, Persistence::Rdb));
        assert!(opens(&seen, Persistence::Aof), "it holds every write");
        for entry in &mut seen.record.members {
            entry.synced_run = None;
        }
        assert!(opens(&seen, Persistence::Rdb), "its copy was not whole");
    }

    #[test]
    fn only_a_copy_that_is_being_made_is_called_one() {
        type Change = fn(&mut MemberAnswer);
        let table: [(Option<&str>, Change); 6] = [
            (None, |_| {}),
            (Some("copies the data of"), |it| {
                let link = it.replication.upstream.as_mut().unwrap();
                (link.is_syncing, link.is_up) = (true, false);
            }),
            (Some("has no link to"), |it| {
                it.replication.upstream.as_mut().unwrap().is_up = false;
            }),
            (Some("hears nothing from"), |it| {
                it.replication.upstream.as_mut().unwrap().last_io_seconds = Some(40);
            }),
            (Some("reads its own data before it follows"), |it| {
                it.loading = true;
            }),
            (None, |it| it.replication.upstream = None),
        ];
        for (expected, change) in table {
            let mut seen = formed();
            let leader = answer_of(&mut seen, "c-0-1").clone();
            let member = answer_of(&mut seen, "c-0-2");
            change(member);
            assert_eq!(out_of_sync(member, &leader), expected);
        }
        let mut seen = formed();
        let leader = answer_of(&mut seen, "c-0-1").clone();
        let other = answer_of(&mut seen, "c-1-4");
        assert_eq!(out_of_sync(other, &leader), Some("does not yet follow"));
    }
}
