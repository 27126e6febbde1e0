//! The owner changes passwords and directives while things go wrong: the faults of ordinary histories, with
//! changes in the middle of each.

#![cfg(test)]

use zoneward_sim::faults::{Event, Fault};
use zoneward_sim::history::{Script, run};

/// Histories, each some seconds of this machine.
const SEEDS: u64 = 10;

fn with(seed: u64, changes: &[Fault]) -> Script {
    let mut script = Script::of(seed);
    for (index, fault) in (0..).zip(changes) {
        script.events.push(Event {
            at: 500 + index * 2500,
            lasts: 4000,
            fault: *fault,
        });
    }
    script
}

fn holds(name: &str, changes: impl Fn(usize) -> Vec<Fault>) {
    for seed in 0..SEEDS {
        let pick = usize::try_from(seed).unwrap() * 7 + 1;
        let outcome = run(&with(seed, &changes(pick)));
        let told = || {
            outcome
                .story
                .iter()
                .rev()
                .take(60)
                .rev()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert!(
            outcome.broken.is_none(),
            "{name}, seed {seed}: {:?}\n{}",
            outcome.broken.as_ref().map(|it| (it.promise, &it.what)),
            told().join("\n")
        );
    }
}

#[test]
fn passwords_are_changed_under_every_fault() {
    holds("passwords", |pick| {
        let change = |pick| Fault::PasswordChange { pick };
        vec![change(pick), change(pick + 4)]
    });
}

#[test]
fn directives_are_changed_under_every_fault() {
    holds("directives", |pick| {
        let change = |pick| Fault::ConfigChange { pick };
        vec![change(pick), change(pick + 1)]
    });
}
