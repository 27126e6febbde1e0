//! Puts it together: hosts, kubelets, servers and, while it runs, the operator.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use zoneward_operator::metrics::Metrics;
use zoneward_operator::page::Page;

use crate::address::{Block, ZONES_MAX};
use crate::kubelet::Kubelets;
use crate::kubernetes::{Kubernetes, Pace};
use crate::layout::link_programs;
use crate::operator::{Done, Operator, Story};
use crate::process::Guard;
use crate::servers::{Server, servers};
use crate::survey::{Survey, Surveyor, table};
use crate::writer::Writers;

/// How often it is looked whether something holds by now.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to build.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server that all members run.
    pub server: Server,
    /// Shards.
    pub leaders: u32,
    /// Followers of each leader.
    pub followers: u32,
    /// Zones, `a` to `c`.
    pub zones: u8,
    /// Hosts in each.
    pub hosts_per_zone: u8,
    /// `cluster-node-timeout` in service.
    pub node_timeout_millis: u64,
    /// Members keep their data on volumes, with an append-only file.
    pub has_storage: bool,
    /// More of the spec: merged over the rest, field by field at the top.
    pub spec: Value,
    /// How fast hosts tell of ends.
    pub pace: Pace,
}

impl Settings {
    /// Three zones of two hosts, in memory.
    pub fn new(server: Server, leaders: u32, followers: u32) -> Self {
        Self {
            server,
            leaders,
            followers,
            zones: ZONES_MAX,
            hosts_per_zone: 2,
            node_timeout_millis: 5000,
            has_storage: false,
            spec: json!({}),
            pace: Pace::default(),
        }
    }

    fn whole_spec(&self) -> Value {
        let mut spec = json!({
            "image": self.server.label,
            "leaders": self.leaders,
            "followersPerLeader": self.followers,
            "nodeTimeoutMillis": self.node_timeout_millis,
        });
        let storage = self
            .has_storage
            .then(|| json!({ "storage": { "size": "1Gi" } }));
        for more in storage.iter().chain([&self.spec]) {
            if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
                spec.extend(more.clone());
            }
        }
        spec
    }
}

/// Zones of hosts with real servers. All of it ends with the value: processes by their numbers, files
/// by their directory (kept where `ZONEWARD_LOCAL_KEEP` is set).
pub struct Testbed {
    operator: Option<Operator>,
    kubelets: Option<Kubelets>,
    /// The cluster's Kubernetes.
    pub kubernetes: Arc<Kubernetes>,
    guard: Option<Guard>,
    home: PathBuf,
    surveyor: Surveyor,
    story: Story,
    pub(crate) settings: Settings,
}

impl Testbed {
    /// Starts the kubelets and the operator. The rest is up to it.
    pub fn start(settings: Settings) -> Result<Self> {
        ensure!(
            (1..=ZONES_MAX).contains(&settings.zones) && settings.hosts_per_zone > 0,
            "build {} zones of {} hosts: 1 to {ZONES_MAX} zones, and a host in each",
            settings.zones,
            settings.hosts_per_zone
        );
        trace();
        let block = Block::claim()?;
        let name = format!("zoneward-local-{}-{}", std::process::id(), block.octet());
        let home = std::env::temp_dir().join(name);
        fs::create_dir_all(&home).with_context(|| format!("make {}", home.display()))?;
        let guard = Guard::start(&home)?;
        let programs = home.join("programs");
        for server in servers() {
            link_programs(&server, &programs.join(&server.label))?;
        }
        let kubernetes = Arc::new(Kubernetes::new(
            &settings.whole_spec(),
            settings.zones,
            settings.hosts_per_zone,
            (home.clone(), block, guard.group()?, settings.pace),
        )?);
        let story = Story::default();
        Ok(Self {
            operator: Some(Operator::start(&kubernetes, story.clone())?),
            kubelets: Some(Kubelets::start(Arc::clone(&kubernetes), programs)),
            kubernetes,
            guard: Some(guard),
            home,
            surveyor: Surveyor::new(),
            story,
            settings,
        })
    }

    /// The same, once everything is whole and the node timeout in service is set.
    pub async fn whole(settings: Settings) -> Result<Self> {
        let testbed = Self::start(settings)?;
        testbed.until_whole(Duration::from_secs(120)).await?;
        Ok(testbed)
    }

    /// The same, and every shard was written to for a while, by writers that watch for pauses.
    pub async fn busy(settings: Settings, patience: Duration) -> Result<(Self, Writers)> {
        const WRITES: usize = 40;
        let testbed = Self::whole(settings).await?;
        let writers = testbed.writers()?;
        writers.until_all_write(patience).await?;
        writers.begin();
        writers.until_each_wrote(WRITES, patience).await?;
        Ok((testbed, writers))
    }

    /// Its files, which end with it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The names of its zones.
    pub(crate) fn zones(&self) -> Vec<String> {
        let state = self.kubernetes.state();
        let zones = state.hosts.iter().filter_map(|it| it.view.zone.as_ref());
        let zones: BTreeSet<String> = zones.map(ToString::to_string).collect();
        zones.into_iter().collect()
    }

    /// What the operator has done so far.
    pub fn story(&self) -> Vec<Done> {
        self.story.told()
    }

    /// How often it did this since that moment.
    pub fn count(&self, kind: &str, since: Instant) -> usize {
        let story = self.story.told();
        let done = story
            .iter()
            .filter(|done| done.at >= since && done.error.is_none());
        done.filter(|done| done.kind == kind).count()
    }

    /// Wants another number of leaders.
    pub fn scale(&mut self, leaders: u32) {
        self.settings.leaders = leaders;
        self.kubernetes.scale(leaders);
    }

    /// Waits until the slots are spread evenly over the wanted leaders and all is whole.
    pub async fn until_even(&self, limit: Duration) -> Result<Duration> {
        let what = "all is whole and even";
        self.until(what, limit, |survey| {
            let is_moving = self.kubernetes.status().record.reshard.is_some();
            let moving = is_moving.then(|| "slots are on the move".to_owned());
            moving.or_else(|| self.lack(survey))
        })
        .await
    }

    /// Waits until everything that was asked for is done: the status is about the present spec, nothing is
    /// left to do, and the members say so themselves.
    pub async fn until_settled(&self, limit: Duration) -> Result<Duration> {
        self.until("all is settled", limit, |survey| {
            let status = self.kubernetes.status();
            let is_old = status.observed_generation < self.kubernetes.generation();
            let mut conditions = status.conditions.iter();
            let progress = conditions.find(|it| it.type_ == "Progressing" && it.status == "True");
            let unfinished = || progress.map(|it| format!("{}: {}", it.reason, it.message));
            let told = is_old.then(|| "the status is about an earlier spec".to_owned());
            told.or_else(unfinished).or_else(|| self.lack(survey))
        })
        .await
    }

    /// Waits until so many slots have left the shards that there were.
    pub async fn until_moving(&self, slots: u16, limit: Duration) -> Result<Duration> {
        self.until("slots move", limit, |survey| {
            let leaders = survey.shards().filter_map(|shard| survey.leader(shard));
            let sizes: Vec<u16> = leaders.map(|seen| seen.slots().count()).collect();
            let newest = sizes.get(3).copied().unwrap_or(0);
            (newest < slots).then(|| format!("{newest} of {slots} slots moved"))
        })
        .await
    }

    /// Stops the operator: from here on the bus is alone.
    pub fn stop_operator(&mut self) {
        self.operator = None;
    }

    /// Starts another one, which knows only what stands in status.
    pub fn start_operator(&mut self) -> Result<()> {
        self.stop_operator();
        self.operator = Some(Operator::start(&self.kubernetes, self.story.clone())?);
        Ok(())
    }

    /// The running operator's figures.
    pub fn metrics(&self) -> Option<Metrics> {
        self.operator.as_ref().map(Operator::metrics)
    }

    /// The operator's page of this testbed, until `shutdown`. Where no operator runs it is a standby's.
    pub fn page(&self, shutdown: CancellationToken) -> Page {
        let rounds = self.operator.as_ref().map(Operator::rounds);
        Page::new(
            Arc::clone(&self.kubernetes) as _,
            rounds.unwrap_or_default(),
            Arc::new(self.kubernetes.clock),
            shutdown,
        )
    }

    /// A writer for each shard.
    pub fn writers(&self) -> Result<Writers> {
        Writers::start(&self.kubernetes, self.settings.leaders)
    }

    /// What the members say.
    pub async fn survey(&self) -> Survey {
        let shape = (self.settings.leaders, self.settings.followers);
        self.surveyor.survey(&self.kubernetes, shape).await
    }

    /// Waits until the members say that all is as it shall be, and the status says it, too.
    pub async fn until_whole(&self, limit: Duration) -> Result<Duration> {
        self.until("all is whole", limit, |survey| self.lack(survey))
            .await
    }

    /// Waits until nothing is lacking any more; how long it took.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        lack: impl Fn(&Survey) -> Option<String>,
    ) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let survey = self.survey().await;
            let Some(why) = lack(&survey) else {
                return Ok(start.elapsed());
            };
            if start.elapsed() > limit {
                bail!(
                    "not within {limit:?}: {what}: {why}\n{}",
                    self.tell(&survey)
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn lack(&self, survey: &Survey) -> Option<String> {
        let timeout = self.settings.node_timeout_millis;
        let answers = || {
            survey
                .members
                .iter()
                .filter_map(|seen| seen.answer.as_ref())
        };
        let is_in_service = answers().all(|it| it.node_timeout_millis == timeout && it.is_open);
        let status = self.kubernetes.status();
        let mut conditions = status.conditions.iter();
        let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
        survey.lacks().or_else(|| {
            let slow = (!is_in_service).then(|| "a member is closed or forming".to_owned());
            slow.or_else(|| (!is_ready).then(|| "the status is not Ready".to_owned()))
        })
    }

    /// All there is to know when something went wrong.
    pub(crate) fn tell(&self, survey: &Survey) -> String {
        // writing to a String cannot fail
        let mut text = String::new();
        for seen in &survey.members {
            let (pod, answer) = (&seen.pod, seen.answer.as_ref());
            let said = answer.map(|it| (it.role(), it.is_open, it.is_in_sync(), it.keys));
            let place = (&pod.zone, pod.address, &pod.phase, pod.is_leaving);
            let _ = writeln!(text, "{}: {place:?} said {said:?}", pod.name);
            for line in answer.into_iter().flat_map(|answer| table(&answer.view)) {
                let _ = writeln!(text, "    {line}");
            }
        }
        for waiting in self.kubernetes.status().waiting_on {
            let _ = writeln!(text, "waits: {}: {}", waiting.reason, waiting.message);
        }
        for told in self.kubernetes.status().conditions {
            let _ = writeln!(
                text,
                "{}={}: {}: {}",
                told.type_, told.status, told.reason, told.message
            );
        }
        let story = self.story.told();
        for done in story
            .iter()
            .filter(|done| done.kind != "apply")
            .rev()
            .take(40)
        {
            let (ago, error) = (done.at.elapsed(), done.error.as_deref().unwrap_or("done"));
            let _ = writeln!(
                text,
                "{ago:.1?} ago: {} {}: {error}",
                done.kind, done.target
            );
        }
        text
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        self.stop_operator();
        // before the group ends: nothing may be started into it any more
        self.kubelets = None;
        let is_kept = std::env::var_os("ZONEWARD_LOCAL_KEEP").is_some();
        if is_kept {
            // the guard would take it away
            let _ = fs::rename(&self.home, self.home.with_extension("kept"));
        }
        self.guard = None;
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// What the loop says to itself: `RUST_LOG=zoneward_operator=info`.
fn trace() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // the first testbed of a process has set it up
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
