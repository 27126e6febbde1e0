//! The Redis edge: [`RedisAdmin`] over the `redis` crate.
//!
//! The only place that speaks Redis' language (master, slave, replica) and knows its commands. It
//! knows nothing of Kubernetes and decides nothing: it asks, tells, and says plainly what came
//! back. Tests against real servers: `tests/redis_live.rs`.

mod access;
mod acl;
mod ask;
mod cluster_nodes;
mod command;
mod error;
mod heard;
mod info;
mod link;
mod mover;
mod settings;
mod stream;
mod tls;
mod users;
mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};
use tracing::debug;

use self::command::Keyring;
use self::error::WireError;
use self::link::Link;
use self::mover::{Moves, Order};
pub use self::users::{
    CLIENT_USER, DEPARTURE_ACKNOWLEDGED, DEPARTURE_RELEASED, OPERATOR_USER, REPLICATION_USER,
};
pub use self::wake::{Alarm, Wakes, wakes};
use crate::model::{ClusterKey, MemberAnswer, PodUid, Silence, SilenceReason};
use crate::plan::{MemberCommand, MemberRef};
use crate::ports::{AskTarget, CommandError, RedisAdmin};

type Links = BTreeMap<(ClusterKey, PodUid), Arc<Link>>;

/// Talks to the members of all RedisClusters, over one kept connection to each.
pub struct RedisWire {
    alarm: Alarm,
    /// Locked to look up only, never while something is awaited: members do not wait for each
    /// other.
    links: Mutex<Links>,
    moves: Moves,
}

impl RedisWire {
    /// The end of a kept connection wakes its RedisCluster's loop through `alarm`.
    pub fn new(alarm: Alarm) -> Self {
        Self {
            alarm,
            links: Mutex::new(Links::new()),
            moves: Moves::default(),
        }
    }

    /// The link to this pod; a pod that has another address than before is another peer.
    fn link(&self, target: &AskTarget) -> Arc<Link> {
        let key = (target.cluster.clone(), target.pod_uid.clone());
        let mut links = self.links();
        if let Some(link) = links.get(&key)
            && link.address() == target.address
        {
            return Arc::clone(link);
        }
        let link = Arc::new(Link::new(
            target.cluster.clone(),
            target.address,
            self.alarm.clone(),
        ));
        links.insert(key, Arc::clone(&link));
        link
    }

    /// Hashes of former passwords that clients may still use at members of this RedisCluster.
    fn former(&self, cluster: &ClusterKey) -> BTreeSet<String> {
        let links = self.links();
        let own = links.iter().filter(|((of, _), _)| of == cluster);
        own.flat_map(|(_, link)| link.former()).collect()
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RedisAdmin for RedisWire {
    async fn ask(&self, target: &AskTarget, limit: Duration) -> Result<MemberAnswer, Silence> {
        let link = self.link(target);
        let (limit, asked) = (link.heard().patience(limit), Instant::now());
        let asking = async {
            let mut connection = link.connection(&target.credentials).await?;
            ask::ask(&mut connection, target, &link).await
        };
        let outcome = match timeout(limit, asking).await {
            Ok(outcome) => outcome,
            Err(_) => Err(WireError::TimedOut(limit)),
        };
        if outcome.is_ok() {
            link.heard().answer();
        }
        outcome.map_err(|error| {
            let reason = error.silence();
            if error.spoils_connection() {
                link.drop_connection();
            }
            match reason {
                SilenceReason::Timeout | SilenceReason::Unreachable => {
                    link.heard().no_answer(asked);
                }
                SilenceReason::Refused => link.heard().goodbye(),
                SilenceReason::Unusable => {}
            }
            // Silence is a fact of the observation, which tells it to people; not ours to warn of.
            debug!(cluster = %target.cluster, member = %target.name, error = %chain(&error), "silent");
            Silence {
                reason,
                millis: millis(link.heard().silence()),
                said_goodbye: link.heard().said_goodbye(),
            }
        })
    }

    async fn command(
        &self,
        target: &AskTarget,
        member: &MemberRef,
        command: &MemberCommand,
    ) -> Result<(), CommandError> {
        if let MemberCommand::MoveSlots {
            slots,
            to,
            way,
            begins,
        } = command
        {
            let order = Order::new(slots, to, *way, *begins);
            let ordered = self.moves.order(target, member, order, &self.alarm);
            return ordered.map_err(|error| refused(member, command, error));
        }
        let link = self.link(target);
        let telling = async {
            let mut connection = link.connection(&target.credentials).await?;
            if connection.run_id() != &member.run_id {
                let found = connection.run_id().clone();
                return Err(WireError::AnotherRun { found });
            }
            if let MemberCommand::Configure(wanted) = command {
                return settings::configure(&mut connection, link.tried(), wanted).await;
            }
            let keys = Keyring {
                credentials: &target.credentials,
                former: self.former(&target.cluster),
            };
            command::carry_out(&mut connection, &keys, command).await?;
            let trust = target.credentials.trust.as_ref();
            if command == &MemberCommand::ReloadCertificate && connection.presents_former(trust) {
                // what it presents now is seen by a new connection
                link.drop_connection();
            }
            Ok(())
        };
        let limit = command::time_limit(command);
        let outcome = match timeout(limit, telling).await {
            Ok(outcome) => outcome,
            Err(_) => Err(WireError::TimedOut(limit)),
        };
        outcome.map_err(|error| refused(member, command, error))
    }

    fn silences(&self) -> BTreeMap<PodUid, Duration> {
        let links = self.links();
        let silence = |link: &Link| link.heard().silence();
        links
            .iter()
            .map(|((_, pod), link)| (pod.clone(), silence(link)))
            .collect()
    }

    fn retain(&self, cluster: &ClusterKey, pods: &[PodUid]) {
        self.moves.retain(cluster, pods);
        self.links()
            .retain(|(of, pod), _| of != cluster || pods.contains(pod));
    }
}

fn refused(member: &MemberRef, command: &MemberCommand, error: WireError) -> CommandError {
    CommandError {
        member: member.name.clone(),
        command: command.to_string(),
        class: error.class(),
        source: Some(Box::new(error)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error and its causes in one line.
fn chain(error: &WireError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
