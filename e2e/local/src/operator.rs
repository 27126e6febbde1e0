//! The operator's loop, unchanged: `reconcile` as `controller::driver` runs it, with this testbed's
//! Kubernetes, the real wire and the real clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zoneward_operator::act::Fence;
use zoneward_operator::controller::{Context, ContextParts, Pace, delay, jittered, reconcile};
use zoneward_operator::events::Events;
use zoneward_operator::metrics::Metrics;
use zoneward_operator::overdue::Overdue;
use zoneward_operator::ports::Clock;
use zoneward_operator::rounds::Rounds;
use zoneward_operator::wire::{RedisWire, Wakes, wakes};

use crate::kubernetes::Kubernetes;

/// Something that the operator did, or failed to do.
#[derive(Clone, Debug)]
pub struct Done {
    /// When it was done.
    pub at: Instant,
    /// The deed's one word, such as `failover-force`.
    pub kind: &'static str,
    /// The pod or object.
    pub target: String,
    /// Why it failed; none where it was done.
    pub error: Option<String>,
}

/// All deeds, over all operators of a testbed.
#[derive(Clone, Default)]
pub(crate) struct Story(Arc<Mutex<Vec<Done>>>);

impl Story {
    pub(crate) fn told(&self) -> Vec<Done> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn tell(&self, done: impl IntoIterator<Item = Done>) {
        let mut story = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        story.extend(done);
    }
}

/// The running loop. Ends with the value, in the middle of whatever it does.
pub struct Operator {
    task: JoinHandle<()>,
    kubernetes: Arc<Kubernetes>,
    metrics: Metrics,
    rounds: Rounds,
}

impl Operator {
    pub(crate) fn start(kubernetes: &Arc<Kubernetes>, story: Story) -> Result<Self> {
        let (alarm, wakes) = wakes();
        kubernetes.wake_by(Some(alarm.clone()));
        let clock: Arc<dyn Clock> = Arc::new(kubernetes.clock);
        let metrics = Metrics::new().context("set up metrics")?;
        // there is no lease here
        metrics.set_active(true);
        let rounds = Rounds::default();
        let context = Context::new(ContextParts {
            objects: Arc::clone(kubernetes) as _,
            admin: Arc::new(RedisWire::new(alarm)),
            fence: Fence::open(Arc::clone(&clock)),
            clock,
            metrics: metrics.clone(),
            events: Events::discard(),
            rounds: rounds.clone(),
            overdue: Overdue::default(),
        });
        let (own, key) = (Arc::clone(kubernetes), kubernetes.key.clone());
        let task = tokio::spawn(async move { run(&context, &key, wakes, &story).await });
        Ok(Self {
            task,
            kubernetes: own,
            metrics,
            rounds,
        })
    }

    /// Its figures, as they are at any time.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    pub(crate) fn rounds(&self) -> Rounds {
        self.rounds.clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kubernetes.wake_by(None);
        self.task.abort();
    }
}

async fn run(
    context: &Context,
    key: &zoneward_operator::model::ClusterKey,
    mut wakes: Wakes,
    story: &Story,
) {
    let mut failed_rounds = 0_u32;
    loop {
        let started = Instant::now();
        let result = reconcile(context, key).await;
        let outcome = match &result {
            Ok(round) => round.end.as_str(),
            Err(error) => error.class().as_str(),
        };
        let metrics = &context.parts().metrics;
        metrics.reconciled(outcome, started.elapsed());
        let again_in = match result {
            Ok(round) => {
                failed_rounds = 0;
                story.tell(round.outcomes.into_iter().map(|outcome| Done {
                    at: Instant::now(),
                    kind: outcome.kind,
                    target: outcome.target,
                    error: outcome.result.err().map(|error| whole(&error)),
                }));
                round.again_in
            }
            Err(error) => {
                failed_rounds = failed_rounds.saturating_add(1);
                let class = error.class();
                delay(Pace::Failing {
                    class,
                    failed_rounds,
                })
            }
        };
        wait(&mut wakes, jittered(again_in, rand::random())).await;
    }
}

async fn wait(wakes: &mut Wakes, pause: Duration) {
    tokio::select! {
        _ = wakes.next() => {}
        () = sleep(pause) => {}
    }
}

/// The error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
