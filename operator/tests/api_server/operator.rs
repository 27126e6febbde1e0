//! The whole operator, with members that nobody can reach: it makes its objects, tells what it
//! waits for, answers its probes, and leaves when it is asked to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod, Secret, Service};
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zoneward_operator::api::RedisCluster;
use zoneward_operator::cli::{Cli, Command, RunArgs};
use zoneward_operator::run::run_with;
use zoneward_operator::telemetry::{self, LogFormat};
use zoneward_operator::wire::RedisWire;

use crate::control_plane::control_plane;
use crate::eventually;

fn arguments(namespace: &str, port: u16) -> RunArgs {
    let address = format!("0.0.0.0:{port}");
    let line = [
        "zoneward",
        "run",
        "--namespace",
        namespace,
        "--lease-namespace",
        namespace,
        "--metrics-address",
        &address,
        "--pod-name",
        "operator-1",
    ];
    match clap::Parser::try_parse_from(line).map(|cli: Cli| cli.command) {
        Ok(Command::Run(args)) => *args,
        other => panic!("{other:?}"),
    }
}

async fn get(port: u16, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let asking = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    });
    asking.await.unwrap().ok()
}

/// An operator that runs for one namespace.
pub(crate) struct Running {
    port: u16,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(client: &Client, namespace: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let shutdown = CancellationToken::new();
        let args = arguments(namespace, port);
        let make_admin = |waker| -> Arc<dyn zoneward_operator::ports::RedisAdmin> {
            Arc::new(RedisWire::new(waker))
        };
        let task = tokio::spawn(run_with(client.clone(), args, make_admin, shutdown.clone()));
        eventually("readiness", || async {
            get(port, "/readyz")
                .await
                .filter(|text| text.starts_with("HTTP/1.1 200"))
        })
        .await;
        Self {
            port,
            shutdown,
            task,
        }
    }

    /// Where it serves.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to leave, and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// One host in each of three zones. Hosts have no namespace: several tests want the same ones.
pub(crate) async fn hosts_in_zones(client: &Client) {
    let nodes: Api<Node> = Api::all(client.clone());
    for zone in ["a", "b", "c"] {
        let name = format!("host-{zone}");
        let node = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": zone } },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        }))
        .unwrap();
        match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(answer)) if answer.is_already_exists() => {}
            made => drop(made.unwrap()),
        }
        // New nodes are tainted as not ready until a controller, which is not here, clears them.
        let clear = Patch::Merge(json!({ "spec": { "taints": null } }));
        let params = PatchParams::default();
        nodes.patch(&name, &params, &clear).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_from_start_to_stop() {
    let _ = telemetry::init(LogFormat::Text, "info,kube_client=error");
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "operator").await;
    hosts_in_zones(&client).await;
    let clusters: Api<RedisCluster> = Api::namespaced(client.clone(), &namespace);
    let spec = serde_json::from_value(json!({ "image": "redis:7" })).unwrap();
    let wanted = RedisCluster::new("cache", spec);
    clusters
        .create(&PostParams::default(), &wanted)
        .await
        .unwrap();

    let running = Running::start(&client, &namespace).await;
    let port = running.port;
    assert!(
        get(port, "/healthz")
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );

    let ours = ListParams::default().labels("zoneward.io/cluster=cache");
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    eventually("six pods", || async {
        let pods = pods.list(&ours).await.unwrap();
        (pods.items.len() == 6).then_some(())
    })
    .await;
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    assert_eq!(services.list(&ours).await.unwrap().items.len(), 4);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    secrets.get("cache-internal").await.unwrap();

    eventually("a status that waits", || async {
        let status = clusters.get("cache").await.unwrap().status?;
        (!status.waiting_on.is_empty() && !status.conditions.is_empty()).then_some(())
    })
    .await;
    let figures = get(port, "/metrics").await.unwrap();
    assert!(figures.contains("zoneward_active 1"), "{figures}");
    assert!(figures.contains("zoneward_reconciles_total"), "{figures}");
    assert!(
        figures.contains(r#"zoneward_condition{cluster="cache""#),
        "{figures}"
    );

    let asked = Instant::now();
    running.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    let leases: Api<Lease> = Api::namespaced(client, &namespace);
    let lease = leases.get("zoneward").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
    // Nothing more happens after the stop, and what was made was made once.
    assert_eq!(pods.list(&ours).await.unwrap().items.len(), 6);
}
