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
use crate::act::Fence;
use crate::model::ClusterKey;
use crate::observe::{Guarded, Stores};
use crate::ports::ErrorClass;
use crate::status::{Transition, reasons};
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
/// of its own. It begins with one round for every RedisCluster, and with another when the lease is ours.
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
        .reconcile_all_on(beginnings(context.parts().fence.clone()))
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

fn beginnings(fence: Fence) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::once(std::future::ready(()))
        .chain(futures::stream::once(
            async move { fence.activated().await },
        ))
        .chain(futures::stream::pending())
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
    if let Err(invalid) = &cluster.0
        && context.parts().fence.is_active()
    {
        tell_unreadable(&context, &key, &cluster, &invalid.error);
    }
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

/// One event for each reason: what cannot be read has no status that could be written.
fn tell_unreadable(context: &Context, key: &ClusterKey, cluster: &Guarded, why: &str) {
    let mut is_news = false;
    context.remember(key, |memory| {
        is_news = memory.unreadable.as_deref() != Some(why);
        memory.unreadable = Some(why.to_owned());
    });
    if is_news {
        let unreadable = Transition {
            action: "Readable=False".to_owned(),
            reason: reasons::UNREADABLE.to_owned(),
            message: format!(
                "the operator cannot read this RedisCluster and touches nothing of it: {why}. It \
                 was stored under other rules than those of this version: correct the field, or \
                 bring the resource and the operator to one version"
            ),
            is_warning: true,
        };
        let about = cluster.object_ref(&());
        context.parts().events.publish(&about, vec![unreadable]);
    }
}

fn key_of(cluster: &Guarded) -> ClusterKey {
    let meta = cluster.meta();
    ClusterKey {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::ContextParts;
    use crate::events::Events;
    use crate::fakes::World;

    fn stored(leaders: &serde_json::Value) -> Arc<Guarded> {
        let stored = serde_json::json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cache", "namespace": "ns", "uid": "u-1" },
            "spec": { "image": "redis", "leaders": leaders },
        });
        Arc::new(serde_json::from_value(stored).unwrap())
    }

    #[test]
    fn what_cannot_be_read_is_told_once_for_each_reason() {
        let world = Arc::new(World::default());
        let (events, mut told) = Events::kept();
        let context = Arc::new(Context::new(ContextParts {
            events,
            ..world.parts()
        }));
        let error = RoundError::View {
            key: crate::fakes::key(),
            source: crate::api_call::fault("read", ErrorClass::Invalid),
        };
        for leaders in [3.into(), "three".into(), "three".into(), true.into()] {
            next_after_error(stored(&leaders), &error, Arc::clone(&context));
        }
        for why in ["three", "true"] {
            let (about, event) = told.try_recv().unwrap();
            assert_eq!(about.name.as_deref(), Some("cache"));
            assert_eq!(event.reason, "Unreadable");
            assert!(event.is_warning && event.message.contains(why), "{event:?}");
        }
        assert!(told.try_recv().is_err(), "told again");
    }
}
