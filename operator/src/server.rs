//! The operator's own HTTP server: health, readiness, figures, and the page.
//!
//! Liveness does not depend on the API server: an operator that is killed for an outage that is
//! not its own cannot help when it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::ClusterKey;
use crate::observe::Stores;
use crate::page::{self, Page};
use crate::ports::Clock;
use crate::rounds::Rounds;

/// What the server answers from.
#[derive(Clone)]
pub struct Sources {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/worlds`, and the page.
    pub rounds: Rounds,
    /// For `/readyz`, and the page.
    pub stores: Arc<Stores>,
    /// For the page.
    pub clock: Arc<dyn Clock>,
}

/// Serves until `shutdown`.
pub async fn serve(
    address: SocketAddr,
    sources: Sources,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(%address, "serving the page, /healthz, /readyz, /metrics and /worlds");
    let page = page::routes(Page::new(
        Arc::clone(&sources.stores) as _,
        sources.rounds.clone(),
        Arc::clone(&sources.clock),
        shutdown.clone(),
    ));
    let app = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(figures))
        .route("/worlds/{namespace}/{name}", get(world))
        .with_state(sources)
        .merge(page);
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await?;
    Ok(())
}

/// Ready when the stores are filled. The lease does not matter: a standby replica is ready too,
/// or a rolling update of the operator would never end.
async fn readiness(State(sources): State<Sources>) -> Response {
    match sources.stores.unread() {
        None => "ok".into_response(),
        Some(unread) => {
            let text = format!("waiting for the first list of {unread}");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn figures(State(sources): State<Sources>) -> Response {
    match sources.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The world of the last round, as `zoneward plan` reads it. No secret is in it: the model keeps only
/// whether they are there, and fingerprints.
async fn world(
    State(sources): State<Sources>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    let key = ClusterKey { namespace, name };
    if let Some(world) = sources.rounds.world(&key) {
        return Json(world.as_ref().clone()).into_response();
    }
    let text = format!("no round of RedisCluster {key} here: ask the replica that is active");
    (StatusCode::NOT_FOUND, text).into_response()
}
