//! Real servers on loopback: finds them, starts them, ends them.
//!
//! Each "pod" is one process on an address of its own (REDIS-LAB.md, beginning), closed at its
//! start as in production. All of it ends with the value: process by its pid, directory by name.

use std::fs;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use zoneward_operator::model::Address;

/// The client port of every member.
pub(crate) const PORT: u16 = 6379;

/// Passwords of the users in [`Member`]'s config file.
pub(crate) const OPERATOR_PASSWORD: &str = "the operator's";
/// Of the user `replication`.
pub(crate) const REPLICATION_PASSWORD: &str = "the followers'";
/// Of the user `hook`.
pub(crate) const HOOK_PASSWORD: &str = "the hook's";

/// A server program.
#[derive(Clone, Debug)]
pub(crate) struct ServerBinary {
    pub(crate) path: PathBuf,
    /// What it says of itself.
    pub(crate) version: String,
}

/// Every server there is: those in `ZONEWARD_SERVERS` (paths with `:` between them), or else those
/// on `PATH` and those that `e2e/servers/fetch` got, each version once.
pub(crate) fn servers() -> Vec<ServerBinary> {
    let paths = match std::env::var_os("ZONEWARD_SERVERS") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => candidates(),
    };
    let mut found: Vec<ServerBinary> = Vec::new();
    for path in paths {
        let Some(version) = version_of(&path) else {
            continue;
        };
        if found.iter().all(|other| other.version != version) {
            found.push(ServerBinary { path, version });
        }
    }
    assert!(
        !found.is_empty(),
        "no server to test against: run e2e/servers/fetch, or name some in ZONEWARD_SERVERS"
    );
    found
}

/// Runs the test on every server.
pub(crate) async fn for_each_server<F: Future<Output = ()>>(test: impl Fn(ServerBinary) -> F) {
    for server in servers() {
        println!("--- {}", server.version);
        test(server).await;
    }
}

fn candidates() -> Vec<PathBuf> {
    let names = ["redis-server", "valkey-server"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut fetched: Vec<PathBuf> = fs::read_dir(cache())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    fetched.sort();
    directories.extend(fetched);
    directories
        .iter()
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .filter(|path| path.is_file())
        .collect()
}

/// Where `e2e/servers/fetch` puts them.
fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = from("ZONEWARD_CACHE").map(PathBuf::from).or_else(|| {
        let cache = from("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || from("HOME").map(|home| Path::new(&home).join(".cache"));
        Some(cache.or_else(home)?.join("zoneward"))
    });
    base.unwrap_or_default().join("servers")
}

fn version_of(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace();
    let name = words.next()?.to_lowercase();
    let version = words.find_map(|word| word.strip_prefix("v="))?;
    Some(format!("{name} {version}"))
}

/// An address of 127.0.0.0/8 that nobody listens on.
pub(crate) fn free_ip() -> IpAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes of several worktrees run side by side: each starts somewhere else.
    let start = RandomState::new().hash_one(std::process::id());
    let block = u8::try_from(start % 100).unwrap() + 100;
    loop {
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let third = u8::try_from(start / 100 % 200).unwrap().wrapping_add(high);
        let ip = Ipv4Addr::new(127, block, third, low);
        let is_host = low != 0 && low != 255;
        if is_host
            && [PORT, PORT + 10000]
                .iter()
                .all(|port| TcpListener::bind((ip, *port)).is_ok())
        {
            return ip.into();
        }
    }
}

/// One member.
pub(crate) struct Member {
    binary: ServerBinary,
    directory: PathBuf,
    pub(crate) address: Address,
    process: Child,
}

impl Member {
    /// Starts one, closed, and waits until it listens.
    pub(crate) fn start(binary: &ServerBinary) -> Self {
        Self::start_with(binary, "")
    }

    /// The same with more lines of configuration.
    pub(crate) fn start_with(binary: &ServerBinary, more: &str) -> Self {
        let ip = free_ip();
        let directory = std::env::temp_dir().join(format!("zoneward-{}-{ip}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let config = format!("{}{more}\n", config(ip, &directory));
        fs::write(directory.join("redis.conf"), config).unwrap();
        let address = Address { ip, port: PORT };
        let process = spawn(binary, &directory, address);
        Self {
            binary: binary.clone(),
            directory,
            address,
            process,
        }
    }

    /// Its directory, with `nodes.conf` and `redis.conf`.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same address after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.binary, &self.directory, self.address);
    }

    /// Stops it without its end: the host that hangs.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The wrappers of `e2e/servers/fetch` exec, so the child's pid is the server's. A killed server's child
/// that was saving for a follower holds the lock of nodes.conf for a moment: it is tried again then.
fn spawn(binary: &ServerBinary, directory: &Path, address: Address) -> Child {
    let mut process = start(binary, directory);
    for _ in 0..500 {
        if std::net::TcpStream::connect((address.ip, address.port)).is_ok() {
            return process;
        }
        if let Some(status) = process.try_wait().unwrap() {
            let log = fs::read_to_string(directory.join("redis.log")).unwrap_or_default();
            let is_locked = log
                .lines()
                .last()
                .is_some_and(|it| it.contains("nodes.conf"));
            assert!(
                is_locked,
                "{} ended at its start: {status}\n{log}",
                binary.version
            );
            process = start(binary, directory);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} does not listen on {address}", binary.version);
}

fn start(binary: &ServerBinary, directory: &Path) -> Child {
    Command::new(&binary.path)
        .arg(directory.join("redis.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn config(ip: IpAddr, directory: &Path) -> String {
    let directory = directory.display();
    let hash = |password: &str| format!("{:x}", Sha256::digest(password));
    let (operator, replication) = (hash(OPERATOR_PASSWORD), hash(REPLICATION_PASSWORD));
    let hook = hash(HOOK_PASSWORD);
    format!(
        "bind {ip}
bind-source-addr {ip}
port {PORT}
protected-mode no
dir {directory}
logfile {directory}/redis.log
save \"\"
appendonly no
repl-diskless-sync-delay 0
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 2000
cluster-allow-replica-migration no
cluster-require-full-coverage no
cluster-announce-ip {ip}
masteruser replication
masterauth \"{REPLICATION_PASSWORD}\"
user default off
user replication off #{replication} resetchannels -@all +psync +replconf +ping
user zoneward on #{operator} ~* &* +@all
user hook on #{hook} resetchannels -@all +role +ping +info +acl|getuser
"
    )
}
