//! Which operator is active: a Lease of coordination.k8s.io, held by one process at a time.
//!
//! The algorithm is client-go's. A holder's lease has expired when *we* have seen its record
//! unchanged for its whole duration, by our own monotonic clock: no comparing of wall clocks.
//! Every write replaces the very version that was read, so of two that see it expired one gets a
//! Conflict. A holder stops acting before its lease can expire for anybody else, and one that
//! loses it ends its process. What to do is decided by [`decide`], which is pure.
//!
//! One that waits, and sees for itself that a shard lacks its leader and gets none, waits for less (`EARLY`): who lost
//! its zone with the members in it renews no more. If it lives all the same there are two for some seconds.
//!
//! One that is started again in the same pod does not wait at all: its forerunner is dead (`identity`).
//!
//! The lease makes two operators rare, not impossible: see `act::fence`.

mod identity;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use identity::Identity;

use crate::api_call::{answer, bounded, fault};
use crate::overdue::Overdue;
use crate::ports::{Clock, ErrorClass, ObjectError};

/// How long a record must stand unchanged before another may take it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long gives up: 5 s before anybody else may begin.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two tries.
pub const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// How long a record must stand unchanged where urgent work is left undone: a renewal and another one are missing.
pub const EARLY: Duration = Duration::from_secs(2);
/// Between two looks of one that waits: what a clean handover costs at most, and how much later than it was made a
/// renewal is seen.
const WATCH_PERIOD: Duration = Duration::from_millis(500);
/// The same while urgent work is left undone.
const OVERDUE_PERIOD: Duration = Duration::from_millis(250);

/// Where the lease is and who we are.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// The namespace of the Lease object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Us.
    pub identity: Identity,
}

/// The part of a Lease that decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its resourceVersion: a changed record is a holder that lives.
    pub version: String,
    /// Who holds it; none after a release.
    pub holder: Option<String>,
    /// For how long after each renewal.
    pub duration: Duration,
    /// How often it changed hands.
    pub transitions: i32,
}

/// A record, and since when we have seen it like that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The record.
    pub record: LeaseRecord,
    /// By our monotonic clock.
    pub since: Duration,
}

/// What to do about the lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is free or expired: take it.
    Acquire,
    /// It is ours: renew it.
    Renew,
    /// It is another's.
    Wait,
}

/// Decides. `None` for a Lease that does not exist. Overdue: we see urgent work that its holder does not do.
pub fn decide(
    seen: Option<&Sighting>,
    identity: &Identity,
    now: Duration,
    is_overdue: bool,
) -> Decision {
    let Some(Sighting { record, since }) = seen else {
        return Decision::Acquire;
    };
    match record.holder.as_deref() {
        None | Some("") => Decision::Acquire,
        Some(holder) if holder == identity.as_str() => Decision::Renew,
        Some(holder) if identity.is_forerunner(holder) => Decision::Acquire,
        Some(_) if now.saturating_sub(*since) >= record.duration => Decision::Acquire,
        Some(_) if is_overdue && now.saturating_sub(*since) >= EARLY => Decision::Acquire,
        Some(_) => Decision::Wait,
    }
}

/// Tells until when we may act.
#[derive(Clone, Debug)]
pub struct LeaseGuard {
    valid_until: watch::Receiver<Duration>,
}

impl LeaseGuard {
    /// The moment, by the operator's monotonic clock, after which we must not act. Zero while the
    /// lease is not ours.
    pub fn valid_until(&self) -> Duration {
        *self.valid_until.borrow()
    }

    /// A guard that never changes, for tests of the fence.
    #[cfg(test)]
    pub(crate) fn until(valid_until: Duration) -> Self {
        let (_, valid_until) = watch::channel(valid_until);
        Self { valid_until }
    }

    /// Whether it is ours, for now.
    pub fn is_held(&self) -> bool {
        self.valid_until() > Duration::ZERO
    }

    /// Waits until the lease is ours for the first time. False if the keeper ended before.
    pub async fn acquired(&mut self) -> bool {
        self.valid_until
            .wait_for(|until| *until > Duration::ZERO)
            .await
            .is_ok()
    }
}

/// The lease was ours and is not any more.
#[derive(Debug, thiserror::Error)]
#[error("failed to keep lease {name}")]
pub struct LeaseLost {
    name: String,
    #[source]
    source: Option<ObjectError>,
}

/// Acquires and keeps the lease.
pub struct LeaseKeeper {
    api: Api<Lease>,
    config: LeaseConfig,
    clock: Arc<dyn Clock>,
    overdue: Overdue,
    /// Since when each look at the record was answered, by our monotonic clock.
    looking_since: Option<Duration>,
    seen: Option<Sighting>,
    valid_until: watch::Sender<Duration>,
}

impl LeaseKeeper {
    /// A keeper that has not tried yet, and the guard that follows it.
    pub fn new(
        client: Client,
        config: LeaseConfig,
        clock: Arc<dyn Clock>,
        overdue: Overdue,
    ) -> (Self, LeaseGuard) {
        let (sender, receiver) = watch::channel(Duration::ZERO);
        let keeper = Self {
            api: Api::namespaced(client, &config.namespace),
            config,
            clock,
            overdue,
            looking_since: None,
            seen: None,
            valid_until: sender,
        };
        let guard = LeaseGuard {
            valid_until: receiver,
        };
        (keeper, guard)
    }

    /// Acquires the lease and keeps it until `shutdown`, then releases it. Returns an error as
    /// soon as it is lost: the process must end then.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), LeaseLost> {
        loop {
            let result = self.timely_step().await;
            let pause = self.judge(result)?;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                () = self.overdue.changed(), if !self.is_held() => {}
            }
        }
        self.release().await;
        Ok(())
    }

    fn is_held(&self) -> bool {
        *self.valid_until.borrow() > Duration::ZERO
    }

    /// How long to wait for the next step, or that the lease is lost.
    fn judge(&self, result: Result<Decision, ObjectError>) -> Result<Duration, LeaseLost> {
        let lost = |source| {
            self.valid_until.send_replace(Duration::ZERO);
            Err(LeaseLost {
                name: self.config.name.clone(),
                source,
            })
        };
        match result {
            // Another took it: we were silent for too long.
            Ok(Decision::Wait) if self.is_held() => lost(None),
            Ok(Decision::Wait) if self.overdue.is_any() => Ok(OVERDUE_PERIOD),
            Ok(Decision::Wait) => Ok(WATCH_PERIOD),
            Ok(_) => Ok(RETRY_PERIOD),
            Err(error) if self.is_held() && self.clock.monotonic() >= self.valid_until() => {
                lost(Some(error))
            }
            // The record has changed under us: read it again at once.
            Err(error) if error.class == ErrorClass::Conflict => Ok(Duration::from_millis(50)),
            Err(error) => {
                tracing::warn!(error = %crate::telemetry::chain(&error), "lease");
                Ok(RETRY_PERIOD / 2)
            }
        }
    }

    fn valid_until(&self) -> Duration {
        *self.valid_until.borrow()
    }

    /// A step, bounded by what is left of our time: a call that hangs must not keep us from
    /// noticing that it is over.
    async fn timely_step(&mut self) -> Result<Decision, ObjectError> {
        if !self.is_held() {
            return self.step().await;
        }
        let left = self.valid_until().saturating_sub(self.clock.monotonic());
        let operation = format!("renew Lease {} in time", self.config.name);
        match tokio::time::timeout(left, self.step()).await {
            Ok(result) => result,
            Err(_) => Err(fault(operation, ErrorClass::Transient)),
        }
    }

    /// Reads the record, decides, and writes if it shall.
    async fn step(&mut self) -> Result<Decision, ObjectError> {
        let current = self.read().await?;
        let now = self.clock.monotonic();
        // an API server that stalled answers with a record that nobody could renew meanwhile
        let has_looked = |since| now.saturating_sub(since) >= EARLY;
        let is_overdue = self.overdue.is_any() && self.looking_since.is_some_and(has_looked);
        let seen = self.seen.as_ref();
        let decision = decide(seen, &self.config.identity, now, is_overdue);
        if decision != Decision::Wait {
            self.write(current, decision).await?;
        }
        Ok(decision)
    }

    async fn read(&mut self) -> Result<Option<Lease>, ObjectError> {
        let name = &self.config.name;
        let asked = self.clock.monotonic();
        let lease = bounded(format!("get Lease {name}"), self.api.get_opt(name)).await;
        let now = self.clock.monotonic();
        if lease.is_err() || now.saturating_sub(asked) >= RETRY_PERIOD {
            self.looking_since = None;
        }
        let lease = lease?;
        self.looking_since.get_or_insert(now);
        self.seen = lease.as_ref().map(record).map(|record| {
            let same = self.seen.take().filter(|seen| seen.record == record);
            same.unwrap_or(Sighting { record, since: now })
        });
        Ok(lease)
    }

    /// Valid from before the write was sent, not from when its answer came: others count from when
    /// they see it, which is later.
    async fn write(
        &mut self,
        current: Option<Lease>,
        decision: Decision,
    ) -> Result<(), ObjectError> {
        let sent = self.clock.monotonic();
        let exists = current.is_some();
        let lease = self.held(current.unwrap_or_default(), decision);
        let written = self.put(&lease, exists).await?;
        self.seen = Some(Sighting {
            record: record(&written),
            since: sent,
        });
        self.valid_until.send_replace(sent + RENEW_DEADLINE);
        Ok(())
    }

    async fn put(&self, lease: &Lease, exists: bool) -> Result<Lease, ObjectError> {
        let name = &self.config.name;
        let params = PostParams::default();
        if exists {
            let call = self.api.replace(name, &params, lease);
            return bounded(format!("replace Lease {name}"), call).await;
        }
        let created = bounded(
            format!("create Lease {name}"),
            self.api.create(&params, lease),
        );
        created.await.map_err(|mut error| {
            if answer(&error).is_some_and(kube::core::Status::is_already_exists) {
                error.class = ErrorClass::Conflict;
            }
            error
        })
    }

    fn held(&self, mut lease: Lease, decision: Decision) -> Lease {
        let now = MicroTime(self.clock.now());
        lease.metadata.name = Some(self.config.name.clone());
        lease.metadata.managed_fields = None;
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if decision == Decision::Acquire {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
        }
        spec.holder_identity = Some(self.config.identity.as_str().to_owned());
        spec.lease_duration_seconds = i32::try_from(LEASE_DURATION.as_secs()).ok();
        spec.renew_time = Some(now);
        lease
    }

    /// Lets another take over at once. Acting must have ended before: the guard says so first.
    async fn release(&mut self) {
        if !self.is_held() {
            return;
        }
        self.valid_until.send_replace(Duration::ZERO);
        let Ok(Some(mut lease)) = self.read().await else {
            return;
        };
        let is_ours = self.seen.as_ref().is_some_and(|seen| {
            seen.record.holder.as_deref() == Some(self.config.identity.as_str())
        });
        if !is_ours {
            return;
        }
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(self.clock.now()));
        }
        lease.metadata.managed_fields = None;
        match self.put(&lease, true).await {
            Ok(_) => tracing::info!(lease = %self.config.name, "lease released"),
            Err(error) => tracing::warn!(error = %crate::telemetry::chain(&error), "lease"),
        }
    }
}

fn record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
    LeaseRecord {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        duration: seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(LEASE_DURATION, Duration::from_secs),
        transitions: spec
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: Option<&str>, since: u64) -> Sighting {
        Sighting {
            record: LeaseRecord {
                version: "7".to_owned(),
                holder: holder.map(str::to_owned),
                duration: Duration::from_secs(15),
                transitions: 0,
            },
            since: Duration::from_secs(since),
        }
    }

    #[test]
    fn decides_by_holder_and_by_our_own_sighting() {
        let us = Identity::new("pod", Some("uid-1"));
        let forerunner = Identity::new("pod", Some("uid-1"));
        let me = us.as_str();
        let table = [
            ("no lease yet", None, 0, Decision::Acquire),
            (
                "our container's forerunner, renewed just now",
                Some(seen(Some(forerunner.as_str()), 100)),
                100,
                Decision::Acquire,
            ),
            ("released", Some(seen(None, 90)), 100, Decision::Acquire),
            (
                "released as text",
                Some(seen(Some(""), 90)),
                100,
                Decision::Acquire,
            ),
            ("ours", Some(seen(Some(me), 90)), 100, Decision::Renew),
            (
                "ours, long unchanged",
                Some(seen(Some(me), 0)),
                100,
                Decision::Renew,
            ),
            (
                "another's, seen just now",
                Some(seen(Some("you"), 100)),
                100,
                Decision::Wait,
            ),
            (
                "another's, almost expired",
                Some(seen(Some("you"), 86)),
                100,
                Decision::Wait,
            ),
            (
                "another's, unchanged for its duration",
                Some(seen(Some("you"), 85)),
                100,
                Decision::Acquire,
            ),
            (
                "clock before the sighting",
                Some(seen(Some("you"), 100)),
                50,
                Decision::Wait,
            ),
        ];
        for (name, seen, now, expected) in table {
            let decision = decide(seen.as_ref(), &us, Duration::from_secs(now), false);
            assert_eq!(decision, expected, "{name}");
        }
    }

    #[test]
    fn urgent_work_that_is_left_undone_makes_the_wait_shorter() {
        let table = [
            ("renewed a second ago", 99, true, Decision::Wait),
            ("missed two renewals", 98, true, Decision::Acquire),
            ("with nothing to do", 98, false, Decision::Wait),
        ];
        let us = Identity::new("pod", Some("uid-1"));
        for (name, since, is_overdue, expected) in table {
            let seen = seen(Some("you"), since);
            let decision = decide(Some(&seen), &us, Duration::from_secs(100), is_overdue);
            assert_eq!(decision, expected, "{name}");
        }
        assert!(EARLY >= 2 * RETRY_PERIOD, "one renewal may be late");
    }

    #[test]
    fn the_times_leave_room_for_the_last_call() {
        assert!(RENEW_DEADLINE + crate::api_call::CALL_LIMIT <= LEASE_DURATION);
        assert!(RETRY_PERIOD + crate::api_call::CALL_LIMIT < RENEW_DEADLINE);
    }
}
