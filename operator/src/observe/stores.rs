//! What the watches have told, in memory: one set of stores for each watched namespace (or one
//! for all), shared by every RedisCluster in it.
//!
//! The stores are caches: after our own write they may still show the old object. Whoever acts on
//! them carries a precondition.

use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Lookup, Store, store::Writer};

use crate::api::RedisCluster;

/// A RedisCluster, or why it cannot be read: one malformed object must not stop the watch.
pub type Guarded = DeserializeGuard<RedisCluster>;

/// The readable side of all stores.
pub struct Stores {
    scopes: Vec<Scope>,
    /// Hosts belong to no namespace.
    pub hosts: Store<Node>,
}

/// The stores of one watched namespace.
pub struct Scope {
    /// The namespace; none for all of them.
    pub namespace: Option<String>,
    /// See the type.
    pub clusters: Store<Guarded>,
    /// See the type.
    pub pods: Store<Pod>,
    /// See the type.
    pub volumes: Store<PersistentVolumeClaim>,
    /// See the type.
    pub services: Store<Service>,
    /// See the type.
    pub config_maps: Store<ConfigMap>,
    /// See the type.
    pub budgets: Store<PodDisruptionBudget>,
}

/// The writing side of all stores, for the watches.
pub struct StoresWriters {
    /// One for each scope, in the same order.
    pub scopes: Vec<ScopeWriters>,
    /// See [`Stores::hosts`].
    pub hosts: Writer<Node>,
}

/// The writing side of one [`Scope`].
pub struct ScopeWriters {
    /// See [`Scope`].
    pub namespace: Option<String>,
    /// See [`Scope`].
    pub clusters: Writer<Guarded>,
    /// See [`Scope`].
    pub pods: Writer<Pod>,
    /// See [`Scope`].
    pub volumes: Writer<PersistentVolumeClaim>,
    /// See [`Scope`].
    pub services: Writer<Service>,
    /// See [`Scope`].
    pub config_maps: Writer<ConfigMap>,
    /// See [`Scope`].
    pub budgets: Writer<PodDisruptionBudget>,
}

impl Stores {
    /// Empty stores for these namespaces; for all of them where none is named.
    pub fn new(namespaces: &[String]) -> (Self, StoresWriters) {
        let wanted: Vec<Option<String>> = if namespaces.is_empty() {
            vec![None]
        } else {
            namespaces.iter().cloned().map(Some).collect()
        };
        let (scopes, writers) = wanted.into_iter().map(Scope::new).unzip();
        let (hosts, hosts_writer) = reflector::store();
        let stores = Self { scopes, hosts };
        let writers = StoresWriters {
            scopes: writers,
            hosts: hosts_writer,
        };
        (stores, writers)
    }

    /// All scopes.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The scope that watches this namespace.
    pub fn scope(&self, namespace: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.watches(namespace))
    }

    /// What is not filled yet, in words; none when all is.
    pub fn unread(&self) -> Option<&'static str> {
        let scopes = self.scopes.iter().find_map(Scope::unread);
        scopes.or_else(|| (!is_read(&self.hosts)).then_some("Nodes"))
    }
}

impl Scope {
    fn new(namespace: Option<String>) -> (Self, ScopeWriters) {
        let (clusters, clusters_writer) = reflector::store();
        let (pods, pods_writer) = reflector::store();
        let (volumes, volumes_writer) = reflector::store();
        let (services, services_writer) = reflector::store();
        let (config_maps, config_maps_writer) = reflector::store();
        let (budgets, budgets_writer) = reflector::store();
        let scope = Self {
            namespace: namespace.clone(),
            clusters,
            pods,
            volumes,
            services,
            config_maps,
            budgets,
        };
        let writers = ScopeWriters {
            namespace,
            clusters: clusters_writer,
            pods: pods_writer,
            volumes: volumes_writer,
            services: services_writer,
            config_maps: config_maps_writer,
            budgets: budgets_writer,
        };
        (scope, writers)
    }

    /// Whether this namespace's objects are in here.
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    /// What is not filled yet, in words.
    pub fn unread(&self) -> Option<&'static str> {
        let stores = [
            ("RedisClusters", is_read(&self.clusters)),
            ("Pods", is_read(&self.pods)),
            ("PersistentVolumeClaims", is_read(&self.volumes)),
            ("Services", is_read(&self.services)),
            ("ConfigMaps", is_read(&self.config_maps)),
            ("PodDisruptionBudgets", is_read(&self.budgets)),
        ];
        stores
            .into_iter()
            .find_map(|(name, is_read)| (!is_read).then_some(name))
    }
}

/// Whether the first listing is complete. An unread store is not empty.
fn is_read<K>(store: &Store<K>) -> bool
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    matches!(store.wait_until_ready().now_or_never(), Some(Ok(())))
}
