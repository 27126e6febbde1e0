//! 4096 slots with all keys in them, moved by the operator (from three sources, and from one) and by the
//! server's own command line, in one run on one cluster.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use zoneward_operator::model::{Address, CLIENT_PORT, MemberId, ShardId, SlotSet};
use zoneward_operator::ports::Password;

use crate::roamer::{Roamer, Trip};
use crate::servers::Server;
use crate::testbed::{Settings, Testbed};

const LIMIT: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a fourth shard gets of three.
const SLOTS: u16 = 4096;
const CLIENTS: usize = 2;
const PER_SECOND_EACH: u32 = 250;

/// One reshard.
#[derive(Clone, Debug)]
pub struct Moved {
    /// By whom, and from how many sources.
    pub who: &'static str,
    /// How many keys.
    pub keys: usize,
    /// From its beginning to the last slot.
    pub took: Duration,
    /// What clients of just these slots saw.
    pub trip: Trip,
}

impl Moved {
    /// Keys in a second.
    pub fn rate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a count of keys")]
        let keys = self.keys as f64;
        keys / self.took.as_secs_f64().max(0.001)
    }
}

/// All of them, one after the other on one cluster.
pub async fn reshard(server: &Server, keys: usize, bytes: usize) -> Result<Vec<Moved>> {
    let mut testbed = Testbed::whole(Settings::new(server.clone(), 3, 0)).await?;
    let share = |shard| SlotSet::even_share(shard, 3);
    let slots = (0..3)
        .map(|shard| share(shard).difference(&share(shard).first(SLOTS)))
        .fold(SlotSet::empty(), |all, it| all.union(&it));
    let roamer = Roamer::new(&testbed.kubernetes, keys, bytes, &slots);
    roamer.fill().await?;
    let mut moved = Vec::new();
    let mut note = |who, took: Duration, trip| {
        moved.push(Moved {
            who,
            keys,
            took,
            trip,
        });
    };
    for (who, leaders) in [
        ("operator, 3 sources", 4),
        ("operator, 1 source", 3),
        ("", 4),
    ] {
        let roaming = roamer.roam(CLIENTS, PER_SECOND_EACH);
        testbed.scale(leaders);
        let took = until_moved(&testbed, leaders == 4).await?;
        let (_, trip) = roaming.finish().await?;
        testbed.until_even(LIMIT).await?;
        if !who.is_empty() {
            note(who, took, trip);
        }
    }
    testbed.stop_operator();
    let (from, _) = leader(&testbed, 3).await?;
    let (to, at) = leader(&testbed, 0).await?;
    let roaming = roamer.roam(CLIENTS, PER_SECOND_EACH);
    let start = Instant::now();
    by_hand(&testbed, at, &from, &to).await?;
    let took = start.elapsed();
    let (_, trip) = roaming.finish().await?;
    note("its own command line, 1 source", took, trip);
    Ok(moved)
}

/// From the moment at which slots are on record as on the move, which is before the first command, until the fourth
/// shard has got (or lost) the last of them.
async fn until_moved(testbed: &Testbed, comes: bool) -> Result<Duration> {
    let (begin, limit) = (Instant::now(), LIMIT);
    let mut start = None;
    loop {
        if start.is_none() && is_moving(testbed) {
            start = Some(Instant::now());
        }
        let survey = testbed.survey().await;
        let owned = survey.leader(ShardId(3)).map_or(0, |it| it.slots().count());
        let arrived = if comes {
            owned
        } else {
            SLOTS - owned.min(SLOTS)
        };
        if let (SLOTS, Some(start)) = (arrived, start) {
            return Ok(start.elapsed());
        }
        if begin.elapsed() > limit {
            bail!("{arrived} slots moved in {limit:?}");
        }
        sleep(LOOK_EVERY).await;
    }
}

fn is_moving(testbed: &Testbed) -> bool {
    let record = testbed.kubernetes.status().record;
    let transfers = record.reshard.map(|it| it.transfers).unwrap_or_default();
    transfers.iter().any(|it| !it.slots.is_empty())
}

async fn leader(testbed: &Testbed, shard: u32) -> Result<(MemberId, Address)> {
    let survey = testbed.survey().await;
    let seen = survey.leader(ShardId(shard));
    let seen = seen.with_context(|| format!("find the leader of shard {shard}"))?;
    let answer = seen.answer.as_ref().context("ask a leader")?;
    let ip = seen.pod.address.context("find a leader's address")?;
    let port = CLIENT_PORT;
    Ok((answer.id.clone(), Address { ip, port }))
}

async fn by_hand(testbed: &Testbed, at: Address, from: &MemberId, to: &MemberId) -> Result<()> {
    let server = &testbed.settings.server;
    let password = testbed.kubernetes.credentials().operator;
    let password = password.context("find the operator's password")?;
    let mut command = Command::new(server.programs.join(server.cli));
    command
        .args(["--no-auth-warning", "--user", "zoneward", "--pass"])
        .arg(Password::reveal(&password))
        .args(["--cluster", "reshard", &at.to_string()])
        .args(["--cluster-from", from.as_str(), "--cluster-to", to.as_str()])
        .args(["--cluster-slots", &SLOTS.to_string(), "--cluster-yes"])
        .stdin(Stdio::null());
    let output = command.output().await.context("run the command line")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default().to_owned();
    ensure!(output.status.success(), "reshard by hand: {last}");
    Ok(())
}
