//! Who is missing and who is too many: asks the solver, enrolls and marks as surplus.
//!
//! The only place that speaks the solver's language (`placement`).

mod surplus;

use std::collections::{BTreeMap, BTreeSet};

use placement::{
    CurrentMember, CurrentShard, Mode, Placement, Problem, SolveError, WhenUnsatisfiable, Zone,
    ZoneState,
};

use super::census::{Member, Round, Shard};
use super::evidence::Verdict;
use super::{Draft, WaitingReason, reshard, roster, zones};
use crate::api;
use crate::model::{ShardId, ZoneName};
pub(super) use surplus::set_surplus;

/// How long all must have been whole and in sync before members are evened out.
const QUIET_MILLIS: u64 = 120_000;
/// How many shards are on the move at once in quiet times.
const SHARDS_ON_THE_MOVE_MAX: usize = 2;

/// Whether this member still fills its place: it lives or is starting, or its silence is young.
pub(super) fn counts(round: &Round<'_>, member: &Member<'_>) -> bool {
    if member.entry.surplus || (member.is_leaving() && !member.entry.restarts) {
        return false;
    }
    match member.verdict {
        Verdict::Dead(_) => member.entry.volume.is_some(),
        Verdict::NotMade | Verdict::Starting => !is_stranded(round, member),
        Verdict::Alive(_) => true,
        Verdict::Silent(_) | Verdict::Gone => member
            .entry
            .silent_since
            .is_none_or(|since| round.millis_since(since) < round.desired.rehome_after_millis),
    }
}

/// A member that never ran and whose host is silent, or whose zone is gone: its start would wait
/// for the host's return.
fn is_stranded(round: &Round<'_>, member: &Member<'_>) -> bool {
    if member.pod.is_some_and(|pod| pod.host.is_some()) {
        return member.host.is_none_or(|host| !host.is_ready);
    }
    let states = zones::states(round.desired, round.seen, round.census);
    !matches!(
        states.get(&member.entry.zone),
        Some(ZoneState::Open | ZoneState::Cordoned)
    )
}

/// Enrolls who is missing; marks as surplus whose place is elsewhere.
pub(super) fn place(round: &Round<'_>, draft: &mut Draft) {
    if round.record.formed && round.census.hears_nobody() {
        // to build all of them anew beside themselves would help nobody
        return;
    }
    surplus::take_back(round, draft);
    let (zone_list, full) = zones::for_solver(round);
    if zone_list.is_empty() {
        draft.wait(WaitingReason::ZoneLabelMissing, no_zone_message(round));
        return;
    }
    let mode = mode(round);
    let Some(placement) = solve(round, draft, &zone_list, &full, mode) else {
        return;
    };
    if roster::start_failures::pause_left_millis(round, &draft.record) > 0 {
        return;
    }
    let on_the_move = draft
        .record
        .members
        .iter()
        .filter(|entry| entry.surplus)
        .count();
    let mut moves_left = SHARDS_ON_THE_MOVE_MAX.saturating_sub(on_the_move);
    for target in &placement.shards {
        let id = ShardId(target.shard);
        let wanted: Vec<&ZoneName> = std::iter::once(&target.leader)
            .chain(&target.followers)
            .collect();
        if mode == Mode::Rebalance {
            if moves_left == 0 {
                break;
            }
            moves_left -= usize::from(adjust(round, draft, id, &wanted));
        } else {
            adjust(round, draft, id, &wanted);
        }
    }
    retire_shards_past_the_last(round, draft);
}

/// Makes one shard's roster fit the zones that the solver chose; whether anything changed.
fn adjust(round: &Round<'_>, draft: &mut Draft, id: ShardId, wanted: &[&ZoneName]) -> bool {
    let mut missing: BTreeMap<&ZoneName, usize> = BTreeMap::new();
    for zone in wanted {
        *missing.entry(zone).or_default() += 1;
    }
    let mut too_many = Vec::new();
    let shard = round.census.shard(id);
    let members = shard.map_or(&[][..], |shard| shard.members.as_slice());
    // who holds a copy keeps the place before who is only on the way, or has a body that finds no room
    // beside it; where nobody leads the body may be all that is left
    let is_led = shard.is_some_and(|shard| shard.living_leader().is_some());
    let is_settled =
        |m: &&Member<'_>| m.entry.joined && !(is_led && zones::waits_for_room(round, m));
    let (settled, coming): (Vec<&Member<'_>>, Vec<&Member<'_>>) =
        members.iter().partition(is_settled);
    let all = settled.into_iter().chain(coming);
    for member in all.filter(|m| may_fill(round, draft, m)) {
        match missing.get_mut(member.zone()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => too_many.push(member),
        }
    }
    let mut changed = !too_many.is_empty();
    for member in too_many {
        set_surplus(draft, member, true);
    }
    // the leader's zone first: who is made first leads a new shard
    for zone in wanted {
        let Some(count) = missing.get_mut(zone).filter(|count| **count > 0) else {
            continue;
        };
        *count -= 1;
        changed = true;
        roster::enroll(round, draft, id, (*zone).clone());
    }
    // what fell silent for too long has been replaced: it is surplus, should it return
    for member in members {
        if !may_fill(round, draft, member) {
            set_surplus(draft, member, true);
        }
    }
    changed
}

fn may_fill(round: &Round<'_>, draft: &Draft, member: &Member<'_>) -> bool {
    let Some(entry) = draft.record.member(member.name()) else {
        // struck out this round, or carried on under its next name: a body keeps its place
        return member.entry.volume.is_some()
            && draft
                .record
                .members
                .iter()
                .any(|e| e.volume == member.entry.volume);
    };
    let taken_back = member.entry.surplus && !entry.surplus;
    !entry.surplus && (taken_back || counts(round, member))
}

fn retire_shards_past_the_last(round: &Round<'_>, draft: &mut Draft) {
    for shard in round
        .census
        .shards
        .iter()
        .filter(|shard| shard.id.0 >= reshard::shards_kept(round))
    {
        for member in &shard.members {
            set_surplus(draft, member, true);
        }
    }
}

/// Evening out waits for quiet times; until then only what is missing is made good.
fn mode(round: &Round<'_>) -> Mode {
    let quiet = round
        .record
        .clocks
        .quiet_since
        .is_some_and(|since| round.millis_since(since) >= QUIET_MILLIS);
    if quiet { Mode::Rebalance } else { Mode::Repair }
}

/// Starts or stops the clock of quiet times.
pub(super) fn note_quiet(round: &Round<'_>, draft: &mut Draft) {
    let whole = round.record.formed
        && round.census.views_are_equal
        && draft
            .record
            .members
            .iter()
            .all(|entry| entry.joined && !entry.surplus)
        && round.census.shards.iter().all(|shard| {
            shard
                .members
                .iter()
                .all(|member| shard.is_current(member) && !member.is_leaving())
        })
        && zones::states(round.desired, round.seen, round.census)
            .values()
            .all(|state| *state == ZoneState::Open);
    draft.record.clocks.quiet_since = if whole {
        round.record.clocks.quiet_since.or(Some(round.now))
    } else {
        None
    };
}

/// Whether a volume of the shard may hold its data.
fn has_body(shard: &Shard<'_>) -> bool {
    let mut members = shard.members.iter();
    members.any(|member| member.entry.joined && member.entry.volume.is_some())
}

/// The problem as the solver wants it.
pub(super) fn problem(round: &Round<'_>, draft: &Draft, zones: &[Zone], mode: Mode) -> Problem {
    let when_unsatisfiable = match round.desired.zones.when_unsatisfiable {
        api::WhenUnsatisfiable::DoNotSchedule => WhenUnsatisfiable::DoNotSchedule,
        api::WhenUnsatisfiable::ScheduleAnyway => WhenUnsatisfiable::ScheduleAnyway,
    };
    let shards = reshard::shards_kept(round);
    let wanted = |shard: &&Shard<'_>| shard.id.0 < shards;
    Problem {
        zones: zones.to_vec(),
        shards,
        members_per_shard: round.desired.members_per_shard(),
        when_unsatisfiable,
        mode,
        current: round
            .census
            .shards
            .iter()
            .filter(wanted)
            .map(|shard| current_shard(round, draft, zones, shard))
            .collect(),
    }
}

/// Who fills the shard's places now. Members in zones that are gone from the hosts, or not allowed
/// (any more), fill none: they are made good elsewhere.
fn current_shard(
    round: &Round<'_>,
    draft: &Draft,
    zones: &[Zone],
    shard: &Shard<'_>,
) -> CurrentShard {
    let is_listed = |zone: &ZoneName| zones.iter().any(|it| it.name == zones::to_solver(zone));
    let filling: Vec<&Member<'_>> = shard
        .members
        .iter()
        .filter(|member| may_fill(round, draft, member) && is_listed(member.zone()))
        .collect();
    // a leader that is being replaced in its zone leads there still: whoever comes after it will
    let leader = shard
        .living_leader()
        .map(|(leader, _)| leader.zone())
        .filter(|zone| filling.iter().any(|member| member.zone() == *zone))
        .map(zones::to_solver);
    CurrentShard {
        shard: shard.id.0,
        members: filling
            .iter()
            .map(|member| CurrentMember {
                zone: zones::to_solver(member.zone()),
                // one on its way is committed to as well, or each better idea would undo the last; but
                // not where nobody leads and a body waits to
                has_data: if shard.living_leader().is_some() {
                    !zones::waits_for_room(round, member)
                } else {
                    member.entry.joined || !has_body(shard)
                },
            })
            .collect(),
        leader,
        pinned: is_only_copy_replaced_elsewhere(round, shard, &filling),
    }
}

/// The successor of an only copy is in another zone where its own has no room beside it: it stays there
/// until it leads, also where that zone has too many leaders for the time.
fn is_only_copy_replaced_elsewhere(
    round: &Round<'_>,
    shard: &Shard<'_>,
    filling: &[&Member<'_>],
) -> bool {
    let mut members = shard.members.iter();
    // who handed over stays for a while (`leadership`), and would be taken for a copy that has a better place
    let is_leaving = |old: &Member<'_>| old.entry.surplus && old.is_outdated;
    let [successor] = filling else { return false };
    round.desired.followers_per_leader == 0
        && !successor.is_outdated
        && !zones::waits_for_room(round, successor)
        && members.any(|old| is_leaving(old) && old.zone() != successor.zone())
}

fn solve(
    round: &Round<'_>,
    draft: &mut Draft,
    zones: &[Zone],
    full: &BTreeSet<ZoneName>,
    mode: Mode,
) -> Option<Placement> {
    let problem = problem(round, draft, zones, mode);
    match placement::solve(&problem) {
        Ok(placement) => Some(named(placement)),
        Err(SolveError::Infeasible(infeasible)) => {
            let left_out = left_out(round);
            for reason in infeasible.reasons {
                let message = format!("{}{left_out}", reason.message);
                draft.wait(WaitingReason::PlacementInfeasible, message);
            }
            if full.is_empty() {
                return None;
            }
            // the pods that wait for room go on waiting; the others must not wait with them
            let roomy: Vec<Zone> = zones
                .iter()
                .map(|zone| Zone {
                    capacity: None,
                    ..zone.clone()
                })
                .collect();
            placement::solve(&Problem {
                zones: roomy,
                ..problem
            })
            .ok()
            .map(named)
        }
        Err(SolveError::Malformed { path, message }) => {
            draft.wait(
                WaitingReason::PlanRefused,
                format!("placement problem: {path}: {message}"),
            );
            None
        }
    }
}

/// The placement with the zones' own names.
fn named(mut placement: Placement) -> Placement {
    for shard in &mut placement.shards {
        let zones = std::iter::once(&mut shard.leader).chain(&mut shard.followers);
        for zone in zones {
            *zone = zones::from_solver(zone.clone());
        }
    }
    placement
}

/// Zones that hosts are in and the spec does not allow.
fn left_out(round: &Round<'_>) -> String {
    let allowed = &round.desired.zones.allowed;
    let hosts = round
        .seen
        .hosts
        .iter()
        .filter_map(|host| host.zone.as_ref());
    let is_out =
        |zone: &&ZoneName| !allowed.is_empty() && allowed.iter().all(|name| name != zone.as_str());
    let names: BTreeSet<&str> = hosts.filter(is_out).map(ZoneName::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = names.into_iter().collect();
    let names = names.join(", ");
    format!(". spec.zones.allowed leaves out {names}: allow more zones")
}

/// The zone that each shard is to be led from: the solver's choice among the members as they
/// are. None where there is no placement.
pub(super) fn wanted_leaders(
    round: &Round<'_>,
    draft: &Draft,
) -> Option<BTreeMap<ShardId, ZoneName>> {
    wanted_leaders_around(round, draft, &BTreeMap::new())
}

/// The same with these shards led from where they are `wished` to.
pub(super) fn wanted_leaders_around(
    round: &Round<'_>,
    draft: &Draft,
    wished: &BTreeMap<ShardId, ZoneName>,
) -> Option<BTreeMap<ShardId, ZoneName>> {
    let (zones, _) = zones::for_solver(round);
    let mut problem = problem(round, draft, &zones, Mode::Repair);
    for shard in &mut problem.current {
        let zone = wished.get(&ShardId(shard.shard)).map(zones::to_solver);
        // the others even out around it: half of a solution that moves it, too, would be undone by the next
        if zone.is_some()
            && shard
                .members
                .iter()
                .any(|it| Some(&it.zone) == zone.as_ref())
        {
            (shard.leader, shard.pinned) = (zone, true);
        }
    }
    // the same question that `place` asks, so that both have the same shares in mind
    let placement = placement::solve(&problem).or_else(|_| {
        let roomy = zones.iter().map(|zone| Zone {
            capacity: None,
            ..zone.clone()
        });
        placement::solve(&Problem {
            zones: roomy.collect(),
            ..problem.clone()
        })
    });
    Some(
        named(placement.ok()?)
            .shards
            .into_iter()
            .map(|shard| (ShardId(shard.shard), shard.leader))
            .collect(),
    )
}

fn no_zone_message(round: &Round<'_>) -> String {
    let key = &round.desired.zones.topology_key;
    if round.desired.zones.allowed.is_empty() {
        format!(
            "no host carries the label {key}: label the hosts (kubectl label node NAME {key}=ZONE), \
             name another label in spec.zones.topologyKey, or write spec.zones.whenUnsatisfiable: \
             ScheduleAnyway to spread over hosts only"
        )
    } else {
        format!(
            "no host is in one of the zones {} (label {key}): correct spec.zones.allowed, or label \
             the hosts",
            round.desired.zones.allowed.join(", ")
        )
    }
}
