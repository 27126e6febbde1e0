//! The fence: what must be known of the lost leaders before a follower leads without a vote.
//!
//! A takeover over a leader that serves clients elsewhere loses what those write (51,584 of 58,000
//! acknowledged writes, REDIS-LAB section 10). Proof of death opens the fence. So does silence, where
//! the lost leaders are too few to go on by themselves: a leader that hears no majority refuses
//! writes after a node timeout. Beyond that the owner decides (`recovery.quorumLoss`).

mod elected;

use jiff::{SignedDuration, Timestamp};

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use crate::api::QuorumLossPolicy;
use crate::model::{DataLoss, HostView, MemberId};
use elected::elected_unseen;

/// Leaders stop serving about one node timeout after the last sign of a majority; as long again for
/// signs on their way, and once more for clocks that run unevenly.
const STOPPED_TIMEOUTS: u64 = 3;

/// Whether followers may take over from these lost leaders.
pub(super) enum Fence {
    /// They may, for this reason.
    Open(&'static str),
    /// Not, or not yet, in words.
    Shut(String),
    /// The owner wants to do it himself.
    Manual(String),
}

/// A lost leader that nothing proves dead.
pub(super) struct Unproven<'a> {
    id: MemberId,
    name: String,
    host: Option<&'a HostView>,
    silent_since: Option<Timestamp>,
}

/// The shard's lost leader, where nothing proves that it is dead.
pub(super) fn unproven_leader<'a>(round: &Round<'a>, shard: &Shard<'a>) -> Option<Unproven<'a>> {
    let id = shard.leader.clone()?;
    if let Some(entry) = round.record.member_by_id(&id) {
        let member = shard
            .members
            .iter()
            .find(|member| member.name() == &entry.name);
        // a body that is to start again, closed: the process that led is no more
        let is_over = entry.has_ended
            || member.is_some_and(|member| matches!(member.verdict, Verdict::Dead(_)));
        return (!is_over).then(|| Unproven {
            id,
            name: entry.name.to_string(),
            host: member.and_then(|member| member.host),
            silent_since: entry.silent_since,
        });
    }
    // off the roster: was its death proven when it was struck out, or was its pod merely gone?
    // as it stands on record: what was proven this round is acted on in the next, for the checker
    // goes by what was seen
    let mut departed = round.seen.record.departed.iter();
    let gone = departed.find(|gone| gone.member_id == id);
    let is_proven = gone.is_some_and(|gone| gone.is_proven_dead);
    (!is_proven).then(|| Unproven {
        name: gone.map_or_else(|| id.to_string(), |gone| gone.name.to_string()),
        host: gone
            .and_then(|gone| gone.host.as_ref())
            .and_then(|host| round.seen.host(host)),
        silent_since: gone.map(|gone| gone.since),
        id,
    })
}

/// Of shards whose leader nobody alive has heard of: whoever of them may lead, and is not proven dead. Those
/// that answer may all be younger than the outage.
fn unknown_leaders<'a>(round: &Round<'a>) -> Vec<Unproven<'a>> {
    let is_unknown =
        |shard: &&Shard<'_>| shard.leader.is_none() && shard.id.0 < round.desired.leaders;
    let unknown = round.census.shards.iter().filter(is_unknown);
    let may_lead = |member: &&Member<'_>| {
        let is_unheard = matches!(member.verdict, Verdict::Silent(_) | Verdict::Gone);
        member.entry.joined && is_unheard
    };
    let leaders = |shard: &'a Shard<'a>| {
        let members = shard.members.iter().filter(may_lead);
        let enrolled = members.filter_map(|member| {
            Some(Unproven {
                id: member.entry.member_id.clone()?,
                name: member.name().to_string(),
                host: member.host,
                silent_since: member.entry.silent_since,
            })
        });
        enrolled.chain(elected::departed_unproven(round, shard))
    };
    unknown.flat_map(leaders).collect()
}

/// How many leaders there are, whether anybody alive has heard of them or not.
fn leaders(round: &Round<'_>) -> usize {
    let (known, _) = round.census.voters();
    known.max(round.seen.record.voters(round.desired.leaders))
}

/// Weighs what is known of the leaders of all these shards.
pub(super) fn of(round: &Round<'_>, lost: &[&Shard<'_>]) -> Fence {
    let mut unproven: Vec<Unproven<'_>> = lost
        .iter()
        .filter_map(|shard| unproven_leader(round, shard))
        .chain(unknown_leaders(round))
        .collect();
    let elected = elected_unseen(round, lost, &unproven);
    unproven.extend(elected);
    if round.desired.quorum_loss == QuorumLossPolicy::Manual {
        return Fence::Manual(silence(round, &unproven));
    }
    if unproven.is_empty() {
        return Fence::Open("its leader is proven dead and no majority is left that could vote");
    }
    let is_heard = |it: &&Unproven<'_>| round.census.is_in_touch_with(&it.id);
    if let Some(it) = unproven.iter().find(is_heard) {
        let name = &it.name;
        return Fence::Shut(format!(
            "{}, and other members are in touch with {name}, so it may serve",
            silence(round, &unproven)
        ));
    }
    let has_stopped = have_stopped(round, &unproven);
    if !has_stopped && round.desired.quorum_loss == QuorumLossPolicy::Fenced {
        return Fence::Shut(format!(
            "{}. {}",
            silence(round, &unproven),
            what_to_do(round, &unproven)
        ));
    }
    let opens = unproven.iter().map(|it| opens_at(round, it)).max();
    match opens.filter(|at| *at > round.now) {
        Some(at) => Fence::Shut(format!(
            "{}. Followers take over at {at:.0} if that lasts. {}",
            silence(round, &unproven),
            what_to_do(round, &unproven)
        )),
        None if has_stopped => Fence::Open(
            "its leader hears no majority, its host is NotReady, and it was silent for long enough to \
             have stopped",
        ),
        None => Fence::Open(
            "its leader is silent for debounceSeconds, and recovery.quorumLoss is Unreachable",
        ),
    }
}

/// Whether they can make no majority wherever they are, and Kubernetes does not hear their hosts
/// either.
fn have_stopped(round: &Round<'_>, unproven: &[Unproven<'_>]) -> bool {
    let is_unheard = |it: &Unproven<'_>| it.host.is_none_or(|host| !host.is_ready);
    let is_minority = |it: &Unproven<'_>| unproven.len() * 2 <= leaders_known_to(round, it);
    unproven.iter().all(|it| is_unheard(it) && is_minority(it))
}

/// How many leaders this one knew of when it fell silent, at least. Slots whose loss was told had no owner
/// in the tables of members that were new then, until they were begun anew: a server counts the leaders
/// that own slots, and one that knows of none but itself is a majority.
fn leaders_known_to(round: &Round<'_>, lost: &Unproven<'_>) -> usize {
    let was_unowned = |loss: &&DataLoss| {
        let began = loss.accepted;
        began.is_none_or(|at| lost.silent_since.is_none_or(|since| at >= since))
    };
    let unowned = round.seen.record.losses.iter().filter(was_unowned).count();
    leaders(round).saturating_sub(unowned)
}

/// When this one was silent for long enough. Silence that is on no record begins now.
fn opens_at(round: &Round<'_>, lost: &Unproven<'_>) -> Timestamp {
    let stopped = STOPPED_TIMEOUTS * round.desired.node_timeout_millis;
    let millis = round.desired.debounce_millis.max(stopped);
    let wait = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    let since = lost.silent_since.unwrap_or(round.now);
    since.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Who is missing.
fn silence(round: &Round<'_>, unproven: &[Unproven<'_>]) -> String {
    let (all, living) = (leaders(round), round.census.voters().1);
    let counts = format!(
        "{living} of {all} leaders answer, {} that know the lost one must vote",
        all / 2 + 1
    );
    if unproven.is_empty() {
        return counts;
    }
    let names: Vec<&str> = unproven.iter().map(|it| it.name.as_str()).collect();
    format!(
        "{counts}. {} may still serve clients on the other side of a partition",
        names.join(", ")
    )
}

/// The next step, which nobody but a human can take. A host object that is gone cannot be tainted.
fn what_to_do(round: &Round<'_>, unproven: &[Unproven<'_>]) -> String {
    let taint = "If a host is really off, say so for each: kubectl taint node HOST \
                 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    if unproven.iter().all(|it| it.host.is_some()) {
        return taint.to_owned();
    }
    format!(
        "{taint}; where its Node object is gone: kubectl annotate rdc {} -n {} \
         zoneward.io/lost-hosts=HOST,HOST --overwrite",
        round.desired.key.name, round.desired.key.namespace
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Asked, MemberName, Observation, Share};
    use crate::plan::census::Census;
    use crate::plan::testing::{desired, formed};

    const LOST: [&str; 2] = ["c-0-1", "c-1-3"];

    /// The first `count` of them are silent since the beginning, on hosts that Kubernetes does not
    /// hear.
    fn silent(count: usize) -> Observation {
        let mut seen = formed();
        for name in LOST.into_iter().take(count) {
            seen.members.remove(&MemberName::from(name));
            let mut entries = seen.record.members.iter_mut();
            let entry = entries.find(|it| it.name.as_str() == name).unwrap();
            entry.silent_since = Some(Timestamp::UNIX_EPOCH);
            for asked in seen.members.values_mut() {
                let Asked::Answered(answer) = asked else {
                    continue;
                };
                let id = format!("id-{name}");
                let mut entries = answer.view.entries.iter_mut();
                let entry = entries.find(|it| it.id.as_str() == id).unwrap();
                entry.link_up = false;
            }
        }
        for host in &mut seen.hosts {
            host.is_ready = false;
        }
        seen
    }

    fn fence(seen: &Observation, policy: QuorumLossPolicy, seconds: i64) -> Fence {
        fence_of(3, seen, policy, seconds)
    }

    fn fence_of(leaders: u32, seen: &Observation, policy: QuorumLossPolicy, seconds: i64) -> Fence {
        let mut wanted = desired(leaders, 1);
        wanted.quorum_loss = policy;
        let census = Census::new(&wanted, seen, &seen.record);
        let round = Round {
            desired: &wanted,
            seen,
            census: &census,
            record: &seen.record,
            now: Timestamp::from_second(seconds).unwrap(),
        };
        let lost: Vec<&Shard<'_>> = census
            .shards
            .iter()
            .filter(|shard| shard.living_leader().is_none())
            .collect();
        of(&round, &lost)
    }

    #[test]
    fn silence_opens_it_for_a_minority_after_the_debounce_and_for_more_by_policy() {
        use QuorumLossPolicy::{Fenced, Manual, Unreachable};
        let table = [
            (1, Fenced, 59, false),
            (1, Fenced, 60, true),
            (2, Fenced, 3600, false),
            (2, Unreachable, 59, false),
            (2, Unreachable, 60, true),
            (1, Manual, 3600, false),
        ];
        for (lost, policy, seconds, is_open) in table {
            let fence = fence(&silent(lost), policy, seconds);
            assert_eq!(
                matches!(fence, Fence::Open(_)),
                is_open,
                "{lost} lost, {policy:?}, after {seconds} s"
            );
        }
    }

    #[test]
    fn a_host_that_kubernetes_hears_and_a_member_that_is_in_touch_keep_it_shut() {
        let is_open = |seen: &Observation| {
            matches!(fence(seen, QuorumLossPolicy::Fenced, 100), Fence::Open(_))
        };
        let mut seen = silent(1);
        assert!(is_open(&seen));
        for host in &mut seen.hosts {
            host.is_ready = true;
        }
        assert!(!is_open(&seen));
        let mut seen = silent(1);
        let answer = crate::plan::testing::answer_of(&mut seen, "c-2-5");
        for entry in &mut answer.view.entries {
            entry.link_up = true;
        }
        assert!(!is_open(&seen));
    }

    #[test]
    fn a_leader_whom_nobody_alive_has_heard_of_counts() {
        let mut seen = silent(1);
        let gone = MemberName::from("c-0-1");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == gone) {
            let reason = "exit code 137".to_owned();
            pod.phase = crate::model::PodPhase::Ended { reason };
        }
        let is_open =
            |seen: &Observation| matches!(fence(seen, QuorumLossPolicy::Fenced, 1), Fence::Open(_));
        assert!(is_open(&seen), "proven dead");
        // shard 1 is unheard, and those that are left have never heard who leads it
        for name in ["c-1-3", "c-1-4"] {
            let silence = crate::model::Silence {
                reason: crate::model::SilenceReason::Timeout,
                millis: 1_000,
                said_goodbye: false,
            };
            seen.members
                .insert(MemberName::from(name), Asked::Silent(silence));
        }
        for asked in seen.members.values_mut() {
            if let Asked::Answered(answer) = asked {
                answer
                    .view
                    .entries
                    .retain(|it| !it.id.as_str().starts_with("id-c-1"));
            }
        }
        assert!(!is_open(&seen), "c-1-3 may serve");
    }

    #[test]
    fn leaders_that_are_only_wanted_do_not_make_the_lost_a_minority() {
        let mut seen = silent(2);
        let share = |shard: u32| Share {
            shard: crate::model::ShardId(shard),
            slots: crate::model::SlotSet::even_share(shard, 3),
        };
        seen.record.shares = (0..3).map(share).collect();
        let fence = fence_of(6, &seen, QuorumLossPolicy::Fenced, 3600);
        assert!(
            matches!(fence, Fence::Shut(_)),
            "two of three serve, if they live"
        );
    }

    #[test]
    fn who_may_have_been_elected_before_the_dead_were_dead_counts() {
        let seen = |ended_unseen: bool| {
            let mut seen = silent(2);
            let gone = MemberName::from("c-0-1");
            seen.record.members.retain(|entry| entry.name != gone);
            seen.pods.retain(|pod| pod.name != gone);
            seen.record.departed.push(crate::model::Departed {
                member_id: MemberId::from("id-c-0-1"),
                name: gone,
                shard: crate::model::ShardId(0),
                host: None,
                is_proven_dead: true,
                ended_unseen,
                since: Timestamp::UNIX_EPOCH,
            });
            // c-2-5 is left, its follower is on the far side
            let silence = crate::model::Silence {
                reason: crate::model::SilenceReason::Timeout,
                millis: 3_600_000,
                said_goodbye: false,
            };
            let follower = MemberName::from("c-2-6");
            seen.members
                .insert(follower.clone(), Asked::Silent(silence));
            let mut entries = seen.record.members.iter_mut();
            let entry = entries.find(|entry| entry.name == follower);
            entry.unwrap().silent_since = Some(Timestamp::UNIX_EPOCH);
            seen
        };
        let is_open = |seen: &Observation| {
            matches!(fence(seen, QuorumLossPolicy::Fenced, 3600), Fence::Open(_))
        };
        assert!(is_open(&seen(false)), "one of three was never a majority");
        assert!(
            !is_open(&seen(true)),
            "c-0-1 and c-1-3 may have elected c-2-6"
        );
    }

    #[test]
    fn who_may_have_been_elected_in_the_moment_before_it_fell_silent_counts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        // c-1-3 is silent, c-0-1 proven dead, and lost at the fifth second; its follower fell silent, too
        let seen = |follower_silent_at: i64| {
            let mut seen = silent(2);
            for pod in &mut seen.pods {
                if pod.name.as_str() == "c-0-1" {
                    let reason = "exit code 137".to_owned();
                    pod.phase = crate::model::PodPhase::Ended { reason };
                }
            }
            for entry in &mut seen.record.members {
                match entry.name.as_str() {
                    "c-0-1" => entry.silent_since = None,
                    "c-0-2" => entry.silent_since = Some(at(follower_silent_at)),
                    _ => {}
                }
            }
            seen.record
                .clocks
                .leaderless
                .push(crate::model::Leaderless {
                    shard: crate::model::ShardId(0),
                    since: at(5),
                });
            let silence = crate::model::Silence {
                reason: crate::model::SilenceReason::Timeout,
                millis: 3_600_000,
                said_goodbye: false,
            };
            seen.members
                .insert(MemberName::from("c-0-2"), Asked::Silent(silence));
            fence(&seen, QuorumLossPolicy::Fenced, 3600)
        };
        assert!(matches!(seen(4), Fence::Open(_)), "it was silent before");
        assert!(matches!(seen(5), Fence::Shut(_)));
        assert!(matches!(seen(6), Fence::Shut(_)));
    }

    #[test]
    fn a_leader_that_knew_of_few_others_does_not_stop() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let is_open = |accepted: Option<i64>| {
            let mut seen = silent(1);
            for entry in &mut seen.record.members {
                entry.silent_since = entry.silent_since.map(|_| at(10));
            }
            for shard in [1, 2] {
                seen.record.losses.push(DataLoss {
                    shard: crate::model::ShardId(shard),
                    slots: crate::model::SlotSet::even_share(shard, 3),
                    older_copy: None,
                    noticed: at(1),
                    accepted: accepted.map(at),
                });
            }
            matches!(fence(&seen, QuorumLossPolicy::Fenced, 3600), Fence::Open(_))
        };
        assert!(is_open(Some(9)), "it knew of both");
        assert!(
            !is_open(Some(10)) && !is_open(None),
            "it is a majority of one"
        );
    }

    #[test]
    fn silence_that_is_on_no_record_begins_now() {
        let mut seen = silent(1);
        for entry in &mut seen.record.members {
            entry.silent_since = None;
        }
        let fence = fence(&seen, QuorumLossPolicy::Fenced, 3600);
        assert!(matches!(fence, Fence::Shut(_)));
    }
}
