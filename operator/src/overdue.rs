//! What a standby sees that the active one would not leave undone: a shard that waits for its leader.
//!
//! Put in by the rounds of a standby, which do nothing else; read by the lease's keeper, which then waits for less.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::ClusterKey;

/// The RedisClusters in which something urgent is not done yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Overdue(Arc<watch::Sender<BTreeSet<ClusterKey>>>);

impl Overdue {
    /// A round has looked at this one.
    pub fn set(&self, key: &ClusterKey, is_overdue: bool) {
        self.0.send_if_modified(|keys| {
            if is_overdue {
                keys.insert(key.clone())
            } else {
                keys.remove(key)
            }
        });
    }

    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Waits for a change.
    pub async fn changed(&self) {
        // never an error: the sender is ours
        let _ = self.0.subscribe().changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_done_leaves_the_other() {
        let key = |name: &str| ClusterKey {
            namespace: "ns".to_owned(),
            name: name.to_owned(),
        };
        let overdue = Overdue::default();
        assert!(!overdue.is_any());
        overdue.set(&key("a"), true);
        overdue.set(&key("b"), true);
        overdue.set(&key("a"), false);
        assert!(overdue.is_any());
        overdue.set(&key("b"), false);
        assert!(!overdue.is_any());
    }
}
