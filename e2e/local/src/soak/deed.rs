//! What is done to a cluster.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;
use tokio::time::sleep;
use zoneward_operator::model::MemberName;

use super::report::Loss;
use crate::faults::Disk;
use crate::testbed::Testbed;

/// A change, a fault, or a fault in the middle of a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    change: Option<Change>,
    /// And so long after the change it comes.
    fault: Option<(Fault, Duration)>,
}

/// What the owner does.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// So many leaders.
    Scale(u32),
    /// All pods are made anew.
    Roll,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    LeaderEnds,
    FollowersEnd,
    /// Its process hangs, its host is well.
    LeaderHangs(Duration),
    ZoneEnds,
    /// Nothing is heard of it.
    ZoneSilent(Duration),
    /// A leader is started again at once with nothing in it.
    EmptyRestart,
    OperatorAway(Duration),
}

/// Of four, one zone would have half of the votes, and its silence is waited for (docs/failover.md).
const LEADERS: [u32; 2] = [3, 5];
/// The highest number of a shard, and one.
const SHARDS: u32 = 5;

impl Deed {
    /// Another one each time.
    pub(super) fn draw(dice: &mut StdRng, testbed: &Testbed) -> Self {
        let change = draw_change(dice, testbed.settings.leaders);
        let is_alone = change.is_none();
        let fault = (is_alone || dice.random_bool(0.6)).then(|| {
            let after = Duration::from_millis(dice.random_range(0..8_000));
            (
                draw_fault(dice),
                if is_alone { Duration::ZERO } else { after },
            )
        });
        Self { change, fault }
    }

    /// Does it; what hangs or is silent is given back.
    pub(super) async fn play(&self, testbed: &mut Testbed, pick: u64) -> Result<()> {
        match self.change {
            Some(Change::Scale(leaders)) => testbed.scale(leaders),
            Some(Change::Roll) => {
                let label = format!("soak-{pick}");
                let pod = json!({ "annotations": { "zoneward.io/soak": label } });
                testbed.kubernetes.edit(&json!({ "pod": pod }))?;
            }
            None => {}
        }
        if let Some((fault, after)) = self.fault {
            sleep(after).await;
            fault.play(testbed, pick).await?;
        }
        Ok(())
    }

    /// What it may cost, by the servers' own rules.
    pub(super) fn may_lose(&self, server: &str) -> Loss {
        let moves =
            matches!(self.change, Some(Change::Scale(_))) && !server.starts_with("valkey-9");
        let is_leaderless = |(fault, _): &(Fault, Duration)| fault.takes_leaders();
        match self.fault.as_ref().filter(|it| is_leaderless(it)) {
            // a source deletes a key as soon as the target has it, which is before the target's followers do
            Some(_) if moves => Loss::KeysOnTheWay,
            Some(_) => Loss::NotCopiedYet,
            None => Loss::Nothing,
        }
    }
}

fn draw_change(dice: &mut StdRng, leaders: u32) -> Option<Change> {
    match dice.random_range(0..10) {
        0..4 => {
            let others: Vec<u32> = LEADERS.into_iter().filter(|it| *it != leaders).collect();
            others.choose(dice).copied().map(Change::Scale)
        }
        4..6 => Some(Change::Roll),
        _ => None,
    }
}

fn draw_fault(dice: &mut StdRng) -> Fault {
    let seconds = |dice: &mut StdRng, from, to| Duration::from_secs(dice.random_range(from..to));
    match dice.random_range(0..10) {
        0..3 => Fault::LeaderEnds,
        3 => Fault::FollowersEnd,
        4 => Fault::LeaderHangs(seconds(dice, 1, 12)),
        5 => Fault::ZoneEnds,
        6..8 => Fault::ZoneSilent(seconds(dice, 2, 25)),
        8 => Fault::EmptyRestart,
        _ => Fault::OperatorAway(seconds(dice, 1, 10)),
    }
}

impl Fault {
    fn takes_leaders(self) -> bool {
        !matches!(self, Self::FollowersEnd | Self::OperatorAway(_))
    }

    async fn play(self, testbed: &mut Testbed, pick: u64) -> Result<()> {
        let zone = match pick % 3 {
            0 => "a",
            1 => "b",
            _ => "c",
        };
        match self {
            Self::LeaderEnds => {
                let leader = a_leader(testbed, pick).await;
                testbed.kill(&leader);
            }
            Self::FollowersEnd => {
                let followers = testbed.followers().await;
                testbed.kill(&followers);
            }
            Self::LeaderHangs(time) => {
                let leader = a_leader(testbed, pick).await;
                testbed.freeze(&leader)?;
                sleep(time).await;
                testbed.thaw(&leader)?;
            }
            Self::ZoneEnds => testbed.kill_zone(zone),
            Self::ZoneSilent(time) => {
                testbed.silence_zone(zone)?;
                sleep(time).await;
                testbed.end_silence()?;
            }
            Self::EmptyRestart => {
                for leader in a_leader(testbed, pick).await {
                    testbed.restart(&leader, Disk::NodesConf)?;
                }
            }
            Self::OperatorAway(time) => {
                testbed.stop_operator();
                sleep(time).await;
                testbed.start_operator()?;
            }
        }
        Ok(())
    }
}

/// One of those that lead now: a new shard has none yet.
async fn a_leader(testbed: &Testbed, pick: u64) -> Vec<MemberName> {
    let leaders = testbed.leaders(0..SHARDS).await;
    let count = u64::try_from(leaders.len()).unwrap_or(1).max(1);
    let pick = usize::try_from(pick % count).unwrap_or(0);
    leaders.into_iter().skip(pick).take(1).collect()
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.change {
            Some(Change::Scale(leaders)) => write!(f, "scale to {leaders}")?,
            Some(Change::Roll) => write!(f, "roll")?,
            None => {}
        }
        let Some((fault, after)) = self.fault else {
            return Ok(());
        };
        if self.change.is_some() {
            write!(f, ", {:.1} s later ", after.as_secs_f64())?;
        }
        match fault {
            Fault::LeaderEnds => write!(f, "a leader ends"),
            Fault::FollowersEnd => write!(f, "all followers end"),
            Fault::LeaderHangs(time) => write!(f, "a leader hangs for {} s", time.as_secs()),
            Fault::ZoneEnds => write!(f, "a zone ends"),
            Fault::ZoneSilent(time) => write!(f, "a zone is silent for {} s", time.as_secs()),
            Fault::EmptyRestart => write!(f, "a leader starts again empty"),
            Fault::OperatorAway(time) => write!(f, "no operator for {} s", time.as_secs()),
        }
    }
}
