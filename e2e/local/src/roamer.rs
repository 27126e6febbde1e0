//! Clients of the whole cluster that follow its redirections, and check what they read: for slots on the
//! move. Each key belongs to one client, so that what it must hold is known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use zoneward_operator::model::{ShardId, SlotSet};
use zoneward_operator::ports::Password;

use crate::kubernetes::Kubernetes;
use crate::resp::{Connection, Reply};
use crate::writer::slot_of;

const KEYS_AT_ONCE: usize = 1_000;
const REPLY_LIMIT: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(2);
/// How long one operation may be tried.
const OPERATION_LIMIT: Duration = Duration::from_secs(30);

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
    keys: Arc<Vec<String>>,
    value: String,
}

/// Clients that are at it.
pub struct Roaming {
    clients: Vec<JoinHandle<(Client, Trip)>>,
    is_over: Arc<AtomicBool>,
}

impl Roamer {
    /// So many keys in these slots, each with a value of so many bytes and a few.
    pub fn new(kubernetes: &Arc<Kubernetes>, keys: usize, bytes: usize, slots: &SlotSet) -> Self {
        let names = (0..u32::MAX).map(|number| format!("k{number}"));
        let wanted = |key: &String| slot_of(key.as_bytes()).is_some_and(|it| slots.contains(it));
        Self {
            kubernetes: Arc::clone(kubernetes),
            keys: Arc::new(names.filter(wanted).take(keys).collect()),
            value: "x".repeat(bytes),
        }
    }

    fn client(&self) -> Client {
        let password = self.kubernetes.credentials().client;
        Client {
            kubernetes: Arc::clone(&self.kubernetes),
            password: password.map(|it| Password::reveal(&it).to_owned()),
            connections: HashMap::new(),
            owners: HashMap::new(),
            written: HashMap::new(),
            value: self.value.clone(),
            turn: 0,
        }
    }

    /// Writes every key once, with version 0.
    pub async fn fill(&self) -> Result<()> {
        let mut filling = JoinSet::new();
        for shard in self.shards() {
            let (keys, mut client) = (Arc::clone(&self.keys), self.client());
            filling.spawn(async move { client.fill(shard, &keys).await });
        }
        while let Some(filled) = filling.join_next().await {
            filled.context("fill")??;
        }
        Ok(())
    }

    fn shards(&self) -> Vec<(ShardId, SlotSet)> {
        let shards = self.kubernetes.status().shards.into_iter();
        shards
            .filter_map(|it| Some((ShardId(it.shard), it.slots.parse().ok()?)))
            .collect()
    }

    /// So many clients, each with so many operations a second: three reads to two writes.
    pub fn roam(&self, clients: usize, per_second: u32) -> Roaming {
        let is_over = Arc::new(AtomicBool::new(false));
        let start = |index: usize| {
            let (mut client, keys) = (self.client(), Arc::clone(&self.keys));
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let own: Vec<&String> = keys.iter().skip(index).step_by(clients).collect();
                let mut trip = Trip::default();
                let mut tick = interval(Duration::from_secs(1) / per_second.max(1));
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut turn = index;
                while !is_over.load(Ordering::Relaxed) && !own.is_empty() {
                    tick.tick().await;
                    turn = turn
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let Some(key) = own.get((turn >> 33) % own.len()) else {
                        break;
                    };
                    client.operate(key, (turn >> 20) % 5 < 2, &mut trip).await;
                }
                (client, trip)
            })
        };
        Roaming {
            clients: (0..clients).map(start).collect(),
            is_over,
        }
    }

    /// How many keys cannot be read, or hold something else than `clients` wrote last.
    pub async fn lost(&self, clients: &mut [Client]) -> Result<Vec<String>> {
        let mut trip = Trip::default();
        let count = clients.len();
        for (index, client) in clients.iter_mut().enumerate() {
            for key in self.keys.iter().skip(index).step_by(count) {
                client.operate(key, false, &mut trip).await;
            }
        }
        trip.wrong.extend(trip.errors);
        Ok(trip.wrong)
    }
}

impl Roaming {
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

/// One client, and what it wrote.
pub struct Client {
    kubernetes: Arc<Kubernetes>,
    password: Option<String>,
    connections: HashMap<IpAddr, Connection>,
    owners: HashMap<u16, IpAddr>,
    /// The version that was acknowledged last of each key, and the highest that was tried.
    written: HashMap<String, (u64, u64)>,
    value: String,
    turn: usize,
}

impl Client {
    async fn fill(&mut self, shard: (ShardId, SlotSet), keys: &[String]) -> Result<()> {
        let (id, slots) = shard;
        let own: Vec<&String> = keys
            .iter()
            .filter(|key| slot_of(key.as_bytes()).is_some_and(|slot| slots.contains(slot)))
            .collect();
        for ip in self.kubernetes.addresses(id) {
            let mut connection = Connection::open(ip, self.password.as_deref()).await?;
            let value = format!("0:{}", self.value);
            let mut is_leader = true;
            for keys in own.chunks(KEYS_AT_ONCE) {
                let commands: Vec<[&str; 3]> = keys
                    .iter()
                    .map(|key| ["SET", key.as_str(), &value])
                    .collect();
                connection
                    .send(&commands.iter().collect::<Vec<_>>())
                    .await?;
                for _ in keys {
                    is_leader &= connection.reply().await?.is_ok();
                }
                if !is_leader {
                    break;
                }
            }
            if is_leader {
                return Ok(());
            }
        }
        bail!("fill shard {id}: no member takes its keys")
    }

    async fn operate(&mut self, key: &str, writes: bool, trip: &mut Trip) {
        let start = Instant::now();
        let (acknowledged, tried) = self.written.get(key).copied().unwrap_or((0, 0));
        let next = tried + 1;
        if writes {
            self.written.insert(key.to_owned(), (acknowledged, next));
        }
        let value = format!("{next}:{}", self.value);
        loop {
            let reply = if writes {
                self.once(&["SET", key, &value], key, trip).await
            } else {
                self.once(&["GET", key], key, trip).await
            };
            match reply {
                Some(Reply::Line(line)) if line == "+OK" => {
                    self.written.insert(key.to_owned(), (next, next));
                }
                Some(Reply::Value(found)) => {
                    let found = found.map(|it| String::from_utf8_lossy(&it).into_owned());
                    let version = found.as_deref().and_then(|it| it.split(':').next());
                    let version = version.and_then(|it| it.parse::<u64>().ok());
                    let is_known = self.written.contains_key(key);
                    let is_wrong = |it| is_known && (it < acknowledged || it > tried);
                    if version.is_none_or(is_wrong) {
                        trip.wrong
                            .push(format!("{key}: {version:?} for {acknowledged}"));
                    }
                }
                _ if start.elapsed() > OPERATION_LIMIT => {
                    trip.errors.push(format!("{key}: no answer"));
                    return;
                }
                _ => {
                    sleep(TRY_AGAIN_AFTER).await;
                    continue;
                }
            }
            trip.took.push(start.elapsed());
            return;
        }
    }

    /// One try; none where it has to be tried again.
    async fn once<const N: usize>(
        &mut self,
        words: &[&str; N],
        key: &str,
        trip: &mut Trip,
    ) -> Option<Reply> {
        let slot = slot_of(key.as_bytes())?.number();
        let ip = match self.owners.get(&slot) {
            Some(ip) => *ip,
            None => self.anybody()?,
        };
        let mut reply = self.say(ip, words, false).await;
        if let Some(to) = redirection(reply.as_ref(), "-ASK ") {
            trip.asked += 1;
            reply = self.say(to, words, true).await;
        }
        if let Some(to) = redirection(reply.as_ref(), "-MOVED ") {
            self.owners.insert(slot, to);
            reply = self.say(to, words, false).await;
            if let Some(to) = redirection(reply.as_ref(), "-ASK ") {
                trip.asked += 1;
                reply = self.say(to, words, true).await;
            }
        }
        match reply {
            None => {
                self.owners.remove(&slot);
                None
            }
            Some(Reply::Line(line)) if line.starts_with('-') => {
                let is_passing = ["-MOVED", "-ASK", "-TRYAGAIN", "-CLUSTERDOWN", "-LOADING"];
                if !is_passing.iter().any(|it| line.starts_with(it)) {
                    trip.errors.push(line);
                }
                self.owners.remove(&slot);
                None
            }
            reply => reply,
        }
    }

    /// Another one each time: a member that was started a moment ago says CLUSTERDOWN for 2 s.
    fn anybody(&mut self) -> Option<IpAddr> {
        self.turn = self.turn.wrapping_add(1);
        let shards = self.kubernetes.status().shards;
        let all: Vec<IpAddr> = shards
            .iter()
            .flat_map(|it| self.kubernetes.addresses(ShardId(it.shard)))
            .collect();
        all.get(self.turn.checked_rem(all.len())?).copied()
    }

    async fn say<const N: usize>(
        &mut self,
        ip: IpAddr,
        words: &[&str; N],
        asking: bool,
    ) -> Option<Reply> {
        let password = self.password.clone();
        let mut connection = match self.connections.remove(&ip) {
            Some(connection) => connection,
            None => timeout(REPLY_LIMIT, Connection::open(ip, password.as_deref()))
                .await
                .ok()?
                .ok()?,
        };
        let telling = async {
            if asking {
                connection.send(&[&["ASKING"]]).await?;
            }
            connection.send(&[words]).await?;
            if asking {
                connection.reply().await?;
            }
            connection.reply().await
        };
        let reply = timeout(REPLY_LIMIT, telling).await.ok()?.ok()?;
        self.connections.insert(ip, connection);
        Some(reply)
    }
}

/// Where a redirection points to.
fn redirection(reply: Option<&Reply>, kind: &str) -> Option<IpAddr> {
    let Some(Reply::Line(line)) = reply else {
        return None;
    };
    let to = line.strip_prefix(kind)?.split(' ').nth(1)?;
    to.rsplit_once(':')?.0.parse().ok()
}
