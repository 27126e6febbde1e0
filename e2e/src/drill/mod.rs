//! Drills: what is done to a testbed while a writer checks every acknowledged write, and what has to be
//! reached after it. Each is a row of the table; `run` plays it.

mod deeds;
mod run;
mod watch;

use serde::Serialize;

use crate::bed::Fault;
use crate::workload::report::Report;

pub use run::{Options, drill};

/// One drill.
#[derive(Clone, Copy, Debug)]
pub struct Drill {
    /// For the command line.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Followers of each of the three leaders.
    pub followers: u32,
    /// Size of each member's volume; in memory without one.
    pub storage: Option<&'static str>,
    /// `spec.recovery.quorumLoss`, where it is not the default.
    pub quorum_loss: Option<&'static str>,
    /// How many `RedisClusters`.
    pub clusters: usize,
    /// Why acknowledged writes may be lost all the same; they may not without a reason.
    pub may_lose: Option<&'static str>,
    /// What is done, in order.
    pub steps: &'static [Step],
}

/// Something that is done to the testbed, or waited for. Zones are counted in the order in which they are
/// lost: those with a leader and without an operator come first.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A leader's pod is deleted.
    DeleteLeader,
    /// By force: its process has no time to hand over.
    CrashLeader,
    /// A host with a leader on it dies.
    KillHost,
    /// It is started again.
    StartHost,
    /// A zone is lost.
    LoseZone(usize, Fault),
    /// It comes back.
    ReturnZone(usize, Fault),
    /// A human says that the zone's hosts are off for good.
    TaintZone(usize),
    /// That is taken back.
    UntaintZone(usize),
    /// All workers lose their power at once.
    CutPower,
    /// They have it again.
    RestorePower,
    /// The hosts of a zone are drained, one after the other, as for maintenance.
    DrainZone(usize),
    /// They take pods again.
    UncordonZone(usize),
    /// The owner changes the spec: a merge patch of it, in JSON; IMAGE is the one that the drill began with.
    Change(&'static str),
    /// Nothing, for so many seconds.
    Stay(u64),
    /// Until this is reached.
    Until(Goal),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All slots are served by what is left.
    Served,
    /// And every shard has a follower in sync in another zone.
    Redundant,
    /// The loss of the next zone would be survived.
    ZoneSafe,
    /// All is as it was before.
    Home,
    /// The same, and every member is as the present spec wants it.
    Updated,
    /// An update has stopped at its first member.
    Stuck,
}

impl Goal {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Served => "all slots are served",
            Self::Redundant => "redundant: each shard has a follower in sync in another zone",
            Self::ZoneSafe => "zone-safe",
            Self::Home => "home: zone-safe, leaders even, nothing left over",
            Self::Updated => "updated, and home",
            Self::Stuck => "the update has stopped",
        }
    }
}

/// What a drill came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Which.
    pub drill: String,
    /// For people.
    pub title: String,
    /// When the first deed was done, milliseconds since 1970. All seconds count from then.
    pub unix_millis: i64,
    /// What was done, reached and said, and when.
    pub events: Vec<Event>,
    /// What the writer of each `RedisCluster` saw.
    pub workloads: Vec<Report>,
    /// What went wrong.
    pub error: Option<String>,
    /// The user has had enough: no other drill follows.
    pub interrupted: bool,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, in seconds.
    pub at: f64,
    /// Which sort.
    pub sort: Sort,
    /// What.
    pub text: String,
}

/// Sorts of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// It was done by the drill.
    Done,
    /// It was waited for.
    Reached,
    /// The status said so.
    Said,
}

/// The drill of this name.
pub fn named(name: &str) -> Option<&'static Drill> {
    DRILLS.iter().find(|drill| drill.name == name)
}

/// DESIGN promises no more than replication holds: a leader takes writes for `nodeTimeoutMillis` and half of it
/// after it lost sight of all its followers and of the majority.
const LEFT_ALONE: &str = "the third zone's leader took them until it noticed that it heard no majority, and when the \
    cut healed the other leaders elected a follower that had not heard of them";

const PLAIN: Drill = Drill {
    name: "",
    title: "",
    followers: 1,
    storage: None,
    quorum_loss: None,
    clusters: 1,
    may_lose: None,
    steps: &[],
};

/// A change of the spec that asks for nothing but new pods.
const NEW_PODS: &str = r#"{"pod": {"labels": {"drill": "changed"}}}"#;
/// An update and nothing else.
const ROLL: [Step; 2] = [Step::Change(NEW_PODS), Step::Until(Goal::Updated)];

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
pub static DRILLS: [Drill; 18] = [
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
    zone(
        "zone-kill",
        "A zone of three is killed",
        &[
            Step::LoseZone(0, Fault::Kill),
            Step::Until(Goal::Redundant),
            Step::ReturnZone(0, Fault::Kill),
            Step::Until(Goal::Home),
        ],
    ),
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
        ..PLAIN
    },
    zone("roll", "All pods are to be changed", &ROLL),
    Drill {
        name: "roll-volumes",
        title: "The same, on volumes",
        storage: Some("64Mi"),
        steps: &ROLL,
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
    zone(
        "scale-zone-kill",
        "A zone is killed while slots move to two more leaders",
        &[
            Step::Change(r#"{"leaders": 5}"#),
            Step::Stay(6),
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
    Drill {
        name: "power",
        title: "All hosts lose their power, with two RedisClusters on volumes",
        storage: Some("64Mi"),
        clusters: 2,
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
