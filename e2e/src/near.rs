//! The workload at work near the pods: `docker exec` into a container of the testbed.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::bed::{Bed, WORKLOAD_IN_CONTAINER};
use crate::objects::Key;
use crate::workload::report::{Line, Report};

/// How much of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// Keys that are written first of all.
    pub fill: u64,
    /// Followers of each leader that are read from at the end.
    pub followers: usize,
}

/// A running workload.
pub struct Workload {
    process: Child,
    input: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<Line>,
    /// The wall clock when its own began, milliseconds since 1970.
    pub unix_millis: i64,
}

impl Workload {
    /// Starts it and waits until it writes to every shard.
    pub async fn start(bed: &Bed, key: &Key, extent: Extent) -> Result<Self> {
        let pods = bed.kubectl.members(key).await?;
        // the Service leads to members also when all their addresses have changed
        let service = bed.kubectl.service_address(key).await?;
        let seeds = pods
            .iter()
            .filter_map(|pod| pod.status.address.as_ref())
            .chain(service.as_ref())
            .map(|address| format!("{address}:6379"));
        let password = bed.kubectl.password(key).await?.unwrap_or_default();
        let mut process = Command::new("docker")
            // The name alone: its value stays out of every process list.
            .args(["exec", "-i", "-e", "ZONEWARD_PASSWORD", &bed.near])
            .args([WORKLOAD_IN_CONTAINER, "--until-stdin-ends"])
            .args(["--fill", &extent.fill.to_string()])
            .args(["--followers", &extent.followers.to_string()])
            .args(seeds)
            .env("ZONEWARD_PASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start docker")?;
        let out = process.stdout.take().context("no standard output")?;
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut text = BufReader::new(out).lines();
            while let Ok(Some(line)) = text.next_line().await {
                if let Ok(line) = serde_json::from_str(&line)
                    && sender.send(line).is_err()
                {
                    return;
                }
            }
        });
        let mut workload = Self {
            input: process.stdin.take(),
            process,
            lines,
            unix_millis: 0,
        };
        match timeout(Duration::from_secs(90), workload.lines.recv()).await {
            Ok(Some(Line::Started { unix_millis, .. })) => workload.unix_millis = unix_millis,
            _ => bail!("the workload did not start: {}", workload.complaint().await),
        }
        Ok(workload)
    }

    /// What it has said since the last call.
    pub fn told(&mut self) -> Vec<Line> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    /// Stops it, waits until it has read everything back, and gives its report.
    pub async fn finish(mut self) -> Result<Report> {
        drop(self.input.take());
        let report = timeout(Duration::from_secs(120), async {
            while let Some(line) = self.lines.recv().await {
                if let Line::Report(report) = line {
                    return Some(report);
                }
            }
            None
        });
        match report.await {
            Ok(Some(report)) => Ok(report),
            _ => bail!("the workload gave no report: {}", self.complaint().await),
        }
    }

    /// Lets it write for a while, and gives its report.
    pub async fn for_a_while(bed: &Bed, key: &Key, time: Duration) -> Result<Report> {
        let workload = Self::start(bed, key, Extent::default()).await?;
        sleep(time).await;
        workload.finish().await
    }

    async fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut err) = self.process.stderr.take() {
            let read = err.read_to_string(&mut text);
            let _ = timeout(Duration::from_secs(2), read).await;
        }
        match text.trim() {
            "" => "it said nothing".to_owned(),
            text => text.to_owned(),
        }
    }
}
