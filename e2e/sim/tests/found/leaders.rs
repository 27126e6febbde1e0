//! Of who leads: takeovers, leaders that come back, and updates.

use zoneward_operator::api::QuorumLossPolicy;
use zoneward_sim::faults::Fault;
use zoneward_sim::redis::Engine;
use zoneward_sim::setup::{Keep, Setup};

use super::{event, holds, plain};

#[test]
fn nobody_takes_over_in_the_round_in_which_another_shard_is_led_again() {
    let setup = Setup {
        leaders: 2,
        keep: Keep::Rdb,
        volumes_are_local: true,
        rehome_seconds: 10,
        engine: Engine::Redis7,
        ..plain()
    };
    for late in 0..5 {
        let events = [
            event(1008, 3334, Fault::UserForces { pick: 956_014 }),
            event(1498, 109_749 + 200 * late, Fault::HostOff { pick: 264_100 }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn nobody_takes_over_in_the_round_in_which_a_leader_is_heard_again() {
    let setup = Setup {
        hosts_per_zone: 1,
        zone_loss: 0,
        copy: 500,
        store_lag: 1000,
        ..plain()
    };
    for late in 0..5 {
        let cut_off = Fault::OperatorCutOff { pick: 457_694 };
        let events = [
            event(45_110, 13_044 + 100 * late, cut_off),
            event(45_355, 891, Fault::HostOff { pick: 944_286 }),
            event(48_780, 101_525, Fault::Drain { pick: 239_897 }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn a_leader_that_hung_and_then_is_cut_off_loses_what_it_took_meanwhile() {
    let setup = Setup {
        followers: 2,
        hosts_per_zone: 3,
        keep: Keep::Aof,
        node_timeout: 15_000,
        rehome_seconds: 5,
        ..plain()
    };
    for pick in 0..3 {
        let events = [
            event(5758, 46_934, Fault::ZoneHangs { pick: 158_278 }),
            event(50_923, 9085, Fault::ZonesCut { pick }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn an_update_goes_on_where_who_leads_is_updated_and_has_to_go() {
    let setup = Setup {
        leaders: 5,
        keep: Keep::Aof,
        volumes_are_local: true,
        node_timeout: 15_000,
        rehome_seconds: 5,
        quorum_loss: QuorumLossPolicy::Unreachable,
        ..plain()
    };
    let events = [
        event(619, 31_060, Fault::ZoneOff { pick: 992_997 }),
        event(811, 96_123, Fault::ZoneOff { pick: 478_777 }),
        event(46_539, 1040, Fault::Roll),
    ];
    holds(&setup, false, &events);
}

#[test]
fn a_leader_that_hung_while_its_successor_died_loses_what_it_took_until_it_stopped() {
    let setup = Setup {
        leaders: 4,
        zones: 2,
        hosts_per_zone: 1,
        keep: Keep::Rdb,
        volumes_are_local: true,
        quorum_loss: QuorumLossPolicy::Unreachable,
        ..plain()
    };
    // neither zone has a majority of the leaders
    let events = [
        event(2905, 67_805, Fault::ZoneHangs { pick: 1 }),
        event(48_774, 60_617, Fault::ZoneOff { pick: 0 }),
    ];
    holds(&setup, false, &events);
}
