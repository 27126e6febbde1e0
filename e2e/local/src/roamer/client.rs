//! One client of the whole cluster: an operation is sent to whom the slot was last seen with, and
//! follows redirections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout};
use zoneward_operator::model::{ShardId, SlotSet};

use super::{Missing, Trip};
use crate::kubernetes::Kubernetes;
use crate::resp::{Connection, Reply};
use crate::writer::slot_of;

const KEYS_AT_ONCE: usize = 1_000;
/// Of one try. Who waits longer for a zone that is silent measures his own patience.
const REPLY_LIMIT: Duration = Duration::from_millis(500);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(2);
/// How long one operation may be tried.
const OPERATION_LIMIT: Duration = Duration::from_secs(30);
/// How long `WAIT` waits for a follower, in milliseconds.
const WAIT_MILLIS: &str = "300";

/// A key, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    /// A write counts as acknowledged when a follower has it, too.
    pub(super) with_wait: bool,
    /// It is not written any more once the clients are sealed.
    pub(super) stays: bool,
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
    /// Who answered last: `WAIT` goes there.
    answered: Option<IpAddr>,
}

impl Client {
    pub(super) fn new(kubernetes: &Arc<Kubernetes>, value: &str) -> Self {
        let password = kubernetes.credentials().client;
        Self {
            kubernetes: Arc::clone(kubernetes),
            password: password.map(|it| it.reveal().to_owned()),
            connections: HashMap::new(),
            owners: HashMap::new(),
            written: HashMap::new(),
            value: value.to_owned(),
            turn: 0,
            answered: None,
        }
    }

    /// Reads a key back; what is missing of it is told once.
    pub(super) async fn check(&mut self, key: &Key, trip: &mut Trip) -> Option<Missing> {
        let told = trip.wrong.len();
        self.operate(key, false, trip).await;
        let text = trip.wrong.get(told)?.clone();
        self.written.remove(&key.name);
        Some(Missing {
            text,
            with_wait: key.with_wait,
            slot: slot_of(key.name.as_bytes()),
        })
    }

    pub(super) async fn fill(&mut self, shard: (ShardId, SlotSet), keys: &[Key]) -> Result<()> {
        let (id, slots) = shard;
        let own: Vec<&Key> = keys
            .iter()
            .filter(|key| slot_of(key.name.as_bytes()).is_some_and(|slot| slots.contains(slot)))
            .collect();
        for ip in self.kubernetes.addresses(id) {
            let mut connection = Connection::open(ip, self.password.as_deref()).await?;
            let value = format!("0:{}", self.value);
            let mut is_leader = true;
            for keys in own.chunks(KEYS_AT_ONCE) {
                let commands: Vec<[&str; 3]> = keys
                    .iter()
                    .map(|key| ["SET", key.name.as_str(), &value])
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

    pub(super) async fn operate(&mut self, key: &Key, writes: bool, trip: &mut Trip) {
        let start = Instant::now();
        let Key {
            name: key,
            with_wait,
            ..
        } = key;
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
                    if !with_wait || self.is_copied().await {
                        self.written.insert(key.to_owned(), (next, next));
                    }
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

    /// Whether a follower has what was written last.
    async fn is_copied(&mut self) -> bool {
        let Some(ip) = self.answered else {
            return false;
        };
        let reply = self.say(ip, &["WAIT", "1", WAIT_MILLIS], false).await;
        matches!(reply, Some(Reply::Line(line)) if line != ":0" && line.starts_with(':'))
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
        self.answered = Some(ip);
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
