//! One member: the files of its pod in a directory, and its process.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use zoneward_operator::plan::validate;
use zoneward_operator::resources::config_map;

use crate::certificates::{self, Authority};
use crate::servers::Server;

pub use zoneward_operator::api::Persistence;

/// All that the scripts may use of an image, and what the wrappers of the cached servers use.
const TOOLS: [&str; 12] = [
    "sh",
    "sed",
    "sha256sum",
    "cut",
    "cat",
    "mv",
    "sync",
    "sleep",
    "timeout",
    "dirname",
    "readlink",
    "basename",
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Nobody,
    Operator,
    Replication,
    Hook,
}

impl User {
    pub fn password(self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Operator => "password-of-the-operator",
            Self::Replication => "password-of-the-followers",
            Self::Hook => "password-of-the-hook",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "default",
            Self::Operator => "zoneward",
            Self::Replication => "replication",
            Self::Hook => "hook",
        }
    }

    /// The key of the internal Secret.
    fn key(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            other => other.name(),
        }
    }
}

pub struct Member {
    home: PathBuf,
    address: String,
    cli: &'static str,
    process: Option<Child>,
    speaks_tls: bool,
}

impl Member {
    /// Lays out the files of its pod.
    pub fn new(server: &Server, number: u8, persistence: Persistence) -> Self {
        let member = Self {
            home: server.home.join(format!("member-{number}")),
            address: format!(
                "127.{}.{}.{number}",
                64 + std::process::id() % 64,
                server.net
            ),
            cli: if server.name == "valkey-server" {
                "valkey-cli"
            } else {
                "redis-cli"
            },
            process: None,
            speaks_tls: false,
        };
        let _ = fs::remove_dir_all(&member.home);
        for directory in ["data", "config", "secret", "run", "programs"] {
            fs::create_dir_all(member.file(directory)).expect("a directory");
        }
        for user in [User::Operator, User::Replication, User::Hook] {
            fs::write(member.file("secret").join(user.key()), user.password()).expect("a key");
        }
        member.write_config(persistence);
        member.link_programs(server);
        member
    }

    fn file(&self, path: &str) -> PathBuf {
        self.home.join(path)
    }

    /// The same with `spec.tls`; certificates as the tests of the wire have them.
    pub fn sealed(server: &Server, number: u8, authority: &Authority) -> Self {
        let mut member = Self::new(server, number, Persistence::None);
        member.speaks_tls = true;
        let leaf = authority.issue("cart-members.shop.svc");
        certificates::write(&member.file("tls"), &leaf, &authority.certificate());
        member.write_config(Persistence::None);
        member
    }

    fn write_config(&self, persistence: Persistence) {
        let mut spec = json!({"image": "redis:8", "persistence": persistence, "config": {
            "client-output-buffer-limit": "replica 256mb 64mb 60",
            "maxmemory": "64mb",
            "notify-keyspace-events": "",
        }});
        if persistence != Persistence::None {
            spec["storage"] = json!({"size": "1Gi"});
        }
        if self.speaks_tls {
            spec["tls"] = json!({"secretName": "s"});
        }
        let resource = serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": {"name": "cart", "namespace": "shop", "uid": "u"}, "spec": spec,
        }));
        let desired = validate(&resource.expect("a RedisCluster")).expect("a valid one");
        let files = config_map(&desired).body["data"].clone();
        for (name, text) in files.as_object().expect("files") {
            let text = self.moved(text.as_str().expect("text"));
            fs::write(self.file("config").join(name), text).expect("a file");
        }
    }

    /// The text with its paths below our directory, and on our own address instead of all: many
    /// members share this machine.
    fn moved(&self, text: &str) -> String {
        let below = |path: &str| self.file(path).display().to_string();
        let address = &self.address;
        text.replace(
            "bind * -::*",
            &format!("bind {address}\nbind-source-addr {address}"),
        )
        .replace("/etc/zoneward-secret", &below("secret"))
        .replace("/etc/zoneward-tls", &below("tls"))
        .replace("/etc/zoneward", &below("config"))
        .replace("/run/zoneward", &below("run"))
        .replace("=/data", &format!("={}", below("data")))
        .replace(" /data", &format!(" {}", below("data")))
    }

    /// A PATH that holds nothing else, so that a script that uses more fails here. `ZONEWARD_TOOLS`
    /// names a directory to take the tools from, such as one of busybox's links.
    fn link_programs(&self, server: &Server) {
        let link = |program: &Path, name: &str| {
            symlink(program, self.file("programs").join(name)).expect("a link");
        };
        for name in [server.name, self.cli] {
            link(&server.programs.join(name), name);
        }
        let others = env::var_os("ZONEWARD_TOOLS").map(PathBuf::from);
        let places: Vec<PathBuf> = others
            .into_iter()
            .chain(["/usr/bin".into(), "/bin".into()])
            .collect();
        for tool in TOOLS {
            let mut programs = places.iter().map(|place| place.join(tool));
            link(
                &programs.find(|program| program.exists()).expect(tool),
                tool,
            );
        }
    }

    pub fn with_nodes_conf(self, text: &str) -> Self {
        fs::write(self.file("data/nodes.conf"), text).expect("nodes.conf");
        self
    }

    /// Runs the container's command, and waits until it answers.
    pub fn start(mut self) -> Self {
        let log = fs::File::create(self.file("log")).expect("a log");
        let mut command = self.script("start.sh");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.process = Some(command.spawn().expect("a shell"));
        self.until("it answers", &["PING"], "PONG");
        self
    }

    /// Runs the preStop hook, which may hold for so long.
    pub fn pre_stop(&self, hold_seconds: u32) -> Hook {
        let mut command = self.script("prestop.sh");
        command.env("ZONEWARD_HOLD_SECONDS", hold_seconds.to_string());
        Hook {
            process: command.spawn().expect("a shell"),
            since: Instant::now(),
        }
    }

    /// Runs the command for humans, for where nobody can vote, and returns what it says.
    pub fn take_over(&self) -> String {
        let output = self.script("takeover.sh").output().expect("a shell");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.file("programs/sh"));
        command
            .arg(self.file("config").join(name))
            .env_clear()
            .env("PATH", self.file("programs"))
            .env("POD_IP", &self.address)
            .stdin(Stdio::null());
        command
    }

    /// Sends a command and returns the reply's text.
    pub fn ask(&self, user: User, command: &[&str]) -> String {
        let mut cli = Command::new(self.file("programs").join(self.cli));
        cli.args(["-h", &self.address, "-p", "6379"]);
        if self.speaks_tls {
            cli.arg("--tls")
                .arg("--cacert")
                .arg(self.file("tls/ca.crt"));
        }
        if user != User::Nobody {
            cli.args(["--user", user.name()])
                .env("REDISCLI_AUTH", user.password())
                .env("VALKEYCLI_AUTH", user.password());
        }
        let output = cli.args(command).output().expect("the cli");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text)
            .replace('\r', "")
            .trim()
            .to_owned()
    }

    /// Sends a command that must be answered with OK.
    pub fn tell(&self, command: &[&str]) {
        assert_eq!(self.ask(User::Operator, command), "OK", "{command:?}");
    }

    /// Asks until the reply contains the text.
    pub fn until(&self, what: &str, command: &[&str], text: &str) {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let reply = self.ask(User::Operator, command);
            if reply.contains(text) {
                return;
            }
            let log = || fs::read_to_string(self.file("log")).unwrap_or_default();
            assert!(
                Instant::now() < limit,
                "not seen: {what}: {reply}\n{}",
                log()
            );
            sleep(Duration::from_millis(50));
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn users_file_mode(&self) -> u32 {
        let users = fs::metadata(self.file("run/users.conf")).expect("users.conf");
        users.permissions().mode() & 0o777
    }

    /// What everybody on the host can read of the process.
    pub fn command_line(&self) -> String {
        let id = self.process.as_ref().map_or(0, Child::id);
        let text = fs::read_to_string(format!("/proc/{id}/cmdline")).expect("a process");
        text.replace('\0', " ")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            end(process);
        }
    }
}

/// A preStop hook under way.
pub struct Hook {
    process: Child,
    since: Instant,
}

impl Hook {
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("a process").is_none()
    }

    /// How long it held, to its end.
    pub fn wait(mut self) -> Duration {
        let status = self.process.wait().expect("a process");
        assert!(status.success(), "the hook failed: {status}");
        self.since.elapsed()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
