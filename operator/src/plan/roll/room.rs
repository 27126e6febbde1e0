//! How a member is replaced: by a new one beside it, or in its own place.

use placement::ZoneState;

use super::super::census::{Member, Round, Shard};
use super::super::zones;
use crate::api::WhenUnsatisfiable;
use crate::model::{HostView, PodPhase, ZoneName};

/// How a member is replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A new member is in sync before the old one leaves; in this zone.
    Beside(ZoneName),
    /// Its place is emptied first.
    InPlace,
}

/// None where there is neither room for another nor a copy in another zone to rely on.
pub(super) fn way(round: &Round<'_>, shard: &Shard<'_>, member: &Member<'_>) -> Option<Way> {
    // an only copy is never taken away, also where it would come back with its volume
    let is_only_copy = round.desired.followers_per_leader == 0;
    let own = member.zone();
    if (round.desired.rollout.surge || is_only_copy) && has_room(round, shard, own) {
        return Some(Way::Beside(own.clone()));
    }
    if is_only_copy {
        let elsewhere = roomiest_zone(round, shard);
        return elsewhere.map(Way::Beside);
    }
    let mut others = shard.members.iter();
    let is_backed =
        others.any(|other| shard.is_current(other) && is_elsewhere(round, member, other));
    is_backed.then_some(Way::InPlace)
}

/// Whether what takes this member's zone away leaves the other. Without zones, its host.
pub(super) fn is_elsewhere(round: &Round<'_>, member: &Member<'_>, other: &Member<'_>) -> bool {
    let may_share = round.desired.zones.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway;
    other.name() != member.name() && (may_share || other.zone() != member.zone())
}

/// Whether a host there takes one more member of this shard, as far as is known: the scheduler has not
/// said no of late, and a host without a member of the shard is open.
fn has_room(round: &Round<'_>, shard: &Shard<'_>, zone: &ZoneName) -> bool {
    let states = zones::states(round.desired, round.seen, round.census);
    let is_open = states.get(zone) == Some(&ZoneState::Open) && !zones::is_full(round, zone);
    let is_there = |host: &&HostView| {
        let own = host.zone.as_ref();
        own.map_or(zone.as_str().is_empty(), |own| own == zone)
    };
    let is_taken = |host: &HostView| {
        let mut pods = round.seen.pods.iter();
        pods.any(|pod| {
            let has_ended = matches!(pod.phase, PodPhase::Ended { .. });
            pod.shard == shard.id && pod.host.as_ref() == Some(&host.name) && !has_ended
        })
    };
    is_open
        && round
            .seen
            .hosts
            .iter()
            .filter(is_there)
            .any(|host| host.is_ready && host.is_schedulable && !is_taken(host))
}

/// The zone with room and the fewest members.
fn roomiest_zone(round: &Round<'_>, shard: &Shard<'_>) -> Option<ZoneName> {
    let zones = zones::names(round.desired, round.seen);
    let members = |zone: &ZoneName| {
        let members = round.census.members();
        members.filter(|member| member.zone() == zone).count()
    };
    zones
        .into_iter()
        .filter(|zone| has_room(round, shard, zone))
        .min_by_key(members)
}
