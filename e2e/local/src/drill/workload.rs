//! The checking workload beside the members: the very one that runs in a container on kind, here in this process.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::drill::Drill;
use e2e::workload::link::Login;
use e2e::workload::report::{Line, Report};
use e2e::workload::run::{Settings, run};
use e2e::workload::slots::Address;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zoneward_operator::model::CLIENT_PORT;

use crate::kubernetes::Kubernetes;

/// What the start may take, and the end with the reading back.
const START_LIMIT: Duration = Duration::from_secs(90);
const END_LIMIT: Duration = Duration::from_secs(120);

/// At work. Ends with the value.
pub(super) struct Workload {
    /// Writes until this is gone.
    stop: Option<oneshot::Sender<()>>,
    at_work: JoinSet<Result<Report>>,
}

impl Workload {
    /// Starts it and waits until it writes to every shard; first of all it writes the drill's keys.
    pub(super) async fn start(kubernetes: &Kubernetes, drill: &Drill) -> Result<Self> {
        let settings = settings(kubernetes, drill);
        let (told, mut lines) = mpsc::channel(1024);
        let (begun, has_begun) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut at_work = JoinSet::new();
        at_work.spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            run(&settings, stop, &told).await
        });
        tokio::spawn(async move {
            let mut begun = Some(begun);
            while let Some(line) = lines.recv().await {
                if matches!(line, Line::Started { .. })
                    && let Some(begun) = begun.take()
                {
                    // fails only where nobody waits for it any more
                    let _ = begun.send(());
                }
            }
        });
        let mut workload = Self {
            stop: Some(stop),
            at_work,
        };
        match timeout(START_LIMIT, has_begun).await {
            Ok(Ok(())) => Ok(workload),
            Ok(Err(_)) => {
                workload.report().await?;
                bail!("the workload ended before it began")
            }
            Err(_) => bail!("the workload did not begin within {START_LIMIT:?}"),
        }
    }

    /// Stops it, waits until it has read everything back, and gives its report.
    pub(super) async fn finish(mut self) -> Result<Report> {
        self.stop = None;
        let report = timeout(END_LIMIT, self.report()).await;
        report.with_context(|| format!("the workload gave no report within {END_LIMIT:?}"))?
    }

    async fn report(&mut self) -> Result<Report> {
        let ended = self.at_work.join_next().await;
        ended
            .context("no workload")?
            .context("the workload broke")?
    }
}

/// As on kind.
fn settings(kubernetes: &Kubernetes, drill: &Drill) -> Settings {
    let password = kubernetes.credentials().client;
    let addresses = kubernetes.pods().into_iter().filter_map(|pod| pod.address);
    Settings {
        seeds: addresses
            .map(|ip| Address {
                host: ip.to_string(),
                port: CLIENT_PORT,
            })
            .collect(),
        login: Login {
            user: "default".to_owned(),
            password: password.map(|password| password.reveal().to_owned()),
        },
        every: Duration::from_millis(10),
        limit: Duration::from_millis(300),
        patience: Duration::from_secs(60),
        keep: false,
        fill: drill.fill,
        followers: usize::try_from(drill.followers).unwrap_or(0),
    }
}
