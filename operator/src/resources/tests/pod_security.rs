//! Goal: our pods pass the *restricted* level of the Pod Security Standards (v1.33), whatever an
//! owner writes. Method: each rule of the level, field by field, over the JSON of the pod.

use serde_json::{Value, json};

use super::fixture::{minimal, rich};
use super::rules::a_pod;

/// What a restricted pod may mount.
const VOLUME_KINDS: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn check_pod_fields(spec: &Value) {
    for field in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        assert_eq!(spec.get(field), None, "{field}");
    }
    let security = &spec["securityContext"];
    assert_eq!(security["runAsNonRoot"], json!(true));
    assert_ne!(security["runAsUser"], json!(0));
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    for field in [
        "sysctls",
        "seLinuxOptions",
        "appArmorProfile",
        "windowsOptions",
    ] {
        assert_eq!(security.get(field), None, "{field}");
    }
    for volume in spec["volumes"].as_array().expect("volumes") {
        let kinds = volume.as_object().expect("a volume").keys();
        for kind in kinds.filter(|key| *key != "name") {
            assert!(VOLUME_KINDS.contains(&kind.as_str()), "{kind}");
        }
    }
}

fn check_container_fields(container: &Value) {
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], json!(false));
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
    for field in [
        "privileged",
        "procMount",
        "seLinuxOptions",
        "runAsUser",
        "seccompProfile",
    ] {
        assert_eq!(security.get(field), None, "{field} overrides the pod's");
    }
    for port in container["ports"].as_array().expect("ports") {
        assert_eq!(port.get("hostPort"), None);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        assert_eq!(container.get(probe), None, "{probe}");
    }
    // Beyond the level.
    assert_eq!(security["readOnlyRootFilesystem"], json!(true));
}

#[test]
fn pods_pass_the_restricted_level() {
    for desired in [minimal(), rich()] {
        let pod = a_pod(&desired);
        let spec = &pod["spec"];
        check_pod_fields(spec);
        for list in ["initContainers", "ephemeralContainers"] {
            assert_eq!(spec.get(list), None, "{list}");
        }
        for container in spec["containers"].as_array().expect("containers") {
            check_container_fields(container);
        }
        assert_eq!(spec["automountServiceAccountToken"], json!(false));
    }
}
