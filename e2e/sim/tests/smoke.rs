//! A first look in `make test`: some histories, each of them new to none. `make sim` runs thousands.

#![cfg(test)]

use std::sync::atomic::{AtomicU64, Ordering};

use zoneward_sim::history::{Script, run};

const HISTORIES: u64 = 60;

#[test]
fn promises_hold_in_the_first_histories() {
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > HISTORIES {
                        return;
                    }
                    let outcome = run(&Script::of(seed));
                    if let Some(it) = outcome.broken {
                        panic!(
                            "seed {seed} breaks {}: {}\n{}",
                            it.promise,
                            it.what,
                            outcome.story.join("\n")
                        );
                    }
                }
            });
        }
    });
}

/// Same seed, same history: what is found can be found again.
#[test]
fn a_seed_is_one_history() {
    for seed in [3, 14] {
        let (one, other) = (run(&Script::of(seed)), run(&Script::of(seed)));
        assert_eq!(one.story, other.story, "seed {seed}");
    }
}
