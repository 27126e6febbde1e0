//! Moves leadership by switchover where it should be, and says who has none to lead them.
//!
//! A switchover pauses clients for about 45 ms and loses nothing (REDIS-LAB section 4); it is asked
//! only of a follower that is in sync, and never in a hurry: `failover` is for those.

use std::collections::BTreeMap;

use super::census::{Member, Round, Shard};
use super::failover::leaderless;
use super::holders::bus_may_elect;
use super::votes::{is_agreed_on, would_elect, would_hand_over};
use super::wishes::Wishes;
use super::{Draft, FailoverMode, MemberCommand, WaitingReason, placing, reshard, spacing, wishes};
use crate::model::{HostName, MemberAnswer, PodPhase, ShardId, ZoneName};

/// How far a follower may be behind, in bytes, for a switchover to be asked of it.
const SWITCHOVER_LAG_BYTES_MAX: u64 = 1 << 20;

/// Says which shards wait for an election, and why none can come where that is so.
pub(super) fn report_leaderless(round: &Round<'_>, draft: &mut Draft) {
    for shard in leaderless(round.census) {
        let old = shard.leader.as_ref().map_or_else(String::new, |id| {
            round
                .record
                .member_by_id(id)
                .map_or(id.to_string(), |entry| entry.name.to_string())
        });
        let has_candidate = shard.members.iter().any(|m| {
            m.answer()
                .is_some_and(|answer| m.entry.joined || answer.keys > 0)
        });
        if !has_candidate {
            if draft
                .record
                .losses
                .iter()
                .all(|loss| loss.shard != shard.id)
            {
                draft.wait(WaitingReason::SlotsUnserved, unserved_message(round, shard));
            }
        } else if bus_may_elect(round, shard) {
            draft.wait(
                WaitingReason::Election,
                format!(
                    "shard {}: {old} does not answer; the other leaders elect a follower",
                    shard.id
                ),
            );
        } else if !draft.waits_for(WaitingReason::QuorumLost)
            && !draft.asks_for_failover()
            && !draft.waits_for(WaitingReason::DataLost)
        {
            draft.wait(WaitingReason::SlotsUnserved, unserved_message(round, shard));
        }
    }
}

/// Who is waited for, and what would end the waiting.
fn unserved_message(round: &Round<'_>, shard: &Shard<'_>) -> String {
    let bodies = shard.members.iter().filter(|member| member.entry.joined);
    let departed = round.record.departed.iter();
    let departed = departed.filter(|gone| gone.shard == shard.id && !gone.is_proven_dead);
    let at = |host: &Option<HostName>| {
        host.as_ref()
            .map_or(String::new(), |host| format!(" on host {host}"))
    };
    let mut awaited: Vec<String> = bodies
        .map(|member| format!("{}{}", member.name(), at(&member.entry.host)))
        .chain(departed.map(|gone| format!("{}{}", gone.name, at(&gone.host))))
        .collect();
    awaited.sort();
    let who = if awaited.is_empty() {
        "it is looked into".to_owned()
    } else {
        let stranded = shard.members.iter().find_map(stranded_message);
        format!(
            "it is waited for {}, which may hold the data. {}",
            awaited.join(", "),
            stranded.unwrap_or_else(|| {
                "Bring back the host or the volume; if a host is off for good, say so: kubectl taint node \
                 HOST node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
                    .to_owned()
            })
        )
    };
    format!(
        "shard {}: no member with its data answers, slots {} are not served; {who}",
        shard.id, shard.slots
    )
}

/// What to do where no host can take the pod, its volume being where none is: that may be for good.
fn stranded_message(member: &Member<'_>) -> Option<String> {
    let (pod, volume) = member.pod.zip(member.entry.volume.as_ref())?;
    let PodPhase::Waiting { unschedulable, .. } = &pod.phase else {
        return None;
    };
    let why = unschedulable.as_ref()?;
    let name = member.name();
    Some(format!(
        "No host takes {name}: {why}. If its volume is destroyed, give it up, and what only it holds with it: \
         kubectl delete pvc {volume} --wait=false && kubectl delete pod {name}"
    ))
}

/// Leaders that were asked to go hand over first, then leadership goes to the zones that the
/// solver wants.
pub(super) fn switch_over(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    see_departures_through(round, draft);
    let Some((wanted, wishes)) = wanted(round, draft) else {
        return;
    };
    wishes::report(round, draft, &wishes);
    let is_pending = |shard: &&Shard<'_>| {
        let wish = wishes.get(&shard.id);
        wish.is_some_and(|wish| !shard.is_led_by(wish))
    };
    // one at a time: the others make room for a wish after it
    let (first, then): (Vec<_>, Vec<_>) = round.census.shards.iter().partition(is_pending);
    for shard in first.into_iter().chain(then) {
        let Some((leader, _)) = shard.living_leader() else {
            continue;
        };
        // who owns nothing cannot hand over; who gives or takes slots shall not yet
        if leader.is_leaving() || shard.is_empty || reshard::is_on_the_move(round, shard.id) {
            continue;
        }
        let Some(zone) = wanted.get(&shard.id) else {
            continue;
        };
        if let Some(wish) = wishes.get(&shard.id) {
            if wish.name() != leader.name() {
                hand_over(round, draft, shard, wish, "its owner wants it to lead");
            }
            continue;
        }
        let must_go = draft
            .record
            .member(leader.name())
            .is_some_and(|entry| entry.surplus);
        if zone == leader.zone() && !must_go {
            continue;
        }
        let suits = |member: &Member<'_>| member.zone() == zone && gets_along(shard, member);
        // in the middle of an update that one may have to wait for others, which wait for who is to go
        let waits_for_others = |member: &Member<'_>| {
            let is_there = member.zone() == zone && shard.is_current(member);
            is_there && !shard.is_led_by(member) && !gets_along(shard, member)
        };
        let is_held_up = must_go && shard.members.iter().any(waits_for_others);
        let other = || heir(shard, |member| gets_along(shard, member)).filter(|_| is_held_up);
        if let Some(candidate) = heir(shard, suits).or_else(other) {
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

/// From which zone each shard is to be led, and by whom where an owner's wish says so: the other shards make
/// room for those. Where no placement has room for the wishes none of them holds.
fn wanted<'a>(
    round: &Round<'a>,
    draft: &Draft,
) -> Option<(BTreeMap<ShardId, ZoneName>, Wishes<'a>)> {
    let wishes = wishes::heeded(round, draft);
    let zones = wishes.iter().map(|(shard, it)| (*shard, it.zone().clone()));
    let wanted = placing::wanted_leaders_around(round, draft, &zones.collect());
    match wanted {
        Some(wanted) => Some((wanted, wishes)),
        None if wishes.is_empty() => None,
        None => Some((placing::wanted_leaders(round, draft)?, BTreeMap::new())),
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
        // nobody's vote makes a successor of a leader that owns nothing
        if shard.is_empty {
            let why = "it owns no slots";
            draft.tell(target, MemberCommand::ReleaseDeparture, why);
            continue;
        }
        let wished = |member: &Member<'_>| wishes::is_wished(member) && gets_along(shard, member);
        let candidate = heir(shard, wished).or_else(|| heir(shard, |it| gets_along(shard, it)));
        match candidate.or_else(|| heir(shard, |_| true)) {
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
pub(super) fn heir<'a, 'b>(
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
        // who lets nobody in would lead and not serve
        .filter(|(_, answer)| answer.is_open)
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

/// Whether all that stay could follow this one, in the middle of an update: an older server cannot read
/// a newer one's data. So leadership goes to an upgraded member when all that follow are upgraded, and
/// never back. From one upgraded member to another it goes at any time: whoever follows the first can follow
/// the second.
pub(super) fn gets_along(shard: &Shard<'_>, heir: &Member<'_>) -> bool {
    let leader = shard.living_leader().map(|(leader, _)| leader);
    let is_led_by_upgraded = leader.is_some_and(|leader| !leader.is_outdated);
    if heir.is_outdated {
        return !is_led_by_upgraded;
    }
    let mut others = shard.members.iter().filter(|it| it.name() != heir.name());
    is_led_by_upgraded
        || others.all(|other| !other.is_outdated || other.entry.surplus || shard.is_led_by(other))
}

/// Whether nothing that it needs on its way to lead can be lost or refused, for all that is known.
fn has_all_votes(round: &Round<'_>, shard: &Shard<'_>, heir: &MemberAnswer) -> bool {
    would_hand_over(shard, heir) && would_elect(round, heir) && is_agreed_on(round, shard, heir)
}

/// Asks for a switchover, or says that it has to wait for its turn.
pub(super) fn hand_over(
    round: &Round<'_>,
    draft: &mut Draft,
    shard: &Shard<'_>,
    to: &Member<'_>,
    why: &str,
) {
    let (Some(of), Some(target)) = (shard.leader.clone(), to.command_target()) else {
        return;
    };
    if spacing::is_too_soon(round, shard)
        || spacing::is_newly_led(round, shard)
        || spacing::is_unsettled(round)
        || draft.asks_for_failover()
    {
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
    if !to
        .answer()
        .is_some_and(|it| has_all_votes(round, shard, it))
    {
        let words = format!(
            "shard {}: switchover to {} waits until the leaders have heard of it, and it of them",
            shard.id,
            to.name()
        );
        return draft.wait(WaitingReason::ViewsDiffer, words);
    }
    draft
        .record
        .note_role_change(shard.id, of.clone(), target.id.clone(), round.now);
    draft.tell(
        target,
        MemberCommand::Failover {
            mode: FailoverMode::Graceful,
            of,
        },
        why,
    );
}

#[cfg(test)]
mod tests {
    use crate::model::{History, MemberName, Observation, ShardId};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::resources;
    use jiff::Timestamp;

    /// Who is told to take over from a leader that is to go: of shard 0 c-0-1 in zone a leads, c-0-2 in
    /// zone b and c-0-7 in zone a follow.
    fn heir(upgraded: &[&str], wished: Option<&str>) -> Option<String> {
        let wanted = desired(3, 1);
        let mut seen: Observation = formed();
        let copy = |seen: &mut Observation| {
            let mut entry = seen
                .record
                .member(&MemberName::from("c-0-2"))
                .unwrap()
                .clone();
            let mut pod = seen
                .pods
                .iter()
                .find(|it| it.name.as_str() == "c-0-2")
                .unwrap()
                .clone();
            let mut answer = answer_of(seen, "c-0-2").clone();
            (entry.name, entry.zone, entry.host) = ("c-0-7".into(), "a".into(), Some("ha".into()));
            entry.member_id = Some("id-c-0-7".into());
            entry.pod_uid = Some("uid-c-0-7".into());
            (pod.name, pod.uid, pod.zone) = ("c-0-7".into(), "uid-c-0-7".into(), "a".into());
            (pod.host, pod.address) = (Some("ha".into()), Some([10, 0, 0, 7].into()));
            answer.id = "id-c-0-7".into();
            answer.run_id = "run-id-c-0-7".into();
            answer.view.myself = "id-c-0-7".into();
            seen.record.members.push(entry);
            seen.record.next_serial.0 = 8;
            seen.pods.push(pod);
            let asked = crate::model::Asked::Answered(Box::new(answer));
            seen.members.insert("c-0-7".into(), asked);
        };
        copy(&mut seen);
        for asked in seen.members.values_mut() {
            let crate::model::Asked::Answered(answer) = asked else {
                continue;
            };
            let entries = &mut answer.view.entries;
            let mut new = entries
                .iter()
                .find(|it| it.id.as_str() == "id-c-0-2")
                .unwrap()
                .clone();
            new.id = "id-c-0-7".into();
            new.address = Some(crate::model::Address {
                ip: [10, 0, 0, 7].into(),
                port: 6379,
            });
            entries.push(new);
            for entry in entries {
                entry.flags.myself = entry.id == answer.id;
            }
        }
        let now = resources::fingerprint(&wanted);
        for entry in &mut seen.record.members {
            let is_upgraded = upgraded.contains(&entry.name.as_str());
            entry.made_from = Some(if is_upgraded {
                now.clone()
            } else {
                "another".into()
            });
            entry.surplus = entry.name.as_str() == "c-0-1";
        }
        for pod in &mut seen.pods {
            let is_upgraded = upgraded.contains(&pod.name.as_str());
            pod.is_to_lead = wished == Some(pod.name.as_str());
            pod.fingerprint = Some(if is_upgraded {
                now.clone()
            } else {
                "another".into()
            });
        }
        let plan = plan(&wanted, &seen, Timestamp::UNIX_EPOCH);
        let told = plan.actions.iter().map(|it| it.deed.to_string());
        let mut told = told.filter(|it| it.contains("take over from id-c-0-1"));
        told.next().map(|it| it.chars().skip(5).take(5).collect())
    }

    fn with_a_leader_asked_to_go() -> Observation {
        let mut seen = formed();
        let leaving = MemberName::from("c-0-1");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == leaving) {
            pod.is_leaving = true;
        }
        seen
    }

    #[test]
    fn a_leader_that_the_bus_elected_a_moment_ago_is_left_in_place() {
        let hands_over = |led_for_seconds: i64| {
            let mut seen = with_a_leader_asked_to_go();
            seen.record.histories = vec![History {
                shard: ShardId(0),
                leader: "id-c-0-2".into(),
                replication_id: String::new(),
                epoch: None,
                ended_with: None,
                since: None,
            }];
            let elected = Timestamp::UNIX_EPOCH;
            // the round that hears of the election
            seen.record = plan(&desired(3, 1), &seen, elected).record;
            let now = Timestamp::new(led_for_seconds, 0).expect("in range");
            let plan = plan(&desired(3, 1), &seen, now);
            plan.actions.iter().any(|it| it.deed.kind() == "switchover")
        };
        assert!(!hands_over(19));
        assert!(hands_over(20), "4 node timeouts");
    }

    #[test]
    fn leadership_goes_to_nobody_who_lets_no_clients_in() {
        let hands_over = |is_open: bool| {
            let mut seen = with_a_leader_asked_to_go();
            answer_of(&mut seen, "c-0-2").is_open = is_open;
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            plan.actions.iter().any(|it| it.deed.kind() == "switchover")
        };
        assert!(hands_over(true));
        assert!(!hands_over(false), "it was led to a closed one for 100 s");
    }

    #[test]
    fn leadership_goes_on_to_an_upgraded_member_and_never_back() {
        let table: [(&[&str], Option<&str>, &str); 4] = [
            (&[], Some("c-0-7"), "all are alike"),
            (&["c-0-7"], Some("c-0-2"), "c-0-2 could not follow c-0-7"),
            (
                &["c-0-2", "c-0-7"],
                Some("c-0-7"),
                "all that stay are upgraded",
            ),
            (
                &["c-0-1", "c-0-7"],
                Some("c-0-7"),
                "c-0-2 follows an upgraded one as it is",
            ),
        ];
        for (upgraded, expected, why) in table {
            assert_eq!(heir(upgraded, None).as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_wish_counts_among_those_who_get_along() {
        let table: [(&[&str], &str, &str, &str); 4] = [
            (&[], "c-0-2", "c-0-2", "all are alike"),
            (&[], "c-0-1", "c-0-7", "who leads is to go, wish or not"),
            (&["c-0-7"], "c-0-7", "c-0-2", "c-0-2 could not follow it"),
            (&["c-0-1", "c-0-7"], "c-0-2", "c-0-7", "never back"),
        ];
        for (upgraded, wished, expected, why) in table {
            let heir = heir(upgraded, Some(wished));
            assert_eq!(heir.as_deref(), Some(expected), "{why}");
        }
    }
}
