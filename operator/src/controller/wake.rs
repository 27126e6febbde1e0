//! Wakes one RedisCluster's loop: from the watches, and from connections to members that ended.

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

use crate::model::ClusterKey;
use crate::observe::{Guarded, Stores};

/// Where a RedisCluster's key is put to wake its loop. Unbounded, and yet small: the other end
/// only moves keys into the scheduler, which holds each once.
pub type Waker = mpsc::UnboundedSender<ClusterKey>;

/// The other end of a [`Waker`].
pub type Wakes = mpsc::UnboundedReceiver<ClusterKey>;

/// Makes both ends.
pub fn wakes() -> (Waker, Wakes) {
    mpsc::unbounded_channel()
}

/// Sorts wakes by the scope that watches their namespace: one stream for each scope, in order.
/// A key of no scope is nobody's and is dropped.
pub(super) fn by_scope(
    stores: &Stores,
    mut wakes: Wakes,
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
        while let Some(key) = wakes.recv().await {
            let watching = |namespace: &Option<String>| {
                namespace.as_deref().is_none_or(|own| own == key.namespace)
            };
            let at = namespaces.iter().position(watching);
            if let Some(sender) = at.and_then(|at| senders.get(at)) {
                // Its controller has ended: so do we, soon.
                let _ = sender.send(ObjectRef::new(&key.name).within(&key.namespace));
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
