//! All patterns that each class may take, and what they cost by themselves.

use std::collections::BTreeMap;

use crate::model::{Class, Model, Pattern, PerZone};
use crate::solve::tally::Own;

/// A pattern that a class may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) number: usize,
    pub(super) pattern: Pattern,
    pub(super) own: Own,
}

/// The patterns of all classes; equal patterns of different classes have one number.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    pub(super) patterns: Vec<Pattern>,
    pub(super) choices: Vec<Vec<Choice>>,
}

impl Catalog {
    /// The patterns that can be part of a placement with `violations` zone violations in all.
    pub(super) fn new(model: &Model, violations: u64) -> Self {
        let sets: Vec<Vec<PerZone<u8>>> = model
            .classes
            .iter()
            .map(|class| member_sets(model, class))
            .collect();
        let least =
            |sets: &Vec<PerZone<u8>>| sets.iter().copied().map(violations_of).min().unwrap_or(0);
        let unavoidable: u64 = model
            .classes
            .iter()
            .zip(&sets)
            .map(|(class, sets)| u64::from(least(sets)) * u64::from(class.size()))
            .sum();
        let slack = u32::try_from(violations.saturating_sub(unavoidable)).unwrap_or(u32::MAX);
        let mut numbers: BTreeMap<Pattern, usize> = BTreeMap::new();
        let mut patterns = Vec::new();
        let mut choices = Vec::new();
        for (class, sets) in model.classes.iter().zip(&sets) {
            let most = least(sets).saturating_add(slack);
            let mut mine = Vec::new();
            for members in sets.iter().filter(|set| violations_of(**set) <= most) {
                for pattern in led(model, class, *members) {
                    let number = *numbers.entry(pattern).or_insert_with(|| {
                        patterns.push(pattern);
                        patterns.len() - 1
                    });
                    let own = Own::new(model, &class.state, &pattern);
                    mine.push(Choice {
                        number,
                        pattern,
                        own,
                    });
                }
            }
            choices.push(mine);
        }
        Self { patterns, choices }
    }
}

fn violations_of(members: PerZone<u8>) -> u32 {
    members
        .iter()
        .map(|count| u32::from(count.saturating_sub(1)))
        .sum()
}

/// All ways to spread the members of a shard over zones.
fn member_sets(model: &Model, class: &Class) -> Vec<PerZone<u8>> {
    let mut sets = vec![(PerZone::<u8>::default(), model.members)];
    for zone in 0..model.zones() {
        let (least, most) = (class.state.least.at(zone), class.state.most.at(zone));
        let mut longer = Vec::new();
        for (members, left) in sets {
            for count in least..=most.min(left) {
                let mut members = members;
                members.set(zone, count);
                longer.push((members, left - count));
            }
        }
        sets = longer;
    }
    sets.into_iter()
        .filter(|(_, left)| *left == 0)
        .map(|(members, _)| members)
        .collect()
}

/// The patterns with these members: every leader, every heir.
fn led(model: &Model, class: &Class, members: PerZone<u8>) -> Vec<Pattern> {
    let inhabited = || (0..model.zones()).filter(move |&zone| members.at(zone) > 0);
    let fixed = class
        .state
        .leader
        .filter(|_| class.state.is_leader_fixed)
        .map(usize::from);
    let mut patterns = Vec::new();
    for zone in inhabited().filter(|&zone| fixed.is_none_or(|fixed| fixed == zone)) {
        let Ok(leader) = u8::try_from(zone) else {
            continue;
        };
        let before = patterns.len();
        for heir in inhabited().filter(|&heir| heir != zone) {
            patterns.push(Pattern {
                members,
                leader,
                heir: u8::try_from(heir).ok(),
            });
        }
        if patterns.len() == before {
            patterns.push(Pattern {
                members,
                leader,
                heir: None,
            });
        }
    }
    patterns
}
