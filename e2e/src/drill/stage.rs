//! Plays the steps of a drill and keeps what was done, reached and said, and when. Where that is, a [`Place`] knows:
//! the same code plays on kind and on the local testbed.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use super::deeds::Hands;
use super::faults::edge;
use super::measured::{Event, Outcome, Sort, Standing};
use super::watch::{Conditions, reach, standing};
use super::{Drill, Step, lost_for_sure};
use crate::objects::RedisCluster;
use crate::show::Screen;
use crate::timeline::seconds;
use crate::workload::report::Report;
use terminal::Color;

/// Where drills are played.
pub trait Place {
    /// What is taken away, and what the status may still tell of.
    fn hands(&self) -> &Hands;

    /// All drilled `RedisClusters` by their names, as they stand now.
    fn look(&self) -> impl Future<Output = Result<Vec<(&str, RedisCluster)>>>;

    /// Does it, and says what was done. `Stay` and `Until` are not asked of a place.
    fn act(&mut self, step: Step) -> impl Future<Output = Result<String>>;
}

/// How a drill is followed.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Where it is told.
    pub screen: Screen,
    /// What each goal may take.
    pub limit: Duration,
    /// In how many zones members may be.
    pub zones: usize,
    /// From when all is counted.
    pub start: Instant,
}

impl Stage {
    /// Plays them in order, until one fails.
    ///
    /// # Errors
    /// When a deed cannot be done, or a goal is not reached in time.
    pub async fn steps(
        &self,
        steps: &[Step],
        place: &mut impl Place,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut conditions = Conditions::default();
        let clusters = place.look().await?;
        for (name, cluster) in &clusters {
            conditions.changes(name, cluster);
        }
        self.stand(outcome, &clusters, place.hands());
        drop(clusters);
        for step in steps {
            let (goal, limit) = match step {
                Step::Until(goal) => (Some(*goal), self.limit),
                Step::Stay(seconds) => (None, Duration::from_secs(*seconds)),
                deed => {
                    self.deed(*deed, place, outcome).await?;
                    continue;
                }
            };
            let place = &*place;
            reach(place, goal, self.zones, limit, |clusters| {
                self.stand(outcome, clusters, place.hands());
                for (name, cluster) in clusters {
                    for change in conditions.changes(name, cluster) {
                        self.note(outcome, Sort::Said, change);
                    }
                }
            })
            .await?;
            if let Some(goal) = goal {
                self.note(outcome, Sort::Reached, goal.text().to_owned());
            }
        }
        Ok(())
    }

    /// Keeps what holds now, where it is not what held at the last look.
    fn stand(&self, outcome: &mut Outcome, clusters: &[(&str, RedisCluster)], hands: &Hands) {
        let at = seconds(self.start.elapsed());
        let now = standing(at, clusters, (&hands.lost, self.zones));
        let last = outcome.standings.last();
        if last.is_none_or(|last| Standing { at, ..*last } != now) {
            outcome.standings.push(now);
        }
    }

    /// Does it, and tells when it was begun and when it was done.
    async fn deed(&self, step: Step, place: &mut impl Place, outcome: &mut Outcome) -> Result<()> {
        let begun = seconds(self.start.elapsed());
        // a host that is started is known before, one that is killed only afterwards
        let before = edge(step, place.hands());
        let text = place.act(step).await?;
        let fault = before.or_else(|| edge(step, place.hands()));
        self.note(outcome, Sort::Done, text);
        if let Some(event) = outcome.events.last_mut() {
            event.begun = Some(begun);
            event.fault = fault;
        }
        Ok(())
    }

    fn note(&self, outcome: &mut Outcome, sort: Sort, text: String) {
        let at = self.start.elapsed();
        let color = match sort {
            Sort::Done => Color::Red,
            Sort::Reached => Color::Green,
            Sort::Said => Color::Yellow,
        };
        self.screen.event(at, color, &text);
        outcome.events.push(Event {
            at: seconds(at),
            begun: None,
            sort,
            text,
            fault: None,
        });
    }
}

/// What the drill may lose, where it did.
///
/// # Errors
/// Where it may not.
pub fn losses(drill: &Drill, reports: &[Report]) -> Result<Option<String>> {
    let for_sure = lost_for_sure(drill.name, reports);
    if for_sure > 0 {
        bail!("{for_sure} writes are lost that a follower had, or that were there from the start")
    }
    let lost: u64 = reports.iter().map(Report::lost).sum();
    let unverified: u64 = reports.iter().map(Report::unverified).sum();
    let missing: u64 = reports.iter().map(Report::missing_in_followers).sum();
    if missing > 0 {
        bail!("{missing} acknowledged writes are with their leader, and not with a follower of it")
    }
    let acknowledged: u64 = reports.iter().map(Report::acknowledged).sum();
    let copies: u64 = reports.iter().map(Report::read_from_followers).sum();
    // at the end of each drill all is whole
    let expected = (acknowledged - lost - unverified) * u64::from(drill.followers);
    if copies < expected {
        bail!("{copies} copies were read from followers, and there should be {expected}")
    }
    match drill.may_lose.filter(|_| unverified == 0) {
        Some(why) => Ok((lost > 0).then(|| format!("{lost} acknowledged writes are lost: {why}"))),
        None if lost + unverified > 0 => {
            bail!("{lost} acknowledged writes are lost, and {unverified} could not be read back")
        }
        None => Ok(None),
    }
}
