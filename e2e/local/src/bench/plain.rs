//! Servers as somebody starts them who has no operator: what the server's own command line makes a cluster of. Only
//! the users are ours, so that they can be asked as all others are.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use zoneward_operator::model::{
    Address, CLIENT_PORT, ClusterKey, MemberAnswer, MemberName, PodUid, Serial, ShardId,
};
use zoneward_operator::ports::{AskTarget, Credentials, Password, RedisAdmin};
use zoneward_operator::wire::{RedisWire, wakes};

use crate::address::{Block, ZONES_MAX};
use crate::process::{Guard, Process};
use crate::servers::Server;

const ASK_LIMIT: Duration = Duration::from_millis(500);
const PASSWORD: &str = "bench";

/// Some of them, each on an address of its own. They end with the value.
pub(super) struct Plain {
    /// Ends before the guard of its group.
    processes: Vec<Process>,
    addresses: Vec<Ipv4Addr>,
    wire: Arc<RedisWire>,
    credentials: Arc<Credentials>,
    home: PathBuf,
    _guard: Guard,
    _block: Block,
}

impl Plain {
    /// Starts so many, with this `cluster-node-timeout`.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub(super) fn start(server: &Server, members: u8, node_timeout_millis: u64) -> Result<Self> {
        let block = Block::claim()?;
        let name = format!("zoneward-plain-{}-{}", std::process::id(), block.octet());
        let home = std::env::temp_dir().join(name);
        fs::create_dir_all(&home).with_context(|| format!("make {}", home.display()))?;
        let guard = Guard::start(&home)?;
        let (alarm, _) = wakes();
        let addresses: Vec<Ipv4Addr> = (0..members)
            .map(|number| block.ip(1 + number % ZONES_MAX, 1, 1 + number / ZONES_MAX))
            .collect();
        let mut processes = Vec::new();
        for ip in &addresses {
            let directory = home.join(ip.to_string());
            let mut command = command(server, *ip, &directory, node_timeout_millis)?;
            processes.push(Process::start(&mut command, guard.group()?)?);
        }
        Ok(Self {
            processes,
            addresses,
            wire: Arc::new(RedisWire::new(alarm)),
            credentials: Arc::new(Credentials {
                operator: Some(Password::new(PASSWORD)),
                ..Credentials::default()
            }),
            home,
            _guard: guard,
            _block: block,
        })
    }

    /// Where they are, as the command line wants it.
    pub(super) fn nodes(&self) -> impl Iterator<Item = String> {
        self.addresses
            .iter()
            .map(|ip| format!("{ip}:{CLIENT_PORT}"))
    }

    /// Asks everybody at once: the answers of those that gave one.
    ///
    /// # Errors
    /// When one of the processes has ended.
    pub(super) async fn ask(&mut self) -> Result<Vec<MemberAnswer>> {
        let ended = self.processes.iter_mut().find_map(Process::end);
        let logs = self.home.display();
        ensure!(
            ended.is_none(),
            "a server ended: {ended:?}; its log was below {logs}"
        );
        let mut asking = JoinSet::new();
        for (number, ip) in (1..).zip(&self.addresses) {
            let target = AskTarget {
                cluster: ClusterKey {
                    namespace: "local".to_owned(),
                    name: "plain".to_owned(),
                },
                name: MemberName::of("plain", ShardId(0), Serial(number)),
                pod_uid: PodUid::new(ip.to_string()),
                address: Address {
                    ip: (*ip).into(),
                    port: CLIENT_PORT,
                },
                credentials: Arc::clone(&self.credentials),
                settings: Arc::default(),
            };
            let wire = Arc::clone(&self.wire);
            asking.spawn(async move { wire.ask(&target, ASK_LIMIT).await.ok() });
        }
        Ok(asking.join_all().await.into_iter().flatten().collect())
    }
}

fn command(
    server: &Server,
    ip: Ipv4Addr,
    directory: &Path,
    node_timeout_millis: u64,
) -> Result<Command> {
    fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    let mut command = Command::new(server.programs.join(server.name));
    let (ip, timeout) = (ip.to_string(), node_timeout_millis.to_string());
    let password = format!(">{PASSWORD}");
    command
        .current_dir(directory)
        .args(["--port", &CLIENT_PORT.to_string(), "--logfile", "log"])
        .args(["--bind", &ip, "--bind-source-addr", &ip])
        .args(["--protected-mode", "no", "--save", ""])
        .args([
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            &timeout,
        ])
        .args(["--user", "zoneward", "on", &password, "~*", "&*", "+@all"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}
