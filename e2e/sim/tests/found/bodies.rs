//! Of members and their volumes: which are kept, started again and let go.

use zoneward_sim::faults::Fault;
use zoneward_sim::redis::Engine;
use zoneward_sim::setup::{Keep, Setup};

use super::{event, holds, plain};

#[test]
fn a_copy_that_nobody_saw_in_sync_is_kept_while_its_shard_has_no_leader() {
    let setup = Setup {
        leaders: 1,
        keep: Keep::Aof,
        node_timeout: 15_000,
        rehome_seconds: 5,
        copy: 500,
        engine: Engine::Redis7,
        flaky_percent: 10,
        ..plain()
    };
    let leader = Fault::UserDeletes {
        pick: 27_097,
        leader: true,
    };
    for accept_empty in [false, true] {
        let setup = Setup {
            accept_empty,
            ..setup.clone()
        };
        let events = [
            event(1011, 107_632, Fault::KillFollowers),
            event(4204, 9641, Fault::Hang { pick: 147_147 }),
            event(4610, 4542, leader),
            event(5167, 98_100, Fault::UserForces { pick: 486_871 }),
            event(8278, 31_748, Fault::ZoneOff { pick: 648_531 }),
            event(8635, 58_132, Fault::BadImage { pick: 116_978 }),
        ];
        holds(&setup, false, &events);
    }
}

#[test]
fn a_body_that_is_needed_starts_from_the_image_that_is_wanted_now() {
    let setup = Setup {
        leaders: 2,
        zones: 4,
        hosts_per_zone: 1,
        keep: Keep::Aof,
        rehome_seconds: 10,
        engine: Engine::Redis7,
        ..plain()
    };
    let leader = Fault::UserDeletes {
        pick: 601_915,
        leader: true,
    };
    for accept_empty in [false, true] {
        let setup = Setup {
            accept_empty,
            ..setup.clone()
        };
        let events = [
            event(2841, 119_599, Fault::BadImage { pick: 778_960 }),
            event(48_289, 73_838, Fault::ZoneHangs { pick: 732_195 }),
            event(63_390, 32_130, leader),
        ];
        holds(&setup, false, &events);
    }
}
