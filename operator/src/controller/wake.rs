//! Sorts wakes: from the watches, and from connections to members that ended.

use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

use crate::observe::{Guarded, Stores};
use crate::wire::Wakes;

/// One stream of wakes for each scope, in order. A key of no scope is nobody's and is dropped.
///
/// The channels are unbounded and yet small: their other end only moves keys into the scheduler,
/// which holds each once.
pub(super) fn by_scope(
    stores: &Stores,
    wakes: Wakes,
) -> Vec<impl Stream<Item = ObjectRef<Guarded>> + Send + use<>> {
    let namespaces: Vec<Option<String>> = stores
        .scopes()
        .iter()
        .map(|scope| scope.namespace.clone())
        .collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = namespaces
        .iter()
        .map(|_| mpsc::unbounded_channel::<ObjectRef<Guarded>>())
        .unzip();
    tokio::spawn(async move {
        let mut wakes = std::pin::pin!(wakes.into_stream());
        while let Some(key) = wakes.next().await {
            let watching = |namespace: &Option<String>| {
                namespace.as_deref().is_none_or(|own| own == key.namespace)
            };
            let at = namespaces.iter().position(watching);
            let Some(sender) = at.and_then(|at| senders.get(at)) else {
                continue;
            };
            let object = ObjectRef::new(&key.name).within(&key.namespace);
            if sender.send(object).is_err() {
                // Its controller has ended: the operator stops.
                break;
            }
        }
    });
    receivers.into_iter().map(into_stream).collect()
}

fn into_stream<T: Send + 'static>(
    receiver: mpsc::UnboundedReceiver<T>,
) -> impl Stream<Item = T> + Send {
    futures::stream::unfold(receiver, |mut receiver| async move {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
}
