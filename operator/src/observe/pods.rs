//! Pods and volumes as the model knows them. Pure.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, PersistentVolumeClaim, Pod,
    PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::{
    ContainerEnd, HostName, MemberName, PodFingerprint, PodPhase, PodUid, PodView, Role, ShardId,
    VolumeName, VolumeView, ZoneName,
};
use crate::resources::labels::{
    ANNOTATION_FINGERPRINT, ANNOTATION_LEAD, CONTAINER_REDIS, LABEL_ROLE, LABEL_SHARD, LABEL_ZONE,
    LEAD_WANTED, READINESS_GATE,
};

/// Reads a pod. None for one without name, uid or shard: it is none of a member's.
pub(super) fn pod_view(cluster: &str, pod: &Pod) -> Option<PodView> {
    let meta = &pod.metadata;
    let name = meta.name.as_deref()?;
    let status = pod.status.as_ref();
    let spec = pod.spec.as_ref();
    let state = status.and_then(|it| container(it.container_statuses.as_deref()));
    let ended = state.and_then(|state| state.terminated.as_ref());
    Some(PodView {
        name: MemberName::new(name),
        uid: PodUid::new(meta.uid.as_deref()?),
        shard: shard(cluster, meta)?,
        zone: ZoneName::from(label(meta, LABEL_ZONE).unwrap_or_default()),
        host: spec
            .and_then(|spec| spec.node_name.as_deref())
            .map(HostName::new),
        address: status
            .and_then(|status| status.pod_ip.as_deref())
            .and_then(|ip| ip.parse().ok()),
        phase: status.map_or(WAITING, phase),
        end: ended.and_then(end),
        is_leaving: meta.deletion_timestamp.is_some(),
        gate_is_open: status.is_some_and(gate_is_open),
        is_to_lead: annotation(meta, ANNOTATION_LEAD) == Some(LEAD_WANTED),
        role_label: label(meta, LABEL_ROLE).and_then(role),
        volume: spec
            .and_then(|spec| spec.volumes.as_ref())
            .into_iter()
            .flatten()
            .find_map(|volume| volume.persistent_volume_claim.as_ref())
            .map(|claim| VolumeName::new(&claim.claim_name)),
        fingerprint: annotation(meta, ANNOTATION_FINGERPRINT).map(PodFingerprint::new),
        created: meta.creation_timestamp.as_ref()?.0,
    })
}

/// Reads a volume.
pub(super) fn volume_view(cluster: &str, claim: &PersistentVolumeClaim) -> Option<VolumeView> {
    let meta = &claim.metadata;
    Some(VolumeView {
        name: VolumeName::new(meta.name.as_deref()?),
        uid: meta.uid.clone()?,
        shard: shard(cluster, meta)?,
        zone: ZoneName::from(label(meta, LABEL_ZONE).unwrap_or_default()),
        is_leaving: meta.deletion_timestamp.is_some(),
        size: requested_size(claim).unwrap_or_default(),
        resize_trouble: resize_trouble(claim),
    })
}

fn requested_size(claim: &PersistentVolumeClaim) -> Option<String> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.clone())
}

/// What Kubernetes says of a volume that it could not make larger. That one waits for its file system
/// to be grown is ordinary: the kubelet does it.
fn resize_trouble(claim: &PersistentVolumeClaim) -> Option<String> {
    let conditions = claim.status.as_ref()?.conditions.as_ref()?;
    let is_error = |kind: &str| kind.ends_with("ResizeError");
    let found = conditions
        .iter()
        .find(|it| it.status == "True" && is_error(&it.type_))?;
    Some(found.message.clone().unwrap_or_else(|| found.type_.clone()))
}

const WAITING: PodPhase = PodPhase::Waiting {
    unschedulable: None,
    kubelet: None,
};

fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}

fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The shard by label; by name where somebody took the label away, for a member that lives must
/// not drop out of sight for that.
fn shard(cluster: &str, meta: &ObjectMeta) -> Option<ShardId> {
    let by_name = || {
        meta.name
            .as_deref()?
            .strip_prefix(cluster)?
            .strip_prefix('-')?
            .split('-')
            .next()?
            .parse()
            .ok()
    };
    label(meta, LABEL_SHARD)
        .and_then(|text| text.parse().ok())
        .or_else(by_name)
        .map(ShardId)
}

fn role(text: &str) -> Option<Role> {
    [Role::Leader, Role::Follower]
        .into_iter()
        .find(|role| role.as_str() == text)
}

fn condition_is(status: &PodStatus, type_: &str, wanted: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == type_ && condition.status == wanted)
}

fn gate_is_open(status: &PodStatus) -> bool {
    condition_is(status, READINESS_GATE, "True")
}

fn phase(status: &PodStatus) -> PodPhase {
    let state = container(status.container_statuses.as_deref());
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        return PodPhase::Ended {
            reason: describe_end(ended),
        };
    }
    if is_ended(status) && !was_marked_by_garbage_collector(status) {
        return PodPhase::Ended {
            reason: pod_end(status),
        };
    }
    if state.is_some_and(|state| state.running.is_some()) {
        return PodPhase::Running;
    }
    PodPhase::Waiting {
        unschedulable: unschedulable(status),
        kubelet: kubelet(status),
    }
}

fn container(statuses: Option<&[ContainerStatus]>) -> Option<&ContainerState> {
    statuses?
        .iter()
        .find(|status| status.name == CONTAINER_REDIS)?
        .state
        .as_ref()
}

fn is_ended(status: &PodStatus) -> bool {
    matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"))
}

/// Since 1.26 Kubernetes' pod garbage collector writes `phase: Failed` before it force-deletes a
/// pod whose host object is gone. It has not seen the process end, and neither have we
/// (DESIGN section 6: garbage collection leaves processes running).
fn was_marked_by_garbage_collector(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| {
        condition.type_ == "DisruptionTarget"
            && condition.status == "True"
            && condition.reason.as_deref() == Some("DeletionByPodGC")
    })
}

fn join(parts: &[Option<&str>]) -> String {
    let present: Vec<&str> = parts
        .iter()
        .flatten()
        .copied()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    present.join(": ")
}

/// A kubelet that was not there when a container ended, as after a loss of power, says `Unknown` with code 255
/// (containerd) or `ContainerStatusUnknown`, and the time at which it found out. (Code 255 alone is also that of
/// an image for another processor.)
fn end(ended: &ContainerStateTerminated) -> Option<ContainerEnd> {
    let reason = ended.reason.as_deref();
    if matches!(reason, Some("Unknown" | "ContainerStatusUnknown")) {
        return Some(ContainerEnd::Found);
    }
    let at = ended.finished_at.as_ref()?;
    Some(ContainerEnd::Seen(at.0))
}

fn describe_end(ended: &ContainerStateTerminated) -> String {
    let code = format!("exit code {}", ended.exit_code);
    join(&[
        Some(&code),
        ended.reason.as_deref(),
        ended.message.as_deref(),
    ])
}

/// Why a pod ended whose container tells nothing: evicted, refused by the kubelet, or an init
/// container failed.
fn pod_end(status: &PodStatus) -> String {
    let init = status
        .init_container_statuses
        .iter()
        .flatten()
        .find_map(|status| {
            let ended = status.state.as_ref()?.terminated.as_ref()?;
            (ended.exit_code != 0)
                .then(|| format!("init container {}: {}", status.name, describe_end(ended)))
        });
    let text = join(&[
        status.reason.as_deref(),
        status.message.as_deref(),
        init.as_deref(),
    ]);
    if text.is_empty() {
        join(&[Some("pod"), status.phase.as_deref()])
    } else {
        text
    }
}

fn unschedulable(status: &PodStatus) -> Option<String> {
    let condition = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    Some(
        condition
            .message
            .clone()
            .unwrap_or_else(|| "Unschedulable".to_owned()),
    )
}

/// The kubelet's complaint. `ContainerCreating` and `PodInitializing` are the ordinary way.
fn kubelet(status: &PodStatus) -> Option<String> {
    let ours = status.container_statuses.iter().flatten();
    let init = status.init_container_statuses.iter().flatten();
    init.chain(ours)
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref())
        .filter(|waiting| {
            !matches!(
                waiting.reason.as_deref(),
                None | Some("ContainerCreating" | "PodInitializing")
            )
        })
        .map(|waiting| join(&[waiting.reason.as_deref(), waiting.message.as_deref()]))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: &Value) -> PodView {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "cache-2-17", "uid": "u-1", "creationTimestamp": "2026-11-21T00:00:00Z",
                "labels": {
                    "zoneward.io/cluster": "cache", "zoneward.io/shard": "2",
                    "zoneward.io/zone": "b", "zoneward.io/role": "follower",
                },
                "annotations": { "zoneward.io/made-from": "0123" },
            },
            "spec": {
                "nodeName": "host-1",
                "containers": [],
                "volumes": [
                    { "name": "config", "configMap": { "name": "cache" } },
                    { "name": "data", "persistentVolumeClaim": { "claimName": "data-cache-2-17" } },
                ],
            },
            "status": status,
        }))
        .unwrap();
        pod_view("cache", &pod).unwrap()
    }

    fn waiting(unschedulable: Option<&str>, kubelet: Option<&str>) -> PodPhase {
        PodPhase::Waiting {
            unschedulable: unschedulable.map(str::to_owned),
            kubelet: kubelet.map(str::to_owned),
        }
    }

    fn ended(reason: &str) -> PodPhase {
        PodPhase::Ended {
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn an_end_is_dated_where_the_kubelet_saw_it() {
        let at = "2026-11-21T01:02:03Z";
        // (exit code, reason, seen)
        let table = [
            (137, "Error", true),
            (137, "OOMKilled", true),
            (0, "Completed", true),
            (255, "Error", true),
            (255, "Unknown", false),
            (137, "ContainerStatusUnknown", false),
        ];
        for (code, reason, is_seen) in table {
            let ended = json!({ "exitCode": code, "reason": reason, "finishedAt": at });
            let pod = pod(
                &json!({ "phase": "Failed", "containerStatuses": [{ "name": "redis",
                "ready": false, "image": "", "imageID": "", "restartCount": 0,
                "state": { "terminated": ended } }] }),
            );
            let expected = if is_seen {
                ContainerEnd::Seen(at.parse().unwrap())
            } else {
                ContainerEnd::Found
            };
            assert_eq!(pod.end, Some(expected), "{reason}");
        }
        let evicted = pod(&json!({ "phase": "Failed", "reason": "Evicted" }));
        assert_eq!(evicted.end, None);
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn phase_follows_the_container_and_the_kubelet() {
        let running = json!([{ "name": "redis", "ready": true, "image": "", "imageID": "",
            "restartCount": 0, "state": { "running": {} } }]);
        let status = |name: &str, state: Value| {
            json!([{ "name": name, "ready": false, "image": "", "imageID": "", "restartCount": 0,
                "state": state }])
        };
        let table = [
            ("nothing yet", json!({}), waiting(None, None)),
            (
                "unschedulable",
                json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled",
                    "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] }),
                waiting(Some("0/3 nodes"), None),
            ),
            (
                "ordinary start",
                json!({ "phase": "Pending",
                    "containerStatuses": status("redis", json!({ "waiting": { "reason": "ContainerCreating" } })) }),
                waiting(None, None),
            ),
            (
                "image",
                json!({ "phase": "Pending",
                    "containerStatuses": status("redis", json!({ "waiting": { "reason": "ErrImagePull", "message": "no such host" } })) }),
                waiting(None, Some("ErrImagePull: no such host")),
            ),
            (
                "never pull",
                json!({ "phase": "Pending",
                    "containerStatuses": status("redis", json!({ "waiting": { "reason": "ErrImageNeverPull" } })) }),
                waiting(None, Some("ErrImageNeverPull")),
            ),
            (
                "config error in an init container",
                json!({ "phase": "Pending",
                    "initContainerStatuses": status("start", json!({ "waiting": { "reason": "CreateContainerConfigError", "message": "secret \"x\" not found" } })) }),
                waiting(
                    None,
                    Some("CreateContainerConfigError: secret \"x\" not found"),
                ),
            ),
            (
                "running",
                json!({ "phase": "Running", "containerStatuses": running }),
                PodPhase::Running,
            ),
            (
                "only a sidecar runs",
                json!({ "phase": "Running", "containerStatuses": status("proxy", json!({ "running": {} })) }),
                waiting(None, None),
            ),
            (
                "ended while a sidecar runs on",
                json!({ "phase": "Running", "containerStatuses": status("redis", json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } })) }),
                ended("exit code 137: OOMKilled"),
            ),
            (
                "evicted",
                json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }),
                ended("Evicted: low on memory"),
            ),
            (
                "init container failed",
                json!({ "phase": "Failed",
                    "initContainerStatuses": status("start", json!({ "terminated": { "exitCode": 1, "reason": "Error" } })) }),
                ended("init container start: exit code 1: Error"),
            ),
            (
                "succeeded",
                json!({ "phase": "Succeeded" }),
                ended("pod: Succeeded"),
            ),
            (
                "failed by the garbage collector's word only",
                json!({ "phase": "Failed", "containerStatuses": running, "conditions": [{
                    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC" }] }),
                PodPhase::Running,
            ),
        ];
        for (name, status, expected) in table {
            assert_eq!(pod(&status).phase, expected, "{name}");
        }
    }

    #[test]
    fn the_rest_is_read_from_labels_spec_and_conditions() {
        let seen = pod(&json!({
            "podIP": "10.0.0.7",
            "conditions": [{ "type": "zoneward.io/in-cluster", "status": "True" }],
        }));
        assert_eq!(seen.shard, ShardId(2));
        assert_eq!(seen.zone, ZoneName::from("b"));
        assert_eq!(seen.role_label, Some(Role::Follower));
        assert_eq!(seen.host, Some(HostName::new("host-1")));
        assert_eq!(seen.volume, Some(VolumeName::new("data-cache-2-17")));
        assert_eq!(seen.fingerprint, Some(PodFingerprint::new("0123")));
        assert_eq!(seen.address, Some("10.0.0.7".parse().unwrap()));
        assert!(seen.gate_is_open);
        assert!(!seen.is_leaving);
    }

    #[test]
    fn an_owners_wish_is_read_from_the_one_value_that_means_it() {
        let table = [
            (json!({ "zoneward.io/lead": "true" }), true),
            (json!({ "zoneward.io/lead": "false" }), false),
            (json!({ "zoneward.io/lead": "" }), false),
            (json!({}), false),
        ];
        for (annotations, expected) in table {
            let pod: Pod = serde_json::from_value(json!({ "metadata": {
                "name": "my-cache-3-8", "uid": "u", "annotations": annotations,
                "creationTimestamp": "2026-11-21T00:00:00Z" } }))
            .unwrap();
            let seen = pod_view("my-cache", &pod).unwrap();
            assert_eq!(seen.is_to_lead, expected, "{annotations}");
        }
    }

    #[test]
    fn a_lost_shard_label_is_read_from_the_name() {
        let bare: Pod = serde_json::from_value(json!({ "metadata": {
            "name": "my-cache-3-8", "uid": "u", "creationTimestamp": "2026-11-21T00:00:00Z" } }))
        .unwrap();
        assert_eq!(pod_view("my-cache", &bare).unwrap().shard, ShardId(3));
        assert_eq!(pod_view("other", &bare), None);
    }
}
