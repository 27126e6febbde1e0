//! Histories with updates that once did not end, named after what they protect. They are written out, so
//! that they stay what they are when the dice change.

#![cfg(test)]

use zoneward_operator::api::QuorumLossPolicy;
use zoneward_sim::faults::{Event, Fault};
use zoneward_sim::history::{Script, run};
use zoneward_sim::redis::Engine;
use zoneward_sim::setup::{Keep, Setup};

/// 3x1 in memory over three zones of one host; nothing flaky.
fn narrow() -> Setup {
    Setup {
        leaders: 3,
        followers: 1,
        zones: 3,
        hosts_per_zone: 1,
        room: 12,
        keep: Keep::Memory,
        volumes_are_local: false,
        node_timeout: 2000,
        zone_loss: 2000,
        rehome_seconds: 10,
        accept_empty: true,
        quorum_loss: QuorumLossPolicy::Unreachable,
        engine: Engine::Redis8,
        operators: 1,
        copy: 50,
        store_lag: 5,
        reuses_addresses: false,
        flaky_percent: 0,
        image_version: 0,
    }
}

/// Runs it with several dice, so that it does not pass by chance.
fn ends(setup: &Setup, events: &[(u64, u64, Fault)]) {
    let event = |&(at, lasts, fault): &(u64, u64, Fault)| Event { at, lasts, fault };
    for seed in 1..=2 {
        let outcome = run(&Script {
            seed,
            setup: setup.clone(),
            events: events.iter().map(event).collect(),
            is_early: false,
        });
        let story = outcome.story.join("\n");
        assert!(
            outcome.broken.is_none(),
            "seed {seed}: {:?}\n{story}",
            outcome.broken
        );
    }
}

#[test]
fn a_leader_that_is_to_go_waits_for_no_follower_that_waits_for_it() {
    for pick in 0..3 {
        let host = (32_524, 15_923, Fault::HostOff { pick });
        ends(&narrow(), &[host, (47_857, 47_623, Fault::Roll)]);
    }
}

#[test]
fn who_is_about_to_lead_is_not_replaced() {
    let setup = Setup {
        followers: 2,
        zones: 4,
        node_timeout: 5000,
        quorum_loss: QuorumLossPolicy::Fenced,
        operators: 2,
        copy: 500,
        store_lag: 1000,
        ..narrow()
    };
    let cut = (4675, 9897, Fault::ZonesCut { pick: 0 });
    ends(&setup, &[(1264, 3947, Fault::Roll), cut]);
}

#[test]
fn a_member_that_is_as_wanted_again_is_taken_back_although_its_successor_is_in_another_zone() {
    let setup = Setup {
        leaders: 6,
        followers: 0,
        keep: Keep::Aof,
        ..narrow()
    };
    let (first, second) = (
        (807, 1185, Fault::RollBack),
        (1283, 95_805, Fault::RollBack),
    );
    ends(&setup, &[first, second]);
    ends(&setup, &[second]);
}
