//! When a member was heard last, and how long it is worth waiting for it.
//!
//! The kernel at the other end acknowledges keep-alive probes whatever the server is busy with, and
//! ours counts them while the operator is busy, too: the loss of a host ends its connections within
//! [`PROBED_SILENCE`], without anybody asking anything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use tokio::time::Instant;

/// One probe after this much quiet, and the end of the connection after as much again.
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// For how long nothing came when a connection ends by its probes.
const PROBED_SILENCE: Duration = Duration::from_secs(2);
/// How long a round waits for a member that did not answer the last time: long enough for a host that is
/// there. Others need the next round soon.
const BRIEF_WAIT: Duration = Duration::from_millis(100);
/// How often it is given all its time again.
const PATIENT_EVERY: Duration = Duration::from_secs(2);

/// What is known of one address.
pub(super) struct Heard(Mutex<Times>);

struct Times {
    /// The last sign of life.
    last: Instant,
    /// Whether it answered before and left the last question unanswered. Who is only starting is
    /// given all its time.
    is_late: bool,
    has_answered: bool,
    /// Since when every sign is missing.
    silent_from: Option<Instant>,
    /// When it was waited for with patience last, while it is silent.
    patient: Instant,
    /// The last that came was the end of a connection.
    said_goodbye: bool,
}

impl Heard {
    pub(super) fn now() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Times {
            last: now,
            is_late: false,
            has_answered: false,
            silent_from: None,
            patient: now,
            said_goodbye: false,
        }))
    }

    /// It answered a question.
    pub(super) fn answer(&self) {
        let mut times = self.times();
        times.last = Instant::now();
        (times.has_answered, times.is_late) = (true, false);
        (times.silent_from, times.said_goodbye) = (None, false);
    }

    /// Something came from it.
    pub(super) fn sign(&self) {
        let mut times = self.times();
        times.last = Instant::now();
        (times.silent_from, times.said_goodbye) = (None, false);
    }

    /// The kernel there ended the connection, or refused one. That is a sign of life of the host, and perhaps
    /// its last: where a host is killed its processes end a moment before its network does.
    pub(super) fn goodbye(&self) {
        let mut times = self.times();
        times.last = Instant::now();
        (times.silent_from, times.said_goodbye) = (None, true);
        times.is_late = times.has_answered;
    }

    /// Whether the end of a connection is the last that came.
    pub(super) fn said_goodbye(&self) -> bool {
        self.times().said_goodbye
    }

    /// Its connection ended because the probes were not answered.
    pub(super) fn fade(&self) {
        let mut times = self.times();
        let probed = Instant::now().checked_sub(PROBED_SILENCE);
        let from = probed.map_or(times.last, |probed| probed.max(times.last));
        times.silent_from = Some(times.silent_from.map_or(from, |other| other.min(from)));
    }

    /// It was asked then, and did not answer.
    pub(super) fn no_answer(&self, asked: Instant) {
        let mut times = self.times();
        let last = times.last;
        times.is_late = times.has_answered;
        times.silent_from.get_or_insert(asked.max(last));
    }

    /// For how long it is silent.
    pub(super) fn silence(&self) -> Duration {
        self.times()
            .silent_from
            .map_or(Duration::ZERO, |from| from.elapsed())
    }

    /// How much of `limit` to wait for it now.
    pub(super) fn patience(&self, limit: Duration) -> Duration {
        let mut times = self.times();
        if !times.is_late || times.patient.elapsed() >= PATIENT_EVERY {
            times.patient = Instant::now();
            return limit;
        }
        limit.min(BRIEF_WAIT)
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's probes.
pub(super) fn probes() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_AFTER)
        .with_retries(1)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_from_the_first_sign_that_was_missed_to_the_next_that_came() {
        let heard = Heard::now();
        advance(millis(3000)).await;
        assert_eq!(heard.silence(), Duration::ZERO, "nobody asked");
        heard.no_answer(Instant::now());
        advance(millis(700)).await;
        heard.no_answer(Instant::now());
        assert_eq!(heard.silence(), millis(700), "the first counts");
        heard.answer();
        assert_eq!(heard.silence(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_by_the_probes_tells_of_silence_before_it_and_never_of_more_than_there_was() {
        let heard = Heard::now();
        advance(millis(10)).await;
        heard.fade();
        assert_eq!(heard.silence(), millis(10), "it was heard a moment ago");
        heard.answer();
        advance(millis(3000)).await;
        heard.fade();
        assert_eq!(heard.silence(), PROBED_SILENCE);
        advance(millis(3000)).await;
        heard.goodbye();
        assert_eq!(
            heard.silence(),
            Duration::ZERO,
            "a goodbye is a sign of life"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_stands_until_something_else_comes_from_there() {
        let heard = Heard::now();
        heard.answer();
        assert!(!heard.said_goodbye());
        heard.goodbye();
        heard.no_answer(Instant::now());
        assert!(heard.said_goodbye(), "silence takes nothing back");
        heard.sign();
        assert!(!heard.said_goodbye());
        heard.goodbye();
        heard.answer();
        assert!(!heard.said_goodbye(), "another process answers there");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_holds_nobody_up_and_is_given_all_its_time_now_and_then() {
        let limit = millis(600);
        let heard = Heard::now();
        heard.no_answer(Instant::now());
        assert_eq!(heard.patience(limit), limit, "it may be starting");
        heard.answer();
        heard.no_answer(Instant::now());
        assert_eq!(heard.patience(limit), BRIEF_WAIT);
        advance(PATIENT_EVERY).await;
        assert_eq!(heard.patience(limit), limit);
        assert_eq!(heard.patience(limit), BRIEF_WAIT);
    }
}
