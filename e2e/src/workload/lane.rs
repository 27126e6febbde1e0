//! The writer of one shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Cmd;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::gaps::{Gap, GapMeter};
use super::link::{Failure, Links};
use super::report::Line;
use super::route::Route;
use super::slots::Address;

/// How often a lane whose tries fail asks anew who serves which slots.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long a follower may take to say that it has a write.
const WAIT_MILLIS: u64 = 30;

/// The keys of a lane: the n-th write's key and value follow from n.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Prefix of this run.
    pub run: String,
    /// Which lane.
    pub shard: usize,
    /// Hash tags in slots of the shard; never empty.
    pub tags: Vec<String>,
}

impl Keys {
    /// The tag of the n-th write.
    pub fn tag(&self, n: u64) -> &str {
        self.tags.get(self.index(n)).map_or("", String::as_str)
    }

    /// Which of the tags that is.
    pub fn index(&self, n: u64) -> usize {
        let count = u64::try_from(self.tags.len()).unwrap_or(1).max(1);
        usize::try_from(n % count).unwrap_or(0)
    }

    /// The key of the n-th write.
    pub fn key(&self, n: u64) -> String {
        format!("{{{}}}:{}:{}:{n}", self.tag(n), self.run, self.shard)
    }

    /// The value of the n-th write.
    pub fn value(&self, n: u64) -> String {
        format!("{}:{}:{n}", self.run, self.shard)
    }
}

/// What others may see of a running lane.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<(GapMeter, BTreeMap<String, u64>)>>);

impl Meter {
    fn with<T>(&self, look: impl FnOnce(&mut (GapMeter, BTreeMap<String, u64>)) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many writes were acknowledged.
    pub fn count(&self) -> u64 {
        self.with(|(meter, _)| meter.count())
    }

    /// The gap that goes on now.
    pub fn current(&self, now: Duration) -> Option<Gap> {
        self.with(|(meter, _)| meter.current(now))
    }

    /// The gaps and the failed tries up to now.
    pub fn finish(&self, now: Duration) -> (GapMeter, Gap, Vec<Gap>, BTreeMap<String, u64>) {
        self.with(|(meter, tries)| {
            let (longest, gaps) = meter.clone().finish(now);
            (meter.clone(), longest, gaps, tries.clone())
        })
    }

    fn failed(&self, failure: &Failure) {
        self.with(|(_, tries)| *tries.entry(failure.word()).or_default() += 1);
    }
}

/// The writer of one shard.
pub struct Lane {
    /// Its keys.
    pub keys: Keys,
    /// The way to each tag's slot: slots may move to other shards.
    pub routes: Vec<Route>,
    /// Its connections.
    pub links: Links,
    /// What others see of it.
    pub meter: Meter,
    /// When the run began.
    pub start: Instant,
    /// Time between two writes, and between two tries of one.
    pub every: Duration,
    /// When it last asked for the slots.
    pub asked: Option<Duration>,
    /// The writes that a follower had, by the word of WAIT.
    pub waited: BTreeSet<u64>,
    /// Whether the last write went to another one than its leader: WAIT would ask the wrong one.
    pub went_by_ask: bool,
}

impl Lane {
    /// Writes until `stop` turns true. Gives itself back, for the reader.
    pub async fn write(mut self, stop: watch::Receiver<bool>, told: mpsc::Sender<Line>) -> Self {
        let mut due = interval(self.every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut n = 0;
        while !*stop.borrow() {
            due.tick().await;
            while self.try_write(n).await.is_none() {
                if *stop.borrow() {
                    return self;
                }
                sleep(self.every).await;
            }
            let at = self.start.elapsed();
            let gap = self.meter.with(|(meter, _)| meter.acknowledged(at));
            if let Some(gap) = gap {
                let shard = self.keys.shard;
                // Whoever printed it is gone: the run ends anyhow.
                let _ = told.send(Line::GapClosed { shard, gap }).await;
            }
            if n.is_multiple_of(2) && !self.went_by_ask {
                self.wait(n).await;
            }
            n += 1;
        }
        self
    }

    /// Asks whether a follower has all that was written on this connection.
    async fn wait(&mut self, n: u64) {
        let at = self.keys.index(n);
        let Some(target) = self.target(at) else {
            return;
        };
        let mut command = Cmd::new();
        command.arg("WAIT").arg(1).arg(WAIT_MILLIS);
        match self.links.send::<u64>(&target, &command).await {
            Ok(0) => {}
            Ok(_) => drop(self.waited.insert(n)),
            // the next write goes on from what this has shown
            Err(failure) => self.learn(at, &failure, self.start.elapsed()),
        }
    }

    async fn try_write(&mut self, n: u64) -> Option<()> {
        let mut command = Cmd::new();
        command
            .arg("SET")
            .arg(self.keys.key(n))
            .arg(self.keys.value(n));
        let at = self.keys.index(n);
        let target = self.target(at)?;
        let mut outcome = self.links.send::<()>(&target, &command).await;
        self.went_by_ask = false;
        if let Err(Failure::Ask(to)) = &outcome {
            let to = to.clone();
            self.went_by_ask = true;
            outcome = self.links.send_asking(&to, &command).await;
        }
        self.settle(at, outcome).await
    }

    /// Sends a reading or deleting command for keys with the tag of the n-th write to their leader, and
    /// learns from a refusal.
    pub async fn try_command<T: redis::FromRedisValue>(
        &mut self,
        n: u64,
        command: &Cmd,
    ) -> Option<T> {
        let at = self.keys.index(n);
        let target = self.target(at)?;
        let outcome = self.links.send::<T>(&target, command).await;
        self.settle(at, outcome).await
    }

    pub(super) fn target(&self, at: usize) -> Option<Address> {
        self.routes.get(at).map(|route| route.target().clone())
    }

    async fn settle<T>(&mut self, at: usize, outcome: Result<T, Failure>) -> Option<T> {
        let failure = match outcome {
            Ok(answer) => return Some(answer),
            Err(failure) => failure,
        };
        self.meter.failed(&failure);
        let now = self.start.elapsed();
        let was_moved = matches!(failure, Failure::Moved(_));
        self.learn(at, &failure, now);
        if self
            .asked
            .is_none_or(|asked| now.saturating_sub(asked) >= ASK_EVERY)
        {
            // whoever was named as the leader is there; another one may have gone with its address, and
            // the lane would stand still until the question times out
            let named = self.target(at).filter(|_| was_moved);
            self.ask_slots(at, named).await;
        }
        None
    }

    fn learn(&mut self, at: usize, failure: &Failure, now: Duration) {
        let target = self.target(at);
        for (index, route) in self.routes.iter_mut().enumerate() {
            let is_same = target.as_ref() == Some(route.target());
            match failure {
                Failure::Moved(to) if index == at => route.moved(to.clone(), now),
                // whoever is silent is silent for all of its slots
                Failure::Timeout | Failure::Broken if is_same => route.failed(now),
                Failure::Ask(_) | Failure::Answered(_) if index == at => route.pass_on(now),
                _ => {}
            }
        }
    }

    async fn ask_slots(&mut self, at: usize, named: Option<Address>) {
        let now = self.start.elapsed();
        self.asked = Some(now);
        let route = self.routes.get_mut(at);
        let Some(whom) = named.or_else(|| route?.whom_to_ask(now)) else {
            return;
        };
        let answer = self.links.ask_slots(&whom).await;
        let now = self.start.elapsed();
        for route in &mut self.routes {
            match &answer {
                Ok(shards) => route.told(shards, now),
                Err(Failure::Timeout | Failure::Broken) => route.silent(&whom, now),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_has_a_key_of_its_own_in_the_lanes_slots() {
        let keys = Keys {
            run: "r".to_owned(),
            shard: 2,
            tags: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(keys.key(0), "{a}:r:2:0");
        assert_eq!(keys.key(3), "{b}:r:2:3");
        assert_eq!(keys.value(3), "r:2:3");
    }
}
