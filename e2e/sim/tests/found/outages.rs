//! Of outages that lasted, or came one on the other: what is waited for, and what is not.

use zoneward_operator::api::QuorumLossPolicy;
use zoneward_sim::faults::Fault;
use zoneward_sim::redis::Engine;
use zoneward_sim::setup::{Keep, Setup};

use super::{event, holds, plain};

#[test]
fn a_leader_that_lived_on_beyond_a_cut_is_waited_for_with_what_it_took_there() {
    let setup = Setup {
        zones: 2,
        keep: Keep::Aof,
        volumes_are_local: true,
        rehome_seconds: 5,
        ..plain()
    };
    let killed = Fault::KillProcess {
        pick: 783_515,
        leader: true,
    };
    let events = [
        event(789, 54_884, Fault::ZoneCut { pick: 536_895 }),
        event(3899, 12_031, killed),
    ];
    holds(&setup, false, &events);
}

#[test]
fn all_come_back_at_once_after_two_power_cuts() {
    let setup = Setup {
        leaders: 6,
        followers: 2,
        keep: Keep::Rdb,
        volumes_are_local: true,
        zone_loss: 0,
        rehome_seconds: 10,
        quorum_loss: QuorumLossPolicy::Unreachable,
        engine: Engine::Redis7,
        ..plain()
    };
    let events = [
        event(2118, 3319, Fault::PowerCut),
        event(5343, 117_768, Fault::OperatorCutOff { pick: 508_948 }),
        event(20_810, 93_317, Fault::PowerCut),
    ];
    holds(&setup, false, &events);
}

#[test]
fn nobody_has_the_only_copy_without_having_heard_of_its_slots() {
    let setup = Setup {
        leaders: 6,
        rehome_seconds: 5,
        quorum_loss: QuorumLossPolicy::Unreachable,
        engine: Engine::Redis7,
        ..plain()
    };
    let events = [
        event(1799, 1167, Fault::ZoneOff { pick: 777_803 }),
        event(4837, 1050, Fault::KillLeaders),
    ];
    holds(&setup, false, &events);
}

#[test]
fn nobody_is_forgotten_whom_a_majority_elects_out_of_sight() {
    let setup = Setup {
        zones: 4,
        zone_loss: 0,
        ..plain()
    };
    // which pod the user forces is drawn by number: the follower beyond the cut is one of them
    for pick in 0..6 {
        let events = [
            event(15_907, 48_879, Fault::ZonesCut { pick: 0 }),
            event(22_934, 60_000, Fault::UserForces { pick }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn who_hung_while_its_leader_died_is_no_older_copy() {
    let setup = Setup {
        node_timeout: 15_000,
        hosts_per_zone: 3,
        zone_loss: 0,
        reuses_addresses: true,
        ..plain()
    };
    for pick in 0..6 {
        let events = [
            event(4_444, 4_000, Fault::Hang { pick }),
            event(
                7_475,
                1_000,
                Fault::KillProcess {
                    pick: 0,
                    leader: true,
                },
            ),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn a_body_stays_closed_while_who_led_after_it_is_off() {
    let setup = Setup {
        zones: 2,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        volumes_are_local: true,
        rehome_seconds: 5,
        quorum_loss: QuorumLossPolicy::Unreachable,
        engine: Engine::Redis7,
        ..plain()
    };
    let events = [
        event(17_851, 88_113, Fault::ZoneOff { pick: 771_638 }),
        event(48_683, 14_981, Fault::PowerCut),
        event(51_730, 8_113, Fault::HostOff { pick: 635_896 }),
    ];
    holds(&setup, false, &events);
}

#[test]
fn who_has_nothing_makes_room_for_the_body_of_its_leader() {
    let setup = Setup {
        leaders: 4,
        followers: 2,
        keep: Keep::Aof,
        volumes_are_local: true,
        node_timeout: 15_000,
        rehome_seconds: 5,
        operators: 2,
        reuses_addresses: true,
        ..plain()
    };
    let leader = Fault::UserDeletes {
        pick: 474_067,
        leader: true,
    };
    let events = [
        event(2_369, 103_089, Fault::ZoneHangs { pick: 25_569 }),
        event(3_167, 36_054, leader),
        event(18_909, 13_432, Fault::KillFollowers),
        event(19_519, 1_299, Fault::ZoneOff { pick: 829_295 }),
    ];
    holds(&setup, true, &events);
}
