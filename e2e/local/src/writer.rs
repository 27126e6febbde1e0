//! Clients that write all the time and check what they were promised.
//!
//! One lane for each shard: a SET of a key of its own every 10 ms to whoever took the last one, and,
//! while that one owes a reply or refuses, to the others in turn, as an ideal client would. An outage
//! is the longest time between two acknowledgements.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use zoneward_operator::model::{ShardId, Slot, SlotSet};
use zoneward_operator::ports::Password;

use crate::kubernetes::Kubernetes;
use crate::resp::{Connection, Reply};

const WRITE_EVERY: Duration = Duration::from_millis(10);
/// How often a lane asks where its shard's members are.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A client gives up waiting for a reply after this long; what comes later promised nothing.
const REPLY_LIMIT: Duration = Duration::from_secs(1);
/// How long is tried to read everything back.
const READ_LIMIT: Duration = Duration::from_secs(30);
const KEYS_AT_ONCE: usize = 500;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Those of them that cannot be read back.
    pub lost: usize,
}

/// The lanes.
pub struct Writers {
    kubernetes: Arc<Kubernetes>,
    lanes: Vec<Arc<Lane>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Lane {
    shard: ShardId,
    /// Keys with this in braces belong to the shard's slots.
    tag: String,
    acks: Mutex<Acks>,
}

struct Acks {
    acknowledged: Vec<u64>,
    last: Instant,
    longest: Duration,
}

impl Writers {
    /// Starts one for each of so many shards.
    pub fn start(kubernetes: &Arc<Kubernetes>, shards: u32) -> Result<Self> {
        let password = kubernetes.credentials().client;
        let password = password.map(|password| password.reveal().to_owned());
        let mut lanes = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let tag = tag_in(&SlotSet::even_share(shard.0, shards));
            lanes.push(Arc::new(Lane {
                shard,
                tag: tag.with_context(|| format!("find a key for shard {shard}"))?,
                acks: Mutex::new(Acks {
                    acknowledged: Vec::new(),
                    last: Instant::now(),
                    longest: Duration::ZERO,
                }),
            }));
        }
        let start = |lane: &Arc<Lane>| {
            let (lane, kubernetes) = (Arc::clone(lane), Arc::clone(kubernetes));
            let password = password.clone();
            tokio::spawn(async move { write(&lane, &kubernetes, password.as_deref()).await })
        };
        Ok(Self {
            tasks: lanes.iter().map(start).collect(),
            lanes,
            kubernetes: Arc::clone(kubernetes),
        })
    }

    /// From here on outages count.
    pub fn begin(&self) {
        for lane in &self.lanes {
            let mut acks = lane.acks();
            (acks.last, acks.longest) = (Instant::now(), Duration::ZERO);
        }
    }

    /// Each shard's longest outage since, the one that lasts included.
    pub fn outages(&self) -> BTreeMap<ShardId, Duration> {
        let longest = |lane: &Arc<Lane>| {
            let acks = lane.acks();
            (lane.shard, acks.longest.max(acks.last.elapsed()))
        };
        self.lanes.iter().map(longest).collect()
    }

    /// Waits until every shard has taken a write after this call.
    pub async fn until_all_write(&self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let waiting = self.lanes.iter().find(|lane| lane.acks().last <= start);
            let Some(lane) = waiting else { return Ok(()) };
            if start.elapsed() > limit {
                bail!("shard {} took no write for {limit:?}", lane.shard);
            }
            sleep(WRITE_EVERY).await;
        }
    }

    /// Waits until so many writes were acknowledged in each shard: what is lost shows only among many.
    pub async fn until_each_wrote(&self, count: usize, limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut lanes = self.lanes.iter();
            let Some(lane) = lanes.find(|lane| lane.acks().acknowledged.len() < count) else {
                return Ok(());
            };
            if start.elapsed() > limit {
                bail!(
                    "shard {} took fewer than {count} writes in {limit:?}",
                    lane.shard
                );
            }
            sleep(WRITE_EVERY).await;
        }
    }

    /// Stops writing and reads everything back.
    pub async fn finish(mut self) -> Result<Tally> {
        self.stop().await;
        self.read_back().await
    }

    /// Stops writing.
    pub async fn stop(&mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // an error says that it was aborted
            let _ = task.await;
        }
    }

    /// Reads everything back that was taken so far.
    pub async fn read_back(&self) -> Result<Tally> {
        let password = self.kubernetes.credentials().client;
        let mut reading = JoinSet::new();
        let mut tally = Tally::default();
        for lane in &self.lanes {
            let (lane, kubernetes) = (Arc::clone(lane), Arc::clone(&self.kubernetes));
            let keys = lane.acks().acknowledged.clone();
            tally.acknowledged += keys.len();
            let password = password.clone();
            reading.spawn(async move {
                let password = password.as_ref().map(Password::reveal);
                lane.read_back(&kubernetes, password, &keys).await
            });
        }
        while let Some(missing) = reading.join_next().await {
            tally.lost += missing.context("read back what was taken")??;
        }
        Ok(tally)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Lane {
    fn acks(&self) -> MutexGuard<'_, Acks> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acknowledge(&self, number: u64) {
        let mut acks = self.acks();
        let now = Instant::now();
        acks.longest = acks.longest.max(now.saturating_duration_since(acks.last));
        acks.last = now;
        acks.acknowledged.push(number);
    }

    fn key(&self, number: u64) -> String {
        format!("{{{}}}:{number}", self.tag)
    }

    /// How many of these are not there. Asks each member until one answers for the slot.
    async fn read_back(
        &self,
        kubernetes: &Kubernetes,
        password: Option<&str>,
        numbers: &[u64],
    ) -> Result<usize> {
        let start = Instant::now();
        loop {
            let mut why = None;
            for ip in kubernetes.addresses(self.shard) {
                match timeout(READ_LIMIT, self.count_missing(ip, password, numbers)).await {
                    Ok(Ok(missing)) => return Ok(missing),
                    Ok(Err(error)) => why = Some(error),
                    Err(_) => {}
                }
            }
            if start.elapsed() > READ_LIMIT {
                let why =
                    why.map_or_else(|| "no member answers".to_owned(), |it| format!("{it:#}"));
                bail!("read back what shard {} took: {why}", self.shard);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn count_missing(
        &self,
        ip: IpAddr,
        password: Option<&str>,
        numbers: &[u64],
    ) -> Result<usize> {
        let opened = timeout(REPLY_LIMIT, Connection::open(ip, password)).await;
        let mut connection = opened.with_context(|| format!("log in to {ip}: no reply"))??;
        let mut missing = 0;
        for numbers in numbers.chunks(KEYS_AT_ONCE) {
            let keys: Vec<String> = numbers.iter().map(|number| self.key(*number)).collect();
            let commands: Vec<[&str; 2]> = keys.iter().map(|key| ["GET", key.as_str()]).collect();
            connection
                .send(&commands.iter().collect::<Vec<_>>())
                .await?;
            for number in numbers {
                match connection.reply().await? {
                    Reply::Value(Some(value)) if value == number.to_string().as_bytes() => {}
                    Reply::Value(_) => missing += 1,
                    Reply::Line(line) => bail!("read from {ip}: {line}"),
                }
            }
        }
        Ok(missing)
    }
}

/// A member as a lane sees it: its connection while nobody waits for a reply on it.
type Peers = BTreeMap<IpAddr, Option<Connection>>;

/// One try: whose, and the connection with what was written, where it was.
type Try = (IpAddr, Option<(Connection, Option<u64>)>);

async fn write(lane: &Lane, kubernetes: &Kubernetes, password: Option<&str>) {
    let mut idle = Peers::new();
    let mut busy = BTreeSet::new();
    let mut tries: JoinSet<Try> = JoinSet::new();
    let mut preferred: Option<IpAddr> = None;
    let mut turn = 0_usize;
    let mut looked: Option<Instant> = None;
    let mut members = Vec::new();
    let mut tick = interval(WRITE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(Ok((ip, outcome))) = tries.join_next() => {
                busy.remove(&ip);
                let written = outcome.as_ref().and_then(|(_, written)| *written);
                if let Some(written) = written {
                    lane.acknowledge(written);
                    preferred = Some(ip);
                } else if preferred == Some(ip) {
                    preferred = None;
                }
                idle.insert(ip, outcome.map(|(connection, _)| connection));
                continue;
            }
        }
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            members = kubernetes.addresses(lane.shard);
            idle.retain(|ip, _| members.contains(ip));
        }
        let free = preferred.filter(|ip| members.contains(ip) && !busy.contains(ip));
        let next = free.or_else(|| {
            turn = turn.wrapping_add(1);
            let others: Vec<IpAddr> = members
                .iter()
                .filter(|ip| !busy.contains(*ip))
                .copied()
                .collect();
            others.get(turn.checked_rem(others.len())?).copied()
        });
        let Some(ip) = next else { continue };
        number += 1;
        busy.insert(ip);
        let (key, password) = (lane.key(number), password.map(str::to_owned));
        let connection = idle.remove(&ip).flatten();
        tries.spawn(async move {
            let limit = timeout(
                REPLY_LIMIT,
                set(ip, connection, password.as_deref(), &key, number),
            );
            (ip, limit.await.ok().and_then(Result::ok))
        });
    }
}

async fn set(
    ip: IpAddr,
    connection: Option<Connection>,
    password: Option<&str>,
    key: &str,
    number: u64,
) -> Result<(Connection, Option<u64>)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(ip, password).await?,
    };
    connection
        .send(&[&["SET", key, &number.to_string()]])
        .await?;
    let reply = connection.reply().await?;
    Ok((connection, reply.is_ok().then_some(number)))
}

/// Text whose slot is one of these.
fn tag_in(slots: &SlotSet) -> Option<String> {
    let mut tags = (0..u32::MAX).map(|number| number.to_string());
    tags.find(|tag| slot_of(tag.as_bytes()).is_some_and(|slot| slots.contains(slot)))
}

/// The slot of a key without braces: CRC16 (XMODEM) of it.
pub(crate) fn slot_of(key: &[u8]) -> Option<Slot> {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    Slot::new(crc % zoneward_operator::model::SLOT_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_servers() {
        // from the cluster specification, and `CLUSTER KEYSLOT foo`
        assert_eq!(slot_of(b"123456789").unwrap().number(), 0x31c3);
        assert_eq!(slot_of(b"foo").unwrap().number(), 12182);
    }
}
