//! Clients of the whole cluster that follow its redirections, and check what they read: for slots on the
//! move. Each key belongs to one client, so that what it must hold is known.

mod client;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use zoneward_operator::model::{ShardId, Slot, SlotSet};

pub use client::Client;
use client::Key;

use crate::kubernetes::Kubernetes;
use crate::writer::slot_of;

/// A key that is not there, or holds something else than was acknowledged.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Which, and what was found.
    pub text: String,
    /// A follower was to have it.
    pub with_wait: bool,
    /// Its slot.
    pub slot: Option<Slot>,
}

/// What the clients saw.
#[derive(Clone, Debug, Default)]
pub struct Trip {
    /// Operations that were answered, by how long they took, redirections included.
    pub took: Vec<Duration>,
    /// Redirections with `ASK`.
    pub asked: usize,
    /// Replies that no client should see.
    pub errors: Vec<String>,
    /// Reads that gave something else than was last written.
    pub wrong: Vec<String>,
}

impl Trip {
    /// The time that this part of the operations stayed below.
    pub fn percentile(&self, part: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a list"
        )]
        let at = (took.len() as f64 * part) as usize;
        let last = took.len().saturating_sub(1);
        took.get(at.min(last)).copied().unwrap_or_default()
    }
}

/// Keys of certain slots.
pub struct Roamer {
    kubernetes: Arc<Kubernetes>,
    keys: Arc<Vec<Key>>,
    value: String,
}

/// Clients that are at it.
pub struct Roaming {
    clients: Vec<JoinHandle<(Client, Trip)>>,
    is_over: Arc<AtomicBool>,
    is_sealed: Arc<AtomicBool>,
}

impl Roamer {
    /// So many keys in these slots, each with a value of so many bytes and a few.
    pub fn new(kubernetes: &Arc<Kubernetes>, keys: usize, bytes: usize, slots: &SlotSet) -> Self {
        let names = (0..u32::MAX).map(|number| format!("k{number}"));
        let wanted = |key: &String| slot_of(key.as_bytes()).is_some_and(|it| slots.contains(it));
        let keys = names.filter(wanted).take(keys).map(|name| Key {
            name,
            with_wait: false,
            stays: false,
        });
        Self {
            kubernetes: Arc::clone(kubernetes),
            keys: Arc::new(keys.collect()),
            value: "x".repeat(bytes),
        }
    }

    /// Every other key is written with `WAIT 1`; and of both kinds, half is left alone once the clients are
    /// sealed: what was written right before a fault must not be hidden by what is written after it.
    #[must_use]
    pub fn for_losses(mut self) -> Self {
        let keys = Arc::make_mut(&mut self.keys).iter_mut();
        for (number, key) in keys.enumerate() {
            key.with_wait = number % 2 == 0;
            key.stays = number % 4 < 2;
        }
        self
    }

    /// Writes every key once, with version 0.
    pub async fn fill(&self) -> Result<()> {
        let mut filling = JoinSet::new();
        for shard in self.shards() {
            let (keys, mut client) = (
                Arc::clone(&self.keys),
                Client::new(&self.kubernetes, &self.value),
            );
            filling.spawn(async move { client.fill(shard, &keys).await });
        }
        while let Some(filled) = filling.join_next().await {
            filled.context("fill")??;
        }
        Ok(())
    }

    /// The shards and their slots, as the status says.
    pub fn shards(&self) -> Vec<(ShardId, SlotSet)> {
        let shards = self.kubernetes.status().shards.into_iter();
        shards
            .filter_map(|it| Some((ShardId(it.shard), it.slots.parse().ok()?)))
            .collect()
    }

    /// So many clients, each with so many operations a second: three reads to two writes.
    pub fn roam(&self, clients: usize, per_second: u32) -> Roaming {
        let new = || Client::new(&self.kubernetes, &self.value);
        self.roam_on((0..clients).map(|_| new()).collect(), per_second)
    }

    /// The same with clients that know what they wrote before.
    pub fn roam_on(&self, clients: Vec<Client>, per_second: u32) -> Roaming {
        let count = clients.len();
        let is_over = Arc::new(AtomicBool::new(false));
        let is_sealed = Arc::new(AtomicBool::new(false));
        let start = |(index, mut client): (usize, Client)| {
            let keys = Arc::clone(&self.keys);
            let is_over = Arc::clone(&is_over);
            let is_sealed = Arc::clone(&is_sealed);
            let mut rewritten = HashSet::new();
            tokio::spawn(async move {
                let own: Vec<&Key> = keys.iter().skip(index).step_by(count).collect();
                let mut trip = Trip::default();
                let mut tick = interval(Duration::from_secs(1) / per_second.max(1));
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut turn = index;
                while !is_over.load(Ordering::Relaxed) && !own.is_empty() {
                    tick.tick().await;
                    turn = turn
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let at = (turn >> 33) % own.len();
                    let Some(key) = own.get(at) else {
                        break;
                    };
                    let may_write = !is_sealed.load(Ordering::Relaxed)
                        || (!key.stays && !rewritten.contains(&at));
                    let writes = may_write && (turn >> 20) % 5 < 2;
                    if writes && is_sealed.load(Ordering::Relaxed) {
                        rewritten.insert(at);
                    }
                    client.operate(key, writes, &mut trip).await;
                }
                (client, trip)
            })
        };
        Roaming {
            clients: clients.into_iter().enumerate().map(start).collect(),
            is_over,
            is_sealed,
        }
    }

    /// Which keys cannot be read, or hold something else than `clients` wrote last. Each is told once.
    pub async fn missing(&self, clients: &mut [Client]) -> Result<Vec<Missing>> {
        let mut trip = Trip::default();
        let mut missing = Vec::new();
        let count = clients.len();
        for (index, client) in clients.iter_mut().enumerate() {
            for key in self.keys.iter().skip(index).step_by(count) {
                missing.extend(client.check(key, &mut trip).await);
            }
        }
        anyhow::ensure!(trip.errors.is_empty(), "read back: {:?}", trip.errors);
        Ok(missing)
    }

    /// The same, in words.
    pub async fn lost(&self, clients: &mut [Client]) -> Result<Vec<String>> {
        let missing = self.missing(clients).await?;
        Ok(missing.into_iter().map(|it| it.text).collect())
    }
}

impl Roaming {
    /// From here on each key is written once more at the most, and those that stay not at all.
    pub fn seal(&self) {
        self.is_sealed.store(true, Ordering::Relaxed);
    }

    /// Ends it.
    pub async fn finish(self) -> Result<(Vec<Client>, Trip)> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Trip::default();
        let mut clients = Vec::new();
        for task in self.clients {
            let (client, trip) = task.await.context("roam")?;
            clients.push(client);
            all.took.extend(trip.took);
            all.asked += trip.asked;
            all.errors.extend(trip.errors);
            all.wrong.extend(trip.wrong);
        }
        Ok((clients, all))
    }
}
