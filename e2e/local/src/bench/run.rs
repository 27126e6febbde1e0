//! One run: build, hurt, watch.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use zoneward_operator::model::{MemberName, ShardId};

use crate::servers::Server;
use crate::testbed::{Settings, Testbed};
use crate::writer::Writers;

/// Before the fault: what the bring-up left is over, and a follower's lag is a steady one.
const SETTLE: Duration = Duration::from_secs(2);
/// How long is watched on, after every shard takes writes again.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// New pods start as late as real ones: else their start, which real zones have machines of their own
/// for, would hold up what is measured here.
const POD_START: Duration = Duration::from_secs(1);
/// The zone that falls silent.
const ZONE: &str = "a";

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// `kill -9` of one leader of 3x1.
    Leader,
    /// `kill -9` of a third of the leaders at once.
    Third,
    /// All processes of one zone of three stop, and nobody says so.
    Zone,
    /// `kill -9` of all followers at once.
    Followers,
}

/// Who is there to help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The operator, and the bus.
    Operator,
    /// The bus alone.
    Bus,
}

/// What to measure with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub server: Server,
    /// Leaders, where a third of them or a zone is lost.
    pub leaders: u32,
}

/// What one run came to. Times in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The fault.
    pub what: What,
    /// Leaders and followers of each.
    pub shape: String,
    /// Who was there to help.
    pub side: Side,
    /// `cluster-node-timeout`.
    pub node_timeout_millis: u64,
    /// Longest time without an acknowledged write, of each shard that lost its leader.
    pub outages: Vec<u128>,
    /// The same of the worst of the others.
    pub worst_other: u128,
    /// From the fault to each of the operator's failover commands.
    pub failovers: Vec<u128>,
    /// From the fault until every shard had a whole copy again in another zone; none where nobody
    /// was there to make one, or it was not waited for.
    pub redundant: Option<u128>,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Those that cannot be read back.
    pub lost: usize,
}

/// Builds a cluster of this shape, does it, and watches.
pub async fn measure(
    options: &Options,
    (leaders, followers): (u32, u32),
    what: What,
    side: Side,
    node_timeout_millis: u64,
) -> Result<Run> {
    let mut settings = Settings::new(options.server.clone(), leaders, followers);
    settings.node_timeout_millis = node_timeout_millis;
    settings.pace.start_after = POD_START;
    let mut testbed = Testbed::whole(settings).await?;
    let writers = testbed.writers()?;
    writers.until_all_write(Duration::from_secs(30)).await?;
    sleep(SETTLE).await;
    let hurt = shards_hurt(&testbed, what).await;
    let leaders_hurt = testbed.leaders(hurt.clone()).await;
    let bystanders = testbed.followers().await;
    if side == Side::Bus {
        testbed.stop_operator();
    }
    writers.begin();
    let start = Instant::now();
    match what {
        What::Leader | What::Third => testbed.kill(&leaders_hurt),
        What::Zone => testbed.silence_zone(ZONE)?,
        What::Followers => testbed.kill(&bystanders),
    }
    // an election that is lost is held again after four node timeouts
    let limit = Duration::from_millis(node_timeout_millis) * 8 + Duration::from_secs(30);
    writers.until_all_write(limit).await?;
    sleep(AFTERWARDS).await;
    let outages = writers.outages();
    let redundant = match (what, side) {
        (What::Zone, _) | (_, Side::Bus) => None,
        _ => Some(until_redundant(&testbed, start, &[leaders_hurt, bystanders], what).await?),
    };
    tally(
        writers,
        &outages,
        &hurt,
        redundant,
        Run {
            what,
            shape: format!("{leaders}x{followers}"),
            side,
            node_timeout_millis,
            outages: Vec::new(),
            worst_other: 0,
            failovers: failovers(&testbed, start),
            redundant: None,
            acknowledged: 0,
            lost: 0,
        },
    )
    .await
}

fn failovers(testbed: &Testbed, start: Instant) -> Vec<u128> {
    let story = testbed.story();
    let failovers = story.iter().filter(|done| done.kind == "failover-force");
    let since = failovers.filter_map(|done| done.at.checked_duration_since(start));
    since.map(|since| since.as_millis()).collect()
}

async fn tally(
    writers: Writers,
    outages: &BTreeMap<ShardId, Duration>,
    hurt: &[u32],
    redundant: Option<Duration>,
    empty: Run,
) -> Result<Run> {
    let tally = writers.finish().await?;
    let (of_hurt, of_others): (Vec<_>, Vec<_>) = outages
        .iter()
        .partition(|(shard, _)| hurt.contains(&shard.0));
    Ok(Run {
        outages: of_hurt
            .iter()
            .map(|(_, outage)| outage.as_millis())
            .collect(),
        worst_other: of_others
            .iter()
            .map(|(_, it)| it.as_millis())
            .max()
            .unwrap_or(0),
        redundant: redundant.map(|it| it.as_millis()),
        acknowledged: tally.acknowledged,
        lost: tally.lost,
        ..empty
    })
}

/// Whose leaders are lost.
async fn shards_hurt(testbed: &Testbed, what: What) -> Vec<u32> {
    let all = 0..testbed.settings.leaders;
    match what {
        What::Leader => vec![0],
        What::Third => all.step_by(3).collect(),
        What::Followers => Vec::new(),
        What::Zone => {
            let survey = testbed.survey().await;
            let is_there = |shard: &u32| {
                let leader = survey.leader(ShardId(*shard));
                leader.is_some_and(|seen| seen.pod.zone.as_str() == ZONE)
            };
            all.filter(is_there).collect()
        }
    }
}

/// Until every shard is whole again, and none of its copies is one of those that were killed.
async fn until_redundant(
    testbed: &Testbed,
    start: Instant,
    [leaders, followers]: &[Vec<MemberName>; 2],
    what: What,
) -> Result<Duration> {
    let killed = if what == What::Followers {
        followers
    } else {
        leaders
    };
    ensure!(!killed.is_empty(), "measure {what:?}: nobody was killed");
    let wanted = testbed.settings.followers as usize;
    let limit = Duration::from_secs(120);
    testbed
        .until("every shard is whole again", limit, |survey| {
            let mut shards = survey.shards();
            let lacks = shards.find(|shard| {
                let copies = survey.followers(*shard);
                survey.leader(*shard).is_none()
                    || copies
                        .filter(|seen| !killed.contains(&seen.pod.name))
                        .count()
                        < wanted
            });
            lacks.map(|shard| format!("shard {shard} is not"))
        })
        .await?;
    Ok(start.elapsed())
}
