//! A whole run: pin the lanes, write, stop, verify, report.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::client::Client;
use super::copies::{self, Followers};
use super::gaps::millis;
use super::lane::{Keys, Lane, Meter};
use super::link::{Links, Login};
use super::report::{LaneReport, LaneSecond, Line, Report};
use super::route::Route;
use super::slots::{Address, SLOT_COUNT, ShardSlots, slot_of};
use super::verify;

/// Each lane writes to this many slots of its shard, in turn.
const SLOTS_PER_LANE: usize = 16;

/// A gap this long is told while it goes on.
const TELL_AFTER: u64 = 500;

/// What to run.
#[derive(Clone)]
pub struct Settings {
    /// Any members.
    pub seeds: Vec<Address>,
    /// How to log in.
    pub login: Login,
    /// Time between two writes of a lane, and between two tries.
    pub every: Duration,
    /// Time for one try.
    pub limit: Duration,
    /// Time for the start and, at the end, for the reader.
    pub patience: Duration,
    /// Leave the keys where they are.
    pub keep: bool,
    /// So many keys are written before the lanes begin.
    pub fill: u64,
    /// So many followers of each leader are looked for at the end: a new one is not told to clients before its leader
    /// has heard of an offset of it (`isReplicaAvailable`), and who asks too early finds nobody to read from.
    pub followers: usize,
}

/// Runs until `stop` is ready. Lines go to `told`, the report among them.
pub async fn run(
    settings: &Settings,
    stop: impl Future<Output = ()>,
    told: &mpsc::Sender<Line>,
) -> Result<Report> {
    let start = Instant::now();
    let shards = shards_of(settings, start).await?;
    let unix_millis = Timestamp::now().as_millisecond();
    let run = format!("w{unix_millis}");
    let mut client = Client::connect(&settings.seeds, &settings.login, &run).await?;
    client.fill(settings.fill, settings.patience).await?;
    let unix_millis = Timestamp::now().as_millisecond();
    let start = Instant::now();
    let lanes = lanes(settings, &shards, &run, start)?;
    let meters: Vec<Meter> = lanes.iter().map(|lane| lane.meter.clone()).collect();
    let slots = shards.iter().map(ShardSlots::slots).collect();
    told.send(Line::Started {
        run: run.clone(),
        unix_millis,
        slots,
    })
    .await?;

    let (stopping, stopped) = watch::channel(false);
    let mut writers = JoinSet::new();
    for lane in lanes {
        writers.spawn(lane.write(stopped.clone(), told.clone()));
    }
    let client = tokio::spawn(client.work(start, stopped));
    let ticker = tokio::spawn(tell(meters, start, told.clone()));
    stop.await;
    let end = start.elapsed();
    stopping.send(true)?;
    let mut lanes = writers.join_all().await;
    ticker.abort();
    lanes.sort_by_key(|lane| lane.keys.shard);

    let client = client.await.context("the client broke")?;
    let report = Report {
        run,
        unix_millis,
        millis: millis(end),
        shards: read_back(lanes, &shards, settings, end).await,
        client: Some(client.finish(settings.patience, settings.keep).await),
    };
    told.send(Line::Report(report.clone())).await?;
    Ok(report)
}

/// Asks the seeds in turn until one knows who serves every slot.
async fn shards_of(settings: &Settings, start: Instant) -> Result<Vec<ShardSlots>> {
    let mut links = Links::new(settings.login.clone(), settings.limit);
    let mut why = "no seed address was given".to_owned();
    for seed in settings.seeds.iter().cycle() {
        match links.ask_slots(seed).await {
            Ok(shards) if covers_all(&shards) => return Ok(shards),
            Ok(_) => why = format!("{seed} does not know a leader for every slot"),
            Err(failure) => why = format!("{seed}: {}", failure.word()),
        }
        if start.elapsed() > settings.patience {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no cluster to write to: {why}")
}

fn covers_all(shards: &[ShardSlots]) -> bool {
    (0..SLOT_COUNT).all(|slot| shards.iter().any(|shard| shard.owns(slot)))
}

fn lanes(
    settings: &Settings,
    shards: &[ShardSlots],
    run: &str,
    start: Instant,
) -> Result<Vec<Lane>> {
    let mut lanes = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let tags = shard.tags(SLOTS_PER_LANE);
        let route = |tag: &String| Route::new(slot_of(tag), shards, &settings.seeds);
        let routes: Option<Vec<Route>> = tags.iter().map(route).collect();
        lanes.push(Lane {
            keys: Keys {
                run: run.to_owned(),
                shard: number,
                tags,
            },
            routes: routes.context("a shard without a leader")?,
            links: Links::new(settings.login.clone(), settings.limit),
            meter: Meter::default(),
            start,
            every: settings.every,
            asked: None,
            waited: BTreeSet::new(),
            went_by_ask: false,
        });
    }
    Ok(lanes)
}

/// Tells the state of each lane once a second, and long gaps while they go on.
async fn tell(meters: Vec<Meter>, start: Instant, told: mpsc::Sender<Line>) {
    let mut tick = interval(Duration::from_millis(50));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = vec![None; meters.len()];
    let mut last_second = 0;
    loop {
        tick.tick().await;
        let now = start.elapsed();
        for (shard, (meter, open)) in meters.iter().zip(&mut open).enumerate() {
            let gap = meter.current(now).filter(|gap| gap.millis >= TELL_AFTER);
            let start_millis = gap.map(|gap| gap.start_millis);
            if let Some(start_millis) = start_millis
                && *open != Some(start_millis)
            {
                let _ = told
                    .send(Line::GapOpened {
                        shard,
                        start_millis,
                    })
                    .await;
            }
            *open = start_millis;
        }
        if now.as_secs() > last_second {
            last_second = now.as_secs();
            let shards = meters.iter().map(|meter| second(meter, now)).collect();
            let at_millis = millis(now);
            let _ = told.send(Line::Second { at_millis, shards }).await;
        }
    }
}

fn second(meter: &Meter, now: Duration) -> LaneSecond {
    LaneSecond {
        acknowledged: meter.count(),
        gap_millis: meter.current(now).map_or(0, |gap| gap.millis),
    }
}

async fn read_back(
    lanes: Vec<Lane>,
    shards: &[ShardSlots],
    settings: &Settings,
    end: Duration,
) -> Vec<LaneReport> {
    let mut readers = JoinSet::new();
    for (mut lane, shard) in lanes.into_iter().zip(shards) {
        let slots = shard.slots();
        let (patience, keep) = (settings.patience, settings.keep);
        let followers = settings.followers;
        let seeds = settings.seeds.clone();
        readers.spawn(async move {
            let (meter, longest_gap, gaps, failed_tries) = lane.meter.finish(end);
            let mut report = LaneReport {
                slots,
                acknowledged: meter.count(),
                acknowledged_with_wait: u64::try_from(lane.waited.len()).unwrap_or(u64::MAX),
                longest_gap,
                gaps,
                failed_tries,
                ..LaneReport::default()
            };
            let limit = lane.start.elapsed() + patience;
            let lost = verify::verify(&mut lane, limit, &mut report).await;
            let whom = Followers {
                seeds: &seeds,
                wanted: followers,
            };
            copies::verify(&mut lane, whom, &lost, limit, &mut report).await;
            if !keep && report.is_whole() {
                // One more than acknowledged: the last try may have been done all the same.
                verify::clean_up(&mut lane, limit, report.acknowledged + 1).await;
            }
            (lane.keys.shard, report)
        });
    }
    let mut reports = readers.join_all().await;
    reports.sort_by_key(|(shard, _)| *shard);
    reports.into_iter().map(|(_, report)| report).collect()
}
