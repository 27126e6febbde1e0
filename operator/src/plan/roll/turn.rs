//! Whose turn it is in a rolling update: which zone, who in it, and how many at once.

use std::collections::BTreeMap;

use super::super::census::{Member, Round, Shard};
use super::super::{Draft, placing, spacing};
use crate::model::ZoneName;

/// Shards that stay.
fn shards<'b, 'a>(round: &Round<'b>) -> impl Iterator<Item = &'b Shard<'a>>
where
    'b: 'a,
    'a: 'b,
{
    let leaders = round.desired.leaders;
    let shards = round.census.shards.iter();
    shards.filter(move |shard| shard.id.0 < leaders)
}

/// The zones in which a shard is not whole, or has somebody come or go; and how many shards in each.
///
/// A follower that is outdated and not in sync does not count. It may be an old server behind a leader
/// that was upgraded, whose data it cannot read: to replace it is what helps.
pub(super) fn busy_zones(round: &Round<'_>) -> BTreeMap<ZoneName, usize> {
    let mut busy: BTreeMap<ZoneName, usize> = BTreeMap::new();
    for shard in shards(round) {
        let mut zones: Vec<&ZoneName> = match leaving_for_good(shard) {
            Some(old) => vec![old.zone()],
            None => disturbed(shard).map(Member::zone).collect(),
        };
        zones.sort();
        zones.dedup();
        for zone in zones {
            *busy.entry(zone.clone()).or_default() += 1;
        }
    }
    busy
}

/// Who is being replaced by an update: its successor belongs to its zone's turn, wherever it is.
fn leaving_for_good<'a, 'b>(shard: &'b Shard<'a>) -> Option<&'b Member<'a>> {
    let mut members = shard.members.iter();
    members.find(|member| member.entry.surplus && member.is_outdated)
}

fn disturbed<'a, 'b>(shard: &'b Shard<'a>) -> impl Iterator<Item = &'b Member<'a>> {
    shard.members.iter().filter(|member| {
        let is_stuck_copy = member.is_outdated && member.answer().is_some();
        member.entry.surplus || member.is_leaving() || !(shard.is_current(member) || is_stuck_copy)
    })
}

/// The zone that was begun is finished; then the first that has a follower to replace; then the first
/// that has a leader. None while more than one is disturbed.
pub(super) fn zone(round: &Round<'_>, busy: &BTreeMap<ZoneName, usize>) -> Option<ZoneName> {
    if let Some((zone, _)) = busy.first_key_value() {
        return (busy.len() == 1).then(|| zone.clone());
    }
    outdated(round)
        .map(|(_, member)| member.zone().clone())
        .min()
}

/// Outdated members in the zone whose turn it is, by shard.
pub(super) fn next<'b>(round: &Round<'b>, zone: &ZoneName) -> Vec<(&'b Shard<'b>, &'b Member<'b>)> {
    let in_zone = |(_, member): &(&Shard<'_>, &Member<'_>)| member.zone() == zone;
    outdated(round).filter(in_zone).collect()
}

/// All followers that are to be replaced; once there is none left, all leaders.
fn outdated<'b>(round: &Round<'b>) -> impl Iterator<Item = (&'b Shard<'b>, &'b Member<'b>)> {
    let all: Vec<(&Shard<'_>, &Member<'_>)> = shards(round)
        .flat_map(|shard| shard.members.iter().map(move |member| (shard, member)))
        .filter(|(_, member)| member.is_outdated && !member.entry.surplus)
        .filter(|(_, member)| member.answer().is_some() && !member.is_leaving())
        .collect();
    let leads = |(shard, member): &(&Shard<'_>, &Member<'_>)| shard.is_led_by(member);
    let only_leaders = all.iter().all(leads);
    all.into_iter()
        .filter(move |pair| only_leaders || !leads(pair))
}

/// How many shards are worked on at once. Before any member of the present spec has joined, and after one
/// ended at its start, one: a bad image costs no more than that.
pub(super) fn width(round: &Round<'_>) -> usize {
    let is_proven = shards(round).any(|shard| {
        let mut members = shard.members.iter();
        members.any(|member| !member.is_outdated && shard.is_current(member))
    });
    if is_proven && round.record.start_failures.is_none() {
        usize::try_from(round.desired.rollout.max_shards_at_once).unwrap_or(usize::MAX)
    } else {
        1
    }
}

/// Whether the shard bears to have this member replaced now: it is whole without it, nobody else comes
/// or goes, and its leadership rests.
pub(super) fn is_calm(
    round: &Round<'_>,
    draft: &Draft,
    shard: &Shard<'_>,
    member: &Member<'_>,
) -> bool {
    let whole = usize::try_from(round.desired.members_per_shard()).unwrap_or(usize::MAX);
    let is_led = shard
        .living_leader()
        .is_some_and(|(_, answer)| answer.is_open);
    let mut others = shard.members.iter().filter(|it| it.name() != member.name());
    let rests = |other: &Member<'_>| {
        let is_stuck_copy = other.is_outdated && other.answer().is_some();
        !other.entry.surplus && !other.is_leaving() && (shard.is_current(other) || is_stuck_copy)
    };
    let is_as_before = |it: &Member<'_>| {
        let entry = draft.record.member(it.name());
        entry.is_some_and(|entry| !entry.surplus) && !draft.asks_for_failover_by(it.name())
    };
    is_led
        // an election makes no successor of a leader that owns nothing
        && !shard.is_empty
        && !spacing::is_in_flight_in(round, shard)
        && shard.members.len() >= whole
        && others.all(rests)
        && shard.members.iter().all(is_as_before)
        && placing::counts(round, member)
}

/// How far it is, in words.
pub(super) fn progress(round: &Round<'_>, zone: &ZoneName) -> String {
    let count = |suits: &dyn Fn(&Member<'_>) -> bool| {
        let all = shards(round).flat_map(|shard| shard.members.iter().map(move |it| (shard, it)));
        let (mut updated, mut total) = (0, 0);
        for (shard, member) in all.filter(|(_, it)| !it.entry.surplus && suits(it)) {
            total += 1;
            updated += usize::from(!member.is_outdated && shard.is_current(member));
        }
        (updated, total)
    };
    let (here, all_here) = count(&|member| member.zone() == zone);
    let (everywhere, all) = count(&|_| true);
    format!(
        "zone {zone}: {here} of {all_here} members are updated; {everywhere} of {all} in all zones"
    )
}
