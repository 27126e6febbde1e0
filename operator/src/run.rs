//! Puts the operator together: client, stores, lease, loop, server; and takes it apart again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::act::{Fence, KubeObjects};
use crate::api_call::client_config;
use crate::cli::RunArgs;
use crate::clock::SystemClock;
use crate::controller::{Context, ContextParts, run_controllers, start_watches};
use crate::events::Events;
use crate::lease::{Identity, LeaseConfig, LeaseGuard, LeaseKeeper};
use crate::metrics::Metrics;
use crate::observe::Stores;
use crate::overdue::Overdue;
use crate::ports::{Clock, RedisAdmin};
use crate::rounds::Rounds;
use crate::server::{self, Sources};
use crate::wire::{Alarm, Wakes, wakes};

/// How long rounds that run may take to end after SIGTERM. Above it the lease is released anyway:
/// the fence stops them.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// How the members are reached; it wakes a RedisCluster's loop when a connection ends.
pub type MakeAdmin = fn(Alarm) -> Arc<dyn RedisAdmin>;

/// Runs the operator until SIGTERM, or until something fails that it cannot go on without.
pub async fn run(args: RunArgs, make_admin: MakeAdmin) -> anyhow::Result<()> {
    let config = kube::Config::infer()
        .await
        .context("failed to find the API server")?;
    let client = Client::try_from(client_config(config)).context("failed to make a client")?;
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    run_with(client, args, make_admin, shutdown).await
}

/// The same with a given client, until `shutdown`.
pub async fn run_with(
    client: Client,
    args: RunArgs,
    make_admin: MakeAdmin,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let metrics = Metrics::new().context("failed to set up metrics")?;
    let rounds = Rounds::default();
    let (waker, woken) = wakes();
    let (stores, writers) = Stores::new(&args.namespaces);
    let stores = Arc::new(stores);
    // The stores are filled and the members heard before the lease is ours: a standby takes over warm.
    let _watches = start_watches(&client, Arc::clone(&stores), writers, &waker);
    let sources = Sources {
        metrics: metrics.clone(),
        rounds: rounds.clone(),
        stores: Arc::clone(&stores),
        clock: Arc::clone(&clock),
    };
    let server = server::serve(args.metrics_address, sources, shutdown.child_token());

    let identity = Identity::new(&args.pod_name, args.pod_uid.as_deref());
    let lease = LeaseConfig {
        namespace: args.lease_namespace,
        name: args.lease_name,
        identity: identity.clone(),
    };
    let overdue = Overdue::default();
    let (keeper, guard) =
        LeaseKeeper::new(client.clone(), lease, Arc::clone(&clock), overdue.clone());
    let lease_ends = CancellationToken::new();
    let keeping = keeper.run(lease_ends.clone());

    let context = Arc::new(Context::new(ContextParts {
        objects: Arc::new(KubeObjects::new(
            client.clone(),
            Arc::clone(&clock),
            Arc::clone(&stores),
        )),
        admin: make_admin(waker),
        fence: Fence::by_lease(guard.clone(), Arc::clone(&clock)),
        clock,
        metrics: metrics.clone(),
        events: Events::start(client, identity.as_str().to_owned()),
        rounds,
        overdue,
    }));
    // Ends with the lease's keeper.
    tokio::spawn(tell_active(guard, metrics));
    let active = make_rounds(context, &stores, woken, shutdown.clone());
    let active = async {
        tokio::select! {
            () = active => {}
            () = after(&shutdown, SHUTDOWN_LIMIT) => tracing::warn!("rounds still run; leaving them"),
        }
        // Only now: until here we may have written.
        lease_ends.cancel();
    };
    let serving = serve_until(server, &shutdown);
    let kept = async { anyhow::Ok(keeping.await?) };
    // An error of one ends all at once: after the lease is lost nothing may go on.
    tokio::try_join!(kept, serving, async {
        active.await;
        Ok(())
    })?;
    Ok(())
}

/// Waits for the stores, then runs the loop until `shutdown`. Until the lease is ours its rounds look and do
/// nothing: a standby takes over with its connections open, and knows since when it has listened.
async fn make_rounds(
    context: Arc<Context>,
    stores: &Stores,
    wakes: Wakes,
    shutdown: CancellationToken,
) {
    let ready = async {
        while let Some(unread) = stores.unread() {
            tracing::debug!(unread, "waiting for a first list");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = ready => run_controllers(context, stores, wakes, shutdown).await,
        () = shutdown.cancelled() => {}
    }
}

async fn tell_active(mut guard: LeaseGuard, metrics: Metrics) {
    if guard.acquired().await {
        metrics.set_active(true);
        tracing::info!("the lease is ours: this replica is active");
    }
}

/// The server ends with the process, and never holds it up: who reads no more is left.
async fn serve_until(
    server: impl Future<Output = anyhow::Result<()>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = server => ended?,
        () = after(shutdown, SHUTDOWN_LIMIT) => {}
    }
    anyhow::ensure!(shutdown.is_cancelled(), "the server ended by itself");
    Ok(())
}

async fn after(shutdown: &CancellationToken, pause: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(pause).await;
}

fn stop_on_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to wait for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        shutdown.cancel();
    });
    Ok(())
}
