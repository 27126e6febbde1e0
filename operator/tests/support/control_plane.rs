//! A real control plane on loopback: etcd and kube-apiserver as plain processes, with the CRD
//! installed. No kubelet, scheduler or controller: what they would do, a test does itself.
//!
//! Tests of one program that run at the same time share one. It ends, processes and files, with
//! the last of them.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::{Client, Config, CustomResourceExt};
use serde_json::json;
use zoneward_operator::api::RedisCluster;

const TOKEN: &str = "loopback";
const START_LIMIT: Duration = Duration::from_secs(60);

/// Two processes and a directory.
pub(crate) struct ControlPlane {
    etcd: Child,
    api_server: Option<Child>,
    directory: PathBuf,
    port: u16,
}

static SHARED: Mutex<Weak<ControlPlane>> = Mutex::new(Weak::new());

/// The control plane of the tests that run now; started where there is none.
pub(crate) fn control_plane() -> Arc<ControlPlane> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(ControlPlane::start(&RedisCluster::crd()));
    *shared = Arc::downgrade(&started);
    started
}

impl ControlPlane {
    /// One with this CRD, which no other test sees.
    pub(crate) fn start(crd: &CustomResourceDefinition) -> Self {
        let programs = programs();
        let directory = std::env::temp_dir().join(format!(
            "zoneward-control-plane-{}-{}",
            std::process::id(),
            rand::random::<u32>()
        ));
        fs::create_dir_all(&directory).unwrap();
        let [etcd_port, peer_port, port] = free_ports();
        let etcd = start_etcd(&programs, &directory, etcd_port, peer_port);
        let mut plane = Self {
            etcd,
            api_server: None,
            directory,
            port,
        };
        plane.api_server = Some(start_api_server(
            &programs,
            &plane.directory,
            etcd_port,
            port,
        ));
        // Tests run in runtimes of their own; this one only waits for the start.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(plane.wait_until_ready(crd));
            });
            waiting.join().unwrap();
        });
        plane
    }

    /// Where its files are; they go with it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new client. Each test has a runtime of its own, and connections belong to one.
    pub(crate) fn client(&self) -> Client {
        let url = format!("https://127.0.0.1:{}", self.port);
        let mut config = Config::new(url.parse().unwrap());
        config.accept_invalid_certs = true;
        config.default_retry = false;
        config.auth_info = serde_json::from_value(json!({ "token": TOKEN })).unwrap();
        Client::try_from(config).unwrap()
    }

    /// A kubeconfig whose context has this namespace. It goes with the control plane.
    pub(crate) fn kubeconfig(&self, namespace: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{ "name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port), "insecure-skip-tls-verify": true,
            } }],
            "users": [{ "name": "test", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "test", "context": {
                "cluster": "test", "user": "test", "namespace": namespace,
            } }],
        });
        let path = self.directory.join(format!("{namespace}.kubeconfig"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// A new namespace.
    pub(crate) async fn namespace(&self, client: &Client, name: &str) -> String {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let params = PostParams::default();
        namespaces.create(&params, &namespace).await.unwrap();
        name.to_owned()
    }

    async fn wait_until_ready(&self, crd: &CustomResourceDefinition) {
        let client = self.client();
        let until = Instant::now() + START_LIMIT;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        self.until(until, "the API server has made its namespaces", || async {
            namespaces.get("default").await.is_ok()
        })
        .await;
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        // The API server estimates the cost of the rules here, and refuses what is too dear.
        crds.create(&PostParams::default(), crd).await.unwrap();
        let clusters: Api<RedisCluster> = Api::all(client.clone());
        self.until(until, "RedisClusters are served", || async {
            clusters
                .list(&kube::api::ListParams::default())
                .await
                .is_ok()
        })
        .await;
    }

    async fn until<F: Future<Output = bool>>(
        &self,
        deadline: Instant,
        what: &str,
        check: impl Fn() -> F,
    ) {
        while !check().await {
            let log = || fs::read_to_string(self.directory.join("api-server.log"));
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; the API server's log: {}",
                log().unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for child in self.api_server.iter_mut().chain([&mut self.etcd]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where etcd and kube-apiserver are, and what else of Kubernetes is built with them.
pub(crate) fn programs() -> PathBuf {
    let named = std::env::var_os("ZONEWARD_CONTROL_PLANE").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_default()
        .join("zoneward");
    let cached = fs::read_dir(cache)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| [entry.path(), entry.path().join("bin")]);
    named
        .into_iter()
        .chain(cached)
        .find(|directory| {
            ["etcd", "kube-apiserver"]
                .iter()
                .all(|program| directory.join(program).is_file())
        })
        .expect("no etcd and kube-apiserver: run `make control-plane`, or name their directory in ZONEWARD_CONTROL_PLANE")
}

/// Free a moment ago. Held together until all are known, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn start(mut command: Command, log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn start_etcd(programs: &Path, directory: &Path, port: u16, peer_port: u16) -> Child {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    let mut command = Command::new(programs.join("etcd"));
    command
        .arg(format!("--data-dir={}", directory.join("etcd").display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        .arg("--unsafe-no-fsync");
    start(command, &directory.join("etcd.log"))
}

fn start_api_server(programs: &Path, directory: &Path, etcd_port: u16, port: u16) -> Child {
    let key = directory.join("service-accounts.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-out"])
        .arg(&key)
        .stderr(Stdio::null())
        .status()
        .expect("openssl is needed to make the API server's signing key");
    assert!(made.success());
    let tokens = directory.join("tokens.csv");
    fs::write(&tokens, format!("{TOKEN},test,test,system:masters\n")).unwrap();
    let mut command = Command::new(programs.join("kube-apiserver"));
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={port}"))
        .arg(format!("--cert-dir={}", directory.join("certificates").display()))
        .arg("--service-account-issuer=https://loopback")
        .arg(format!("--service-account-key-file={}", key.display()))
        .arg(format!("--service-account-signing-key-file={}", key.display()))
        .arg(format!("--token-auth-file={}", tokens.display()))
        .arg("--authorization-mode=RBAC")
        .arg("--service-cluster-ip-range=10.96.0.0/16")
        // Nobody makes the default service accounts that it would demand.
        .arg("--disable-admission-plugins=ServiceAccount");
    start(command, &directory.join("api-server.log"))
}
