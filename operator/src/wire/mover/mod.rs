//! Moves slots beside the rounds: a round says what, this works on, and ends by itself when no round has
//! said so for [`MOVE_MILLIS`]. One task for each source, so one move in flight there; sources side by side.
//!
//! It decides nothing about where slots go and keeps nothing that matters: what is open and who owns what
//! is read from both ends at its start. It may end anywhere, and is begun again over what it left.

mod ends;
mod keys;
mod ranges;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use self::ends::Ends;
use super::chain;
use super::error::WireError;
use super::wake::Alarm;
use crate::model::{ClusterKey, PodUid, SlotSet};
use crate::plan::{MOVE_MILLIS, MemberRef, MoveWay};
use crate::ports::AskTarget;

/// A move that ended sooner did nothing: it was not to begin any, or was refused. The next round then comes in its
/// own time, or the two would chase each other.
const WORKED: Duration = Duration::from_millis(20);

/// What a round last said.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) slots: SlotSet,
    pub(super) to: MemberRef,
    pub(super) way: MoveWay,
    pub(super) begins: bool,
    /// When nobody vouches for it any more.
    until: Instant,
}

impl Order {
    pub(super) fn new(slots: &SlotSet, to: &MemberRef, way: MoveWay, begins: bool) -> Self {
        Self {
            slots: slots.clone(),
            to: to.clone(),
            way,
            begins,
            until: Instant::now() + Duration::from_millis(MOVE_MILLIS),
        }
    }

    /// Whether a running move only has to go on.
    fn goes_on(&self, other: &Self) -> bool {
        self.to == other.to && self.way == other.way
    }
}

/// The order of a running move, which each round renews.
#[derive(Clone)]
pub(super) struct Standing(Arc<Mutex<Order>>);

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Order> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order as it stands; none where it has run out.
    fn now(&self) -> Option<Order> {
        let order = self.lock();
        (Instant::now() < order.until).then(|| order.clone())
    }
}

type Outcome = Arc<Mutex<Option<Result<(), WireError>>>>;

struct Move {
    source: MemberRef,
    order: Standing,
    /// Filled at its end.
    outcome: Outcome,
}

/// All moves under way.
#[derive(Default)]
pub(super) struct Moves(Mutex<BTreeMap<(ClusterKey, PodUid), Move>>);

impl Moves {
    /// Has a move go on, or begins one. What the last one failed with is told first.
    pub(super) fn order(
        &self,
        target: &AskTarget,
        source: &MemberRef,
        order: Order,
        alarm: &Alarm,
    ) -> Result<(), WireError> {
        let key = (target.cluster.clone(), target.pod_uid.clone());
        let mut moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = moves.get(&key) {
            let ended = {
                let mut outcome = running
                    .outcome
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                outcome.take()
            };
            let Some(ended) = ended else {
                let mut standing = running.order.lock();
                if &running.source == source && standing.goes_on(&order) {
                    *standing = order;
                } else {
                    // it ends at its next step, and another one follows
                    standing.until = Instant::now();
                }
                return Ok(());
            };
            moves.remove(&key);
            ended?;
        }
        let standing = Standing(Arc::new(Mutex::new(order)));
        let outcome = Outcome::default();
        let job = Job {
            target: target.clone(),
            source: source.clone(),
            order: standing.clone(),
            outcome: Arc::clone(&outcome),
            alarm: alarm.clone(),
        };
        tokio::spawn(job.run());
        let running = Move {
            source: source.clone(),
            order: standing,
            outcome,
        };
        moves.insert(key, running);
        Ok(())
    }

    /// Ends moves from pods other than these.
    pub(super) fn retain(&self, cluster: &ClusterKey, pods: &[PodUid]) {
        let mut moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moves.retain(|(of, pod), running| {
            let is_kept = of != cluster || pods.contains(pod);
            if !is_kept {
                running.order.lock().until = Instant::now();
            }
            is_kept
        });
    }
}

struct Job {
    target: AskTarget,
    source: MemberRef,
    order: Standing,
    outcome: Outcome,
    alarm: Alarm,
}

impl Job {
    async fn run(self) {
        let (cluster, source) = (&self.target.cluster, &self.source.name);
        debug!(%cluster, %source, order = ?self.order.now(), "move begins");
        let begun = Instant::now();
        let result = self.work().await;
        match &result {
            Ok(()) => debug!(%cluster, %source, "move ended"),
            Err(error) => debug!(%cluster, %source, error = %chain(error), "move ended"),
        }
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        if begun.elapsed() >= WORKED {
            // what is next is known at once
            self.alarm.wake(&self.target.cluster);
        }
    }

    async fn work(&self) -> Result<(), WireError> {
        let Some(order) = self.order.now() else {
            return Ok(());
        };
        let mut ends = Ends::connect(&self.target, &self.source, &order.to, &self.alarm).await?;
        match order.way {
            MoveWay::Keys => keys::move_slots(&mut ends, &self.order).await,
            MoveWay::Ranges => ranges::move_slots(&mut ends, &self.order).await,
        }
    }
}
