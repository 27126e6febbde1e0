//! `kubectl zoneward drill` against a real API server: what it makes is there for as long as the drill lasts and not a
//! moment longer, whatever becomes of the drill. No packet is dropped here: the status that an operator would write
//! is written by the test.

use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::CustomResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zoneward_operator::api::RedisCluster;

use crate::control_plane::{ControlPlane, control_plane, programs};
use crate::eventually;
use crate::plugin::Scene;

const RUN: &str = "drill cache zone-a --run --confirm cache --timeout 20s";

/// A RedisCluster with a status, and an operator's lease.
struct Drill {
    scene: Scene,
    operator: Option<JoinHandle<()>>,
}

impl Drill {
    async fn new(namespace: &str) -> Self {
        Self::on(control_plane(), namespace).await
    }

    async fn on(plane: Arc<ControlPlane>, namespace: &str) -> Self {
        let scene = Scene::on(plane, namespace).await;
        let leases: Api<Lease> = Api::namespaced(scene.client.clone(), namespace);
        let lease = json!({
            "metadata": { "name": "zoneward" },
            // a clock that is ahead of ours: whoever holds it is active
            "spec": { "holderIdentity": "zoneward-1", "renewTime": "2100-01-01T00:00:00.000000Z" },
        });
        let lease = serde_json::from_value(lease).unwrap();
        leases.create(&PostParams::default(), &lease).await.unwrap();
        tell(&scene.clusters(), &whole()).await;
        let operator = None;
        Self { scene, operator }
    }

    /// One whose status follows the fault, as where it is enforced.
    async fn with_operator(namespace: &str) -> Self {
        let mut drill = Self::new(namespace).await;
        let (clusters, policies) = (drill.scene.clusters(), drill.policies());
        drill.operator = Some(tokio::spawn(async move {
            let mut was_cut = false;
            loop {
                let is_cut = policies.get_opt("cache-drill").await.unwrap().is_some();
                if is_cut != was_cut {
                    tell(&clusters, &if is_cut { cut() } else { whole() }).await;
                    was_cut = is_cut;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }));
        drill
    }

    fn policies(&self) -> Api<NetworkPolicy> {
        Api::namespaced(self.scene.client.clone(), &self.scene.namespace)
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.scene.client.clone(), &self.scene.namespace)
    }

    async fn is_there(&self) -> (bool, bool) {
        let policy = self.policies().get_opt("cache-drill").await.unwrap();
        let job = self.jobs().get_opt("cache-drill").await.unwrap();
        (policy.is_some(), job.is_some())
    }

    async fn nothing_is_left(&self) {
        assert_eq!(self.is_there().await, (false, false));
    }

    /// Begins one, and waits until the zone is cut off.
    async fn begun(&self, line: &str) -> Child {
        let mut command = self.scene.command(line);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        eventually("the fault", || async {
            (self.is_there().await == (true, true)).then_some(())
        })
        .await;
        child
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if let Some(operator) = &self.operator {
            operator.abort();
        }
    }
}

async fn tell(clusters: &Api<RedisCluster>, status: &Value) {
    let patch = Patch::Merge(json!({ "status": status }));
    let params = PatchParams::default();
    clusters
        .patch_status("cache", &params, &patch)
        .await
        .unwrap();
}

fn whole() -> Value {
    let member = |pod: &str, zone: &str, role: &str| json!({ "pod": pod, "zone": zone, "role": role, "state": "Alive", "inSync": true });
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "AsWanted", "message": "as it is",
            "lastTransitionTime": "2026-11-21T12:00:00Z", "observedGeneration": 1,
        })
    };
    let zone = |zone: &str| json!({ "zone": zone, "state": "Open", "leaders": 1, "followers": 1, "survivesLoss": zone != "zone-b" });
    json!({
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "True"), condition("Available", "True"),
            condition("ZoneSafe", "True"), condition("ZoneOutage", "False"),
        ],
        "slotsServed": 16384,
        "shards": [
            { "shard": 0, "slots": "0-8191", "members": [
                member("cache-0-1", "zone-a", "leader"), member("cache-0-2", "zone-b", "follower"),
            ] },
            { "shard": 1, "slots": "8192-16383", "members": [
                member("cache-1-3", "zone-b", "leader"), member("cache-1-4", "zone-c", "follower"),
            ] },
        ],
        "zones": [zone("zone-a"), zone("zone-b"), zone("zone-c")],
    })
}

/// Zone a is silent, and a follower leads.
fn cut() -> Value {
    let mut status = whole();
    let members = &mut status["shards"][0]["members"];
    members[0]["state"] = json!("Silent");
    members[0]["role"] = json!("follower");
    members[1]["role"] = json!("leader");
    status["zones"][0]["state"] = json!("Gone");
    status["conditions"][3]["status"] = json!("True");
    status
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = waiting.await.unwrap();
    let text = [stdout, stderr].map(|it| String::from_utf8(it).unwrap());
    (status.code(), text.join("\n"))
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_unless_it_is_asked_for_and_nothing_speaks_against_it() {
    let drill = Drill::new("drill-refused").await;
    let scene = &drill.scene;
    let text = scene.told("drill cache zone-a", 0).await;
    assert!(text.contains("cache-0-1 leads shard 0"), "{text}");
    assert!(text.contains("Nothing was done"), "{text}");
    let text = scene.told("drill cache zone-a --run", 3).await;
    assert!(text.contains("--confirm"), "{text}");
    let text = scene
        .told("drill cache zone-a --run --confirm other", 3)
        .await;
    assert!(text.contains("cache was not typed"), "{text}");
    let hurts = scene.told_json("drill cache zone-b", 3).await;
    assert_eq!(hurts["loss"]["is"], "hurts");
    let refused = scene
        .told_json("drill cache zone-b --run --confirm cache", 3)
        .await;
    assert_eq!(refused["outcome"], "refused");
    assert_eq!(refused["objections"][0]["canBeOverruled"], true);
    let text = scene.told("drill cache zone-x --even-if-it-hurts", 3).await;
    assert!(text.contains("there is no zone zone-x"), "{text}");
    let error = scene.told("drill nope zone-a", 1).await;
    assert!(error.contains("there is no RedisCluster nope"), "{error}");
    let text = scene.told("drill cache --restore", 0).await;
    assert!(text.contains("has left anything"), "{text}");
    drill.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_cut_off_watched_and_let_through_again() {
    let drill = Drill::with_operator("drill-runs").await;
    let child = drill.begun(&format!("{RUN} --duration 10s -o json")).await;
    let policy = drill.policies().get("cache-drill").await.unwrap();
    let spec = serde_json::to_value(policy.spec.unwrap()).unwrap();
    let selected = json!({ "zoneward.io/cluster": "cache", "zoneward.io/zone": "zone-a" });
    assert_eq!(spec["podSelector"]["matchLabels"], selected);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        (&spec["ingress"], &spec["egress"]),
        (&Value::Null, &Value::Null)
    );
    let second = drill.scene.told_json(RUN, 3).await;
    assert_eq!(second["outcome"], "refused");
    let (code, text) = ended(child).await;
    assert_eq!(code, Some(0), "{text}");
    drill.nothing_is_left().await;
    for told in [
        "\"end\": \"over\"",
        "zone-a is silent: cache-0-1",
        "shard 0: cache-0-2 in zone-b leads",
        "zone-a is let through again",
        "balanced: all is as it was before",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_does_not_happen_is_told_and_undone() {
    // nobody is silent: no network plugin enforces anything here
    let drill = Drill::new("drill-unenforced").await;
    let text = drill.scene.told(&format!("{RUN} --duration 10s"), 3).await;
    assert!(
        text.contains("zone-a was not cut off: cache-0-1 went on"),
        "{text}"
    );
    drill.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_drill_and_the_fault_goes_with_it() {
    let drill = Drill::with_operator("drill-signals").await;
    for (signal, name) in [("-INT", "SIGINT"), ("-TERM", "SIGTERM"), ("-HUP", "SIGHUP")] {
        let child = drill.begun(&format!("{RUN} --duration 10m")).await;
        send(signal, &child);
        let (code, text) = ended(child).await;
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains(&format!("ended by {name}")), "{text}");
        drill.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_drill_leaves_is_taken_away_by_hand_and_nothing_else_is() {
    let drill = Drill::with_operator("drill-killed").await;
    let child = drill.begun(&format!("{RUN} --duration 10m")).await;
    send("-KILL", &child);
    ended(child).await;
    assert_eq!(drill.is_there().await, (true, true));
    let policy = drill.policies().get("cache-drill").await.unwrap();
    let annotations = policy.metadata.annotations.unwrap();
    assert_eq!(annotations["zoneward.io/drill-zone"], "zone-a");
    assert!(annotations["zoneward.io/drill-ends"].starts_with("20"));
    let text = drill.scene.told(RUN, 3).await;
    assert!(text.contains("drill cache --restore"), "{text}");
    let text = drill.scene.told("drill cache --restore", 0).await;
    assert!(
        text.contains("NetworkPolicy cache-drill, Job cache-drill"),
        "{text}"
    );
    drill.nothing_is_left().await;

    let foreign = json!({ "metadata": { "name": "cache-drill" }, "spec": { "podSelector": {} } });
    let foreign = serde_json::from_value(foreign).unwrap();
    let params = PostParams::default();
    drill.policies().create(&params, &foreign).await.unwrap();
    let error = drill.scene.told("drill cache --restore", 1).await;
    assert!(error.contains("is no drill's"), "{error}");
    assert_eq!(drill.is_there().await, (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_fault_away_ends_the_drill() {
    let drill = Drill::with_operator("drill-taken").await;
    let child = drill.begun(&format!("{RUN} --duration 10m")).await;
    drill.scene.told("drill cache --restore", 0).await;
    let (code, text) = ended(child).await;
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("ended by somebody else"), "{text}");
    drill.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_cannot_be_made_leaves_nothing_behind() {
    let drill = Drill::new("drill-denied").await;
    deny_policies(&drill.scene).await;
    let error = drill.scene.told(RUN, 1).await;
    assert!(error.contains("failed to create NetworkPolicy"), "{error}");
    assert!(error.contains("not in this namespace"), "{error}");
    drill.nothing_is_left().await;
}

/// No NetworkPolicy can be made in this namespace any more.
async fn deny_policies(scene: &Scene) {
    let make = async |kind: &str, object: Value| {
        let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let api: Api<DynamicObject> =
            Api::all_with(scene.client.clone(), &ApiResource::from_gvk(&gvk));
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    };
    let name = &scene.namespace;
    let rules = json!([{
        "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "resources": ["networkpolicies"],
        "operations": ["CREATE"],
    }]);
    let validations = json!([{ "expression": "false", "message": "not in this namespace" }]);
    let spec =
        json!({ "matchConstraints": { "resourceRules": rules }, "validations": validations });
    let policy = json!({ "metadata": { "name": name }, "spec": spec });
    make("ValidatingAdmissionPolicy", policy).await;
    let of_this = json!({ "matchLabels": { "kubernetes.io/metadata.name": name } });
    let spec = json!({
        "policyName": name, "validationActions": ["Deny"],
        "matchResources": { "namespaceSelector": of_this },
    });
    let binding = json!({ "metadata": { "name": name }, "spec": spec });
    make("ValidatingAdmissionPolicyBinding", binding).await;
    let policies: Api<NetworkPolicy> = Api::namespaced(scene.client.clone(), name);
    let trial = json!({ "metadata": { "name": "trial" }, "spec": { "podSelector": {} } });
    let trial: NetworkPolicy = serde_json::from_value(trial).unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("the denial", || async {
        policies.create(&params, &trial).await.err().map(|_| ())
    })
    .await;
}

/// Kubernetes' own controllers, of which a drill needs three.
struct Controllers(Child);

impl Controllers {
    fn start(plane: &ControlPlane) -> Self {
        let kubeconfig = plane.kubeconfig("default");
        let log = std::fs::File::create(plane.directory().join("controllers.log")).unwrap();
        let program = programs().join("kube-controller-manager");
        let child = Command::new(program)
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .args(["--leader-elect=false", "--secure-port=0"])
            .arg("--controllers=job-controller,ttl-after-finished-controller,garbage-collector-controller")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_drill_leaves_goes_by_itself() {
    // a control plane of its own: the garbage collector would look at other tests' objects, too
    let plane = ControlPlane::start(&RedisCluster::crd());
    let plane = Arc::new(plane);
    let controllers = Controllers::start(&plane);
    let drill = Drill::on(plane, "drill-deadline").await;
    let child = drill.begun(&format!("{RUN} --duration 10s")).await;
    send("-KILL", &child);
    ended(child).await;
    assert_eq!(drill.is_there().await, (true, true));
    let begin = std::time::Instant::now();
    while drill.is_there().await != (false, false) {
        assert!(begin.elapsed() < Duration::from_secs(90), "it stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("gone by itself after {:.1?}", begin.elapsed());
    drop(controllers);
}
