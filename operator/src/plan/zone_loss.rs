//! The zone-loss detector: silence of a whole zone at once says more than any one timeout.
//!
//! FORCE follows from it, so it wants witnesses besides our own connections. The bus pings each
//! pair only every half node timeout; replication is heard every second, as our redis.conf
//! has it, and acknowledged as often. Slow forks, a busy operator, a network that cuts off the operator alone:
//! each leaves some of the witnesses content.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Member, Round, follows};
use super::evidence::Verdict;
use crate::model::{HostName, SilenceReason, ZoneName};

/// The fewest hosts and the fewest replication links that make a zone's silence: fewer cannot be
/// told from one host's.
const WITNESSES_MIN: usize = 2;

/// The zones that fell silent as a whole, `recovery.zoneLossMillis` ago or more.
pub(super) fn gone(round: &Round<'_>) -> BTreeSet<ZoneName> {
    let limit = round.desired.zone_loss_millis;
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
        .filter(|(_, members)| hosts(members).len() >= WITNESSES_MIN)
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

fn hosts<'a>(members: &[&Member<'a>]) -> BTreeSet<&'a HostName> {
    members
        .iter()
        .filter_map(|member| member.entry.host.as_ref())
        .collect()
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
