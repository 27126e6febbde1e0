//! The zone-loss detector: silence of a whole zone at once says more than any one timeout.
//!
//! FORCE follows from it, so it wants witnesses besides our own connections. The bus pings each
//! pair only every half node timeout; replication is heard every second, as our redis.conf
//! has it, and acknowledged as often. Slow forks, a busy operator, a network that cuts off the operator alone:
//! each leaves some of the witnesses content.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use super::census::{Member, Round, follows};
use super::evidence::Verdict;
use crate::model::{HostName, MemberAnswer, Record, SilenceReason, ZoneAlarm, ZoneName};

/// The fewest hosts and the fewest replication links that make a zone's silence: fewer cannot be
/// told from one host's.
const WITNESSES_MIN: usize = 2;
/// How long a false alarm counts.
const REMEMBERED_MILLIS: u64 = 3_600_000;
/// How often false alarms double the limit at most: 2 s become 32.
const DOUBLINGS_MAX: usize = 4;

/// The zones that fell silent as a whole, `recovery.zoneLossMillis` ago or more.
pub(super) fn gone(round: &Round<'_>) -> BTreeSet<ZoneName> {
    let limit = limit_millis(round);
    let mut zones: BTreeMap<&ZoneName, Vec<&Member<'_>>> = BTreeMap::new();
    for member in round.census.members() {
        let is_running = matches!(member.verdict, Verdict::Alive(_) | Verdict::Silent(_));
        if is_running && member.entry.joined {
            zones.entry(member.zone()).or_default().push(member);
        }
    }
    zones
        .into_iter()
        .filter(|(_, members)| limit > 0 && are_silent(members, limit))
        .filter(|(zone, members)| are_all_hosts_silent(round, zone, members))
        .filter(|(_, members)| links_are_stale(round, members, limit))
        .map(|(zone, _)| zone.clone())
        .collect()
}

/// Nothing has come from any of them for this long. Who refuses a connection has a host that
/// lives, and so has who answers nonsense.
fn are_silent(members: &[&Member<'_>], limit: u64) -> bool {
    members.iter().all(|member| match member.verdict {
        Verdict::Silent(it) => {
            let is_mute = matches!(
                it.reason,
                SilenceReason::Timeout | SilenceReason::Unreachable
            );
            is_mute && it.millis >= limit
        }
        _ => false,
    })
}

/// Two hosts or more, counted over all RedisClusters, and none in the zone from which another one's
/// member was heard.
fn are_all_hosts_silent(round: &Round<'_>, zone: &ZoneName, members: &[&Member<'_>]) -> bool {
    let mut hosts: BTreeSet<&HostName> = members
        .iter()
        .filter_map(|member| member.entry.host.as_ref())
        .collect();
    let is_there = |host: &HostName| {
        let host = round.seen.host(host);
        host.is_some_and(|host| host.zone.as_ref() == Some(zone))
    };
    for (host, millis) in &round.seen.neighbours {
        if !is_there(host) {
            continue;
        }
        if *millis == 0 {
            return false;
        }
        hosts.insert(host);
    }
    hosts.len() >= WITNESSES_MIN
}

/// The owner's limit, doubled for each false alarm of late: where zones are cut off for moments, the
/// writes that their leaders take meanwhile are worth more than the seconds.
fn limit_millis(round: &Round<'_>) -> u64 {
    let alarms = &round.record.clocks.zone_alarms;
    let recent =
        |alarm: &&ZoneAlarm| alarm.was_false && round.millis_since(alarm.at) < REMEMBERED_MILLIS;
    let doublings = alarms.iter().filter(recent).count().min(DOUBLINGS_MAX);
    round.desired.zone_loss_millis << doublings
}

/// An alarm is given, because leaders of this zone are about to be succeeded.
pub(super) fn note_alarm(round: &Round<'_>, record: &mut Record, zone: &ZoneName) {
    let alarms = &mut record.clocks.zone_alarms;
    if alarms
        .iter()
        .all(|alarm| alarm.zone != *zone || alarm.was_false)
    {
        alarms.push(ZoneAlarm {
            zone: zone.clone(),
            at: round.now,
            was_false: false,
        });
    }
}

/// An alarm was false when a process of the zone is heard again before the bus would have acted: it was
/// cut off for a moment, or hung. It is remembered for an hour.
pub(super) fn judge_alarms(round: &Round<'_>, draft: &mut Draft) {
    let is_back = |alarm: &ZoneAlarm| {
        let since = round.millis_since(alarm.at);
        let was_there = |answer: &MemberAnswer| answer.uptime_seconds * 1000 > since + 1000;
        let mut living = round.census.living();
        living.any(|(member, answer)| member.zone() == &alarm.zone && was_there(answer))
    };
    let alarms = &mut draft.record.clocks.zone_alarms;
    for alarm in alarms.iter_mut() {
        let is_early = round.millis_since(alarm.at) < round.desired.node_timeout_millis;
        alarm.was_false |= is_early && is_back(alarm);
    }
    alarms.retain(|alarm| {
        let limit = if alarm.was_false {
            REMEMBERED_MILLIS
        } else {
            round.desired.node_timeout_millis
        };
        round.millis_since(alarm.at) < limit
    });
}

/// Every replication link into the zone is stale at its live end, and there are enough of them.
fn links_are_stale(round: &Round<'_>, members: &[&Member<'_>], limit: u64) -> bool {
    // the servers count whole seconds
    let stale_seconds = limit.div_ceil(1000).max(1);
    let witnesses: Vec<Witness<'_>> = members
        .iter()
        .flat_map(|member| witnesses(round, member))
        .collect();
    // where only the path between two zones is cut, a third one still hears both
    let zones = |from: &mut dyn Iterator<Item = &ZoneName>| from.collect::<BTreeSet<_>>().len();
    let living = zones(&mut round.census.living().map(|(member, _)| member.zone()));
    let heard = zones(&mut witnesses.iter().map(|it| it.zone));
    witnesses.len() >= WITNESSES_MIN
        && heard >= living.min(WITNESSES_MIN)
        && witnesses.iter().all(|it| it.quiet_seconds >= stale_seconds)
}

/// The live end of a replication link into the zone.
struct Witness<'a> {
    /// Where it is.
    zone: &'a ZoneName,
    /// For how long nothing came over the link, in the server's whole seconds.
    quiet_seconds: u64,
}

/// The live ends of this member's replication links: its followers, and the leader that it follows.
/// A link that broke has been quiet for good.
fn witnesses<'a>(round: &Round<'a>, member: &Member<'_>) -> Vec<Witness<'a>> {
    let Some(id) = &member.entry.member_id else {
        return Vec::new();
    };
    let mut witnesses = Vec::new();
    for (follower, answer) in round.census.living() {
        if let Some(up) = &answer.replication.upstream
            && follows(answer, id)
        {
            witnesses.push(Witness {
                zone: follower.zone(),
                quiet_seconds: up.last_io_seconds.filter(|_| up.is_up).unwrap_or(u64::MAX),
            });
        }
    }
    let shard = round.census.shard(member.shard());
    if let Some((leader, answer)) = shard.and_then(|shard| shard.living_leader())
        && let Some(address) = member.address()
    {
        let mut links = answer.replication.followers.iter();
        let link = links.find(|link| link.ip == Some(address.ip));
        // one that is being copied to says 0 whatever happens: no witness either way
        if link.is_none_or(|link| link.is_online) {
            witnesses.push(Witness {
                zone: leader.zone(),
                quiet_seconds: link.map_or(u64::MAX, |link| link.lag_seconds),
            });
        }
    }
    witnesses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Asked, MemberName, Observation, Silence};
    use crate::plan::census::Census;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    const SILENT_MILLIS: u64 = 2_500;

    /// Zone a, with the leader of shard 0 and the follower of shard 2, has been silent for this long, and
    /// so say the other ends of its replication links.
    fn silent_zone() -> Observation {
        let mut seen = formed();
        let silence = Silence {
            reason: SilenceReason::Timeout,
            millis: SILENT_MILLIS,
            said_goodbye: false,
        };
        for (name, host) in [("c-0-1", "ha"), ("c-2-6", "ha2")] {
            let name = MemberName::from(name);
            seen.members.insert(name.clone(), Asked::Silent(silence));
            for entry in seen.record.members.iter_mut().filter(|it| it.name == name) {
                entry.host = Some(HostName::from(host));
            }
        }
        let follower = answer_of(&mut seen, "c-0-2");
        if let Some(up) = &mut follower.replication.upstream {
            (up.is_up, up.last_io_seconds) = (true, Some(2));
        }
        let leader = answer_of(&mut seen, "c-2-5");
        leader.replication.followers.clear();
        let mut other = crate::plan::testing::host("ha2", "a");
        other.is_ready = true;
        seen.hosts.push(other);
        seen
    }

    fn is_gone(seen: &Observation, now: Timestamp) -> bool {
        let mut wanted = desired(3, 1);
        wanted.zone_loss_millis = 2_000;
        let census = Census::new(&wanted, seen, &seen.record);
        let round = Round {
            desired: &wanted,
            seen,
            census: &census,
            record: &seen.record,
            now,
        };
        !gone(&round).is_empty()
    }

    fn on_one_host(seen: &mut Observation) {
        for entry in &mut seen.record.members {
            let is_of_zone = entry.host == Some(HostName::from("ha2"));
            if is_of_zone {
                entry.host = Some(HostName::from("ha"));
            }
        }
    }

    #[test]
    fn other_clusters_members_count_as_hosts_and_tell_that_a_zone_lives() {
        let now = Timestamp::UNIX_EPOCH;
        let seen = silent_zone();
        assert!(is_gone(&seen, now));

        let mut heard = seen.clone();
        heard.neighbours.insert(HostName::from("ha2"), 0);
        assert!(!is_gone(&heard, now), "another's member there was heard");
        let mut elsewhere = seen.clone();
        elsewhere.neighbours.insert(HostName::from("hb"), 0);
        assert!(is_gone(&elsewhere, now), "that is another zone's host");

        let mut one = seen;
        on_one_host(&mut one);
        assert!(!is_gone(&one, now), "one host");
        one.neighbours.insert(HostName::from("ha2"), 1_900);
        assert!(is_gone(&one, now), "another's member makes it two");
    }

    #[test]
    fn a_false_alarm_doubles_the_limit_for_an_hour() {
        let now = Timestamp::from_second(10_000).unwrap();
        let mut seen = silent_zone();
        let alarm = |at, was_false| ZoneAlarm {
            zone: ZoneName::from("b"),
            at: Timestamp::from_second(at).unwrap(),
            was_false,
        };
        seen.record.clocks.zone_alarms = vec![alarm(9_000, false), alarm(6_000, true)];
        assert!(is_gone(&seen, now), "one was true, one is long ago");
        seen.record.clocks.zone_alarms.push(alarm(9_000, true));
        assert!(!is_gone(&seen, now), "4 s now");
    }

    #[test]
    fn an_alarm_was_false_when_a_process_of_the_zone_is_heard_again_before_the_bus_would_have_acted()
     {
        let judged = |uptime_seconds, millis_later: i64| {
            let mut seen = formed();
            seen.record.clocks.zone_alarms.push(ZoneAlarm {
                zone: ZoneName::from("a"),
                at: Timestamp::UNIX_EPOCH,
                was_false: false,
            });
            for name in ["c-0-1", "c-2-6"] {
                answer_of(&mut seen, name).uptime_seconds = uptime_seconds;
            }
            let now = Timestamp::from_millisecond(millis_later).unwrap();
            let plan = crate::plan::plan(&desired(3, 1), &seen, now);
            let alarms = plan.record.clocks.zone_alarms;
            alarms.first().map(|alarm| alarm.was_false)
        };
        assert_eq!(judged(3_600, 900), Some(true));
        assert_eq!(judged(0, 900), Some(false), "it was started since");
        assert_eq!(judged(3_600, 5_000), None, "the bus had acted by then");
    }
}
