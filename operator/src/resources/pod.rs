//! A member's pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, NodeAffinity, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, PersistentVolumeClaimVolumeSource, Pod,
    PodAffinityTerm, PodAntiAffinity, PodReadinessGate, PodSpec, SecretVolumeSource, Toleration,
    Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::container::{
    VOLUME_CONFIG, VOLUME_DATA, VOLUME_RUN, VOLUME_SECRET, VOLUME_TLS, VOLUME_TMP, redis,
};
use super::fingerprint::fingerprint;
use super::labels::{
    ANNOTATION_FINGERPRINT, HOST_TOPOLOGY_KEY, KEY_HOOK, KEY_OPERATOR, KEY_REPLICATION,
    READINESS_GATE, config_map_name, internal_secret_name, is_ours, member_labels,
    members_service_name, shard_selector,
};
use super::owner::{manifest, owned_metadata};
use super::security::pod_security;
use crate::model::{Desired, MemberName, ShardId, VolumeName, ZoneName};
use crate::plan::{Manifest, ManifestKind};

/// What the hook may use is this much less than the grace period: the server, too, takes up to 10 s
/// (its `shutdown-timeout`) to let its followers catch up.
pub(super) const GRACE_AFTER_HOLD_SECONDS: i64 = 15;

/// Taints that mean "nothing is heard of this host".
const SILENT_HOST_TAINTS: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

/// A member to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRequest {
    /// The pod's name.
    pub name: MemberName,
    /// Its shard.
    pub shard: ShardId,
    /// Where it shall run; empty where hosts carry no zone label.
    pub zone: ZoneName,
    /// Its body; none for a member that lives in memory only.
    pub volume: Option<VolumeName>,
    /// Which Secret with our own users' passwords it reads at its start.
    pub secret_generation: u32,
}

/// The pod of a member.
pub fn pod(desired: &Desired, request: &PodRequest) -> Manifest {
    let name = request.name.as_str();
    let object = Pod {
        metadata: pod_metadata(desired, request),
        spec: Some(pod_spec(desired, request)),
        ..Pod::default()
    };
    manifest(ManifestKind::Pod, name, &object)
}

/// How long a member may take to go: long enough for the operator to wait out the 4 node timeouts
/// between two switchovers in one shard, then to switch over, and for the server to end.
pub fn grace_period_seconds(desired: &Desired) -> i64 {
    let millis = desired.node_timeout_millis.saturating_mul(4);
    i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX - 30) + 30
}

fn pod_metadata(desired: &Desired, request: &PodRequest) -> ObjectMeta {
    let mut labels = not_ours(&desired.pod.labels);
    labels.extend(member_labels(desired, request.shard, &request.zone));
    let mut annotations = not_ours(&desired.pod.annotations);
    let made_from = fingerprint(desired).as_str().to_owned();
    annotations.insert(ANNOTATION_FINGERPRINT.to_owned(), made_from);
    ObjectMeta {
        annotations: Some(annotations),
        ..owned_metadata(desired, request.name.as_str(), labels)
    }
}

fn pod_spec(desired: &Desired, request: &PodRequest) -> PodSpec {
    let cluster = desired.key.name.as_str();
    let owners = &desired.pod;
    PodSpec {
        // An ended container stays ended, and its end is proof of death. A server that its kubelet
        // restarts empty at its old address would wipe its followers (REDIS-LAB section 3).
        restart_policy: Some("Never".to_owned()),
        containers: vec![redis(desired)],
        readiness_gates: Some(vec![PodReadinessGate {
            condition_type: READINESS_GATE.to_owned(),
        }]),
        termination_grace_period_seconds: Some(grace_period_seconds(desired)),
        // A name in DNS for each member, by the headless Service.
        hostname: Some(request.name.as_str().to_owned()),
        subdomain: Some(members_service_name(cluster)),
        affinity: Some(Affinity {
            node_affinity: zone_affinity(desired, &request.zone),
            pod_anti_affinity: Some(apart_from_shard(cluster, request.shard)),
            ..Affinity::default()
        }),
        node_selector: (!owners.node_selector.is_empty()).then(|| owners.node_selector.clone()),
        tolerations: Some(tolerations(&owners.tolerations)),
        priority_class_name: owners.priority_class_name.clone(),
        service_account_name: owners.service_account_name.clone(),
        automount_service_account_token: Some(false),
        // A Service named REDIS would otherwise fill the environment with variables of its own.
        enable_service_links: Some(false),
        security_context: Some(pod_security()),
        volumes: Some(volumes(desired, request)),
        ..PodSpec::default()
    }
}

fn not_ours(owners: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    owners
        .iter()
        .filter(|(key, _)| !is_ours(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Required, not preferred: the solver has decided, and a member in another zone than the record
/// says would break promise I1 unseen. No topologySpreadConstraints beside it: they would be a
/// second opinion.
fn zone_affinity(desired: &Desired, zone: &ZoneName) -> Option<NodeAffinity> {
    if zone.as_str().is_empty() {
        return None;
    }
    let in_zone = NodeSelectorRequirement {
        key: desired.zones.topology_key.clone(),
        operator: "In".to_owned(),
        values: Some(vec![zone.as_str().to_owned()]),
    };
    Some(NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Some(vec![in_zone]),
                ..NodeSelectorTerm::default()
            }],
        }),
        ..NodeAffinity::default()
    })
}

/// Never two members of a shard on one host, whatever the zone rule is.
fn apart_from_shard(cluster: &str, shard: ShardId) -> PodAntiAffinity {
    PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
            topology_key: HOST_TOPOLOGY_KEY.to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(shard_selector(cluster, shard)),
                ..LabelSelector::default()
            }),
            ..PodAffinityTerm::default()
        }]),
        ..PodAntiAffinity::default()
    }
}

/// The owner's, and silence of the host without a limit.
///
/// Without a toleration Kubernetes adds one of 300 s, and then deletes the pods of a silent host.
/// That deletion is no proof of death: the process may well run on behind a partition. Yet it
/// cannot be taken back: when the zone returns, its kubelets would end all its members at once,
/// among them perhaps the only copy that is left (promises I3 and I6). The operator builds a
/// member elsewhere long before, and deletes what it does not need when that is safe. A human's
/// word that a host is dead, the out-of-service taint, is not tolerated.
///
/// An owner who names one of the two taints has the last word on it.
fn tolerations(owners: &[Toleration]) -> Vec<Toleration> {
    let mut all = owners.to_vec();
    for taint in SILENT_HOST_TAINTS {
        if !owners.iter().any(|owners| is_about(owners, taint)) {
            all.push(Toleration {
                key: Some(taint.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                ..Toleration::default()
            });
        }
    }
    all
}

/// Whether a toleration says how long this taint is borne. One of effect `NoSchedule` does not.
fn is_about(toleration: &Toleration, taint: &str) -> bool {
    toleration.key.as_deref() == Some(taint)
        && matches!(toleration.effect.as_deref(), None | Some("" | "NoExecute"))
}

fn volumes(desired: &Desired, request: &PodRequest) -> Vec<Volume> {
    let cluster = desired.key.name.as_str();
    let tls = desired.tls.as_ref().map(|tls| Volume {
        name: VOLUME_TLS.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(tls.secret_name.clone()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let mut volumes = vec![
        data(request.volume.as_ref()),
        Volume {
            name: VOLUME_CONFIG.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map_name(cluster),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: VOLUME_SECRET.to_owned(),
            secret: Some(secret(cluster, request.secret_generation)),
            ..Volume::default()
        },
        // The users' hashes and the followers' password: never on a disk.
        Volume {
            name: VOLUME_RUN.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Quantity("1Mi".to_owned())),
            }),
            ..Volume::default()
        },
        // A shell may keep a here-document there; the server needs nothing of it.
        Volume {
            name: VOLUME_TMP.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity("16Mi".to_owned())),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    volumes.extend(tls);
    volumes
}

/// No size limit without a volume: a follower's sync passes through it as a file as big as the
/// data, and the kubelet evicts a pod that is over its limit, which is death.
fn data(body: Option<&VolumeName>) -> Volume {
    Volume {
        name: VOLUME_DATA.to_owned(),
        persistent_volume_claim: body.map(|body| PersistentVolumeClaimVolumeSource {
            claim_name: body.as_str().to_owned(),
            ..PersistentVolumeClaimVolumeSource::default()
        }),
        empty_dir: body.is_none().then(EmptyDirVolumeSource::default),
        ..Volume::default()
    }
}

/// The clients' password is not in it: `default` is off until the operator sets it at run time.
fn secret(cluster: &str, generation: u32) -> SecretVolumeSource {
    let key = |key: &str| KeyToPath {
        key: key.to_owned(),
        path: key.to_owned(),
        ..KeyToPath::default()
    };
    SecretVolumeSource {
        secret_name: Some(internal_secret_name(cluster, generation)),
        default_mode: Some(0o440),
        items: Some(vec![key(KEY_OPERATOR), key(KEY_REPLICATION), key(KEY_HOOK)]),
        ..SecretVolumeSource::default()
    }
}
