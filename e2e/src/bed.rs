//! The testbed: where things are, and the tools that act on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::kubectl::Kubectl;
use crate::objects::Key;
use crate::program;

/// Where the workload lies in its container.
pub const WORKLOAD_IN_CONTAINER: &str = "/usr/local/bin/zoneward-workload";

/// How a zone is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Its hosts die. Here their kernel lives on and closes their connections: a goodbye.
    #[default]
    Kill,
    /// Its hosts stand still.
    Pause,
    /// No frame passes between its hosts and any other: silence, as of a real zone's loss.
    Cut,
}

impl Fault {
    /// What `e2e/kind/zone` is told, and told afterwards.
    fn actions(self) -> (&'static str, &'static str) {
        match self {
            Self::Kill => ("kill", "start"),
            Self::Pause => ("pause", "unpause"),
            Self::Cut => ("cut", "heal"),
        }
    }

    /// What it is while it lasts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "dead",
            Self::Pause => "standing still",
            Self::Cut => "cut off",
        }
    }

    /// What has become of its hosts, and when it is over.
    pub fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Kill => ("its hosts are dead", "its hosts are started"),
            Self::Pause => ("its hosts stand still", "its hosts go on"),
            Self::Cut => ("it is cut off", "the cut is healed"),
        }
    }
}

/// The testbed.
#[derive(Clone, Debug)]
pub struct Bed {
    /// The repository.
    pub root: PathBuf,
    /// The folder with the testbed's scripts.
    pub kind: PathBuf,
    /// The container that the workload runs in.
    pub near: String,
    /// Where the operator's pods are.
    pub operator_namespace: String,
    /// Label and value of the operator's pods.
    pub operator_label: (String, String),
    /// Kubernetes.
    pub kubectl: Kubectl,
}

/// What check-cluster said.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Whether all held.
    pub passed: bool,
    /// Its lines.
    pub lines: String,
}

/// What check-cluster is to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Everything is there.
    Whole,
    /// A zone is away.
    Outage,
    /// The `RedisCluster` was deleted.
    Gone,
}

impl Bed {
    /// Checks a `RedisCluster` with nothing of ours.
    pub async fn check(&self, key: &Key, moment: Moment) -> Result<Checked> {
        let mut command = self
            .kubectl
            .environment(self.root.join("e2e/check-cluster"));
        match moment {
            Moment::Whole => {}
            Moment::Outage => drop(command.arg("--during-outage")),
            Moment::Gone => drop(command.arg("--gone")),
        }
        command.arg(key.to_string());
        let outcome = program::run(&mut command, "", Duration::from_secs(60)).await?;
        if !matches!(outcome.status.code(), Some(0 | 1)) {
            bail!("check-cluster could not check: {}", outcome.err.trim());
        }
        Ok(Checked {
            passed: outcome.status.success(),
            lines: outcome.out,
        })
    }

    /// Takes the zone away.
    pub async fn lose_zone(&self, zone: &str, fault: Fault) -> Result<()> {
        self.zone(fault.actions().0, zone).await
    }

    /// Brings the zone back.
    pub async fn return_zone(&self, zone: &str, fault: Fault) -> Result<()> {
        self.zone(fault.actions().1, zone).await
    }

    async fn zone(&self, action: &str, zone: &str) -> Result<()> {
        let mut command = self.kubectl.environment(self.kind.join("zone"));
        command.args([action, zone]);
        program::text(&mut command, "", Duration::from_secs(120))
            .await
            .map(drop)
    }

    /// Puts the workload near the pods. `given` was built beforehand; else it is built now.
    pub async fn place_workload(&self, given: Option<&Path>) -> Result<()> {
        let file = match given {
            Some(file) => file.to_owned(),
            None => self.build_workload().await?,
        };
        let to = format!("{}:{WORKLOAD_IN_CONTAINER}", self.near);
        let mut copy = Command::new("docker");
        copy.arg("cp").arg(&file).arg(&to);
        program::text(&mut copy, "", Duration::from_secs(60))
            .await
            .with_context(|| format!("failed to put {} to {to}", file.display()))
            .map(drop)
    }

    /// Static, so that the container needs no libc of this machine's. Quick when nothing changed.
    async fn build_workload(&self) -> Result<PathBuf> {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        flags.push_str(" -C target-feature=+crt-static");
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.root)
            .env("RUSTFLAGS", flags.trim())
            .args(["build", "--locked", "--release", "-p", "e2e"])
            .args(["--bin", "zoneward-workload", "--target", &target]);
        program::text(&mut cargo, "", Duration::from_secs(900)).await?;
        let folder = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), PathBuf::from);
        Ok(folder.join(target).join("release/zoneward-workload"))
    }
}
