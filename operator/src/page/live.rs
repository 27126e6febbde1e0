//! Live updates: a stream of server-sent events to each open page, the parts that changed.
//!
//! A round wakes it, and a slow tick, for a standby shows no rounds. What it costs is bounded:
//! so many listeners, so many looks a second, and each for so long; then the browser asks again. It ends
//! at shutdown, too, which would wait for it.

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

/// How long a stream lasts. One that a proxy keeps open for nobody, or that is read without end, gives its
/// place back.
const LASTS_MOST: Duration = Duration::from_secs(10 * 60);

/// A browser that is gone without a word is noticed by what cannot be sent to it.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// What tells the page that its stream is over and it may ask for the next one at once: an event of this
/// name.
const OVER: &str = "over";

/// Room for listeners. Clones share it.
#[derive(Clone)]
pub(super) struct Listeners {
    places: Arc<Semaphore>,
    lasts: Duration,
}

impl Default for Listeners {
    fn default() -> Self {
        Self::lasting(LASTS_MOST)
    }
}

impl Listeners {
    /// Each for so long.
    pub(super) fn lasting(lasts: Duration) -> Self {
        let places = Arc::new(Semaphore::new(LISTENERS_MAX));
        Self { places, lasts }
    }
}

struct Listener<F> {
    page: Page,
    look: F,
    changes: watch::Receiver<u64>,
    /// What the browser has, by id.
    sent: BTreeMap<&'static str, String>,
    last: Option<Instant>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

/// The updates of what `look` sees; a refusal when there is no room.
pub(super) fn stream<F>(page: Page, look: F) -> Response
where
    F: Fn(&Page) -> Vec<Part> + Send + 'static,
{
    let Ok(place) = Arc::clone(&page.listeners.places).try_acquire_owned() else {
        let text = format!(
            "{LISTENERS_MAX} pages are open, as many as can be at once: close one, or wait until one is closed\n"
        );
        let later = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response();
    };
    let shutdown = page.shutdown.clone();
    let listener = Listener {
        changes: page.rounds.changes(),
        until: Instant::now() + page.listeners.lasts,
        page,
        look,
        sent: BTreeMap::new(),
        last: None,
        _place: place,
    };
    let looks = stream::unfold(Some(listener), next);
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

/// Events, and who listens further; none at the end.
type News<F> = (Vec<Result<Event, Infallible>>, Option<Listener<F>>);

/// Waits until it may be worth a look, and looks. When its time is over the listener goes first, so that
/// its place is free when the browser, told so, asks again.
async fn next<F>(listener: Option<Listener<F>>) -> Option<News<F>>
where
    F: Fn(&Page) -> Vec<Part> + Send,
{
    let mut listener = listener?;
    if let Some(last) = listener.last {
        sleep_until(last + LOOK_EVERY_LEAST).await;
        let most = listener.until.min(last + LOOK_EVERY_MOST);
        // late or on time: either is worth a look
        let _ = timeout_at(most, listener.changes.changed()).await;
    }
    if Instant::now() >= listener.until {
        return Some((
            vec![Ok(Event::default().event(OVER).data("ask again"))],
            None,
        ));
    }
    listener.changes.mark_unchanged();
    listener.last = Some(Instant::now());
    let parts = (listener.look)(&listener.page);
    let news = parts.into_iter().filter_map(|part| listener.news(part));
    let events = news.map(Ok).collect();
    Some((events, Some(listener)))
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
