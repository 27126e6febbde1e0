//! Asks every member, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use crate::model::{
    Address, Asked, CLIENT_PORT, ClusterKey, HostName, MemberName, PodPhase, PodUid, PodView,
    Settings, Silence, SilenceReason,
};
use crate::ports::{AskTarget, ClusterObjects, Credentials, ObjectApi, RedisAdmin};

/// The longest that one member may take to answer. A member that hangs costs one round this much,
/// whatever their number.
pub const ASK_LIMIT: Duration = Duration::from_millis(600);

/// Asks every member that can be asked, and lets go of connections to pods that are gone.
pub async fn ask_members(
    admin: &dyn RedisAdmin,
    key: &ClusterKey,
    objects: &ClusterObjects,
    settings: Settings,
) -> BTreeMap<MemberName, Asked> {
    let uids: Vec<PodUid> = objects.pods.iter().map(|pod| pod.uid.clone()).collect();
    admin.retain(key, &uids);
    let settings = Arc::new(settings);
    let asking = objects.pods.iter().map(|pod| {
        let settings = Arc::clone(&settings);
        async move {
            let asked = match target(key, pod, &objects.credentials) {
                Some(target) => ask(admin, &AskTarget { settings, ..target }).await,
                None => Asked::NotAsked,
            };
            (pod.name.clone(), asked)
        }
    });
    join_all(asking).await.into_iter().collect()
}

/// For how long each host is silent that holds members of other RedisClusters; who of them was heard
/// last counts. Their own loops ask them. Looked into only where one of ours is silent.
pub fn hear_neighbours(
    api: &dyn ObjectApi,
    admin: &dyn RedisAdmin,
    key: &ClusterKey,
    members: &BTreeMap<MemberName, Asked>,
) -> BTreeMap<HostName, u64> {
    let mut hosts: BTreeMap<HostName, u64> = BTreeMap::new();
    if !members.values().any(|it| matches!(it, Asked::Silent(_))) {
        return hosts;
    }
    let silences = admin.silences();
    for (host, pod) in api.neighbours(key) {
        let Some(silence) = silences.get(&pod) else {
            continue;
        };
        let millis = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        let known = hosts.entry(host).or_insert(millis);
        *known = millis.min(*known);
    }
    hosts
}

/// How to reach a pod's member. None while there is nobody to ask: not started, ended, without
/// an address, or without a password of ours.
pub fn target(
    key: &ClusterKey,
    pod: &PodView,
    credentials: &Arc<Credentials>,
) -> Option<AskTarget> {
    credentials.operator.as_ref()?;
    // without the Secret nobody can be asked: a member that is not must not pass for silent
    if credentials.is_sealed && credentials.trust.is_none() {
        return None;
    }
    if pod.phase != PodPhase::Running {
        return None;
    }
    Some(AskTarget {
        cluster: key.clone(),
        name: pod.name.clone(),
        pod_uid: pod.uid.clone(),
        address: Address {
            ip: pod.address?,
            port: CLIENT_PORT,
        },
        credentials: Arc::clone(credentials),
        settings: Arc::default(),
    })
}

/// The second limit is for an implementation that forgets its own: one member must not hold up
/// the others.
async fn ask(admin: &dyn RedisAdmin, target: &AskTarget) -> Asked {
    match tokio::time::timeout(ASK_LIMIT * 2, admin.ask(target, ASK_LIMIT)).await {
        Ok(Ok(answer)) => Asked::Answered(Box::new(answer)),
        Ok(Err(reason)) => Asked::Silent(reason),
        Err(_) => Asked::Silent(Silence {
            reason: SilenceReason::Timeout,
            millis: 0,
            said_goodbye: false,
        }),
    }
}
