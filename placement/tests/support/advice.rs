//! Does what the words of an infeasible problem advise, so that it can be seen whether it helps.

#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

use placement::{Infeasible, Problem, ReasonCode, WhenUnsatisfiable, Zone, ZoneState};

/// The problems that the advice leads to: one for each kind of change. Where there are several
/// reasons, the change of that kind is made for each that advises it, else what it advises first.
pub(crate) fn followed(problem: &Problem, why: &Infeasible) -> Vec<Problem> {
    let options: Vec<Vec<String>> = why.reasons.iter().map(|it| options(&it.message)).collect();
    let kinds = options.iter().map(Vec::len).max().unwrap();
    (0..kinds)
        .filter(|at| {
            options
                .iter()
                .all(|it| it != &["no single change is enough"])
                || *at > 99
        })
        .map(|at| {
            let mut changed = problem.clone();
            // Unpinning comes first, as what is missing then is counted without pins.
            for (reason, options) in why.reasons.iter().zip(&options) {
                let option = options.get(at).unwrap_or(&options[0]);
                let zone = reason.message.split(' ').next().unwrap();
                apply(&mut changed, reason.reason, zone, &reason.message, option);
            }
            changed
        })
        .collect()
}

/// What stands behind the last colon, part by part.
fn options(message: &str) -> Vec<String> {
    let (_, advice) = message.rsplit_once(": ").unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut rest = advice;
    while !rest.is_empty() {
        let starts = [
            "lower ",
            "set ",
            "unpin",
            "add ",
            "give ",
            "uncordon ",
            "or ",
        ];
        let mut ends = rest.match_indices(", ").map(|(at, _)| at);
        let end = ends
            .find(|at| starts.iter().any(|start| rest[at + 2..].starts_with(start)))
            .unwrap_or(rest.len());
        found.push(rest[..end].trim_start_matches("or ").to_owned());
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    found
}

fn apply(problem: &mut Problem, code: ReasonCode, zone: &str, message: &str, option: &str) {
    let number = |text: &str| -> u32 { text.split(' ').next().unwrap().parse().unwrap() };
    let mut add = |name: &str, more: u32| {
        let zone = problem.zones.iter_mut().find(|it| it.name.as_str() == name);
        *zone.unwrap().capacity.as_mut().unwrap() += more;
    };
    if let Some(rest) = option.strip_prefix("add room for ") {
        match rest.split_once(" (") {
            None => add(zone, number(rest)),
            Some((_, parts)) => parts.trim_end_matches(')').split(", ").for_each(|part| {
                let (more, name) = part.split_once(" in ").unwrap();
                add(name, number(more));
            }),
        }
    } else if let Some(rest) = option.strip_prefix("add ") {
        // A problem may name eight zones; gone ones can be left out.
        problem.zones.retain(|it| it.state != ZoneState::Gone);
        for shard in &mut problem.current {
            let zones = &problem.zones;
            let is_there = |name: &placement::ZoneName| zones.iter().any(|it| it.name == *name);
            shard.members.retain(|it| is_there(&it.zone));
            shard.leader = shard.leader.take().filter(is_there);
        }
        for index in 0..number(rest) {
            problem.zones.push(Zone::open(&format!("added-{index}")));
        }
    } else if let Some(rest) = option.strip_prefix("give ") {
        let (names, rest) = rest.split_once(" room for ").unwrap();
        for zone in &mut problem.zones {
            if names.split(", ").any(|name| name == zone.name.as_str()) {
                zone.capacity = Some(number(rest));
            }
        }
    } else if let Some(names) = option.strip_prefix("uncordon ") {
        for zone in &mut problem.zones {
            if names.split(", ").any(|name| name == zone.name.as_str()) {
                zone.state = ZoneState::Open;
            }
        }
    } else if let Some(rest) = option.strip_prefix("lower followersPerLeader to ") {
        problem.members_per_shard = number(rest) + 1;
    } else if option == "set whenUnsatisfiable to ScheduleAnyway" {
        problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    } else if option.starts_with("unpin") {
        let all = message.starts_with("pinned shards leave");
        for shard in &mut problem.current {
            let is_meant = match code {
                ReasonCode::PinnedTogether => {
                    message.starts_with(&format!("shard {} is", shard.shard))
                }
                _ => all || shard.members.iter().any(|it| it.zone.as_str() == zone),
            };
            shard.pinned &= !is_meant;
        }
    } else {
        panic!("unknown advice: {option} in {message}");
    }
}
