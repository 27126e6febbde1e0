//! The plugin's program, as it is installed, against a real API server: with a kubeconfig, an operator that
//! runs, and one that does not.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use zoneward_operator::api::RedisCluster;

use crate::control_plane::{ControlPlane, control_plane};
use crate::eventually;
use crate::operator::{Running, hosts_in_zones};

/// A namespace with a RedisCluster in it, and a kubeconfig whose context has that namespace.
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    kubeconfig: PathBuf,
    plane: Arc<ControlPlane>,
}

impl Scene {
    async fn new(namespace: &str) -> Self {
        Self::on(control_plane(), namespace).await
    }

    /// On this control plane.
    pub(crate) async fn on(plane: Arc<ControlPlane>, namespace: &str) -> Self {
        let client = plane.client();
        let namespace = plane.namespace(&client, namespace).await;
        hosts_in_zones(&client).await;
        let clusters: Api<RedisCluster> = Api::namespaced(client.clone(), &namespace);
        let spec = serde_json::from_value(json!({ "image": "redis:7" })).unwrap();
        let wanted = RedisCluster::new("cache", spec);
        let params = PostParams::default();
        clusters.create(&params, &wanted).await.unwrap();
        Self {
            kubeconfig: plane.kubeconfig(&namespace),
            client,
            namespace,
            plane,
        }
    }

    /// The program with these arguments; the operator is looked for in the same namespace.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-zoneward"));
        command
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .args(line.split(' '))
            .args(["--operator-namespace", &self.namespace]);
        command
    }

    /// Runs it.
    async fn ask(&self, line: &str) -> Output {
        let mut command = self.command(line);
        let asking = tokio::task::spawn_blocking(move || command.output().unwrap());
        asking.await.unwrap()
    }

    /// The same, where this exit code is expected: what it prints.
    pub(crate) async fn told(&self, line: &str, code: i32) -> String {
        let output = self.ask(line).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {text} {error}");
        assert!(!text.contains('\u{1b}'), "colour, and no terminal: {text}");
        if code == 1 { error } else { text }
    }

    pub(crate) async fn told_json(&self, line: &str, code: i32) -> Value {
        let text = self.told(&format!("{line} -o json"), code).await;
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn clusters(&self) -> Api<RedisCluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Starts an operator, and waits until it has told something.
    async fn operator(&self) -> Running {
        let running = Running::start(&self.client, &self.namespace).await;
        eventually("a status", || async {
            let status = self.clusters().get("cache").await.unwrap().status?;
            (!status.waiting_on.is_empty()).then_some(())
        })
        .await;
        running
    }

    /// The pod of that operator: there is no kubelet, so its address is told by hand.
    async fn operator_pod(&self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = serde_json::from_value(json!({
            "metadata": { "name": "zoneward-1", "labels": { "app.kubernetes.io/name": "zoneward" } },
            "spec": { "containers": [{ "name": "zoneward", "image": "zoneward" }] },
        }));
        pods.create(&PostParams::default(), &pod.unwrap())
            .await
            .unwrap();
        let address = own_address();
        let running = json!({ "status": {
            "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }],
        } });
        let params = PatchParams::default();
        let patch = Patch::Merge(&running);
        pods.patch_status("zoneward-1", &params, &patch)
            .await
            .unwrap();
    }
}

/// An address of this machine that is not loopback: the API server proxies to no other. Nothing is sent.
fn own_address() -> String {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket
        .connect("192.0.2.1:9")
        .expect("a route to anywhere: the API server reaches no pod by loopback");
    socket.local_addr().unwrap().ip().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_is_and_holds_the_operator_back() {
    let scene = Scene::new("plugin-status").await;
    let text = scene.told("status cache", 3).await;
    assert!(text.contains("no operator has looked at it yet"), "{text}");
    assert!(text.contains("no operator is active"), "{text}");
    let text = scene.told("explain cache", 0).await;
    assert!(text.contains("No active operator (the lease)"), "{text}");
    assert!(
        text.contains("docs/operations.md#no-active-operator"),
        "{text}"
    );

    let running = scene.operator().await;
    let text = scene.told("status cache", 3).await;
    assert!(text.contains("is being formed"), "{text}");
    assert!(text.contains("Waits for"), "{text}");
    assert!(!text.contains("no operator is active"), "{text}");
    let one = scene.told_json("status cache", 3).await;
    assert_eq!(one["isReady"], false);
    assert_eq!(one["operator"]["is"], "active");
    assert_eq!(one["status"].get("record"), None);
    let all = scene.told_json("status", 3).await;
    assert_eq!(all["items"][0]["name"], "cache");
    assert!(scene.told("status -A", 3).await.contains(&scene.namespace));

    let text = scene.told("zones cache", 3).await;
    assert!(text.contains("not formed yet"), "{text}");
    let zones = scene.told_json("zones cache", 3).await;
    assert_eq!(zones["zones"].as_array().unwrap().len(), 3);
    assert_eq!(zones["anyOneMayBeLost"], false);

    let text = scene.told("explain cache cache-0-1", 0).await;
    assert!(text.contains("cache-0-1 of"), "{text}");
    assert!(text.contains("Why here"), "{text}");
    assert!(
        scene
            .told("explain cache nope", 1)
            .await
            .contains("cache-2-6")
    );

    for (command, paused) in [("pause", true), ("resume", false)] {
        let text = scene.told(&format!("{command} cache"), 0).await;
        assert!(text.contains("is now"), "{text}");
        let cluster = scene.clusters().get("cache").await.unwrap();
        assert_eq!(cluster.spec.paused, paused);
        let again = scene.told_json(&format!("{command} cache"), 0).await;
        assert_eq!(again["changed"], false);
        assert_eq!(again["paused"], paused);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_plans_as_the_operator_would_and_changes_nothing() {
    let scene = Scene::new("plugin-plan").await;
    let error = scene.told("plan cache", 1).await;
    assert!(error.contains("--operator-namespace"), "{error}");
    let running = scene.operator().await;
    scene.operator_pod().await;
    let port = running.port();
    let ask = |rest: &str| format!("plan cache --operator-port {port}{rest}");

    let plan = scene.told_json(&ask(""), 0).await;
    assert!(plan["plan"]["waitingOn"][0]["reason"].is_string(), "{plan}");
    assert_eq!(plan["refusals"], json!([]));
    let text = scene.told(&ask(""), 0).await;
    assert!(text.contains("Would wait for"), "{text}");

    let file = scene.kubeconfig.with_extension("yaml");
    let write = |spec: &Value| {
        let wanted =
            json!({ "kind": "RedisCluster", "metadata": { "name": "cache" }, "spec": spec });
        std::fs::write(&file, wanted.to_string()).unwrap();
    };
    let with_file = ask(&format!(" -f {}", file.display()));
    write(&json!({ "image": "redis:7", "followersPerLeader": 2 }));
    let text = scene.told(&with_file, 0).await;
    assert!(text.contains("spec.followersPerLeader: 1 to 2"), "{text}");
    assert!(text.contains("enroll cache-0-7"), "{text}");
    write(&json!({ "image": "redis:7", "storage": { "size": "1Gi" } }));
    let refused = scene.told_json(&with_file, 3).await;
    let why = refused["refusedByApiServer"].as_str().unwrap();
    assert!(
        why.contains("spec.storage cannot be added or removed"),
        "{why}"
    );

    let cluster = scene.clusters().get("cache").await.unwrap();
    assert_eq!(cluster.metadata.generation, Some(1));
    assert_eq!(cluster.spec.followers_per_leader, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_with_what_to_do() {
    let scene = Scene::new("plugin-errors").await;
    for command in ["status", "zones", "plan", "explain", "pause", "resume"] {
        let error = scene.told(&format!("{command} nope"), 1).await;
        let named = format!(
            "there is no RedisCluster nope in namespace {}",
            scene.namespace
        );
        assert!(error.contains(&named), "{command}: {error}");
        assert!(error.contains("there are cache"), "{command}: {error}");
        assert!(error.contains("-n"), "{command}: {error}");
    }
    let empty = scene.plane.namespace(&scene.client, "plugin-empty").await;
    let error = scene.told(&format!("zones cache -n {empty}"), 1).await;
    assert!(error.contains("and no other"), "{error}");
    let text = scene.told(&format!("status -n {empty}"), 0).await;
    assert!(text.contains("there is no RedisCluster in"), "{text}");
    let error = scene.told("status --context elsewhere", 1).await;
    assert!(error.contains("elsewhere"), "{error}");
    assert!(error.contains("--kubeconfig"), "{error}");
    assert_eq!(scene.ask("drill").await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_is_put_on_the_pod_and_taken_back_and_what_cannot_be_is_refused() {
    let scene = Scene::new("plugin-switchover").await;
    let error = scene.told("switchover cache-0-2", 1).await;
    assert!(error.contains("there is no pod cache-0-2"), "{error}");
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let running = scene.operator().await;
    let made = async || pods.get_opt("cache-0-2").await.unwrap();
    eventually("the pod", || async { made().await.map(|_| ()) }).await;
    let lead = async || {
        let annotations = made().await.unwrap().metadata.annotations;
        annotations.and_then(|all| all.get("zoneward.io/lead").cloned())
    };

    let asked = scene.told_json("switchover cache-0-2 --no-wait", 0).await;
    assert_eq!(
        (&asked["outcome"], &asked["shard"]),
        (&json!("asked"), &json!(0))
    );
    assert_eq!(lead().await.as_deref(), Some("true"));
    let text = scene.told("explain cache cache-0-2", 0).await;
    assert!(text.contains("its owner wants it to lead"), "{text}");
    // no server runs here, so that nobody ever leads
    let text = scene.told("switchover cache-0-2 --timeout 1s", 3).await;
    assert!(text.contains("does not lead shard 0"), "{text}");
    let other = scene.told_json("switchover cache-0-1 --no-wait", 0).await;
    assert_eq!(other["takenBack"], json!(["cache-0-2"]));
    assert_eq!(lead().await, None);
    let text = scene.told("switchover cache-0-1 --release", 0).await;
    assert!(text.contains("need not lead"), "{text}");
    let text = scene.told("switchover cache-0-1 --release", 0).await;
    assert!(text.contains("Nobody asked"), "{text}");

    scene.told("pause cache", 0).await;
    let refused = scene.told_json("switchover cache-0-2", 3).await;
    assert!(
        refused["why"].as_str().unwrap().contains("is paused"),
        "{refused}"
    );
    assert_eq!(lead().await, None);
    let line = scene.ask("switchover cache-0-2 --release --no-wait").await;
    assert_eq!(line.status.code(), Some(2));
    running.stop().await;
}
