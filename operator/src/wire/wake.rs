//! Tells a loop which RedisCluster to look at, at once, because a kept connection has ended.
//!
//! Each RedisCluster waits at most once: a zone's loss ends many connections, and one look at the
//! RedisCluster answers all of them. So the queue is bounded by the number of RedisClusters, and
//! nobody who wakes ever waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use tokio::sync::Notify;

use crate::model::ClusterKey;

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<ClusterKey>>,
    filled: Notify,
}

/// The end that wakes.
#[derive(Clone)]
pub struct Alarm(Arc<Queue>);

/// The end that is woken. There is one.
pub struct Wakes(Arc<Queue>);

/// A queue of RedisClusters to be looked at.
pub fn wakes() -> (Alarm, Wakes) {
    let queue = Arc::new(Queue::default());
    (Alarm(Arc::clone(&queue)), Wakes(queue))
}

impl Alarm {
    /// Puts this RedisCluster in the queue, unless it waits there already.
    pub fn wake(&self, cluster: &ClusterKey) {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !waiting.contains(cluster) {
            waiting.push_back(cluster.clone());
        }
        drop(waiting);
        self.0.filled.notify_one();
    }
}

impl Wakes {
    /// The one that has waited longest; waits for one where there is none.
    pub async fn next(&mut self) -> ClusterKey {
        loop {
            let filled = self.0.filled.notified();
            if let Some(cluster) = self.take() {
                return cluster;
            }
            filled.await;
        }
    }

    /// The same as a stream without an end.
    pub fn into_stream(self) -> impl Stream<Item = ClusterKey> + Send {
        futures::stream::unfold(self, |mut wakes| async move {
            let cluster = wakes.next().await;
            Some((cluster, wakes))
        })
    }

    fn take(&self) -> Option<ClusterKey> {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ClusterKey {
        ClusterKey {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_cluster_waits_once_and_in_its_turn() {
        let (alarm, mut wakes) = wakes();
        for name in ["b", "a", "b", "b"] {
            alarm.wake(&key(name));
        }
        assert_eq!(wakes.next().await, key("b"));
        alarm.wake(&key("b"));
        assert_eq!(wakes.next().await, key("a"));
        assert_eq!(wakes.next().await, key("b"));
        assert_eq!(wakes.take(), None);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (alarm, mut wakes) = wakes();
        let waiting = tokio::spawn(async move { wakes.next().await });
        tokio::task::yield_now().await;
        alarm.wake(&key("a"));
        assert_eq!(waiting.await.unwrap(), key("a"));
    }
}
