//! Drills: what is done to a testbed while a writer checks every acknowledged write, and what has to be
//! reached after it. Each is a row of the table; `run` plays it on kind, `stage` its steps wherever that is.

mod deeds;
mod faults;
pub mod measured;
mod operator;
mod passwords;
mod processes;
pub mod report;
mod run;
pub mod series;
pub mod setting;
mod stage;
mod table;
mod told;
mod watch;

use crate::bed::Fault;
use crate::workload::report::Report;

pub use deeds::Hands;
pub use measured::{Event, Outcome, Sort};
pub use passwords::Passwords;
pub use run::{Options, adapt, drill};
pub use stage::{Place, Stage, losses};
pub use table::DRILLS;
pub(crate) use told::KubernetesEvent;

/// One drill.
#[derive(Clone, Copy, Debug)]
pub struct Drill {
    /// For the command line.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Leaders.
    pub leaders: u32,
    /// Followers of each.
    pub followers: u32,
    /// The image to begin with, where that is what the drill is about.
    pub image: Option<&'static str>,
    /// Size of each member's volume; in memory without one.
    pub storage: Option<&'static str>,
    /// `spec.recovery.quorumLoss`, where it is not the default.
    pub quorum_loss: Option<&'static str>,
    /// How many `RedisClusters`.
    pub clusters: usize,
    /// In how many of the testbed's zones members may be, where not in all.
    pub zones: Option<usize>,
    /// Keys that are there before the first deed.
    pub fill: u64,
    /// Why acknowledged writes may be lost all the same; they may not without a reason.
    pub may_lose: Option<&'static str>,
    /// All copies of a shard end at once: `WAIT` promises nothing then.
    pub ends_every_copy: bool,
    /// What is done, in order.
    pub steps: &'static [Step],
}

impl Drill {
    /// How large its `RedisClusters` are, and what is not the default, for people.
    pub fn shape(&self) -> String {
        let followers = match self.followers {
            1 => "1 follower".to_owned(),
            more => format!("{more} followers"),
        };
        let mut shape = vec![format!("{} leaders with {followers} each", self.leaders)];
        shape.push(match self.storage {
            Some(size) => format!("on volumes of {size}"),
            None => "in memory".to_owned(),
        });
        if self.clusters > 1 {
            shape.push(format!("{} RedisClusters", self.clusters));
        }
        if let Some(zones) = self.zones {
            shape.push(format!("in {zones} zones only"));
        }
        if self.fill > 0 {
            shape.push(format!("with {} keys", self.fill));
        }
        let policy = self.quorum_loss;
        shape.extend(policy.map(|policy| format!("quorumLoss: {policy}")));
        shape.join(", ")
    }
}

/// Acknowledged writes that should not be lost by any rule of the servers, in a drill of this name: a follower had them
/// by the word of `WAIT` and did not end, too, or they were there long before.
pub fn lost_for_sure(drill: &str, reports: &[Report]) -> u64 {
    let had_by_followers = |report: &Report| match named(drill) {
        Some(drill) if drill.ends_every_copy => 0,
        _ => report.lost_with_wait(),
    };
    let each = reports.iter();
    each.map(|it| had_by_followers(it) + it.lost_of_the_first())
        .sum()
}

/// The number of the zone with the active operator in it, of three with a leader each: it is lost last.
pub const ZONE_OF_THE_ACTIVE: usize = 2;

/// Something that is done to the testbed, or waited for. Zones are counted in the order in which they are
/// lost: those with a leader come first, of these those with the fewest, of these those without
/// an operator, and the active one's last.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A leader's pod is deleted.
    DeleteLeader,
    /// By force: its process has no time to hand over.
    CrashLeader,
    /// All followers' pods, likewise.
    CrashFollowers,
    /// The processes of so many leaders end by SIGKILL at once, as for want of memory; their pods end with them.
    KillLeaders(usize),
    /// The operator's processes end by SIGKILL.
    CrashOperator,
    /// The Secret of the clients' password is deleted: another one is made.
    ForgetPassword,
    /// All passwords are others than at the start.
    ComparePasswords,
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
    /// All is as it was before. In two zones no cluster is zone-safe: one has the majority of the leaders.
    Home,
    /// The same, and every member is as the present spec wants it.
    Updated,
    /// An update has stopped at its first member.
    Stuck,
    /// Slots are on the move.
    Resharding,
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
            Self::Resharding => "slots are on the move",
        }
    }
}

/// The drill of this name.
pub fn named(name: &str) -> Option<&'static Drill> {
    DRILLS.iter().find(|drill| drill.name == name)
}
