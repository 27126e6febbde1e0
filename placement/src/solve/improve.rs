//! Descent by single shards: while some shard has a pattern that makes the whole better, take it.

use crate::model::{Class, Model, Pattern, PerZone};
use crate::solve::start::Chosen;
use crate::solve::tally::{Own, Tally};

/// All patterns that the state of `class` allows, in a fixed order.
pub(crate) fn patterns(model: &Model, class: &Class) -> Vec<Pattern> {
    let mut sets = Vec::new();
    spread(
        model,
        class,
        0,
        model.members,
        PerZone::default(),
        &mut sets,
    );
    let mut patterns = Vec::new();
    for members in sets {
        for leader in (0..model.zones()).filter(|&zone| members.at(zone) > 0) {
            let fixed = class.state.leader.filter(|_| class.state.is_leader_fixed);
            if fixed.is_some_and(|fixed| usize::from(fixed) != leader) {
                continue;
            }
            push_heirs(model, members, leader, &mut patterns);
        }
    }
    patterns
}

fn push_heirs(model: &Model, members: PerZone<u8>, leader: usize, patterns: &mut Vec<Pattern>) {
    let Ok(led) = u8::try_from(leader) else {
        return;
    };
    let before = patterns.len();
    for heir in (0..model.zones()).filter(|&zone| zone != leader && members.at(zone) > 0) {
        patterns.push(Pattern {
            members,
            leader: led,
            heir: u8::try_from(heir).ok(),
        });
    }
    if patterns.len() == before {
        patterns.push(Pattern {
            members,
            leader: led,
            heir: None,
        });
    }
}

fn spread(
    model: &Model,
    class: &Class,
    zone: usize,
    left: u8,
    members: PerZone<u8>,
    sets: &mut Vec<PerZone<u8>>,
) {
    if zone == model.zones() {
        if left == 0 {
            sets.push(members);
        }
        return;
    }
    let most = class.state.most.at(zone).min(left);
    for count in class.state.least.at(zone)..=most {
        let mut members = members;
        members.set(zone, count);
        spread(model, class, zone + 1, left - count, members, sets);
    }
}

/// Improves `chosen` until no single shard can improve it, or `steps` comparisons are spent.
pub(crate) fn improve(model: &Model, chosen: &mut Chosen, tally: &mut Tally, steps: &mut u64) {
    let options: Vec<Vec<Pattern>> = model
        .classes
        .iter()
        .map(|class| patterns(model, class))
        .collect();
    let mut is_better = true;
    while is_better && *steps > 0 {
        is_better = false;
        for ((class, options), mine) in model.classes.iter().zip(&options).zip(chosen.iter_mut()) {
            is_better |= improve_class(model, class, options, mine, tally, steps);
        }
    }
}

fn improve_class(
    model: &Model,
    class: &Class,
    options: &[Pattern],
    mine: &mut Vec<(Pattern, u32)>,
    tally: &mut Tally,
    steps: &mut u64,
) -> bool {
    let mut is_better = false;
    let used: Vec<Pattern> = mine.iter().map(|(pattern, _)| *pattern).collect();
    for from in used {
        let own = Own::new(model, &class.state, &from);
        while mine
            .iter()
            .any(|(pattern, count)| *pattern == from && *count > 0)
        {
            let before = tally.rank(model);
            tally.take(&from, own);
            let ranked = options.iter().map(|to| {
                let mut after = tally.clone();
                after.give(to, Own::new(model, &class.state, to));
                (after.rank(model), *to)
            });
            let best = ranked.min();
            *steps = steps.saturating_sub(u64::try_from(options.len()).unwrap_or(u64::MAX));
            let Some((_, to)) = best.filter(|(rank, _)| *rank < before && *steps > 0) else {
                tally.give(&from, own);
                break;
            };
            tally.give(&to, Own::new(model, &class.state, &to));
            shift(mine, from, to);
            is_better = true;
        }
    }
    mine.retain(|(_, count)| *count > 0);
    is_better
}

fn shift(mine: &mut Vec<(Pattern, u32)>, from: Pattern, to: Pattern) {
    for (pattern, count) in mine.iter_mut() {
        if *pattern == from {
            *count -= 1;
        }
    }
    match mine.iter_mut().find(|(pattern, _)| *pattern == to) {
        Some((_, count)) => *count += 1,
        None => mine.push((to, 1)),
    }
}
