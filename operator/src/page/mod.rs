//! The page: a live zone map of each RedisCluster, at the operator's HTTP port.
//!
//! It reads, and does nothing: statuses from the stores, which a standby replica has too, and the last
//! hour from [`Rounds`]. What it says is what status says; it has no opinion of its own. Rendering is
//! in `render`, pure; words in `words`; the stream of updates in `live`.

mod live;
mod render;
mod runbook;
#[cfg(test)]
mod scenes;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::model::ClusterKey;
use crate::observe::{Guarded, Stores};
use crate::ports::Clock;
use crate::rounds::Rounds;
use live::Listeners;
use render::{Listed, Look, Part};

/// Where the page finds RedisClusters.
pub trait Clusters: Send + Sync {
    /// All of them.
    fn all(&self) -> Vec<Arc<Guarded>>;

    /// One of them.
    fn one(&self, key: &ClusterKey) -> Option<Arc<Guarded>>;

    /// What has not been read yet, in words.
    fn unread(&self) -> Option<&'static str>;
}

impl Clusters for Stores {
    fn all(&self) -> Vec<Arc<Guarded>> {
        self.scopes()
            .iter()
            .flat_map(|scope| scope.clusters.state())
            .collect()
    }

    fn one(&self, key: &ClusterKey) -> Option<Arc<Guarded>> {
        let scope = self.scope(&key.namespace)?;
        scope.clusters.find(|it| &key_of(it) == key)
    }

    fn unread(&self) -> Option<&'static str> {
        Self::unread(self)
    }
}

/// What the page answers from. Clones share the listeners.
#[derive(Clone)]
pub struct Page {
    clusters: Arc<dyn Clusters>,
    rounds: Rounds,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    listeners: Listeners,
}

impl Page {
    /// A page of these. With `shutdown` every stream of updates ends.
    pub fn new(
        clusters: Arc<dyn Clusters>,
        rounds: Rounds,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            clusters,
            rounds,
            clock,
            shutdown,
            listeners: Listeners::default(),
        }
    }

    /// The list of all, now.
    fn list(&self) -> Vec<Part> {
        let all = self.clusters.all();
        let listed: Vec<Listed<'_>> = all.iter().map(|it| listed(it)).collect();
        render::clusters(&listed, self.clusters.unread(), self.clock.now())
    }

    /// One of them, now.
    fn cluster(&self, key: &ClusterKey) -> Seen {
        let stored = self.clusters.one(key);
        let Some(guarded) = stored else {
            return Seen::Gone(render::gone(key));
        };
        let resource = match &guarded.0 {
            Ok(resource) => resource,
            Err(invalid) => return Seen::There(render::unreadable(key, &invalid.error)),
        };
        let now: Timestamp = self.clock.now();
        Seen::There(render::parts(&Look {
            key,
            resource,
            happenings: &self.rounds.timeline(key, now),
            seen: self.rounds.world(key).map(|world| world.now),
            now,
        }))
    }
}

/// A RedisCluster's page.
enum Seen {
    There(Vec<Part>),
    Gone(Vec<Part>),
}

impl Seen {
    fn parts(self) -> Vec<Part> {
        match self {
            Self::There(parts) | Self::Gone(parts) => parts,
        }
    }
}

fn key_of(guarded: &Guarded) -> ClusterKey {
    let metadata = match &guarded.0 {
        Ok(resource) => &resource.metadata,
        Err(invalid) => &invalid.metadata,
    };
    ClusterKey {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

fn listed(guarded: &Guarded) -> Listed<'_> {
    let resource = guarded.0.as_ref().map_err(|it| it.error.as_str());
    Listed {
        key: key_of(guarded),
        resource,
    }
}

/// Everything that the page serves.
pub fn routes(page: Page) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/events", get(list_events))
        .route("/clusters/{namespace}/{name}", get(cluster))
        .route("/clusters/{namespace}/{name}/events", get(cluster_events))
        .with_state(page)
        .route("/runbook", get(|| async { html(&runbook::page()) }))
        .route(
            "/page/style.css",
            file("text/css", include_str!("style.css")),
        )
        .route(
            "/page/script.js",
            file("text/javascript", include_str!("script.js")),
        )
        .route(
            "/page/icon.svg",
            file("image/svg+xml", include_str!("icon.svg")),
        )
        .layer(from_fn(guarded_by_headers))
}

type Name = Path<(String, String)>;

fn key((namespace, name): (String, String)) -> ClusterKey {
    ClusterKey { namespace, name }
}

fn html(markup: &maud::Markup) -> Response {
    Html(markup.0.clone()).into_response()
}

async fn list(State(page): State<Page>) -> Response {
    let parts = page.list();
    html(&render::page(
        "RedisClusters",
        "list",
        Some("/events"),
        &parts,
    ))
}

async fn cluster(State(page): State<Page>, Path(name): Name) -> Response {
    let key = key(name);
    let (status, parts) = match page.cluster(&key) {
        Seen::There(parts) => (StatusCode::OK, parts),
        Seen::Gone(parts) => (StatusCode::NOT_FOUND, parts),
    };
    let events = format!("/clusters/{key}/events");
    let markup = render::page(&key.to_string(), "cluster", Some(&events), &parts);
    (status, html(&markup)).into_response()
}

async fn list_events(State(page): State<Page>) -> Response {
    live::stream(page, Page::list)
}

async fn cluster_events(State(page): State<Page>, Path(name): Name) -> Response {
    let key = key(name);
    live::stream(page, move |page| page.cluster(&key).parts())
}

fn file(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
}

/// On every answer: nothing but our own files runs, nobody frames it, and no cache keeps it.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

async fn guarded_by_headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests;
