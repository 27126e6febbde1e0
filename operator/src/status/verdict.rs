//! Which zone may be lost now? The question that this operator exists for.

use std::collections::BTreeMap;

use placement::ZoneState;

use crate::api::{QuorumLossPolicy, ZoneStatus};
use crate::model::ZoneName;
use crate::plan::{Census, Member, Shard};

/// Every zone: who lives there, and whether its loss, now, would be survived.
pub(super) fn zones(
    census: &Census<'_>,
    states: &BTreeMap<ZoneName, ZoneState>,
    formed: bool,
    policy: QuorumLossPolicy,
) -> Vec<ZoneStatus> {
    states
        .iter()
        .map(|(zone, state)| {
            let why_not = why_not_survived(census, zone, formed, policy);
            ZoneStatus {
                zone: zone.to_string(),
                state: format!("{state:?}"),
                leaders: count(census, zone, true),
                followers: count(census, zone, false),
                survives_loss: why_not.is_none(),
                why_not,
            }
        })
        .collect()
}

/// Members in this zone that lead, or that follow and are in sync.
fn count(census: &Census<'_>, zone: &ZoneName, leaders: bool) -> u32 {
    let of_shard = |shard: &Shard<'_>| {
        let current = |member: &&Member<'_>| member.zone() == zone && shard.is_current(member);
        shard
            .members
            .iter()
            .filter(current)
            .filter(|m| shard.is_led_by(m) == leaders)
            .count()
    };
    u32::try_from(census.shards.iter().map(of_shard).sum::<usize>()).unwrap_or(u32::MAX)
}

/// Why the loss of this zone would not be survived; none where it would: every shard keeps an
/// in-sync member elsewhere, and a majority of leaders is left to vote, or a takeover follows that the
/// policy allows.
fn why_not_survived(
    census: &Census<'_>,
    zone: &ZoneName,
    formed: bool,
    policy: QuorumLossPolicy,
) -> Option<String> {
    if !formed {
        return Some("the cluster is not formed yet".to_owned());
    }
    let stranded: Vec<String> = census
        .shards
        .iter()
        .filter(|shard| {
            // one without slots has nothing to lose
            !shard.is_empty
                && !shard
                    .members
                    .iter()
                    .any(|m| m.zone() != zone && shard.is_current(m))
        })
        .map(|shard| shard.id.to_string())
        .collect();
    if !stranded.is_empty() {
        let shards = stranded.join(", ");
        return Some(format!("no in-sync member outside it for shard {shards}"));
    }
    let (voters, _) = census.voters();
    let left = census
        .shards
        .iter()
        .filter(|shard| !shard.is_empty)
        .filter_map(Shard::living_leader)
        .filter(|(leader, _)| leader.zone() != zone)
        .count();
    let needed = voters / 2 + 1;
    // leaders that are at most half of all stop by themselves, and may be taken over from
    let goes_on = match policy {
        QuorumLossPolicy::Fenced => voters.saturating_sub(left) * 2 <= voters,
        QuorumLossPolicy::Unreachable => true,
        QuorumLossPolicy::Manual => false,
    };
    (left < needed && !goes_on && count(census, zone, true) > 0)
        .then(|| format!("leaves {left} of {voters} leaders to vote, {needed} are needed"))
}
