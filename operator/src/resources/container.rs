//! The container that runs the server.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, Lifecycle, LifecycleHandler,
    ObjectFieldSelector, VolumeMount,
};

use super::labels::{
    CONTAINER_REDIS, FILE_PRE_STOP, FILE_START, PATH_CONFIG, PATH_DATA, PATH_RUN, PATH_SECRET,
    PATH_TLS, PORT_BUS, PORT_BUS_NAME, PORT_REDIS, PORT_REDIS_NAME,
};
use super::pod::{GRACE_AFTER_HOLD_SECONDS, grace_period_seconds};
use super::security::container_security;
use crate::model::Desired;

pub(super) const VOLUME_DATA: &str = "data";
pub(super) const VOLUME_CONFIG: &str = "config";
pub(super) const VOLUME_SECRET: &str = "secret";
pub(super) const VOLUME_TLS: &str = "tls";
pub(super) const VOLUME_RUN: &str = "run";
pub(super) const VOLUME_TMP: &str = "tmp";

/// Without probes. Readiness is the operator's gate, which knows more than a PING: in the cluster,
/// loaded, in sync. A liveness probe would kill a leader for a slow disk or a long script, and with
/// `restartPolicy: Never` for good. Any that runs a command forks a process every few seconds in
/// each member, and fails first when the host is loaded, which is when it must not. The end of the
/// process makes the pod unready without any probe.
pub(super) fn redis(desired: &Desired) -> Container {
    let owners = &desired.pod;
    Container {
        name: CONTAINER_REDIS.to_owned(),
        image: Some(desired.image.clone()),
        image_pull_policy: owners.image_pull_policy.clone(),
        command: Some(script(FILE_START)),
        env: Some(environment(desired)),
        ports: Some(vec![
            port(PORT_REDIS_NAME, PORT_REDIS),
            port(PORT_BUS_NAME, PORT_BUS),
        ]),
        resources: owners.resources.clone(),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(script(FILE_PRE_STOP)),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts(desired)),
        ..Container::default()
    }
}

fn mounts(desired: &Desired) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount(VOLUME_DATA, PATH_DATA, false),
        mount(VOLUME_CONFIG, PATH_CONFIG, true),
        mount(VOLUME_SECRET, PATH_SECRET, true),
        mount(VOLUME_RUN, PATH_RUN, false),
        mount(VOLUME_TMP, "/tmp", false),
    ];
    let tls = desired.tls.as_ref();
    mounts.extend(tls.map(|_| mount(VOLUME_TLS, PATH_TLS, true)));
    mounts
}

/// Files of a `ConfigMap` are not executable, and need not be.
fn script(file: &str) -> Vec<String> {
    vec!["sh".to_owned(), format!("{PATH_CONFIG}/{file}")]
}

/// The time to hold is the pod's own, not in the `ConfigMap`: that may change under a running pod,
/// whose grace period cannot.
fn environment(desired: &Desired) -> Vec<EnvVar> {
    let hold = grace_period_seconds(desired) - GRACE_AFTER_HOLD_SECONDS;
    vec![
        EnvVar {
            name: "POD_IP".to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: "status.podIP".to_owned(),
                    ..ObjectFieldSelector::default()
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        },
        EnvVar {
            name: "ZONEWARD_HOLD_SECONDS".to_owned(),
            value: Some(hold.to_string()),
            ..EnvVar::default()
        },
    ]
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(volume: &str, path: &str, is_read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: is_read_only.then_some(true),
        ..VolumeMount::default()
    }
}
