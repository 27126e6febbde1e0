//! Histories that once broke a promise, named after what they protect. They are written out, so that
//! they stay what they are when the dice change.

#![cfg(test)]

mod bodies;
mod leaders;
mod outages;

use zoneward_operator::api::QuorumLossPolicy;
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
        quorum_loss: QuorumLossPolicy::Fenced,
        engine: Engine::Redis8,
        operators: 1,
        copy: 50,
        store_lag: 5,
        reuses_addresses: false,
        flaky_percent: 0,
        image_version: 0,
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

#[test]
fn who_has_a_dead_leaders_address_stays_closed_while_its_followers_copy_from_there() {
    let setup = Setup {
        zones: 2,
        hosts_per_zone: 3,
        node_timeout: 15_000,
        engine: Engine::Redis7,
        reuses_addresses: true,
        ..plain()
    };
    holds(
        &setup,
        false,
        &[event(1400, 800, Fault::ZoneOff { pick: 1 })],
    );
}

#[test]
fn a_body_that_has_not_heard_of_its_successor_takes_no_writes() {
    let setup = Setup {
        leaders: 1,
        followers: 2,
        keep: Keep::Aof,
        volumes_are_local: true,
        operators: 2,
        store_lag: 1000,
        engine: Engine::Redis7,
        ..plain()
    };
    let kill = Fault::KillProcess {
        pick: 0,
        leader: true,
    };
    holds(&setup, false, &[event(1000, 700, kill)]);
}

#[test]
fn slots_begin_anew_only_with_who_knows_everybodys_epoch() {
    let setup = Setup {
        leaders: 2,
        node_timeout: 2000,
        ..plain()
    };
    holds(
        &setup,
        false,
        &[event(300, 1000, Fault::KillShard { pick: 1 })],
    );
}

#[test]
fn slots_begin_anew_again_when_who_began_them_dies_at_once() {
    let setup = Setup {
        zones: 4,
        accept_empty: true,
        ..plain()
    };
    let events = [
        event(300, 1000, Fault::KillShard { pick: 1 }),
        event(3900, 1000, Fault::KillLeaders),
    ];
    holds(&setup, false, &events);
}

#[test]
fn who_came_after_a_leader_was_lost_has_no_vote_for_its_successor() {
    let setup = Setup {
        node_timeout: 15_000,
        ..plain()
    };
    let events = [
        event(1000, 92_000, Fault::ZoneHangs { pick: 0 }),
        event(4000, 900, Fault::Drain { pick: 4 }),
        event(
            19_000,
            1000,
            Fault::KillProcess {
                pick: 0,
                leader: true,
            },
        ),
    ];
    holds(&setup, false, &events);
}

#[test]
fn a_body_that_was_replaced_is_taken_back_where_its_place_has_no_room_for_another() {
    let setup = Setup {
        followers: 0,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        volumes_are_local: true,
        node_timeout: 2000,
        ..plain()
    };
    holds(
        &setup,
        false,
        &[event(20_000, 48_000, Fault::HostOff { pick: 2 })],
    );
}

#[test]
fn a_copy_keeps_the_place_where_a_body_finds_no_room_beside_it() {
    let setup = Setup {
        zones: 4,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        zone_loss: 0,
        rehome_seconds: 5,
        copy: 500,
        ..plain()
    };
    for pick in 1..3 {
        let leader = Fault::UserDeletes { pick, leader: true };
        let off = |pick| event(4093, 5398, Fault::HostOff { pick });
        for host in 0..4 {
            holds(&setup, false, &[event(596, 33_512, leader), off(host)]);
        }
    }
}

#[test]
fn a_pod_is_given_the_volume_that_could_not_be_made_with_it() {
    let setup = Setup {
        leaders: 6,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        volumes_are_local: true,
        flaky_percent: 10,
        ..plain()
    };
    holds(&setup, false, &[]);
}

#[test]
fn one_who_answers_at_anothers_old_address_is_not_taken_for_it() {
    let setup = Setup {
        leaders: 1,
        keep: Keep::Rdb,
        volumes_are_local: true,
        store_lag: 1000,
        reuses_addresses: true,
        ..plain()
    };
    for pick in [0, 1] {
        holds(
            &setup,
            false,
            &[event(46_000, 1000, Fault::UserForces { pick })],
        );
    }
}

#[test]
fn a_body_is_not_given_up_for_a_stranger_at_its_address() {
    let setup = Setup {
        leaders: 2,
        followers: 0,
        zones: 4,
        keep: Keep::Aof,
        node_timeout: 2000,
        store_lag: 1000,
        reuses_addresses: true,
        ..plain()
    };
    let leader = Fault::UserDeletes {
        pick: 1,
        leader: true,
    };
    let events = [
        event(6800, 900, Fault::ZoneCut { pick: 1 }),
        event(6820, 900, leader),
    ];
    holds(&setup, false, &events);
}

#[test]
fn a_dead_leaders_address_is_remembered_for_a_follower_that_falls_silent_after_it() {
    let setup = Setup {
        leaders: 1,
        zones: 4,
        hosts_per_zone: 3,
        operators: 2,
        store_lag: 50,
        reuses_addresses: true,
        ..plain()
    };
    let kill = Fault::KillProcess {
        pick: 0,
        leader: true,
    };
    for pick in [0, 1] {
        let events = [
            event(25_000, 1400, kill),
            event(25_110, 14_200, Fault::ApiSlow),
            event(25_260, 4600, Fault::ZoneHangs { pick }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn an_older_copy_leads_where_it_is_all_that_is_left() {
    let setup = Setup {
        followers: 2,
        hosts_per_zone: 1,
        node_timeout: 2000,
        reuses_addresses: true,
        ..plain()
    };
    let leader = |pick| Fault::UserDeletes { pick, leader: true };
    for pick in 0..3 {
        let events = [
            event(1700, 34_700, leader(pick)),
            event(2000, 42_800, Fault::ZoneCut { pick: 2 }),
            event(3200, 3900, Fault::OperatorKilled { pick: 0 }),
            event(6300, 1100, Fault::HostOff { pick: 1 }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn a_snapshot_is_not_opened_while_a_newer_copy_is_cut_off() {
    let setup = Setup {
        hosts_per_zone: 1,
        keep: Keep::Rdb,
        node_timeout: 15_000,
        rehome_seconds: 5,
        engine: Engine::Redis7,
        ..plain()
    };
    let events = [
        event(2800, 78_000, Fault::HostOff { pick: 1 }),
        event(3200, 119_100, Fault::ZoneCut { pick: 2 }),
    ];
    holds(&setup, false, &events);
}

#[test]
fn slots_that_were_begun_anew_and_nobody_heard_of_are_begun_once_more() {
    let setup = Setup {
        zones: 2,
        node_timeout: 15_000,
        engine: Engine::Redis7,
        ..plain()
    };
    for pick in 0..4 {
        let events = [
            event(1200, 58_600, Fault::OperatorCutOff { pick: 0 }),
            event(1600, 5800, Fault::KillShard { pick: 0 }),
            event(62_200, 1300, Fault::HostOff { pick }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn slots_that_a_body_may_own_are_dealt_to_nobody_else() {
    let setup = Setup {
        followers: 2,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        node_timeout: 15_000,
        rehome_seconds: 10,
        store_lag: 1000,
        ..plain()
    };
    for at in [2100, 2400, 2700] {
        for pick in 0..3 {
            let kill = Fault::KillShard { pick };
            holds(&setup, true, &[event(at, 105_000, kill)]);
        }
    }
}

#[test]
fn a_leader_whose_followers_are_in_a_majority_that_is_cut_off_loses_what_it_took_meanwhile() {
    let setup = Setup {
        followers: 2,
        rehome_seconds: 10,
        ..plain()
    };
    let kill = Fault::KillProcess {
        pick: 0,
        leader: true,
    };
    for pick in 0..3 {
        let events = [
            event(1500, 1000, kill),
            event(16_700, 70_000, Fault::ZoneCut { pick }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn nobody_writes_to_a_cluster_that_may_begin_again() {
    let setup = Setup {
        followers: 2,
        reuses_addresses: true,
        ..plain()
    };
    for at in [1500, 1900, 2300] {
        holds(&setup, true, &[event(at, 60_000, Fault::KillLeaders)]);
    }
}

#[test]
fn a_whole_copy_of_nothing_leads_when_its_leader_is_killed() {
    let setup = Setup {
        followers: 2,
        hosts_per_zone: 3,
        rehome_seconds: 5,
        copy: 500,
        store_lag: 50,
        reuses_addresses: true,
        flaky_percent: 10,
        ..plain()
    };
    for at in [2300, 2624, 3000] {
        holds(&setup, true, &[event(at, 45_000, Fault::KillLeaders)]);
    }
}

#[test]
fn a_body_waits_while_who_was_told_to_lead_in_its_place_is_cut_off() {
    let setup = Setup {
        leaders: 2,
        keep: Keep::Aof,
        volumes_are_local: true,
        rehome_seconds: 5,
        copy: 3000,
        engine: Engine::Redis7,
        operators: 2,
        ..plain()
    };
    let kill = Fault::KillProcess {
        pick: 0,
        leader: true,
    };
    for pick in 0..3 {
        let cut = Fault::ZonesCut { pick };
        holds(
            &setup,
            false,
            &[event(2000, 60_000, kill), event(2900, 6000, cut)],
        );
    }
}

#[test]
fn who_was_deposed_out_of_sight_is_no_whole_copy_of_its_successor() {
    let setup = Setup {
        followers: 2,
        hosts_per_zone: 1,
        keep: Keep::Rdb,
        volumes_are_local: true,
        rehome_seconds: 5,
        ..plain()
    };
    for pick in 0..3 {
        let cut = event(3700, 60_000, Fault::ZonesCut { pick });
        for host in 0..3 {
            let off = event(18_700, 3000, Fault::HostOff { pick: host });
            holds(&setup, false, &[cut, off]);
        }
    }
}

#[test]
fn a_view_that_names_a_dead_owner_with_a_higher_epoch_is_mended() {
    let setup = Setup {
        leaders: 5,
        hosts_per_zone: 1,
        zone_loss: 0,
        quorum_loss: QuorumLossPolicy::Unreachable,
        ..plain()
    };
    for (pick, other) in [(0, 1), (1, 2), (2, 0)] {
        let events = [
            event(100, 34_000, Fault::ZoneCut { pick }),
            event(3500, 110_000, Fault::ZonesCut { pick: other }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn nobody_takes_over_while_one_may_lead_whom_the_dead_elected_beyond_a_cut() {
    let setup = Setup {
        keep: Keep::Rdb,
        volumes_are_local: true,
        zone_loss: 0,
        rehome_seconds: 10,
        engine: Engine::Redis7,
        ..plain()
    };
    let cut = event(2490, 47_182, Fault::ZonesCut { pick: 125_068 });
    for pick in 0..3 {
        holds(
            &setup,
            false,
            &[cut, event(17_874, 32_620, Fault::ZoneOff { pick })],
        );
    }
}
