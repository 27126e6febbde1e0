//! Makes a history that breaks a promise short: what is left out of it was not needed.

use crate::history::{Outcome, Script, run};

/// The shortest script found that still breaks the same promise, and its outcome.
pub fn shrink(script: Script, outcome: Outcome) -> (Script, Outcome) {
    let Some(promise) = outcome.broken.as_ref().map(|it| it.promise) else {
        return (script, outcome);
    };
    let mut best = (script, outcome);
    let mut has_shrunk = true;
    while has_shrunk {
        has_shrunk = false;
        for candidate in candidates(&best.0) {
            let outcome = run(&candidate);
            if outcome
                .broken
                .as_ref()
                .is_some_and(|it| it.promise == promise)
            {
                best = (candidate, outcome);
                has_shrunk = true;
                break;
            }
        }
    }
    best
}

/// Scripts that are simpler by one step.
fn candidates(script: &Script) -> Vec<Script> {
    let mut simpler = Vec::new();
    for at in 0..script.events.len() {
        let mut candidate = script.clone();
        candidate.events.remove(at);
        simpler.push(candidate);
    }
    let mut with = |change: &dyn Fn(&mut Script) -> bool| {
        let mut candidate = script.clone();
        if change(&mut candidate) {
            simpler.push(candidate);
        }
    };
    with(&|it| std::mem::take(&mut it.setup.flaky_percent) > 0);
    with(&|it| std::mem::replace(&mut it.setup.operators, 1) > 1);
    with(&|it| std::mem::replace(&mut it.setup.store_lag, 5) > 5);
    with(&|it| std::mem::replace(&mut it.setup.copy, 50) > 50);
    with(&|it| std::mem::take(&mut it.setup.reuses_addresses));
    with(&|it| std::mem::replace(&mut it.setup.leaders, 3) > 3);
    simpler
}
