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
    /// False where there were too many: what is best among them proves nothing.
    pub(super) is_complete: bool,
}

/// The most choices that are held; more would take too much memory.
const CHOICES_MAX: usize = 600_000;

impl Catalog {
    /// The patterns that can be part of a placement with `violations` zone violations in all.
    pub(super) fn new(model: &Model, violations: u64) -> Self {
        let sets: Vec<Vec<PerZone<u8>>> = model
            .classes
            .iter()
            .map(|class| member_sets(model, class))
            .collect();
        let unavoidable: u64 = model
            .classes
            .iter()
            .zip(&sets)
            .map(|(class, sets)| u64::from(least(sets)) * u64::from(class.size()))
            .sum();
        let slack = u32::try_from(violations.saturating_sub(unavoidable)).unwrap_or(u32::MAX);
        let most = model.classes.iter().map(|class| class.state.members).max();
        let widest = slack.min(most.map_or(0, u32::from));
        let fits = |slack: &u32| count(&sets, *slack) <= CHOICES_MAX;
        let taken = (0..=widest).rev().find(fits).unwrap_or(0);
        Self {
            is_complete: taken == widest,
            ..Self::with_slack(model, &sets, taken)
        }
    }

    /// Drops the choices of each class that are not listed; both are in the same order.
    pub(super) fn keep(&mut self, useful: Vec<Vec<Pattern>>) {
        for (choices, useful) in self.choices.iter_mut().zip(useful) {
            let mut next = useful.into_iter().peekable();
            choices.retain(|choice| next.next_if_eq(&choice.pattern).is_some());
        }
    }

    /// The patterns of each class that have at most `slack` violations more than its least.
    fn with_slack(model: &Model, sets: &[Vec<PerZone<u8>>], slack: u32) -> Self {
        let mut numbers: BTreeMap<Pattern, usize> = BTreeMap::new();
        let mut patterns = Vec::new();
        let mut choices = Vec::new();
        for (class, sets) in model.classes.iter().zip(sets) {
            let mut mine = Vec::new();
            for members in within(sets, slack) {
                for pattern in led(model, class, members) {
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
        Self {
            patterns,
            choices,
            is_complete: true,
        }
    }
}

/// The least violations of any of `sets`.
fn least(sets: &[PerZone<u8>]) -> u32 {
    sets.iter().copied().map(violations_of).min().unwrap_or(0)
}

/// Those of `sets` that have at most `slack` violations more than the least.
fn within(sets: &[PerZone<u8>], slack: u32) -> impl Iterator<Item = PerZone<u8>> {
    let most = least(sets).saturating_add(slack);
    sets.iter()
        .copied()
        .filter(move |set| violations_of(*set) <= most)
}

/// How many choices there are with that slack, pins aside.
fn count(sets: &[Vec<PerZone<u8>>], slack: u32) -> usize {
    let ways = |set: PerZone<u8>| {
        let inhabited = set.iter().filter(|count| *count > 0).count();
        inhabited * inhabited.saturating_sub(1).max(1)
    };
    sets.iter()
        .flat_map(|sets| within(sets, slack))
        .map(ways)
        .sum()
}

fn violations_of(members: PerZone<u8>) -> u32 {
    members
        .iter()
        .map(|count| u32::from(count.saturating_sub(1)))
        .sum()
}

/// All ways to spread the members of a shard over zones.
fn member_sets(model: &Model, class: &Class) -> Vec<PerZone<u8>> {
    let mut sets = vec![(PerZone::<u8>::default(), class.state.members)];
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
