//! A drill from its begin to its end: the fault is made, watched, and taken away on every path: at its end, at
//! the first sign of trouble, on a signal, on an error. A machine that slept counts what it slept, too.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use super::super::activity::activity;
use super::super::reach::Reach;
use super::course::Course;
use super::fault::{Unplaced, is_there, place, take_away_surely};
use super::object::{Drill, name_of};
use crate::api::RedisCluster;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest that a look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// A fault that is not seen to happen within this does not happen.
const CUT_WITHIN: Duration = Duration::from_secs(30);
/// Who cannot look for so long must not go on.
const BLIND_FOR: Duration = Duration::from_secs(15);

/// How the fault came to its end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "end")]
pub(super) enum End {
    /// It lasted as long as it was to.
    Over,
    /// Somebody wanted it to end.
    Stopped { signal: &'static str },
    /// Members of the zone were heard on and on.
    NotCut { heard: Vec<String> },
    /// More was lost than was to be.
    Alarmed { why: String },
    /// Somebody else took the fault away.
    TakenAway,
    /// It could not be watched.
    Blind { why: String },
}

/// Something that was seen, and when.
#[derive(Clone, Debug, Serialize)]
pub(super) struct News {
    seconds: u64,
    text: String,
}

/// What came of a drill.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) end: End,
    /// Whether every member of the zone was seen silent.
    pub(super) was_cut: bool,
    /// Whether all slots were served when the fault ended.
    pub(super) was_served_at_end: bool,
    /// When the zone was let through again, counted from the begin.
    pub(super) restored_seconds: u64,
    /// When all was as before; none where that was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) home_seconds: Option<u64>,
    pub(super) timeline: Vec<News>,
}

impl Report {
    /// Whether the zone was lost, and nobody had to suffer.
    pub(super) fn is_good(&self) -> bool {
        let is_over = matches!(self.end, End::Over);
        is_over && self.was_cut && self.was_served_at_end && self.home_seconds.is_some()
    }
}

/// Runs it. Whatever comes of it, the fault is gone afterwards, or the error says that it is not.
pub(super) async fn run(
    reach: &Reach,
    drill: &Drill,
    mut course: Course,
    home_within: Duration,
) -> anyhow::Result<Report> {
    // before the fault, so that no signal ends us from here on
    let mut stop = Stop::listen()?;
    let mut log = Log::new();
    let end = match place(reach, drill).await {
        Err(Unplaced::Nothing(error)) => return Err(error),
        Err(Unplaced::Perhaps(error)) => Err(error),
        Ok(()) => {
            let (zone, policy) = (&drill.zone, name_of(&drill.cluster));
            log.tell(format!(
                "NetworkPolicy {policy} forbids all connections of the members in {zone}"
            ));
            Ok(during(reach, drill, &mut course, &mut stop, &mut log).await)
        }
    };
    take_away_surely(reach, &drill.cluster, |text| log.tell(text)).await?;
    let mut end = end?;
    log.tell(format!("{} is let through again", drill.zone));
    let operator = activity(reach).await;
    if let Some(why) = operator.trouble(reach).filter(|_| operator.is_inactive()) {
        end = End::Blind { why };
    }
    let (was_cut, was_served_at_end) = (course.is_cut(), course.is_served());
    let restored_seconds = log.elapsed().as_secs();
    let limit = log.elapsed() + home_within;
    afterwards(reach, drill, &mut course, &mut stop, (&mut log, limit)).await;
    Ok(Report {
        end,
        was_cut,
        was_served_at_end,
        restored_seconds,
        home_seconds: course.is_home().then(|| log.elapsed().as_secs()),
        timeline: log.news,
    })
}

async fn during(
    reach: &Reach,
    drill: &Drill,
    course: &mut Course,
    stop: &mut Stop,
    log: &mut Log,
) -> End {
    let mut seen_at = log.elapsed();
    let mut heard = Vec::new();
    loop {
        let looked = match stop.or(look(reach, drill)).await {
            Err(signal) => return End::Stopped { signal },
            Ok(looked) => looked,
        };
        match looked {
            Ok((_, false)) => return End::TakenAway,
            Ok((cluster, true)) => {
                seen_at = log.elapsed();
                log.tell_all(course.during(&cluster));
                if let Some(why) = course.alarm(&cluster) {
                    return End::Alarmed { why };
                }
                heard = course.heard(&cluster);
            }
            Err(error) if log.elapsed() >= seen_at + BLIND_FOR => {
                let why = crate::telemetry::chain(error.as_ref());
                return End::Blind { why };
            }
            Err(_) => {}
        }
        let is_over = log.elapsed() >= drill.lasts;
        if !course.is_cut() && (is_over || log.elapsed() >= CUT_WITHIN) {
            return End::NotCut { heard };
        }
        if is_over {
            return End::Over;
        }
        let left = drill.lasts.saturating_sub(log.elapsed());
        if let Err(signal) = stop.or(sleep(LOOK_EVERY.min(left))).await {
            return End::Stopped { signal };
        }
    }
}

/// Looks until all is as before, for so long; a signal ends that.
async fn afterwards(
    reach: &Reach,
    drill: &Drill,
    course: &mut Course,
    stop: &mut Stop,
    (log, limit): (&mut Log, Duration),
) {
    while log.elapsed() < limit && !course.is_home() {
        let looked = stop.or(async {
            sleep(LOOK_EVERY).await;
            look(reach, drill).await
        });
        match looked.await {
            Err(_) => return,
            Ok(Ok((cluster, _))) => log.tell_all(course.afterwards(&cluster)),
            Ok(Err(_)) => {}
        }
    }
}

/// How the RedisCluster is, and whether the fault is there.
async fn look(reach: &Reach, drill: &Drill) -> anyhow::Result<(RedisCluster, bool)> {
    let looking = async {
        let is_there = is_there(reach, &drill.cluster).await?;
        Ok((reach.cluster(&drill.cluster).await?, is_there))
    };
    timeout(LOOK_LIMIT, looking)
        .await
        .context("the API server takes too long to answer")?
}

/// What was seen, told as it comes, beside the answer, so that a program can read that.
struct Log {
    begin: Instant,
    begin_by_wall: Timestamp,
    news: Vec<News>,
}

impl Log {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            begin_by_wall: Timestamp::now(),
            news: Vec::new(),
        }
    }

    /// Since the begin. The monotonic clock stands still while a machine sleeps.
    fn elapsed(&self) -> Duration {
        let by_wall = Timestamp::now().duration_since(self.begin_by_wall);
        let by_wall = Duration::try_from(by_wall).unwrap_or_default();
        self.begin.elapsed().max(by_wall)
    }

    fn tell(&mut self, text: String) {
        let seconds = self.elapsed().as_secs();
        let line = format!("{seconds:>4}s  {}", terminal::clean(&text));
        // whoever closed it wants no progress
        let _ = writeln!(std::io::stderr().lock(), "{line}");
        self.news.push(News { seconds, text });
    }

    fn tell_all(&mut self, texts: Vec<String>) {
        for text in texts {
            self.tell(text);
        }
    }
}

/// The signals by which somebody wants us to stop: a key, a supervisor, a terminal that was closed.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind, name| {
            signal(kind).with_context(|| format!("failed to wait for {name}: nothing was done"))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
        })
    }

    /// What the work comes to, or the signal that came before.
    async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Err("SIGINT"),
            _ = self.terminate.recv() => Err("SIGTERM"),
            _ = self.hangup.recv() => Err("SIGHUP"),
            done = work => Ok(done),
        }
    }
}
