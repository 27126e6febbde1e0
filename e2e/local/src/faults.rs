//! Faults. Only what this testbed started is ever touched.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::time::Instant;
use zoneward_operator::model::{HostName, MemberName, ShardId, ZoneName};

use crate::kubernetes::{Container, Kubernetes, State};
use crate::process::{Signal, signal};
use crate::survey::Survey;
use crate::testbed::Testbed;

/// What a container finds when it is started again in the same pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Everything that was there.
    Kept,
    /// Its `nodes.conf` alone: it knows who it was, and has no data.
    NodesConf,
    /// Nothing: a host that came back with a fresh disk.
    Empty,
}

impl Testbed {
    /// `kill -9` of all of these, as nearly at once as can be. Their kubelets report it.
    pub fn kill(&self, pods: &[MemberName]) {
        let mut state = self.kubernetes.state();
        for container in state.containers_of(pods) {
            container.process.kill();
        }
    }

    /// The leaders of these shards, by the members' word.
    pub async fn leaders(&self, shards: impl IntoIterator<Item = u32>) -> Vec<MemberName> {
        let survey = self.survey().await;
        let leader = |shard| {
            survey
                .leader(ShardId(shard))
                .map(|seen| seen.pod.name.clone())
        };
        shards.into_iter().filter_map(leader).collect()
    }

    /// All members that lead nothing.
    pub async fn followers(&self) -> Vec<MemberName> {
        let survey: Survey = self.survey().await;
        let followers = survey.shards().flat_map(|shard| survey.followers(shard));
        followers.map(|seen| seen.pod.name.clone()).collect()
    }

    /// Processes that hang while their hosts are well.
    pub fn freeze(&self, pods: &[MemberName]) -> Result<()> {
        self.send(Signal::Stop, pods)
    }

    /// They go on.
    pub fn thaw(&self, pods: &[MemberName]) -> Result<()> {
        self.send(Signal::Continue, pods)
    }

    /// Nothing is heard of a host any more: its processes stop without a goodbye, and so does its
    /// kubelet.
    pub fn silence_host(&self, host: &str) -> Result<()> {
        self.kubernetes.silence(|it| it.view.name.as_str() == host)
    }

    /// The same for a whole zone.
    pub fn silence_zone(&self, zone: &str) -> Result<()> {
        let zone = Some(ZoneName::from(zone));
        self.kubernetes.silence(|it| it.view.zone == zone)
    }

    /// Everything that is silent goes on where it stood.
    pub fn end_silence(&self) -> Result<()> {
        self.kubernetes.end_silence(|_| true)
    }

    /// The same, of these hosts.
    pub(crate) fn hear(&self, hosts: &[HostName]) -> Result<()> {
        self.kubernetes
            .end_silence(|it| hosts.contains(&it.view.name))
    }

    /// Hosts that hang: nothing is heard of them.
    pub(crate) fn silence_hosts(&self, hosts: &[HostName]) -> Result<()> {
        self.kubernetes.silence(|it| hosts.contains(&it.view.name))
    }

    /// Hosts that die: every process on them ends, and no kubelet is left to tell. The kernel lives on and closes their
    /// connections.
    pub(crate) fn kill_hosts(&self, hosts: &[HostName]) -> Result<()> {
        self.silence_hosts(hosts)?;
        let mut state = self.kubernetes.state();
        for container in state.containers_on(hosts) {
            container.process.kill();
            if let Some(hook) = container.hook.as_mut() {
                hook.kill();
            }
        }
        Ok(())
    }

    /// The hosts of a zone.
    pub(crate) fn hosts_of(&self, zone: &str) -> Vec<HostName> {
        let zone = Some(ZoneName::from(zone));
        let state = self.kubernetes.state();
        let hosts = state.hosts.iter().filter(|it| it.view.zone == zone);
        hosts.map(|it| it.view.name.clone()).collect()
    }

    /// The servers' processes on these hosts that have not ended, by their numbers.
    pub(crate) fn processes_on(&self, hosts: &[HostName]) -> Vec<String> {
        let mut state = self.kubernetes.state();
        let there = state.containers_on(hosts);
        there.filter_map(|it| it.process.number()).collect()
    }

    /// The same, of these pods.
    pub(crate) fn processes_of(&self, pods: &[MemberName]) -> Vec<String> {
        let mut state = self.kubernetes.state();
        let meant = state.containers_of(pods);
        meant.filter_map(|it| it.process.number()).collect()
    }

    /// Every process of a zone ends; its kubelets live and say so.
    pub fn kill_zone(&self, zone: &str) {
        let pods = self.kubernetes.pods();
        let there = pods.into_iter().filter(|pod| pod.zone.as_str() == zone);
        self.kill(&there.map(|pod| pod.name).collect::<Vec<_>>());
    }

    /// Every process ends, everywhere.
    pub fn kill_all(&self) {
        let pods = self.kubernetes.pods();
        self.kill(&pods.into_iter().map(|pod| pod.name).collect::<Vec<_>>());
    }

    /// A human's word that a zone's hosts are dead, or its end: the out-of-service taint.
    pub fn set_out_of_service(&self, zone: &str, is_out: bool) {
        let zone = Some(ZoneName::from(zone));
        let mut state = self.kubernetes.state();
        for host in state.hosts.iter_mut().filter(|it| it.view.zone == zone) {
            host.view.is_out_of_service = is_out;
        }
        drop(state);
        self.kubernetes.wake();
    }

    /// The process ends and at once another is started in the same pod, at the same address: what
    /// wipes followers where nobody takes care. No kubelet reports an end.
    pub fn restart(&self, pod: &MemberName, disk: Disk) -> Result<()> {
        let mut state = self.kubernetes.state();
        let named = std::slice::from_ref(pod);
        let container = state.containers_of(named).next();
        let container = container.with_context(|| format!("restart {pod}: it has no process"))?;
        container.process.finish();
        wipe(&container.layout.data, disk)?;
        container.process = container.layout.start(self.kubernetes.group)?;
        Ok(())
    }

    fn send(&self, what: Signal, pods: &[MemberName]) -> Result<()> {
        let mut state = self.kubernetes.state();
        signal(what, state.containers_of(pods).map(|it| &mut it.process))
    }
}

impl Kubernetes {
    fn silence(&self, is_meant: impl Fn(&crate::kubernetes::Host) -> bool) -> Result<()> {
        let mut state = self.state();
        let mut hosts = Vec::new();
        for host in state.hosts.iter_mut().filter(|host| is_meant(host)) {
            host.silent_since.get_or_insert_with(Instant::now);
            hosts.push(host.view.name.clone());
        }
        let containers = state.containers.values_mut();
        let there = containers.filter(|it| hosts.contains(&it.host));
        signal(Signal::Stop, there.map(|it| &mut it.process))
    }

    fn end_silence(&self, is_meant: impl Fn(&crate::kubernetes::Host) -> bool) -> Result<()> {
        let mut state = self.state();
        let meant = state.hosts.iter_mut().filter(|host| is_meant(host));
        let heard: Vec<HostName> = meant
            .filter_map(|host| {
                host.silent_since.take()?;
                Some(host.view.name.clone())
            })
            .collect();
        let there = state.containers_on(&heard);
        signal(Signal::Continue, there.map(|it| &mut it.process))
    }
}

impl State {
    fn containers_on(&mut self, hosts: &[HostName]) -> impl Iterator<Item = &mut Container> {
        let containers = self.containers.values_mut();
        containers.filter(move |container| hosts.contains(&container.host))
    }

    fn containers_of(&mut self, pods: &[MemberName]) -> impl Iterator<Item = &mut Container> {
        let containers = self.containers.values_mut();
        containers.filter(move |container| pods.contains(&container.pod))
    }
}

fn wipe(data: &Path, disk: Disk) -> Result<()> {
    let files = fs::read_dir(data).with_context(|| format!("read {}", data.display()))?;
    for file in files.flatten() {
        let is_kept = match disk {
            Disk::Kept => true,
            Disk::NodesConf => file.file_name() == "nodes.conf",
            Disk::Empty => false,
        };
        let path = file.path();
        if !is_kept {
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}
