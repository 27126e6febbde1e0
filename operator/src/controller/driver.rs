//! Runs rounds: kube's `Controller` schedules them (one at a time for each RedisCluster, many
//! RedisClusters side by side), and here a round's end becomes the time of the next.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{Stream, StreamExt};
use kube::Resource;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::reconcile::{RoundError, reconcile};
use super::retry::{Pace, delay, jittered};
use super::wake::by_scope;
use crate::model::ClusterKey;
use crate::observe::{Guarded, Stores};
use crate::ports::ErrorClass;
use crate::telemetry::chain;
use crate::wire::Wakes;

/// How many RedisClusters are worked on at once. A round is mostly waiting for replies.
const ROUNDS_AT_ONCE: u16 = 64;

/// Runs the loop of every RedisCluster until `shutdown`; rounds that run are let to end.
pub async fn run_controllers(
    context: Arc<Context>,
    stores: &Stores,
    wakes: Wakes,
    shutdown: CancellationToken,
) {
    let scopes = stores.scopes().iter().zip(by_scope(stores, wakes));
    let running = scopes.map(|(scope, wakes)| {
        run_scope(
            Arc::clone(&context),
            scope.clusters.clone(),
            wakes,
            shutdown.clone(),
        )
    });
    join_all(running).await;
}

/// The stores are filled elsewhere and all triggers come as wakes, so the controller has no watch
/// of its own. It begins with one round for every RedisCluster.
async fn run_scope(
    context: Arc<Context>,
    clusters: Store<Guarded>,
    wakes: impl Stream<Item = ObjectRef<Guarded>> + Send + 'static,
    shutdown: CancellationToken,
) {
    let config = controller::Config::default()
        .debounce(Duration::ZERO)
        .concurrency(ROUNDS_AT_ONCE);
    let nothing = futures::stream::pending::<Result<Guarded, watcher::Error>>();
    Controller::for_stream(nothing, clusters)
        .with_config(config)
        .reconcile_all_on(
            futures::stream::once(std::future::ready(())).chain(futures::stream::pending()),
        )
        .reconcile_on(wakes.chain(futures::stream::pending()))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(round, next_after_error, Arc::clone(&context))
        .for_each(|result| {
            if let Err(controller::Error::ObjectNotFound(gone)) = result {
                // A wake for a RedisCluster that was deleted: its pods are being collected.
                context.forget(&ClusterKey {
                    namespace: gone.namespace.clone().unwrap_or_default(),
                    name: gone.name.clone(),
                });
            }
            std::future::ready(())
        })
        .await;
}

async fn round(cluster: Arc<Guarded>, context: Arc<Context>) -> Result<Action, RoundError> {
    let key = key_of(&cluster);
    let clock = &context.parts().clock;
    let started = clock.monotonic();
    let result = reconcile(&context, &key).await;
    let took = clock.monotonic().saturating_sub(started);
    let outcome = match &result {
        Ok(round) => round.end.as_str(),
        Err(error) => error.class().as_str(),
    };
    context.parts().metrics.reconciled(outcome, took);
    let round = result?;
    Ok(Action::requeue(jittered(round.again_in, rand::random())))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "kube's Controller calls it with owned values"
)]
fn next_after_error(cluster: Arc<Guarded>, error: &RoundError, context: Arc<Context>) -> Action {
    let key = key_of(&cluster);
    let class = error.class();
    let mut failed_rounds = 1;
    context.remember(&key, |memory| {
        memory.failed_rounds = memory.failed_rounds.saturating_add(1);
        failed_rounds = memory.failed_rounds;
    });
    if class == ErrorClass::Conflict {
        tracing::debug!(cluster = %key, error = %chain(error), "round");
    } else {
        tracing::warn!(cluster = %key, error = %chain(error), "round");
    }
    let pause = delay(Pace::Failing {
        class,
        failed_rounds,
    });
    Action::requeue(jittered(pause, rand::random()))
}

fn key_of(cluster: &Guarded) -> ClusterKey {
    let meta = cluster.meta();
    ClusterKey {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}
