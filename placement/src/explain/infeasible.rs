//! Why a problem has no placement: what must live where, against the room there is.
//!
//! Members flow from their classes through the zones that may take them. A largest flow that
//! leaves members over has a smallest cut beside it: the zones on the near side of the cut are the
//! ones whose room does not suffice. Every advice is tried before it is given.

use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, EdgeIndex};
use petgraph::visit::EdgeRef;

use crate::model::{Model, PerZone, is_usable};
use crate::outcome::{Infeasible, Reason, ReasonCode};
use crate::problem::{CurrentShard, Problem, WhenUnsatisfiable};
use crate::solve::is_feasible;
use crate::topology::{Zone, ZoneName, ZoneState};

/// A smallest set of reasons for which `problem` has no placement.
pub(crate) fn infeasible(problem: &Problem) -> Infeasible {
    let mut reasons = pinned(problem);
    if reasons.is_empty() {
        reasons = Model::new(problem)
            .map(|model| missing(problem, &model))
            .unwrap_or_default();
    }
    if reasons.is_empty() {
        let message = "pinned shards leave no way to place all members: unpin some".to_owned();
        reasons.push(Reason {
            reason: ReasonCode::PinnedBeyondCapacity,
            message,
        });
    }
    Infeasible { reasons }
}

/// Pinned shards that break a rule by themselves.
fn pinned(problem: &Problem) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let one_each = problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    let mut held: Vec<(&Zone, u32)> = problem.zones.iter().map(|zone| (zone, 0)).collect();
    for shard in problem
        .current
        .iter()
        .filter(|it| it.pinned && it.shard < problem.shards)
    {
        let mut total = 0_u32;
        let mut shared = None;
        for (zone, all) in held
            .iter_mut()
            .filter(|(zone, _)| zone.state != ZoneState::Gone)
        {
            let here = members_in(shard, &zone.name);
            total += here;
            *all += here;
            shared = shared.or((here > 1).then_some(&zone.name));
        }
        if total > problem.members_per_shard {
            // It may shed members, so what it holds proves nothing by itself.
            for (zone, all) in &mut held {
                *all = all.saturating_sub(members_in(shard, &zone.name));
            }
        } else if let Some(zone) = shared.filter(|_| one_each) {
            let message = format!(
                "shard {} is pinned with more than one member in {zone}: unpin it, or set \
                 whenUnsatisfiable to ScheduleAnyway",
                shard.shard
            );
            reasons.push(Reason {
                reason: ReasonCode::PinnedTogether,
                message,
            });
        }
    }
    for (zone, all) in held
        .iter()
        .filter(|(zone, _)| zone.state != ZoneState::Gone)
    {
        if let Some(room) = zone.capacity.filter(|room| room < all) {
            let message = format!(
                "{} has room for {} and pinned shards hold {all} there: add room for {}, or unpin \
                 some",
                zone.name,
                count(room, "member"),
                all - room
            );
            reasons.push(Reason {
                reason: ReasonCode::PinnedBeyondCapacity,
                message,
            });
        }
    }
    reasons
}

fn members_in(shard: &CurrentShard, zone: &ZoneName) -> u32 {
    let here = shard.members.iter().filter(|member| member.zone == *zone);
    u32::try_from(here.count()).unwrap_or(u32::MAX)
}

/// Zones or room that are missing.
fn missing(problem: &Problem, model: &Model) -> Vec<Reason> {
    let wanted = u32::from(model.members);
    let reach = |most: &PerZone<u8>| most.iter().map(u32::from).sum::<u32>();
    let narrowest = model
        .classes
        .iter()
        .min_by_key(|class| reach(&class.state.most));
    let too_few = narrowest.filter(|class| reach(&class.state.most) < wanted);
    if let Some(class) = too_few {
        let have = reach(&class.state.most);
        return vec![too_few_zones(problem, have)];
    }
    let Some(cut) = Cut::new(model) else {
        return Vec::new();
    };
    let single: Vec<(Vec<usize>, u32)> = cut
        .zones
        .iter()
        .map(|zone| (vec![*zone], shortage(model, &[*zone])))
        .filter(|(_, short)| *short > 0)
        .collect();
    let sum: u32 = single.iter().map(|(_, short)| short).sum();
    let parts = if sum == cut.short {
        single
    } else {
        vec![(cut.zones, cut.short)]
    };
    parts
        .iter()
        .map(|(zones, short)| too_little_room(problem, model, zones, *short))
        .collect()
}

fn too_few_zones(problem: &Problem, have: u32) -> Reason {
    let closed: Vec<String> = problem
        .zones
        .iter()
        .filter(|zone| zone.state != ZoneState::Open || !is_usable(problem, zone))
        .map(|zone| match zone.state {
            ZoneState::Gone => format!("{} is gone", zone.name),
            ZoneState::Cordoned => format!("{} is cordoned", zone.name),
            ZoneState::Open => format!("{} has no room", zone.name),
        })
        .collect();
    let why = if closed.is_empty() {
        String::new()
    } else {
        format!(" ({})", closed.join(", "))
    };
    let wanted = problem.members_per_shard;
    let add = format!("add {}", count(wanted - have.min(wanted), "zone"));
    let message = if problem.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway {
        let add = "open a zone or give one room".to_owned();
        format!("no zone takes new members{why}: {}", advice(problem, add))
    } else {
        let needed = count(wanted, "zone");
        let advice = advice(problem, add);
        format!(
            "each shard needs {needed}, one for each member, and only {have} can take them{why}: {advice}"
        )
    };
    Reason {
        reason: ReasonCode::TooFewZones,
        message,
    }
}

fn too_little_room(problem: &Problem, model: &Model, zones: &[usize], short: u32) -> Reason {
    let names: Vec<&str> = zones
        .iter()
        .filter_map(|zone| model.names.get(*zone))
        .map(ZoneName::as_str)
        .collect();
    let room: u32 = zones.iter().map(|zone| model.capacity.at(*zone)).sum();
    let (have, together) = if names.len() == 1 {
        ("has", "")
    } else {
        ("have", " together")
    };
    let message = format!(
        "{}{together} {have} room for {}, {} are needed: {}",
        names.join(", "),
        count(room, "member"),
        room.saturating_add(short),
        advice(problem, format!("add room for {short}"))
    );
    Reason {
        reason: ReasonCode::NotEnoughRoom,
        message,
    }
}

/// What would help, each tried.
fn advice(problem: &Problem, first: String) -> String {
    let mut options = vec![first];
    let fewer = (1..problem.members_per_shard).rev().find(|members| {
        is_feasible(&Problem {
            members_per_shard: *members,
            ..problem.clone()
        })
    });
    if let Some(members) = fewer {
        options.push(format!("lower followersPerLeader to {}", members - 1));
    }
    let anyway = WhenUnsatisfiable::ScheduleAnyway;
    if problem.when_unsatisfiable != anyway
        && is_feasible(&Problem {
            when_unsatisfiable: anyway,
            ..problem.clone()
        })
    {
        options.push("set whenUnsatisfiable to ScheduleAnyway".to_owned());
    }
    let last = options.pop().unwrap_or_default();
    if options.is_empty() {
        last
    } else {
        format!("{}, or {last}", options.join(", "))
    }
}

fn count(number: u32, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// By how much the members that must live in `zones` exceed their room.
fn shortage(model: &Model, zones: &[usize]) -> u32 {
    let mut needed = 0_u32;
    for class in &model.classes {
        let sum = |counts: &PerZone<u8>, inside: bool| -> u32 {
            let here = counts
                .iter()
                .enumerate()
                .filter(|(at, _)| zones.contains(at) == inside);
            here.map(|(_, count)| u32::from(count)).sum()
        };
        let overflow = u32::from(model.members).saturating_sub(sum(&class.state.most, false));
        needed += class.size() * overflow.max(sum(&class.state.least, true));
    }
    let room = zones.iter().map(|zone| model.capacity.at(*zone));
    needed.saturating_sub(room.fold(0, u32::saturating_add))
}

/// Zones whose room does not suffice, and how many members are left over.
struct Cut {
    zones: Vec<usize>,
    short: u32,
}

impl Cut {
    /// The smallest cut beside a largest flow; `None` where all members find room.
    fn new(model: &Model) -> Option<Self> {
        let mut graph: DiGraph<Option<usize>, u32> = DiGraph::new();
        let (source, sink) = (graph.add_node(None), graph.add_node(None));
        let mut zones = Vec::new();
        for zone in 0..model.zones() {
            let node = graph.add_node(Some(zone));
            let fixed = model
                .classes
                .iter()
                .map(|it| it.size() * u32::from(it.state.least.at(zone)));
            let room = model.capacity.at(zone).saturating_sub(fixed.sum());
            graph.add_edge(node, sink, room);
            zones.push(node);
        }
        let mut wanted = 0;
        for class in &model.classes {
            let node = graph.add_node(None);
            let fixed: u32 = class.state.least.iter().map(u32::from).sum();
            let free = class.size() * u32::from(model.members).saturating_sub(fixed);
            wanted += free;
            graph.add_edge(source, node, free);
            for (zone, target) in zones.iter().enumerate() {
                let (least, most) = (class.state.least.at(zone), class.state.most.at(zone));
                let may = class.size() * u32::from(most.saturating_sub(least));
                graph.add_edge(node, *target, may);
            }
        }
        let (flow, flows) = dinics(&graph, source, sink);
        if flow >= wanted {
            return None;
        }
        let used = |edge: EdgeIndex| flows.get(edge.index()).copied().unwrap_or(0);
        let mut reached = vec![source];
        let mut next = 0;
        while let Some(&node) = reached.get(next) {
            next += 1;
            for edge in graph.edges(node) {
                if used(edge.id()) < *edge.weight() && !reached.contains(&edge.target()) {
                    reached.push(edge.target());
                }
            }
            for edge in graph.edges_directed(node, petgraph::Direction::Incoming) {
                if used(edge.id()) > 0 && !reached.contains(&edge.source()) {
                    reached.push(edge.source());
                }
            }
        }
        let mut zones: Vec<usize> = reached
            .iter()
            .filter_map(|node| graph.node_weight(*node).copied().flatten())
            .collect();
        zones.sort_unstable();
        Some(Self {
            zones,
            short: wanted - flow,
        })
    }
}
