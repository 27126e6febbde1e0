//! Kubernetes Events, on transitions only.
//!
//! They are sent beside the loop: a slow API server must not hold up a failover. One recorder is
//! shared, or its counting of repeats would not work. It tells events apart by action, not by
//! text, so each transition brings an action of its own.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::api_call::bounded;
use crate::status::Transition;
use crate::telemetry::chain;

/// How many events may wait to be sent. Those beyond are dropped: status has it all.
const QUEUE_LENGTH: usize = 256;

/// The longest note that the API server takes.
const NOTE_LENGTH: usize = 1024;
/// The longest reason and action.
const WORD_LENGTH: usize = 128;

/// Where events are handed in.
#[derive(Clone)]
pub struct Events {
    queue: Option<mpsc::Sender<(ObjectReference, Transition)>>,
}

impl Events {
    /// Sends events in the background for as long as this or a clone of it lives.
    pub fn start(client: Client, instance: String) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let reporter = Reporter {
            controller: "zoneward.io/operator".to_owned(),
            instance: Some(instance),
        };
        tokio::spawn(send(Recorder::new(client, reporter), receiver));
        Self {
            queue: Some(sender),
        }
    }

    /// Swallows all events: for a loop without Kubernetes.
    pub fn discard() -> Self {
        Self { queue: None }
    }

    /// Keeps all events for a test to read.
    #[cfg(test)]
    pub(crate) fn kept() -> (Self, mpsc::Receiver<(ObjectReference, Transition)>) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let queue = Some(sender);
        (Self { queue }, receiver)
    }

    /// Hands in what flipped of this object.
    pub fn publish(&self, about: &ObjectReference, transitions: Vec<Transition>) {
        let Some(queue) = &self.queue else { return };
        for transition in transitions {
            if queue.try_send((about.clone(), transition)).is_err() {
                tracing::debug!("event dropped: too many are waiting");
            }
        }
    }
}

async fn send(recorder: Recorder, mut queue: mpsc::Receiver<(ObjectReference, Transition)>) {
    while let Some((reference, transition)) = queue.recv().await {
        let event = event(&transition);
        let publish = recorder.publish(&event, &reference);
        if let Err(error) = bounded("publish an event", publish).await {
            tracing::debug!(error = %chain(&error), "event");
        }
    }
}

fn event(transition: &Transition) -> Event {
    Event {
        type_: if transition.is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: cut(&transition.reason, WORD_LENGTH),
        note: Some(cut(&transition.message, NOTE_LENGTH)),
        action: cut(&transition.action, WORD_LENGTH),
        secondary: None,
    }
}

/// The first `limit` bytes at most, ended at a character.
fn cut(text: &str, limit: usize) -> String {
    text.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= limit)
        .map(|(_, c)| c)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
    }

    #[test]
    fn a_change_for_the_worse_is_a_warning() {
        let transition = Transition {
            action: "ZoneSafe=False".to_owned(),
            reason: "FollowerMissing".to_owned(),
            message: "shard 2".to_owned(),
            is_warning: true,
        };
        let event = event(&transition);
        assert!(matches!(event.type_, EventType::Warning));
        assert_eq!(event.action, "ZoneSafe=False");
        assert_eq!(event.note.as_deref(), Some("shard 2"));
    }
}
