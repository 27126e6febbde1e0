//! Descent by single shards: while some shard has a pattern that makes the whole better, take it.

use crate::model::{Model, Pattern};
use crate::solve::catalog::{Catalog, Choice};
use crate::solve::outlook::Outlook;
use crate::solve::start::Chosen;
use crate::solve::tally::{Own, Tally};

/// Improves `chosen` until no single shard can improve it, or `steps` comparisons are spent.
pub(super) fn improve(model: &Model, catalog: &Catalog, chosen: &mut Chosen, steps: &mut u64) {
    let mut tally = Tally::of(model, chosen);
    let mut is_better = true;
    while is_better && *steps > 0 {
        is_better = false;
        for (index, mine) in chosen.iter_mut().enumerate() {
            let Some(choices) = catalog.choices.get(index) else {
                continue;
            };
            let Some(class) = model.classes.get(index) else {
                continue;
            };
            let used: Vec<Pattern> = mine.iter().map(|(pattern, _)| *pattern).collect();
            for from in used {
                let own = Own::new(model, &class.state, &from);
                while replace(model, choices, mine, (&from, own), &mut tally, steps) {
                    is_better = true;
                }
            }
            mine.retain(|(_, count)| *count > 0);
        }
    }
}

/// Gives one shard that has the pattern `from` the best other one, if that makes the whole better.
fn replace(
    model: &Model,
    choices: &[Choice],
    mine: &mut Vec<(Pattern, u32)>,
    (from, own): (&Pattern, Own),
    tally: &mut Tally,
    steps: &mut u64,
) -> bool {
    if *steps == 0
        || !mine
            .iter()
            .any(|(pattern, count)| pattern == from && *count > 0)
    {
        return false;
    }
    *steps = steps.saturating_sub(Outlook::work(model, choices.len()));
    tally.take(from, own);
    let outlook = Outlook::new(model, tally);
    let before = outlook.rank(from, own);
    let Some((_, to)) = outlook.best(choices).filter(|(rank, _)| *rank < before) else {
        tally.give(from, own);
        return false;
    };
    tally.give(&to.pattern, to.own);
    shift(mine, from, &to.pattern);
    true
}

fn shift(mine: &mut Vec<(Pattern, u32)>, from: &Pattern, to: &Pattern) {
    if let Some((_, count)) = mine.iter_mut().find(|(pattern, _)| pattern == from) {
        *count -= 1;
    }
    add(mine, to, 1);
}

/// Counts `count` more shards under `pattern`.
pub(super) fn add(mine: &mut Vec<(Pattern, u32)>, pattern: &Pattern, count: u32) {
    match mine.iter_mut().find(|(known, _)| known == pattern) {
        Some((_, known)) => *known += count,
        None => mine.push((*pattern, count)),
    }
}
