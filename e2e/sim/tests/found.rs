//! Histories that once broke a promise, named after what they protect. They are written out, so that
//! they stay what they are when the dice change.

use zoneward_sim::faults::{Event, Fault};
use zoneward_sim::history::{Script, run};
use zoneward_sim::redis::Engine;
use zoneward_sim::setup::{Keep, Setup};

/// 3x1 in memory over three zones of two hosts; nothing flaky.
fn plain() -> Setup {
    Setup {
        leaders: 3,
        followers: 1,
        zones: 3,
        hosts_per_zone: 2,
        room: 12,
        keep: Keep::Memory,
        volumes_are_local: false,
        node_timeout: 5000,
        zone_loss: 2000,
        rehome_seconds: 20,
        accept_empty: true,
        engine: Engine::Redis8,
        operators: 1,
        copy: 50,
        store_lag: 5,
        reuses_addresses: false,
        flaky_percent: 0,
    }
}

fn event(at: u64, lasts: u64, fault: Fault) -> Event {
    Event { at, lasts, fault }
}

/// Runs it with several dice, so that it does not pass by chance.
fn holds(setup: &Setup, is_early: bool, events: &[Event]) {
    for seed in 1..=4 {
        let script = Script {
            seed,
            setup: setup.clone(),
            events: events.to_vec(),
            is_early,
        };
        let outcome = run(&script);
        if let Some(violation) = outcome.broken {
            panic!(
                "seed {seed} breaks {}: {}\n{}",
                violation.promise,
                violation.what,
                outcome.story.join("\n")
            );
        }
    }
}

#[test]
fn a_majority_lost_while_the_cluster_forms_and_clients_write_is_repaired() {
    let setup = Setup {
        zones: 2,
        ..plain()
    };
    for at in [1500, 2400, 3000] {
        holds(
            &setup,
            true,
            &[event(at, 11_000, Fault::ZoneOff { pick: 0 })],
        );
    }
}
