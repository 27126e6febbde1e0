//! Zones as the solver needs them: where members may live, and how many.

use std::collections::{BTreeMap, BTreeSet};

use placement::{Zone, ZoneState};

use super::census::{Census, Member, Round};
use super::evidence::Verdict;
use super::{Draft, WaitingReason};
use crate::model::{
    Asked, Desired, FullZone, HostView, Observation, PodPhase, PodView, Silence, SilenceReason,
    ZoneName,
};

/// How long a pod may be unschedulable before its zone counts as full.
const NO_ROOM_AFTER_MILLIS: u64 = 5_000;
/// How long a zone counts as full after the last pod that waited for room there.
const FULL_FOR_MILLIS: u64 = 300_000;

const UNLABELLED_TO_SOLVER: &str = "(no zone label)";

/// The zone of a cluster whose hosts carry no zone label: one for all.
pub(super) fn unlabelled() -> ZoneName {
    ZoneName::from("")
}

/// How the solver knows a zone: it wants a name for each, which no label can be.
pub(super) fn to_solver(zone: &ZoneName) -> ZoneName {
    if zone.as_str().is_empty() {
        ZoneName::from(UNLABELLED_TO_SOLVER)
    } else {
        zone.clone()
    }
}

/// The way back.
pub(super) fn from_solver(zone: ZoneName) -> ZoneName {
    if zone.as_str() == UNLABELLED_TO_SOLVER {
        unlabelled()
    } else {
        zone
    }
}

/// The zones that hosts (or members) are in and the spec allows, in order of their names.
pub(super) fn names(desired: &Desired, seen: &Observation) -> BTreeSet<ZoneName> {
    let allowed = |zone: &ZoneName| {
        desired.zones.allowed.is_empty()
            || desired
                .zones
                .allowed
                .iter()
                .any(|name| name == zone.as_str())
    };
    let labelled: BTreeSet<ZoneName> = seen
        .hosts
        .iter()
        .filter_map(|host| host.zone.clone())
        .filter(allowed)
        .collect();
    let shares_hosts_without_zones = seen.hosts.iter().all(|host| host.zone.is_none())
        && desired.zones.when_unsatisfiable == crate::api::WhenUnsatisfiable::ScheduleAnyway;
    if shares_hosts_without_zones {
        BTreeSet::from([unlabelled()])
    } else {
        labelled
    }
}

/// How long a pod must be silent that is no member's any more, so that its host is: one that ends is for a moment.
const LEFT_SILENT_MILLIS: u64 = 10_000;

/// Whether every sign says that this host is silent: NotReady, or it holds members of ours and
/// none of them answers. Who was replaced there still counts as long as nobody has seen it end: a host turns NotReady
/// after 40 s, and members are built elsewhere before that.
fn host_is_silent(host: &HostView, seen: &Observation, census: &Census<'_>) -> bool {
    let mut ours = census
        .members()
        .filter(|member| {
            member
                .pod
                .is_some_and(|pod| pod.host.as_ref() == Some(&host.name))
        })
        .filter(|member| matches!(member.verdict, Verdict::Alive(_) | Verdict::Silent(_)))
        .peekable();
    let has_members = ours.peek().is_some();
    let members_are_silent = ours.all(|member| matches!(member.verdict, Verdict::Silent(_)));
    let on_roster = |pod: &PodView| {
        let mut members = census.members();
        members.any(|member| member.pod.is_some_and(|it| it.uid == pod.uid))
    };
    let mut left = seen
        .pods
        .iter()
        .filter(|pod| pod.host.as_ref() == Some(&host.name) && !on_roster(pod))
        .filter_map(|pod| match seen.members.get(&pod.name)? {
            Asked::Answered(_) => Some(false),
            Asked::Silent(it) if is_long(it) => Some(true),
            Asked::Silent(_) | Asked::NotAsked => None,
        })
        .peekable();
    let has_left = left.peek().is_some();
    let all_silent = members_are_silent && left.all(|is_silent| is_silent);
    !host.is_ready || (has_members || has_left) && all_silent
}

/// Who refuses a connection, or answers nonsense, has a host that lives.
fn is_long(silence: &Silence) -> bool {
    let is_mute = matches!(
        silence.reason,
        SilenceReason::Timeout | SilenceReason::Unreachable
    );
    is_mute && silence.millis >= LEFT_SILENT_MILLIS
}

/// Each zone's state: *gone* when all its hosts are silent, *cordoned* when none of the others
/// takes new members.
pub fn states(
    desired: &Desired,
    seen: &Observation,
    census: &Census<'_>,
) -> BTreeMap<ZoneName, ZoneState> {
    names(desired, seen)
        .into_iter()
        .map(|zone| {
            let mut state = ZoneState::Gone;
            for host in seen.hosts.iter().filter(|host| {
                host.zone
                    .as_ref()
                    .map_or(zone.as_str().is_empty(), |own| own == &zone)
            }) {
                match (host_is_silent(host, seen, census), host.is_schedulable) {
                    (false, true) => state = ZoneState::Open,
                    (false, false) if state == ZoneState::Gone => state = ZoneState::Cordoned,
                    _ => {}
                }
            }
            (zone, state)
        })
        .collect()
}

/// The zones of pods that the scheduler found no room for.
fn waiting_for_room(round: &Round<'_>) -> BTreeSet<ZoneName> {
    let waits = |member: &&Member<'_>| waits_for_room(round, member);
    round
        .census
        .members()
        .filter(waits)
        .map(|member| member.entry.zone.clone())
        .collect()
}

/// Whether the scheduler has found no room for this member's pod for some time.
pub(super) fn waits_for_room(round: &Round<'_>, member: &Member<'_>) -> bool {
    member.pod.is_some_and(|pod| {
        matches!(
            &pod.phase,
            PodPhase::Waiting {
                unschedulable: Some(why),
                ..
            } if !is_about_volumes(why)
        ) && round.millis_since(pod.created) >= NO_ROOM_AFTER_MILLIS
    })
}

/// Volume trouble tells nothing of the room in a zone: a claim that is not bound or not seen yet.
fn is_about_volumes(why: &str) -> bool {
    let why = why.to_lowercase();
    let is_short = why.contains("insufficient") || why.contains("too many pods");
    !is_short && (why.contains("persistentvolumeclaim") || why.contains("persistent volume"))
}

fn remembered_full<'a>(round: &Round<'a>) -> impl Iterator<Item = &'a FullZone> {
    let round = *round;
    let full = &round.record.clocks.full_zones;
    full.iter()
        .filter(move |full| round.millis_since(full.seen) < FULL_FOR_MILLIS)
}

/// Remembers which zones are full, and says so while members are kept elsewhere because of it.
pub(super) fn note_full(round: &Round<'_>, draft: &mut Draft) {
    let waiting = waiting_for_room(round);
    let mut full: Vec<FullZone> = remembered_full(round)
        .filter(|full| !waiting.contains(&full.zone))
        .cloned()
        .collect();
    for remembered in &full {
        draft.wait(
            WaitingReason::NoRoom,
            format!(
                "zone {} had no room for a member; it is tried again after {} minutes",
                remembered.zone,
                FULL_FOR_MILLIS / 60_000
            ),
        );
    }
    full.extend(waiting.into_iter().map(|zone| {
        // whole minutes: the record must not change at each look
        let known = round
            .record
            .clocks
            .full_zones
            .iter()
            .find(|full| full.zone == zone);
        let seen = known
            .map(|full| full.seen)
            .filter(|seen| round.millis_since(*seen) < 60_000);
        FullZone {
            zone,
            seen: seen.unwrap_or(round.now),
        }
    }));
    full.sort_by(|a, b| a.zone.cmp(&b.zone));
    draft.record.clocks.full_zones = full;
}

/// Whether the scheduler has found no room in this zone of late.
pub(super) fn is_full(round: &Round<'_>, zone: &ZoneName) -> bool {
    waiting_for_room(round).contains(zone) || remembered_full(round).any(|full| &full.zone == zone)
}

/// Zones for the solver. Where the scheduler found no room for a pod, its zone is as full as it
/// is now; that pod's zone is named in the second value.
pub(super) fn for_solver(round: &Round<'_>) -> (Vec<Zone>, BTreeSet<ZoneName>) {
    let full: BTreeSet<ZoneName> = waiting_for_room(round)
        .into_iter()
        .chain(remembered_full(round).map(|full| full.zone.clone()))
        .collect();
    let states = states(round.desired, round.seen, round.census);
    let zones = states
        .iter()
        .map(|(name, state)| Zone {
            name: to_solver(name),
            capacity: full.contains(name).then(|| housed(round, name)),
            // A silent zone takes nobody new and keeps its members: how long they keep their
            // places is decided member by member (`placing::counts`).
            state: if *state == ZoneState::Open {
                ZoneState::Open
            } else {
                ZoneState::Cordoned
            },
        })
        .collect();
    (zones, full)
}

/// Members in this zone that have a host.
fn housed(round: &Round<'_>, zone: &ZoneName) -> u32 {
    let housed = round.census.members().filter(|member| {
        &member.entry.zone == zone && member.pod.is_some_and(|pod| pod.host.is_some())
    });
    u32::try_from(housed.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HostName, MemberName, PodUid};
    use crate::plan::testing::{desired, formed, host, pod};

    /// The zone was called open again between the replacement of its members (30 s) and the hosts' NotReady (40 s),
    /// and another member was sent there.
    #[test]
    fn a_zone_stays_gone_when_its_silent_members_are_replaced() {
        let silent = |reason, millis| {
            Asked::Silent(Silence {
                reason,
                millis,
                said_goodbye: false,
            })
        };
        let mute = silent(SilenceReason::Timeout, 31_000);
        let table = [
            ("silent for long", mute.clone(), ZoneState::Gone),
            (
                "it ends, and will be gone",
                silent(SilenceReason::Timeout, 3_000),
                ZoneState::Open,
            ),
            (
                "its host refuses",
                silent(SilenceReason::Refused, 31_000),
                ZoneState::Open,
            ),
            ("nobody to ask", Asked::NotAsked, ZoneState::Open),
        ];
        for (why, asked, expected) in table {
            let mut seen = formed();
            seen.hosts.push(host("hz", "z"));
            let mut left = pod("c-0-9", 0, "z");
            left.host = Some(HostName::from("hz"));
            left.uid = PodUid::new("left");
            left.is_leaving = true;
            seen.pods.push(left);
            seen.members.insert(MemberName::from("c-0-9"), asked);
            let desired = desired(3, 1);
            let census = Census::new(&desired, &seen, &seen.record);
            let states = states(&desired, &seen, &census);
            assert_eq!(states[&ZoneName::from("z")], expected, "{why}");
        }
    }
}
