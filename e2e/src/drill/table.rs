//! All drills: what is done, in order, and what has to be reached.

use super::{Drill, Goal, Step, ZONE_OF_THE_ACTIVE};
use crate::bed::Fault;

/// DESIGN promises no more than replication holds: a leader takes writes for `nodeTimeoutMillis` and half of it
/// after it lost sight of all its followers and of the majority.
const LEFT_ALONE: &str = "the third zone's leader took them until it noticed that it heard no majority, and when the \
    cut healed the other leaders elected a follower that had not heard of them";

/// Measured (redis 8.0.2, an fsync that takes 1.5 s, SIGKILL): up to a second and a half of acknowledged writes is gone,
/// all that `aof_buffer_length` told of. `flushAppendOnlyFile` waits up to two seconds for an fsync that is under way.
const WRITTEN_LATE: &str = "every copy ends at once, and with appendfsync everysec a server holds acknowledged writes \
    in its own memory while an fsync is under way; WAITAOF 1 1 is for that";

const PLAIN: Drill = Drill {
    name: "",
    title: "",
    leaders: 3,
    followers: 1,
    image: None,
    storage: None,
    quorum_loss: None,
    clusters: 1,
    zones: None,
    fill: 0,
    may_lose: None,
    ends_every_copy: false,
    steps: &[],
};

/// A zone is killed, and comes back once all is redundant without it.
const KILL: [Step; 4] = [
    Step::LoseZone(0, Fault::Kill),
    Step::Until(Goal::Redundant),
    Step::ReturnZone(0, Fault::Kill),
    Step::Until(Goal::Home),
];
/// A change of the spec that asks for nothing but new pods.
const NEW_PODS: &str = r#"{"pod": {"labels": {"drill": "changed"}}}"#;
/// An update and nothing else.
const ROLL: [Step; 2] = [Step::Change(NEW_PODS), Step::Until(Goal::Updated)];

const TO_REDIS_8: [Step; 2] = [
    Step::Change(r#"{"image": "zoneward.local/redis:8"}"#),
    Step::Until(Goal::Updated),
];
/// Two more leaders, and back.
const SCALE: [Step; 4] = [
    Step::Change(r#"{"leaders": 5}"#),
    Step::Until(Goal::Updated),
    Step::Change(r#"{"leaders": 3}"#),
    Step::Until(Goal::Updated),
];

/// Three leaders with a follower each, in memory.
const fn zone(name: &'static str, title: &'static str, steps: &'static [Step]) -> Drill {
    Drill {
        name,
        title,
        steps,
        ..PLAIN
    }
}

/// All drills.
pub static DRILLS: [Drill; 38] = [
    Drill {
        name: "leader-pod",
        title: "A leader's pod is deleted",
        steps: &[
            Step::DeleteLeader,
            Step::Until(Goal::Redundant),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "leader-crash",
        title: "A leader's pod is deleted by force",
        steps: &[
            Step::CrashLeader,
            Step::Until(Goal::Redundant),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "leader-process",
        title: "A leader's process is killed",
        steps: &[
            Step::KillLeaders(1),
            Step::Until(Goal::Redundant),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "third",
        title: "The processes of a third of six leaders are killed at once",
        leaders: 6,
        steps: &[
            Step::KillLeaders(2),
            Step::Until(Goal::Redundant),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "followers",
        title: "All followers' pods are deleted by force",
        steps: &[
            Step::CrashFollowers,
            Step::Until(Goal::Redundant),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "host",
        title: "A host with a leader dies",
        steps: &[
            Step::KillHost,
            Step::Until(Goal::Redundant),
            Step::StartHost,
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    zone("zone-kill", "A zone of three is killed", &KILL),
    Drill {
        name: "zone-kill-6x1",
        title: "A zone of three is killed, with six leaders",
        leaders: 6,
        steps: &KILL,
        ..PLAIN
    },
    Drill {
        name: "zone-kill-3x2",
        title: "A zone of three is killed, with two followers for each leader",
        followers: 2,
        steps: &KILL,
        ..PLAIN
    },
    Drill {
        name: "zone-kill-volumes",
        title: "A zone of three is killed and comes back before its members are given up, on volumes",
        storage: Some("64Mi"),
        steps: &[
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Served),
            Step::Stay(10),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "zone-kill-valkey-9",
        title: "A zone of three is killed, on Valkey 9",
        image: Some("zoneward.local/valkey:9"),
        steps: &KILL,
        ..PLAIN
    },
    zone(
        "zone-pause",
        "A zone of three stands still",
        &[
            Step::LoseZone(0, Fault::Pause),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Pause),
            Step::Until(Goal::Home),
        ],
    ),
    zone(
        "zone-cut",
        "A zone of three is cut off",
        &[
            Step::LoseZone(0, Fault::Cut),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Cut),
            Step::Until(Goal::Home),
        ],
    ),
    zone(
        "zone-kill-operator",
        "The zone with the active operator is killed",
        &[
            Step::LoseZone(ZONE_OF_THE_ACTIVE, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(ZONE_OF_THE_ACTIVE, Fault::Kill),
            Step::Until(Goal::Home),
        ],
    ),
    zone(
        "zone-pause-operator",
        "The zone with the active operator stands still",
        &[
            Step::LoseZone(ZONE_OF_THE_ACTIVE, Fault::Pause),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(ZONE_OF_THE_ACTIVE, Fault::Pause),
            Step::Until(Goal::Home),
        ],
    ),
    zone(
        "next-zone",
        "A zone is killed, comes back, and the next is killed as soon as the status says that it may be",
        &[
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::ZoneSafe),
            Step::LoseZone(1, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(1, Fault::Kill),
            Step::Until(Goal::Home),
        ],
    ),
    Drill {
        name: "two-zones-tainted",
        title: "Two of three zones are killed, and a human says so",
        followers: 2,
        steps: &[
            Step::LoseZone(0, Fault::Kill),
            Step::LoseZone(1, Fault::Kill),
            Step::Stay(5),
            Step::TaintZone(0),
            Step::TaintZone(1),
            Step::Until(Goal::Served),
            Step::UntaintZone(0),
            Step::UntaintZone(1),
            Step::ReturnZone(0, Fault::Kill),
            Step::ReturnZone(1, Fault::Kill),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "two-zones",
        title: "Two of three zones are cut off, nobody says anything, and they come back",
        followers: 2,
        may_lose: Some(LEFT_ALONE),
        steps: &[
            Step::LoseZone(0, Fault::Cut),
            Step::LoseZone(1, Fault::Cut),
            Step::Stay(30),
            Step::ReturnZone(0, Fault::Cut),
            Step::ReturnZone(1, Fault::Cut),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "two-zones-unreachable",
        title: "Two of three zones are cut off, with quorumLoss: Unreachable",
        followers: 2,
        quorum_loss: Some("Unreachable"),
        steps: &[
            Step::LoseZone(0, Fault::Cut),
            Step::LoseZone(1, Fault::Cut),
            Step::Until(Goal::Served),
            Step::ReturnZone(0, Fault::Cut),
            Step::ReturnZone(1, Fault::Cut),
            Step::Until(Goal::Home),
        ],
        may_lose: Some(LEFT_ALONE),
        ..PLAIN
    },
    Drill {
        name: "two-zone-layout",
        title: "In a cluster of two zones the one with the minority of the leaders is killed",
        zones: Some(2),
        steps: &[
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Served),
            Step::Stay(10),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    Drill {
        name: "two-zone-layout-majority",
        title: "In a cluster of two zones the one with the majority is killed, and a human says so",
        zones: Some(2),
        steps: &[
            Step::LoseZone(1, Fault::Kill),
            Step::Stay(5),
            Step::TaintZone(1),
            Step::Until(Goal::Served),
            Step::UntaintZone(1),
            Step::ReturnZone(1, Fault::Kill),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
    zone("roll", "All pods are to be changed", &ROLL),
    Drill {
        name: "roll-volumes",
        title: "All pods are to be changed, on volumes",
        storage: Some("64Mi"),
        steps: &ROLL,
        ..PLAIN
    },
    Drill {
        name: "roll-6x1",
        title: "All pods are to be changed, of six leaders and their followers",
        leaders: 6,
        steps: &ROLL,
        ..PLAIN
    },
    Drill {
        name: "upgrade-redis",
        title: "Redis 7.0 becomes Redis 8",
        image: Some("zoneward.local/redis:7"),
        steps: &TO_REDIS_8,
        ..PLAIN
    },
    Drill {
        name: "upgrade-redis-volumes",
        title: "Redis 7.0 becomes Redis 8, on volumes",
        image: Some("zoneward.local/redis:7"),
        storage: Some("64Mi"),
        steps: &TO_REDIS_8,
        ..PLAIN
    },
    Drill {
        name: "upgrade-valkey",
        title: "Valkey 8 becomes Valkey 9",
        image: Some("zoneward.local/valkey:8"),
        steps: &[
            Step::Change(r#"{"image": "zoneward.local/valkey:9"}"#),
            Step::Until(Goal::Updated),
        ],
        ..PLAIN
    },
    Drill {
        name: "scale-valkey-9",
        title: "Three leaders become five, and three again, on Valkey 9",
        image: Some("zoneward.local/valkey:9"),
        steps: &SCALE,
        ..PLAIN
    },
    zone(
        "roll-zone-kill",
        "A zone is killed in the middle of an update",
        &[
            Step::Change(NEW_PODS),
            Step::Stay(4),
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::Updated),
        ],
    ),
    zone(
        "roll-operator",
        "The operator is killed in the middle of an update",
        &[
            Step::Change(NEW_PODS),
            Step::Stay(4),
            Step::CrashOperator,
            Step::Until(Goal::Updated),
        ],
    ),
    zone(
        "bad-image",
        "An image that does not exist, and back",
        &[
            Step::Change(r#"{"image": "zoneward.local/redis:none"}"#),
            Step::Until(Goal::Stuck),
            Step::Change(r#"{"image": "IMAGE"}"#),
            Step::Until(Goal::Updated),
        ],
    ),
    zone(
        "scale",
        "Three leaders become five, and three again",
        &SCALE,
    ),
    Drill {
        name: "scale-100k",
        title: "Three leaders become five, and three again, with 100,000 keys",
        fill: 100_000,
        steps: &SCALE,
        ..PLAIN
    },
    zone(
        "scale-operator",
        "The operator is killed while slots move, to more leaders and back",
        &[
            Step::Change(r#"{"leaders": 5}"#),
            Step::Until(Goal::Resharding),
            Step::CrashOperator,
            Step::Until(Goal::Updated),
            Step::Change(r#"{"leaders": 3}"#),
            Step::Until(Goal::Resharding),
            Step::CrashOperator,
            Step::Until(Goal::Updated),
        ],
    ),
    zone(
        "scale-zone-kill",
        "A zone is killed while slots move to two more leaders",
        &[
            Step::Change(r#"{"leaders": 5}"#),
            Step::Until(Goal::Resharding),
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::Updated),
            Step::Change(r#"{"leaders": 3}"#),
            Step::Until(Goal::Updated),
        ],
    ),
    zone(
        "drain",
        "The hosts of a zone are drained",
        &[
            Step::DrainZone(0),
            Step::Until(Goal::Served),
            Step::UncordonZone(0),
            Step::Until(Goal::Home),
        ],
    ),
    zone(
        "passwords",
        "Zoneward's own passwords are made anew, and then the clients'",
        &[
            Step::Change(r#"{"auth": {"rotateInternal": "drill"}}"#),
            Step::Stay(10),
            Step::ForgetPassword,
            // a changed Secret is noticed within 30 s; the former password is taken for an hour more
            Step::Stay(35),
            Step::ComparePasswords,
            Step::Until(Goal::Home),
        ],
    ),
    Drill {
        name: "power",
        title: "All hosts lose their power, with two RedisClusters on volumes",
        storage: Some("64Mi"),
        clusters: 2,
        may_lose: Some(WRITTEN_LATE),
        ends_every_copy: true,
        steps: &[
            Step::CutPower,
            Step::Stay(3),
            Step::RestorePower,
            // the operator had lost its power, too: until it is back, its status tells of the time before
            Step::Stay(30),
            Step::Until(Goal::Home),
        ],
        ..PLAIN
    },
];
