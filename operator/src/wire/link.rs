//! The kept connection to one member.
//!
//! It is made when it is first needed and made anew when it has ended; there is one attempt at a
//! time and no retry, so that a dead member costs one connect per question. RESP3 lets the client
//! library tell us of its end without our asking.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::debug;

use super::error::{Unreadable, WireError};
use super::heard::Heard;
use super::info::Info;
use super::settings::Tried;
use super::stream::Stream;
use super::tls::Line;
use super::users::OPERATOR_USER;
use super::wake::Alarm;
use crate::model::{Address, ClusterKey, Engine, RunId};
use crate::ports::{Credentials, Password, Trust};

/// A member in the same Kubernetes cluster accepts within milliseconds or not at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Where one member is, and the connection to it while there is one.
pub(super) struct Link {
    cluster: ClusterKey,
    address: Address,
    alarm: Alarm,
    heard: Arc<Heard>,
    tried: Tried,
    /// Hashes of passwords that clients may use there and that no Secret has.
    former: std::sync::Mutex<BTreeSet<String>>,
    /// Held while connecting: that is what keeps attempts one at a time.
    kept: Mutex<Option<Connection>>,
}

/// A connection to one process: it cannot outlive it, so the run id holds as long as it does.
#[derive(Clone)]
pub(super) struct Connection {
    inner: MultiplexedConnection,
    run_id: RunId,
    engine: Engine,
    /// The SHA-256 of what it presented when the connection was made.
    certificate: Option<String>,
    is_up: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(cluster: ClusterKey, address: Address, alarm: Alarm) -> Self {
        Self {
            cluster,
            address,
            alarm,
            heard: Arc::new(Heard::now()),
            tried: Tried::default(),
            former: std::sync::Mutex::default(),
            kept: Mutex::new(None),
        }
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }

    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// What the process there made of the directives that it was told.
    pub(super) fn tried(&self) -> &Tried {
        &self.tried
    }

    /// Keeps which former passwords clients may use there.
    pub(super) fn note_former(&self, hashes: BTreeSet<String>) {
        *self.former.lock().unwrap_or_else(PoisonError::into_inner) = hashes;
    }

    /// What was kept last.
    pub(super) fn former(&self) -> BTreeSet<String> {
        let former = self.former.lock();
        former.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kept connection, or a new one.
    pub(super) async fn connection(
        &self,
        credentials: &Credentials,
    ) -> Result<Connection, WireError> {
        let mut kept = self.kept.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| connection.is_up()) {
            return Ok(connection.clone());
        }
        *kept = None;
        let connection = self.another(credentials).await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }

    /// A connection beside the kept one.
    pub(super) async fn another(&self, credentials: &Credentials) -> Result<Connection, WireError> {
        let connection = timeout(CONNECT_LIMIT, self.connect(credentials))
            .await
            .map_err(|_| WireError::TimedOut(CONNECT_LIMIT))??;
        debug!(cluster = %self.cluster, address = %self.address, run = %connection.run_id, "connected");
        Ok(connection)
    }

    /// Forgets the kept connection; the next question makes another. Somebody who is connecting
    /// right now holds a younger one, which is left alone.
    pub(super) fn drop_connection(&self) {
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = None;
        }
    }

    /// With the current password, or with the former one where that is not known there yet.
    async fn connect(&self, credentials: &Credentials) -> Result<Connection, WireError> {
        let current = credentials.operator.as_ref();
        let current = current.ok_or(WireError::MissingPassword {
            user: OPERATOR_USER,
        })?;
        match (
            self.log_in(current, credentials).await,
            &credentials.former_operator,
        ) {
            (Err(WireError::Connect(error)), Some(former)) if error.code() == Some("WRONGPASS") => {
                self.log_in(former, credentials).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn log_in(
        &self,
        password: &Password,
        credentials: &Credentials,
    ) -> Result<Connection, WireError> {
        let login = login(password);
        let stream = Stream::connect(self.address, Arc::clone(&self.heard)).await;
        let stream = stream.map_err(|error| WireError::Connect(error.into()))?;
        let line = Line::new(stream, credentials.trust.as_ref()).await;
        let line = line.map_err(|error| match error.kind() {
            // what TLS itself says; the rest is the network's
            io::ErrorKind::InvalidData | io::ErrorKind::Other => WireError::Sealing(error),
            _ => WireError::Connect(error.into()),
        })?;
        let certificate = line.fingerprint();
        let is_up = Arc::new(AtomicBool::new(true));
        // Both time limits are ours: the crate's defaults (500 ms for any reply) are too short
        // for some commands, and one limit around a whole question is easier to reason about.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(self.listener(Arc::clone(&is_up)));
        let made = MultiplexedConnection::new_with_config(&login, line, config).await;
        let (inner, driver) = made.map_err(WireError::Connect)?;
        // ends with the last clone of the connection, or with the stream
        tokio::spawn(driver);
        let mut connection = Connection {
            inner,
            run_id: RunId::from(""),
            engine: Engine::Redis,
            certificate,
            is_up,
        };
        let mut question = redis::pipe();
        question.cmd("INFO").arg("server");
        let reply = match connection.exchange(&question).await?.into_iter().next() {
            Some(Value::ServerError(error)) => return Err(WireError::Declined(error)),
            Some(reply) => text(reply)?,
            None => return Err(Unreadable::new("a reply", "").into()),
        };
        let info = Info::parse(&reply);
        (connection.run_id, connection.engine) = (info.run_id()?, info.server()?.0);
        Ok(connection)
    }

    /// Hears of the connection's end, from the task that reads it: must not wait.
    fn listener(
        &self,
        is_up: Arc<AtomicBool>,
    ) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static {
        let (alarm, cluster, address) = (self.alarm.clone(), self.cluster.clone(), self.address);
        move |push| {
            if push.kind == PushKind::Disconnection {
                is_up.store(false, Ordering::Release);
                debug!(%cluster, %address, "connection ended");
                alarm.wake(&cluster);
            }
            Ok(())
        }
    }
}

impl Connection {
    /// Which process it leads to.
    pub(super) fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Whether it answers `CLUSTER SETSLOT` only when its followers have done the same.
    pub(super) fn waits_for_followers(&self) -> bool {
        self.engine == Engine::Valkey
    }

    /// Whether it presented another certificate than the one in the Secret.
    pub(super) fn presents_former(&self, trust: Option<&Trust>) -> bool {
        let wanted = trust.and_then(|trust| trust.fingerprint.as_ref());
        wanted.is_some() && self.certificate.as_ref() != wanted
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Sends all and waits for all replies. An error of the server is a reply like any other
    /// here ([`Value::ServerError`]).
    pub(super) async fn exchange(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, WireError> {
        self.inner
            .send_packed_commands(pipeline, 0, pipeline.len())
            .await
            .map_err(WireError::Exchange)
    }
}

fn login(password: &Password) -> RedisConnectionInfo {
    RedisConnectionInfo::default()
        .set_username(OPERATOR_USER)
        .set_password(password.reveal())
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("zoneward", env!("CARGO_PKG_VERSION"))
}

/// A reply that is text.
pub(super) fn text(reply: Value) -> Result<String, WireError> {
    let shown = format!("{reply:?}");
    redis::from_redis_value(reply).map_err(|_| Unreadable::new("text", &shown).into())
}
