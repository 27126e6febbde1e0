//! A good first placement: members by flow, then leaders by flow, then heirs by flow.
//!
//! Members alone are settled exactly, so this also decides feasibility, the least number of zone
//! violations, and lower bounds of two more terms (a relaxation: leaders are ignored).

use std::collections::BTreeMap;

use crate::model::{Class, Model, Pattern, PerZone};
use crate::problem::Mode;
use crate::solve::settle::{Costs, LEVEL, settle};
use crate::solve::tally::{Own, Tally};

/// Patterns per class, with how many shards get each.
pub(crate) type Chosen = Vec<Vec<(Pattern, u32)>>;

struct MemberCosts<'a> {
    model: &'a Model,
    /// Members that pinned shards keep in each zone; the others are settled on top of them.
    fixed: PerZone<u32>,
}

impl<'a> MemberCosts<'a> {
    fn new(model: &'a Model) -> Self {
        let mut fixed = PerZone::default();
        for zone in 0..model.zones() {
            let kept = |class: &Class| u32::from(class.state.least.at(zone)) * class.size();
            fixed.set(zone, model.classes.iter().map(kept).sum());
        }
        Self { model, fixed }
    }

    fn data_weight(&self) -> i128 {
        match self.model.mode {
            Mode::Repair => LEVEL * LEVEL,
            Mode::Rebalance => LEVEL,
        }
    }

    fn even_weight(&self) -> i128 {
        match self.model.mode {
            Mode::Repair => LEVEL,
            Mode::Rebalance => LEVEL * LEVEL,
        }
    }
}

impl Costs for MemberCosts<'_> {
    fn unit(&self, group: usize, zone: usize, held: u32) -> Option<i128> {
        let class = self.model.classes.get(group)?;
        let state = &class.state;
        let below = u32::from(state.least.at(zone)) + held / class.size().max(1);
        let below = u8::try_from(below).unwrap_or(u8::MAX);
        if below >= state.most.at(zone) {
            return None;
        }
        let before = self.model.moved_from(state, zone, below);
        let saved = before - self.model.moved_from(state, zone, below + 1);
        let violation = if below > 0 { LEVEL * LEVEL * LEVEL } else { 0 };
        let stays = i128::from(below < state.present.at(zone));
        Some(violation - i128::from(saved) * self.data_weight() - stays)
    }

    fn zone(&self, zone: usize, total: u32) -> i128 {
        let total = total + self.fixed.at(zone);
        let beyond = if total >= self.model.capacity.at(zone) {
            LEVEL.pow(4)
        } else {
            0
        };
        beyond + (2 * i128::from(total) + 1) * self.even_weight()
    }
}

/// Shards of one class with the same members, and where their leaders or heirs can be.
struct Group {
    class: usize,
    size: u32,
    pattern: Pattern,
}

struct LeaderCosts<'a> {
    model: &'a Model,
    groups: &'a [Group],
}

impl Costs for LeaderCosts<'_> {
    fn unit(&self, group: usize, zone: usize, _held: u32) -> Option<i128> {
        let group = self.groups.get(group)?;
        let state = &self.model.classes.get(group.class)?.state;
        let is_leader = state.leader.map(usize::from) == Some(zone);
        if group.pattern.members.at(zone) == 0 || (state.is_leader_fixed && !is_leader) {
            return None;
        }
        Some(i128::from(state.leader.is_some() && !is_leader))
    }

    fn zone(&self, _zone: usize, total: u32) -> i128 {
        let over = if total >= self.model.quota {
            LEVEL * LEVEL
        } else {
            0
        };
        over + (2 * i128::from(total) + 1) * LEVEL
    }
}

struct HeirCosts<'a> {
    groups: &'a [&'a Group],
    leaders: PerZone<u32>,
    leader: usize,
}

impl Costs for HeirCosts<'_> {
    fn unit(&self, group: usize, zone: usize, _held: u32) -> Option<i128> {
        let group = self.groups.get(group)?;
        (zone != self.leader && group.pattern.members.at(zone) > 0).then_some(0)
    }

    fn zone(&self, zone: usize, total: u32) -> i128 {
        2 * i128::from(self.leaders.at(zone) + total) + 1
    }
}

/// The first placement, and what its members would cost if leaders did not matter.
pub(super) struct Start {
    pub(super) chosen: Chosen,
    /// The three terms of members alone, each least in the order of the mode: no placement has
    /// fewer violations; the others are bounds as long as those before them are equal.
    pub(super) relaxed: Tally,
}

/// The first placement. `None` where some shard finds no zones at all; capacities may be exceeded
/// in the result, which then proves that the problem is infeasible.
pub(super) fn start(model: &Model) -> Option<Start> {
    let groups = settle_members(model)?;
    let mut relaxed = Tally::default();
    for group in &groups {
        let state = &model.classes.get(group.class)?.state;
        let own = Own {
            switches: 0,
            ..Own::new(model, state, &group.pattern)
        };
        for _ in 0..group.size {
            relaxed.give(&group.pattern, own);
        }
    }
    let groups = settle_leaders(model, &groups)?;
    Some(Start {
        chosen: with_heirs(model, groups)?,
        relaxed,
    })
}

/// The present placement, if it is complete: what is best already shall not move.
pub(super) fn stay(model: &Model) -> Option<Chosen> {
    let mut groups = Vec::new();
    for (class, it) in model.classes.iter().enumerate() {
        let members = it.state.present;
        let total: u32 = members.iter().map(u32::from).sum();
        let allowed = members
            .iter()
            .zip(it.state.most.iter())
            .all(|(now, most)| now <= most);
        let leader = it.state.leader?;
        if !allowed || total != u32::from(it.state.members) {
            return None;
        }
        groups.push(Group {
            class,
            size: it.size(),
            pattern: Pattern {
                members,
                leader,
                heir: None,
            },
        });
    }
    with_heirs(model, groups)
}

fn with_heirs(model: &Model, groups: Vec<Group>) -> Option<Chosen> {
    let mut chosen: Chosen = vec![Vec::new(); model.classes.len()];
    for group in settle_heirs(model, groups)? {
        chosen
            .get_mut(group.class)?
            .push((group.pattern, group.size));
    }
    Some(chosen)
}

fn settle_members(model: &Model) -> Option<Vec<Group>> {
    let free = |class: &Class| {
        let fixed: u32 = class.state.least.iter().map(u32::from).sum();
        class.size() * u32::from(class.state.members).saturating_sub(fixed)
    };
    let units: Vec<u32> = model.classes.iter().map(free).collect();
    let held = settle(&MemberCosts::new(model), model.zones(), &units)?;
    let mut groups = Vec::new();
    for (index, (class, mine)) in model.classes.iter().zip(&held).enumerate() {
        for (members, size) in deal(class, mine) {
            let pattern = Pattern {
                members,
                leader: 0,
                heir: None,
            };
            groups.push(Group {
                class: index,
                size,
                pattern,
            });
        }
    }
    Some(groups)
}

/// Deals the members of a class round its shards, zone after zone: no shard gets two in a zone
/// before every shard has one.
fn deal(class: &Class, mine: &PerZone<u32>) -> BTreeMap<PerZone<u8>, u32> {
    let mut shards = vec![class.state.least; class.shards.len()];
    let count = shards.len().max(1);
    let mut next = 0;
    for (zone, units) in mine.iter().enumerate() {
        for _ in 0..units {
            if let Some(slot) = shards.get_mut(next).and_then(|shard| shard.slot(zone)) {
                *slot += 1;
            }
            next = (next + 1) % count;
        }
    }
    let mut alike = BTreeMap::new();
    for members in shards {
        *alike.entry(members).or_default() += 1;
    }
    alike
}

fn settle_leaders(model: &Model, groups: &[Group]) -> Option<Vec<Group>> {
    let units: Vec<u32> = groups.iter().map(|group| group.size).collect();
    let costs = LeaderCosts { model, groups };
    let held = settle(&costs, model.zones(), &units)?;
    let mut led = Vec::new();
    for (group, mine) in groups.iter().zip(&held) {
        for (zone, size) in mine.iter().enumerate().filter(|(_, size)| *size > 0) {
            let leader = u8::try_from(zone).ok()?;
            let pattern = Pattern {
                leader,
                ..group.pattern
            };
            led.push(Group {
                class: group.class,
                size,
                pattern,
            });
        }
    }
    Some(led)
}

fn settle_heirs(model: &Model, groups: Vec<Group>) -> Option<Vec<Group>> {
    let mut leaders = PerZone::<u32>::default();
    for group in &groups {
        *leaders.slot(usize::from(group.pattern.leader))? += group.size;
    }
    let has_heir = |group: &&Group| {
        let at_home = group.pattern.members.at(usize::from(group.pattern.leader));
        let class = model.classes.get(group.class);
        class.is_some_and(|class| at_home < class.state.members)
    };
    let mut whole = Vec::new();
    for leader in 0..model.zones() {
        let here = groups
            .iter()
            .filter(|group| usize::from(group.pattern.leader) == leader);
        let here: Vec<&Group> = here.filter(has_heir).collect();
        let units: Vec<u32> = here.iter().map(|group| group.size).collect();
        let costs = HeirCosts {
            groups: &here,
            leaders,
            leader,
        };
        let held = settle(&costs, model.zones(), &units)?;
        for (group, mine) in here.iter().zip(&held) {
            for (zone, size) in mine.iter().enumerate().filter(|(_, size)| *size > 0) {
                let heir = Some(u8::try_from(zone).ok()?);
                let pattern = Pattern {
                    heir,
                    ..group.pattern
                };
                whole.push(Group {
                    class: group.class,
                    size,
                    pattern,
                });
            }
        }
    }
    whole.extend(groups.into_iter().filter(|group| !has_heir(&group)));
    Some(whole)
}
