//! A normal client beside the lanes: the cluster client of the `redis` crate, with its own way to find leaders
//! and to try again. It shows what users of the cluster see of a fault; the lanes show what the shards do.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::gaps::{Gap, NOTABLE, millis};
use super::link::Login;
use super::report::ClientReport;
use super::slots::Address;

/// Callers that share the client, each with one operation after the other.
const CALLERS: u64 = 4;
/// Time between two operations of a caller: 200 a second in all.
const EVERY: Duration = Duration::from_millis(20);
/// How many keys are written and read in turn; they are in slots of all shards.
const KEYS: u64 = 1000;
/// Keys of the filling that are asked for at once.
const AT_ONCE: u64 = 32;
/// What the client waits for an answer, and for a connection.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// Between two tries of one operation: at least, and at most. The crate's own 1.28 s would be most of each pause.
const RETRY_WAIT_MILLIS: (u64, u64) = (20, 200);
/// What an operation may take with all its tries. Without it the crate waits for ever at times: the two limits above do
/// not bound its own search for leaders, which may hang at a host that stands still.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);
/// Time between two tries of a key of the filling, once the client has given up.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// The client.
#[derive(Clone)]
pub struct Client {
    connection: ClusterConnection,
    run: String,
    filled: u64,
    tally: Arc<Mutex<ClientReport>>,
}

impl Client {
    /// Connects, as any application would.
    pub async fn connect(seeds: &[Address], login: &Login, run: &str) -> Result<Self> {
        let nodes = seeds
            .iter()
            .map(|seed| format!("redis://{}:{}", seed.host, seed.port));
        let mut builder = ClusterClientBuilder::new(nodes)
            .response_timeout(ANSWERED_WITHIN)
            .connection_timeout(ANSWERED_WITHIN)
            .overall_response_timeout(Some(GIVEN_UP_AFTER))
            .min_retry_wait(RETRY_WAIT_MILLIS.0)
            .max_retry_wait(RETRY_WAIT_MILLIS.1);
        if let Some(password) = &login.password {
            builder = builder.username(&login.user).password(password);
        }
        let client = builder.build().context("no cluster client can be made")?;
        let connection = client.get_async_connection().await;
        Ok(Self {
            connection: connection.context("the cluster client does not connect")?,
            run: run.to_owned(),
            filled: 0,
            tally: Arc::default(),
        })
    }

    /// Writes so many keys once, before the lanes begin; they are read back at the end.
    pub async fn fill(&mut self, count: u64, patience: Duration) -> Result<()> {
        let command = |run: &str, n| {
            let mut set = Cmd::new();
            set.arg("SET").arg(key(run, "fill", n)).arg(value(n));
            set
        };
        let done: Vec<Option<()>> = self.each(0..count, patience, command).await;
        let missing = done.iter().filter(|it| it.is_none()).count();
        anyhow::ensure!(
            missing == 0,
            "{missing} of {count} keys could not be written"
        );
        self.filled = count;
        self.tally().filled = count;
        Ok(())
    }

    /// Reads and writes until `stop` turns true.
    pub async fn work(self, start: Instant, stop: watch::Receiver<bool>) -> Self {
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            callers.spawn(self.clone().call(caller, start, stop.clone()));
        }
        callers.join_all().await;
        self
    }

    async fn call(mut self, caller: u64, start: Instant, stop: watch::Receiver<bool>) {
        let mut due = interval(EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut n = caller;
        while !*stop.borrow() {
            due.tick().await;
            let mut command = Cmd::new();
            let key = key(&self.run, "client", n % KEYS);
            // all keys are written, then all are read, and so on
            if (n / KEYS).is_multiple_of(2) {
                command.arg("SET").arg(key).arg(n);
            } else {
                command.arg("GET").arg(key);
            }
            let begun = start.elapsed();
            let outcome = command
                .query_async::<redis::Value>(&mut self.connection)
                .await;
            self.tally().note(begun, start.elapsed(), outcome.err());
            n += CALLERS;
        }
    }

    /// Reads the filling back, deletes all that it wrote unless that is to be kept, and tells what it saw.
    pub async fn finish(self, patience: Duration, keep: bool) -> ClientReport {
        let get = |run: &str, n| {
            let mut get = Cmd::new();
            get.arg("GET").arg(key(run, "fill", n));
            get
        };
        let found: Vec<Option<Option<String>>> = self.each(0..self.filled, patience, get).await;
        let mut report = self.tally().clone();
        for (n, found) in (0..self.filled).zip(&found) {
            match found {
                None => report.filled_unverified += 1,
                Some(found) if found.as_deref() == Some(value(n).as_str()) => {}
                Some(_) => report.filled_lost += 1,
            }
        }
        // a client that is not answered any more has nothing deleted either
        let is_whole = report.filled_lost == 0 && report.filled_unverified == 0;
        if !keep && is_whole {
            for (kind, count) in [("fill", self.filled), ("client", KEYS)] {
                let unlink = move |run: &str, n| {
                    let mut unlink = Cmd::new();
                    unlink.arg("UNLINK").arg(key(run, kind, n));
                    unlink
                };
                let _: Vec<Option<u64>> = self.each(0..count, patience / 2, unlink).await;
            }
        }
        report
    }

    /// Sends a command for each number, some side by side, each until it is answered or the time is up.
    async fn each<T: FromRedisValue + Clone + Send + 'static>(
        &self,
        numbers: Range<u64>,
        patience: Duration,
        command: impl Fn(&str, u64) -> Cmd + Copy + Send + 'static,
    ) -> Vec<Option<T>> {
        let until = Instant::now() + patience;
        let mut lines = JoinSet::new();
        for line in 0..AT_ONCE {
            let (mut connection, run) = (self.connection.clone(), self.run.clone());
            let own = numbers.clone().filter(move |n| n % AT_ONCE == line);
            lines.spawn(async move {
                let mut answers = Vec::new();
                for n in own {
                    let answer = insist(&mut connection, &command(&run, n), until).await;
                    answers.push((n, answer));
                }
                answers
            });
        }
        let mut answers = lines.join_all().await.concat();
        answers.sort_by_key(|(n, _)| *n);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn tally(&self) -> MutexGuard<'_, ClientReport> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn insist<T: FromRedisValue>(
    connection: &mut ClusterConnection,
    command: &Cmd,
    until: Instant,
) -> Option<T> {
    loop {
        let left = until.checked_duration_since(Instant::now())?;
        match timeout(left, command.query_async::<T>(connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(_)) => sleep(RETRY_EVERY).await,
            Err(_) => return None,
        }
    }
}

fn key(run: &str, kind: &str, n: u64) -> String {
    format!("{run}:{kind}:{n}")
}

/// A hundred bytes.
fn value(n: u64) -> String {
    format!("{n:0>100}")
}

impl ClientReport {
    /// An operation is over.
    fn note(&mut self, begun: Duration, over: Duration, error: Option<RedisError>) {
        let took = over.saturating_sub(begun);
        self.operations += 1;
        self.slow += u64::from(took >= NOTABLE);
        if millis(took) > self.longest.millis {
            self.longest = Gap {
                start_millis: millis(begun),
                millis: millis(took),
                open: false,
            };
        }
        if let Some(error) = error {
            *self.failed.entry(word(&error)).or_default() += 1;
        }
    }
}

/// What an application would log, in a word.
fn word(error: &RedisError) -> String {
    if error.is_timeout() {
        return "timeout".to_owned();
    }
    match error.kind() {
        ErrorKind::Io => "broken".to_owned(),
        _ => error.code().unwrap_or("error").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_see_is_counted() {
        let at = Duration::from_millis;
        let moved = || redis::parse_redis_value(b"-CLUSTERDOWN no\r\n");
        let error = || moved().and_then(redis::Value::extract_error).err();
        let mut report = ClientReport::default();
        report.note(at(0), at(3), None);
        report.note(at(10), at(110), None);
        report.note(at(200), at(2700), error());
        assert_eq!((report.operations, report.slow), (3, 2));
        assert_eq!(
            (report.longest.start_millis, report.longest.millis),
            (200, 2500)
        );
        assert_eq!(report.failed.get("CLUSTERDOWN"), Some(&1));
        assert_eq!(report.errors(), 1);
    }

    #[test]
    fn values_have_a_length_that_is_told() {
        assert_eq!(value(7).len(), 100);
        assert!(value(12).ends_with("0012"));
    }
}
