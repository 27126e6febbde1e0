//! Why a problem has no placement: what must live where, against the room there is.
//!
//! Members flow from their classes through the zones that may take them. A largest flow that
//! leaves members over has a smallest cut beside it: the zones on the near side of the cut are the
//! ones whose room does not suffice. Where there is more than one reason, the advice of all of them
//! together was tried.

use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, EdgeIndex};
use petgraph::visit::EdgeRef;

use super::advice::{ANYWAY, Advice, anyway, unpinned, with_room};
use crate::model::{Model, PerZone, is_usable};
use crate::outcome::{Infeasible, Reason, ReasonCode};
use crate::problem::{CurrentShard, Problem, WhenUnsatisfiable};
use crate::solve::is_feasible;
use crate::topology::{Zone, ZoneName, ZoneState};

/// A smallest set of reasons for which `problem` has no placement.
pub(crate) fn infeasible(problem: &Problem) -> Infeasible {
    let mut reasons = Pins::new(problem).reasons();
    if reasons.is_empty() {
        reasons = Model::new(problem)
            .map(|model| missing(problem, &model))
            .unwrap_or_default();
    }
    if reasons.is_empty() {
        let message = "pinned shards leave no way to place all members: unpin them".to_owned();
        reasons.push(reason(ReasonCode::PinnedBeyondCapacity, message));
        let freed = unpinned(problem, |_| true);
        if !is_feasible(&freed) && freed != *problem {
            reasons.extend(infeasible(&freed).reasons);
        }
    }
    Infeasible { reasons }
}

fn reason(reason: ReasonCode, message: String) -> Reason {
    Reason { reason, message }
}

/// Pinned shards that break a rule by themselves.
struct Pins<'a> {
    problem: &'a Problem,
    /// Shards with more than one member in a zone.
    together: Vec<(u32, &'a ZoneName)>,
    /// Zones that pinned members alone overfill: their room, and by how much.
    beyond: Vec<(&'a ZoneName, u32, u32)>,
}

impl<'a> Pins<'a> {
    fn new(problem: &'a Problem) -> Self {
        let one_each = problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
        let zones = problem.zones.iter();
        let there: Vec<&Zone> = zones.filter(|it| it.state != ZoneState::Gone).collect();
        let pinned: Vec<&CurrentShard> = problem
            .current
            .iter()
            .filter(|it| it.pinned && it.shard < problem.shards)
            .collect();
        let shared = |shard: &CurrentShard| {
            let mut names = there.iter().map(|zone| &zone.name);
            names.find(|name| members_in(shard, name) > 1)
        };
        let together = pinned
            .iter()
            .filter(|_| one_each)
            .filter_map(|shard| Some((shard.shard, shared(shard)?)));
        let beyond = there.iter().filter_map(|zone| {
            let held: u32 = pinned.iter().map(|it| members_in(it, &zone.name)).sum();
            let room = zone.capacity.filter(|room| *room < held)?;
            Some((&zone.name, room, held - room))
        });
        Self {
            problem,
            together: together.collect(),
            beyond: beyond.collect(),
        }
    }

    /// The problem after the user has followed the advice: room added, or the members in those
    /// zones unpinned; members let meet, or their shards unpinned.
    fn mended(&self, is_room_added: bool, may_meet: bool) -> Problem {
        let is_freed = |shard: &CurrentShard| {
            let meets = self.together.iter().any(|(id, _)| *id == shard.shard);
            let overfills = |(zone, ..): &(&ZoneName, u32, u32)| members_in(shard, zone) > 0;
            (meets && !may_meet) || (!is_room_added && self.beyond.iter().any(overfills))
        };
        let mut mended = unpinned(self.problem, is_freed);
        if may_meet {
            mended = anyway(&mended);
        }
        if is_room_added {
            let beyond = self.beyond.iter();
            let more: Vec<_> = beyond
                .map(|(zone, _, short)| ((*zone).clone(), *short))
                .collect();
            mended = with_room(&mended, &more);
        }
        mended
    }

    fn reasons(&self) -> Vec<Reason> {
        if self.together.is_empty() && self.beyond.is_empty() {
            return Vec::new();
        }
        let freed = self.mended(false, false);
        let ways = [true, false].map(|room| (room, is_feasible(&self.mended(room, false))));
        let helpful = || ways.iter().filter(|(_, helps)| *helps);
        let is_hopeless = helpful().next().is_none();
        let may_meet = helpful().all(|(room, _)| is_feasible(&self.mended(*room, true)));
        let mut reasons = Vec::new();
        for (shard, zone) in &self.together {
            let or = if may_meet && !is_hopeless {
                format!(", or {ANYWAY}")
            } else {
                String::new()
            };
            let message = format!(
                "shard {shard} is pinned with more than one member in {zone}: unpin it{or}"
            );
            reasons.push(reason(ReasonCode::PinnedTogether, message));
        }
        for (zone, room, short) in &self.beyond {
            let words = |room: bool| {
                if room {
                    format!("add room for {short}")
                } else {
                    "unpin them".to_owned()
                }
            };
            let mut cures: Vec<String> = helpful().map(|(room, _)| words(*room)).collect();
            if is_hopeless {
                cures.push(words(false));
            }
            let message = format!(
                "{zone} has room for {} and pinned shards hold {} there: {}",
                count(*room, "member"),
                room + short,
                cures.join(", or ")
            );
            reasons.push(reason(ReasonCode::PinnedBeyondCapacity, message));
        }
        if is_hopeless {
            // What is missing once they are unpinned.
            reasons.extend(infeasible(&freed).reasons);
        }
        reasons
    }
}

fn members_in(shard: &CurrentShard, zone: &ZoneName) -> u32 {
    let here = shard.members.iter().filter(|member| member.zone == *zone);
    u32::try_from(here.count()).unwrap_or(u32::MAX)
}

/// Zones or room that are missing.
fn missing(problem: &Problem, model: &Model) -> Vec<Reason> {
    let reach = |most: &PerZone<u8>| most.iter().map(u32::from).sum::<u32>();
    let narrowest = model
        .classes
        .iter()
        .min_by_key(|class| reach(&class.state.most));
    let too_few =
        narrowest.filter(|class| reach(&class.state.most) < u32::from(class.state.members));
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
    let more: Vec<Room> = parts
        .iter()
        .map(|(zones, short)| Room::new(model, zones, *short))
        .collect();
    let all: Vec<(ZoneName, u32)> = more.iter().flat_map(|it| it.extra.clone()).collect();
    let roomy = with_room(problem, &all);
    more.iter()
        .map(|room| {
            let mut advice = Advice::new(problem);
            advice.offer(room.words(), &roomy);
            advice.offer_less();
            let message = format!("{}: {}", room.lack(model), advice.words());
            reason(ReasonCode::NotEnoughRoom, message)
        })
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
    let mut advice = Advice::new(problem);
    advice.offer_zones_that_are_there();
    let message = if problem.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway {
        advice.offer_new_zones(1);
        advice.offer_less();
        format!("no zone takes new members{why}: {}", advice.words())
    } else {
        advice.offer_new_zones(wanted.saturating_sub(have));
        advice.offer_less();
        format!(
            "each shard needs {}, one for each member, and only {have} can take them{why}: {}",
            count(wanted, "zone"),
            advice.words()
        )
    };
    reason(ReasonCode::TooFewZones, message)
}

/// Zones whose room does not suffice together, and where more of it would help.
struct Room {
    zones: Vec<usize>,
    short: u32,
    extra: Vec<(ZoneName, u32)>,
}

impl Room {
    /// Parts what is missing over the zones: each gets the least that is needed of it while those
    /// after it have plenty. Demand that zones cannot pass on grows with their number, so the
    /// parts add up to what is missing.
    fn new(model: &Model, zones: &[usize], short: u32) -> Self {
        let mut roomy = model.clone();
        let raise = |roomy: &mut Model, zone: usize, by: u32| {
            let room = model.capacity.at(zone).saturating_add(by);
            roomy.capacity.set(zone, room);
        };
        for zone in zones {
            raise(&mut roomy, *zone, short);
        }
        let mut extra = Vec::new();
        for &zone in zones {
            raise(&mut roomy, zone, 0);
            let needed = if zones.len() == 1 {
                short
            } else {
                Cut::new(&roomy).map_or(0, |cut| cut.short)
            };
            raise(&mut roomy, zone, needed);
            if let Some(name) = model.names.get(zone).filter(|_| needed > 0) {
                extra.push((name.clone(), needed));
            }
        }
        Self {
            zones: zones.to_vec(),
            short,
            extra,
        }
    }

    fn lack(&self, model: &Model) -> String {
        let names = self.zones.iter().filter_map(|zone| model.names.get(*zone));
        let names: Vec<&str> = names.map(ZoneName::as_str).collect();
        let room: u32 = self.zones.iter().map(|zone| model.capacity.at(*zone)).sum();
        let have = if names.len() == 1 {
            "has"
        } else {
            "together have"
        };
        format!(
            "{} {have} room for {}, {} are needed",
            names.join(", "),
            count(room, "member"),
            room.saturating_add(self.short)
        )
    }

    fn words(&self) -> String {
        if self.zones.len() == 1 {
            return format!("add room for {}", self.short);
        }
        let extra = self.extra.iter();
        let parts: Vec<String> = extra
            .map(|(zone, more)| format!("{more} in {zone}"))
            .collect();
        format!("add room for {} ({})", self.short, parts.join(", "))
    }
}

pub(super) fn count(number: u32, noun: &str) -> String {
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
        let overflow = u32::from(class.state.members).saturating_sub(sum(&class.state.most, false));
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
            let free = class.size() * u32::from(class.state.members).saturating_sub(fixed);
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
