//! Brings members into the cluster: meet, follow, timeout; `opening` comes before. The same rules
//! serve a new cluster, a new member, a member that comes back, and addresses that changed.

use super::census::{Member, Round, follows};
use super::{Draft, MemberCommand, WaitingReason, pods, votes};
use crate::model::{Address, Asked, ClusterView, MemberAnswer, Role, ViewEntry};
use crate::resources;

/// Full copies begun at once: each forks its leader (REDIS-LAB section 1).
const COPIES_AT_ONCE_MAX: usize = 15;

/// A member that runs for so long and has not heard of its leader's slots hears of them by another way, or never:
/// a copy that could not lead is better than none.
const HEARS_WITHIN_SECONDS: u64 = 60;

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
    let (seed_id, seed_address) = (view.myself.clone(), seed.address());
    let strangers_to_seed: Vec<Address> = round
        .census
        .living()
        .filter(|(member, _)| member.name() != seed.name())
        .filter(|(member, _)| {
            // a body whose copy was never seen whole may all the same be what its shard's leader waits for
            let is_wanted = pods::is_wanted(round, member.entry);
            !round.record.formed || member.entry.joined || is_wanted
        })
        .filter_map(|(member, answer)| {
            let address = member.address()?;
            let is_met = view
                .entry(&answer.id)
                .is_some_and(|entry| is_reached(entry, address));
            let is_being_met = is_meeting(view, address);
            // a handshake has two sides, and times out on either by itself (a process that hung): who knows
            // nobody is reached by no gossip
            let knows_seed = answer.view.entry(&seed_id).is_some()
                || seed_address.is_some_and(|at| is_meeting(&answer.view, at));
            let is_done = is_met && knows_seed;
            (!is_done && !is_being_met).then_some(address)
        })
        .collect();
    if let (false, Some(target)) = (strangers_to_seed.is_empty(), seed.command_target()) {
        draft.tell(
            target,
            MemberCommand::Meet(strangers_to_seed),
            "it does not know them, or they it",
        );
    }
}

fn is_meeting(view: &ClusterView, address: Address) -> bool {
    let mut entries = view.entries.iter();
    entries.any(|entry| entry.flags.handshake && entry.address == Some(address))
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
        // a new follower would be elected at once, and depose who is back and takes writes
        if votes::is_taken_for_failed(round, &leader_answer.id) {
            continue;
        }
        for member in &shard.members {
            let Some((answer, why)) = member
                .answer()
                .filter(|answer| !round.census.owns_slots(&answer.id))
                .and_then(|a| Some((a, must_follow(member, a, leader, leader_answer)?)))
            else {
                continue;
            };
            if round.record.formed && has_not_heard_of_slots(answer, leader_answer) {
                greet(draft, leader, leader_answer, member);
                // one that follows already is fed again before all
                let is_young = answer.uptime_seconds < HEARS_WITHIN_SECONDS;
                if answer.role() == Role::Leader && is_young {
                    continue;
                }
            }
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

/// It knows its leader from a handshake, which tells no slots; they come with the next packet. A follower takes
/// over the slots that its leader has in its own table, so with a copy and without that it could never lead
/// should its leader end before.
fn has_not_heard_of_slots(answer: &MemberAnswer, leader: &MemberAnswer) -> bool {
    let owns = |of: &MemberAnswer| {
        let entry = of.view.entry(&leader.id);
        entry.is_some_and(|entry| !entry.slots.is_empty())
    };
    owns(leader) && !owns(answer)
}

/// MEET goes out at once, and who knows its sender reads it as any packet (`clusterProcessPacket`); a ping may
/// take half a node timeout to come.
fn greet(draft: &mut Draft, leader: &Member<'_>, answer: &MemberAnswer, newcomer: &Member<'_>) {
    let (Some(target), Some(address)) = (leader.command_target(), newcomer.address()) else {
        return;
    };
    if !is_meeting(&answer.view, address) {
        let why = format!("{} has not heard of its slots", newcomer.name());
        draft.tell(target, MemberCommand::Meet(vec![address]), why);
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
    // who is too many is given no leader; one that has it already must find it, for it may be taken back
    let is_let_go = member.entry.surplus && !follows(answer, &leader_answer.id);
    if answer.id == leader_answer.id
        || !knows_leader
        || is_let_go
        || !leader_answer.is_open_to_followers
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
    use crate::model::{MemberId, SlotSet};
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::plan::{Deed, plan};
    use jiff::Timestamp;

    #[test]
    fn who_knows_nobody_is_met_again() {
        let is_met = |forgets: bool| {
            let mut seen = formed();
            let lonely = answer_of(&mut seen, "c-2-6");
            lonely.view.entries.retain(|it| !forgets || it.flags.myself);
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            plan.actions.iter().any(|it| it.deed.kind() == "meet")
        };
        assert!(!is_met(false));
        assert!(is_met(true));
    }

    /// It is the newest copy, knows all at the addresses of yesterday, and its closed leader waited for it.
    #[test]
    fn a_surplus_body_is_met_where_its_shard_waits_for_it() {
        // (it is surplus, its leader is open, it is met)
        let table = [
            (false, true, true),
            (true, true, false),
            (true, false, true),
        ];
        for (surplus, is_open, is_met) in table {
            let mut seen = formed();
            let leader = answer_of(&mut seen, "c-0-1");
            (leader.is_open, leader.is_open_to_followers) = (is_open, is_open);
            let lonely = answer_of(&mut seen, "c-0-2");
            lonely.view.entries.retain(|it| it.flags.myself);
            lonely.replication.upstream.as_mut().unwrap().is_up = false;
            let mut entries = seen.record.members.iter_mut();
            let body = entries.find(|it| it.name.as_str() == "c-0-2").unwrap();
            (body.volume, body.joined) = (Some("c-0-2".into()), false);
            body.surplus = surplus;
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            let meets = plan.actions.iter().any(|it| it.deed.kind() == "meet");
            assert_eq!(meets, is_met, "surplus {surplus}, leader open {is_open}");
        }
    }

    #[test]
    fn nobody_copies_who_could_not_lead() {
        // (it follows already, has heard of the slots, is told to follow, its leader greets it)
        let table = [
            (false, true, true, false, "a newcomer"),
            (
                false,
                false,
                false,
                true,
                "a newcomer that would have a copy for nothing",
            ),
            (
                true,
                false,
                true,
                true,
                "a follower of another is fed first",
            ),
        ];
        for (follows, knows, is_told, is_greeted, why) in table {
            let mut seen = formed();
            let newcomer = answer_of(&mut seen, "c-0-2");
            if !follows {
                newcomer.replication.upstream = None;
            }
            for entry in &mut newcomer.view.entries {
                if entry.flags.myself {
                    let old = MemberId::from("id-c-0-9");
                    entry.leader = follows.then_some(old);
                    entry.role = if follows {
                        Role::Follower
                    } else {
                        Role::Leader
                    };
                } else if !knows && entry.id.as_str() == "id-c-0-1" {
                    entry.slots = SlotSet::empty();
                }
            }
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            let told = |to: &str, kind: &str| {
                plan.actions.iter().any(|it| match &it.deed {
                    Deed::Command { member, .. } => {
                        member.name.as_str() == to && it.deed.kind() == kind
                    }
                    _ => false,
                })
            };
            assert_eq!(told("c-0-2", "replicate"), is_told, "{why}");
            assert_eq!(told("c-0-1", "meet"), is_greeted, "{why}");
        }
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
