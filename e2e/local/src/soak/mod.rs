//! A soak: a cluster under a checking workload, and one deed after another: a fault, a change of the spec, or
//! a fault in the middle of a change. After each everything must be whole again, and nothing be lost that
//! was promised.

mod deed;
mod report;

use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};
use zoneward_operator::model::{ShardId, Slot, SlotSet};

pub use report::{Bout, Loss, Report};

use crate::roamer::{Client, Missing, Roamer};
use crate::servers::server;
use crate::testbed::{Settings, Testbed};
use deed::Deed;

/// Keys that are written, read, and read back after each deed.
const KEYS: usize = 2_000;
const CLIENTS: usize = 4;
/// Of each client: three reads to two writes.
const OPERATIONS_PER_SECOND: u32 = 100;
/// How long is written before the deed.
const BEFOREHAND: Duration = Duration::from_secs(2);
/// How long everything may take to be whole again on a busy machine: a zone that is lost is waited for, and
/// then its members are built anew.
const WHOLE_LIMIT: Duration = Duration::from_secs(180);
/// How long one cluster is used before another kind has its turn.
const LIFE_MAX: Duration = Duration::from_secs(300);

/// How long, and which dice.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long.
    pub length: Duration,
    /// Draws the deeds.
    pub seed: u64,
}

/// A kind of cluster: server, followers of each leader, whether on volumes.
const KINDS: [(&str, u32, bool); 5] = [
    ("valkey-9", 1, false),
    ("redis-8", 1, true),
    ("redis-7", 2, false),
    ("valkey-8", 1, false),
    ("redis-8", 1, false),
];

/// Runs it; `tell` hears of each deed when it is over.
///
/// # Errors
/// When a cluster cannot be built, or is not whole again in time: with all there is to know about it.
pub async fn soak(options: Options, tell: impl Fn(&Bout)) -> Result<Report> {
    let begun = Instant::now();
    let mut dice = StdRng::seed_from_u64(options.seed);
    let mut report = Report::new(options.seed);
    let life = LIFE_MAX.min(options.length / 2);
    for (label, followers, has_storage) in KINDS.into_iter().cycle() {
        let left = options.length.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        let settings = Settings {
            has_storage,
            ..Settings::new(server(label)?, 3, followers)
        };
        let lived = live(settings, life.min(left), &mut dice, &mut report, &tell).await;
        if let Err(error) = lived {
            report.broken = Some(format!("{error:#}"));
            break;
        }
    }
    report.seconds = begun.elapsed().as_secs();
    Ok(report)
}

/// One cluster, from its bring-up to its end.
async fn live(
    settings: Settings,
    life: Duration,
    dice: &mut StdRng,
    report: &mut Report,
    tell: &impl Fn(&Bout),
) -> Result<()> {
    let kind = kind(&settings);
    let until = Instant::now() + life;
    let mut testbed = Testbed::whole(settings).await.context(kind.clone())?;
    let roamer = Roamer::new(&testbed.kubernetes, KEYS, 20, &SlotSet::all()).for_losses();
    roamer.fill().await.context(kind.clone())?;
    let (mut clients, _) = roamer.roam(CLIENTS, OPERATIONS_PER_SECOND).finish().await?;
    while Instant::now() < until {
        let deed = Deed::draw(dice, &testbed);
        let bout = play(&mut testbed, &roamer, &mut clients, &deed, dice.random()).await;
        let bout = bout.with_context(|| format!("{kind}: {deed}"))?;
        let bout = Bout {
            cluster: kind.clone(),
            ..bout
        };
        tell(&bout);
        report.bouts.push(bout);
    }
    Ok(())
}

fn kind(settings: &Settings) -> String {
    let place = if settings.has_storage {
        "on volumes"
    } else {
        "in memory"
    };
    format!("{} 3x{} {place}", settings.server.label, settings.followers)
}

/// One deed under load, until all is whole again; then everything is read back.
async fn play(
    testbed: &mut Testbed,
    roamer: &Roamer,
    clients: &mut Vec<Client>,
    deed: &Deed,
    pick: u64,
) -> Result<Bout> {
    let roaming = roamer.roam_on(std::mem::take(clients), OPERATIONS_PER_SECOND);
    sleep(BEFOREHAND).await;
    let before = roamer.shards();
    roaming.seal();
    let start = Instant::now();
    deed.play(testbed, pick).await?;
    let done = start.elapsed();
    testbed.until_settled(WHOLE_LIMIT).await?;
    let whole = start.elapsed();
    let (back, trip) = roaming.finish().await?;
    *clients = back;
    let missing = roamer.missing(clients).await?;
    let after = roamer.shards();
    let has_moved = |it: &&Missing| owner(&before, it.slot) != owner(&after, it.slot);
    let may_lose = deed.may_lose(&testbed.settings.server.label);
    let is_on_the_way = |it: &&Missing| may_lose == Loss::KeysOnTheWay && has_moved(it);
    let on_the_way = missing.iter().filter(is_on_the_way).count();
    let with_wait = |it: &&Missing| it.with_wait && !is_on_the_way(it);
    let lost_with_wait = missing.iter().filter(with_wait).count();
    Ok(Bout {
        cluster: String::new(),
        deed: deed.to_string(),
        done_millis: done.as_millis(),
        whole_millis: whole.as_millis(),
        operations: trip.took.len(),
        longest_operation_millis: trip.percentile(1.0).as_millis(),
        wrong_reads: trip.wrong.len(),
        lost_with_wait,
        lost_on_the_way: on_the_way,
        lost: missing.len() - lost_with_wait - on_the_way,
        missing: missing.into_iter().map(|it| it.text).take(5).collect(),
        errors: trip.errors,
        may_lose,
    })
}

/// The shard that a slot belongs to.
fn owner(shards: &[(ShardId, SlotSet)], slot: Option<Slot>) -> Option<ShardId> {
    let slot = slot?;
    let found = shards.iter().find(|(_, slots)| slots.contains(slot));
    found.map(|(shard, _)| *shard)
}
