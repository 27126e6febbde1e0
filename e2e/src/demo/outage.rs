//! The middle of the demo: a zone goes, and comes back.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{Options, Outage, Return, Story, read};
use crate::bed::{Bed, Moment};
use crate::bring_up::confirmed;
use crate::near::Workload;
use crate::show::Screen;
use crate::timeline::{Phase, Tracker, seconds};
use crate::wait::{Patience, until};
use crate::workload::report::{Line, Report};
use terminal::Color;

/// How long to look on for zone-safety once redundancy is back: with one of three zones gone it
/// may have to wait for its return.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Pauses of the writer shorter than this are left to its report: a busy machine makes them.
const TOLD_MILLIS: u64 = 250;

/// How often the status is asked.
const EVERY: Duration = Duration::from_millis(200);

/// All that the play needs.
pub(super) struct Stage<'a> {
    pub(super) bed: &'a Bed,
    pub(super) options: &'a Options,
    pub(super) screen: Screen,
    pub(super) zone: &'a str,
    pub(super) zones: usize,
}

/// Tells what the writer goes through, in seconds from a moment of the wall clock.
struct Teller {
    screen: Screen,
    /// Add this to the workload's milliseconds.
    shift: i64,
}

impl Stage<'_> {
    /// Stops the zone, watches, and brings it back, also where something failed meanwhile. (Where
    /// that is an error, or the user has had enough, the caller starts the zone.)
    pub(super) async fn play(&self, mut workload: Workload, story: &mut Story) -> Result<Report> {
        self.screen
            .heading(&format!("Stop {} while writing to every shard", self.zone));
        let healed = self.lose(&mut workload, story).await;
        if let Err(error) = &healed {
            self.screen.warning(&format!("{error:#}"));
            if self.options.assert {
                // The evidence is of the outage: the caller keeps it before the zone is started.
                return Err(anyhow!("{error:#}"));
            }
        }
        self.screen.heading(&format!("Bring {} back", self.zone));
        let returned = self.come_back(&mut workload, story).await;
        let report = workload.finish().await?;
        returned?;
        Ok(report)
    }

    async fn lose(&self, workload: &mut Workload, story: &mut Story) -> Result<()> {
        let start = Instant::now();
        let unix_millis = Timestamp::now().as_millisecond();
        let fault = self.options.fault;
        let mut outage = Outage {
            zone: self.zone.to_owned(),
            fault,
            unix_millis,
            ..Outage::default()
        };
        let teller = Teller {
            screen: self.screen,
            shift: workload.unix_millis - unix_millis,
        };
        // From here on the zone has to be brought back, whatever happens.
        story.outage = Some(outage.clone());
        self.bed.lose_zone(self.zone, fault).await?;
        outage.hosts_lost = seconds(start.elapsed());
        self.screen
            .event(start.elapsed(), Color::Red, fault.texts().0);

        let mut tracker = Tracker::new(self.zone);
        let watched = self.watch(&mut tracker, workload, &teller, start).await;
        outage.phases = tracker.seconds();
        story.outage = Some(outage.clone());
        watched?;

        let checked = confirmed(self.bed, &self.options.key, Moment::Outage, 60).await?;
        outage.confirmed = Some(seconds(start.elapsed()));
        story.outage = Some(outage);
        teller.tell(workload);
        self.screen.event(
            start.elapsed(),
            Color::Plain,
            "confirmed by those who are left:",
        );
        self.screen.checks(&checked.lines);
        let now = read(self.bed, &self.options.key).await?;
        self.screen.map(&now);
        if tracker.at(Phase::ZoneSafe).is_none() {
            let why = now.condition("ZoneSafe").map_or("", |c| c.message.as_str());
            self.screen
                .aside(&format!("not zone-safe until the zone is back: {why}"));
        }
        Ok(())
    }

    async fn watch(
        &self,
        tracker: &mut Tracker,
        workload: &mut Workload,
        teller: &Teller,
        start: Instant,
    ) -> Result<()> {
        let limit = Duration::from_secs(self.options.limits.heal);
        loop {
            let asked = Instant::now();
            let cluster = read(self.bed, &self.options.key).await?;
            let at = start.elapsed();
            teller.tell(workload);
            for phase in tracker.observe(at, &cluster) {
                let color = match phase {
                    Phase::ZoneSilent => Color::Yellow,
                    _ => Color::Green,
                };
                self.screen.event(at, color, phase.text());
            }
            let redundant = tracker.at(Phase::Redundant);
            if tracker.at(Phase::ZoneSafe).is_some()
                || redundant.is_some_and(|redundant| at > redundant + AFTERMATH)
            {
                return Ok(());
            }
            if redundant.is_none() && at > limit {
                bail!(
                    "not redundant {} s after the stop of {}",
                    limit.as_secs(),
                    self.zone
                );
            }
            sleep(EVERY.saturating_sub(asked.elapsed())).await;
        }
    }

    async fn come_back(&self, workload: &mut Workload, story: &mut Story) -> Result<()> {
        let key = &self.options.key;
        let start = Instant::now();
        let teller = Teller {
            screen: self.screen,
            shift: workload.unix_millis - Timestamp::now().as_millisecond(),
        };
        // What was said before counts from another moment.
        drop(workload.told());
        let fault = self.options.fault;
        self.bed.return_zone(self.zone, fault).await?;
        let mut back = Return {
            hosts_back: seconds(start.elapsed()),
            ..Return::default()
        };
        self.screen
            .event(start.elapsed(), Color::Plain, fault.texts().1);
        let what = "all members in sync, none too many, leaders spread evenly";
        let mut shown = String::new();
        until(
            what,
            Patience::seconds(self.options.limits.home),
            async || {
                teller.tell(workload);
                let cluster = read(self.bed, key).await?;
                let leaders: Vec<String> = cluster
                    .leaders_by_zone()
                    .iter()
                    .map(|(zone, count)| format!("{zone} {count}"))
                    .collect();
                let progress = format!(
                    "{} members, {} of {} wanted in sync, leaders: {}",
                    cluster.members().count(),
                    cluster.members().filter(|member| member.in_sync).count(),
                    cluster.members_wanted(),
                    leaders.join(", "),
                );
                if progress != shown {
                    self.screen.event(start.elapsed(), Color::Plain, &progress);
                    shown = progress;
                }
                Ok((cluster.is_home(self.zones) && cluster.is("ZoneSafe")).then_some(()))
            },
        )
        .await?;
        back.home = seconds(start.elapsed());
        self.screen.event(
            start.elapsed(),
            Color::Green,
            "home: zone-safe, and nothing is left over",
        );
        let checked = confirmed(self.bed, key, Moment::Whole, 60).await?;
        back.confirmed = seconds(start.elapsed());
        story.back = Some(back);
        teller.tell(workload);
        self.screen.checks(&checked.lines);
        self.screen
            .map(&read(self.bed, key).await.context("after the return")?);
        Ok(())
    }
}

impl Teller {
    /// Tells the writer's pauses, as they happen.
    fn tell(&self, workload: &mut Workload) {
        for line in workload.told() {
            match line {
                Line::GapOpened {
                    shard,
                    start_millis,
                } => {
                    let text = format!("shard {shard} takes no writes");
                    self.screen.event(self.at(start_millis), Color::Red, &text);
                }
                Line::GapClosed { shard, gap } if gap.millis >= TOLD_MILLIS => {
                    let length = Duration::from_millis(gap.millis).as_secs_f64();
                    let text =
                        format!("shard {shard} takes writes again: it paused for {length:.2} s");
                    let end = self.at(gap.start_millis + gap.millis);
                    self.screen.event(end, Color::Green, &text);
                }
                _ => {}
            }
        }
    }

    fn at(&self, millis: u64) -> Duration {
        let at = self.shift.saturating_add_unsigned(millis);
        Duration::from_millis(u64::try_from(at).unwrap_or(0))
    }
}
