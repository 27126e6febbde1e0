//! Keeps the stores filled, and wakes the RedisClusters that a change concerns.
//!
//! Nothing is decided here: an event says only "look again". A wake is sent after the store has
//! taken the event in, so the round that it starts sees it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::model::ClusterKey;
use crate::observe::{Guarded, ScopeWriters, Stores, StoresWriters, host_fingerprint};
use crate::resources::labels::{LABEL_CLUSTER, LABEL_MANAGED_BY, MANAGED_BY_ZONEWARD};
use crate::wire::Alarm;

/// After this long, in seconds, a watch is opened anew; 5 s later a silent connection is given
/// up. The default of 290 s would leave us with stores from before a zone's loss when the API
/// server that we watched was in that zone.
const WATCH_SECONDS: u32 = 30;

/// Fills these stores until the returned tasks are dropped. `stores` are the readable side.
pub fn start_watches(
    client: &Client,
    stores: std::sync::Arc<Stores>,
    writers: StoresWriters,
    waker: &Alarm,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for scope in writers.scopes {
        watch_scope(&mut tasks, client, scope, waker);
    }
    let all = waker.clone();
    let nodes = watch(
        Api::<Node>::all(client.clone()),
        all_of_them(),
        writers.hosts,
    );
    tasks.spawn(wake_on_changes(nodes, host_fingerprint, move |_: &Node| {
        for key in all_clusters(&stores) {
            all.wake(&key);
        }
    }));
    tasks
}

fn watch_scope(tasks: &mut JoinSet<()>, client: &Client, scope: ScopeWriters, waker: &Alarm) {
    let namespace = scope.namespace.as_deref();
    let clusters = watch(
        api::<Guarded>(client, namespace),
        all_of_them(),
        scope.clusters,
    );
    let wake = waker.clone();
    tasks.spawn(wake_on_changes(
        clusters,
        |cluster: &Guarded| spec_fingerprint(cluster.meta()),
        move |cluster| {
            if let Some(key) = own_key(cluster.meta()) {
                wake.wake(&key);
            }
        },
    ));
    watch_owned(tasks, client, namespace, scope.pods, waker);
    watch_owned(tasks, client, namespace, scope.volumes, waker);
    watch_owned(tasks, client, namespace, scope.services, waker);
    watch_owned(tasks, client, namespace, scope.config_maps, waker);
    watch_owned(tasks, client, namespace, scope.budgets, waker);
}

fn watch_owned<K>(
    tasks: &mut JoinSet<()>,
    client: &Client,
    namespace: Option<&str>,
    writer: Writer<K>,
    waker: &Alarm,
) where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let stream = watch(api::<K>(client, namespace), ours(), writer);
    let waker = waker.clone();
    tasks.spawn(wake_on_changes(
        stream,
        |object: &K| object.meta().resource_version.clone(),
        move |object| {
            if let Some(key) = owner_key(object.meta()) {
                waker.wake(&key);
            }
        },
    ));
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn all_of_them() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

fn ours() -> watcher::Config {
    all_of_them().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY_ZONEWARD}"))
}

/// A watch that fills a store, tries again with growing pauses, and drops what nobody reads.
fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
    writer: Writer<K>,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let stream = watcher(api, config)
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None);
    reflector::reflector(writer, stream)
}

/// Calls `wake` for each object whose fingerprint is new, and for each that is gone. (kube's own
/// predicates swallow deletions.)
async fn wake_on_changes<K, F>(
    stream: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    fingerprint: impl Fn(&K) -> F,
    wake: impl Fn(&K),
) where
    K: Resource<DynamicType = ()>,
    F: Eq,
{
    let mut known = BTreeMap::new();
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                let print = fingerprint(&object);
                let before = known.insert(name_of(object.meta()), fingerprint(&object));
                if before != Some(print) {
                    wake(&object);
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                known.remove(&name_of(object.meta()));
                wake(&object);
            }
            // Deletions that a broken watch missed wake nobody; the steady round sees them.
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => {
                let kind = K::kind(&());
                tracing::warn!(%kind, error = %crate::telemetry::chain(&error), "watch");
            }
        }
    }
}

fn name_of(meta: &ObjectMeta) -> (Option<String>, Option<String>) {
    (meta.namespace.clone(), meta.name.clone())
}

/// What of a RedisCluster asks for a round. Its status is our own writing.
fn spec_fingerprint(meta: &ObjectMeta) -> impl Eq + use<> {
    (
        meta.uid.clone(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
        meta.labels.clone(),
        meta.annotations.clone(),
    )
}

fn own_key(meta: &ObjectMeta) -> Option<ClusterKey> {
    Some(ClusterKey {
        namespace: meta.namespace.clone()?,
        name: meta.name.clone()?,
    })
}

/// Whose an object is: by label, as volumes that outlive their RedisCluster have no owner.
fn owner_key(meta: &ObjectMeta) -> Option<ClusterKey> {
    Some(ClusterKey {
        namespace: meta.namespace.clone()?,
        name: meta.labels.as_ref()?.get(LABEL_CLUSTER)?.clone(),
    })
}

fn all_clusters(stores: &Stores) -> Vec<ClusterKey> {
    let scopes = stores.scopes().iter();
    scopes
        .flat_map(|scope| scope.clusters.state())
        .filter_map(|cluster| own_key(cluster.meta()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use kube::ResourceExt;
    use std::cell::RefCell;

    fn node(name: &str, cordoned: bool, heartbeat: &str) -> Node {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": name, "resourceVersion": heartbeat },
            "spec": { "unschedulable": cordoned },
            "status": { "conditions": [{ "type": "Ready", "status": "True",
                "lastHeartbeatTime": format!("2026-11-21T00:00:0{heartbeat}Z") }] },
        }))
        .unwrap()
    }

    #[test]
    fn only_changes_that_matter_and_deletions_wake() {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let events = vec![
            Ok(Init),
            Ok(InitApply(node("a", false, "1"))),
            Ok(InitDone),
            Ok(Apply(node("a", false, "2"))),
            Err(watcher::Error::NoResourceVersion),
            Ok(Apply(node("a", true, "3"))),
            Ok(Init),
            Ok(InitApply(node("a", true, "4"))),
            Ok(InitDone),
            Ok(Delete(node("a", true, "5"))),
            Ok(Apply(node("a", true, "6"))),
        ];
        let woken = RefCell::new(Vec::new());
        block_on(wake_on_changes(
            futures::stream::iter(events),
            host_fingerprint,
            |node: &Node| woken.borrow_mut().push(node.resource_version().unwrap()),
        ));
        assert_eq!(woken.into_inner(), ["1", "3", "5", "6"]);
    }

    #[test]
    fn an_object_belongs_to_the_cluster_in_its_label() {
        let meta: ObjectMeta = serde_json::from_value(serde_json::json!({
            "name": "cache-0-1", "namespace": "ns", "labels": { "zoneward.io/cluster": "cache" } }))
        .unwrap();
        let key = owner_key(&meta).unwrap();
        assert_eq!(key.to_string(), "ns/cache");
        assert_eq!(owner_key(&ObjectMeta::default()), None);
    }
}
