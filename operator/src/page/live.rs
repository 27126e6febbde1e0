//! Live updates: a stream of server-sent events to each open page, the parts that changed.
//!
//! A round wakes it, and a slow tick, for a standby replica makes no rounds. What it costs is bounded:
//! so many listeners, so many looks a second; and it ends at shutdown, which would wait for it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Page;
use super::render::Part;

/// How many pages may be open at once.
const LISTENERS_MAX: usize = 32;
/// The least time between two looks for one page.
const LOOK_EVERY_LEAST: Duration = Duration::from_millis(500);
/// The most.
const LOOK_EVERY_MOST: Duration = Duration::from_secs(2);

/// A browser that is gone without a word is noticed by what cannot be sent to it.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Room for listeners. Clones share it.
#[derive(Clone)]
pub(super) struct Listeners(Arc<Semaphore>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LISTENERS_MAX)))
    }
}

struct Listener<F> {
    page: Page,
    look: F,
    changes: watch::Receiver<u64>,
    /// What the browser has, by id.
    sent: BTreeMap<&'static str, String>,
    last: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

/// The updates of what `look` sees; a refusal when there is no room.
pub(super) fn stream<F>(page: Page, look: F) -> Response
where
    F: Fn(&Page) -> Vec<Part> + Send + 'static,
{
    let Ok(place) = Arc::clone(&page.listeners.0).try_acquire_owned() else {
        let text = format!("{LISTENERS_MAX} pages are open: close one");
        let later = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response();
    };
    let shutdown = page.shutdown.clone();
    let listener = Listener {
        changes: page.rounds.changes(),
        page,
        look,
        sent: BTreeMap::new(),
        last: None,
        _place: place,
    };
    let looks = stream::unfold(listener, next);
    let events = looks.flat_map(stream::iter);
    let alive = KeepAlive::new().interval(ALIVE_EVERY);
    Sse::new(ended_by(events, shutdown))
        .keep_alive(alive)
        .into_response()
}

fn ended_by(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
    shutdown: tokio_util::sync::CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    events.take_until(shutdown.cancelled_owned())
}

/// Waits until it may be worth a look, and looks.
async fn next<F>(mut listener: Listener<F>) -> Option<(Vec<Result<Event, Infallible>>, Listener<F>)>
where
    F: Fn(&Page) -> Vec<Part> + Send,
{
    if let Some(last) = listener.last {
        sleep_until(last + LOOK_EVERY_LEAST).await;
        // late or on time: either is worth a look
        let _ = timeout_at(last + LOOK_EVERY_MOST, listener.changes.changed()).await;
    }
    listener.changes.mark_unchanged();
    listener.last = Some(Instant::now());
    let parts = (listener.look)(&listener.page);
    let news = parts.into_iter().filter_map(|part| listener.news(part));
    let events = news.map(Ok).collect();
    Some((events, listener))
}

impl<F> Listener<F> {
    /// The part as an event, if the browser has another one.
    fn news(&mut self, part: Part) -> Option<Event> {
        let text = part.markup.into_string();
        let is_known = self.sent.get(part.id) == Some(&text);
        (!is_known).then(|| {
            let event = Event::default().data(&text);
            self.sent.insert(part.id, text);
            event
        })
    }
}
