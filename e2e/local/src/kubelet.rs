//! The kubelets of all hosts: start containers, run preStop hooks, and report ends.
//!
//! One thread looks every few milliseconds. A host that is silent is passed over: what happens there
//! happens unseen, as behind a dead host's network.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::Instant;
use zoneward_operator::model::{MemberName, PodPhase, PodUid};

use crate::kubernetes::{Container, Kubernetes, Pod, State, volume_directory};
use crate::layout::Layout;
use crate::process::{Process, Signal, signal};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// For how long a pod that has ended can be seen so before its object goes.
const SEEN_ENDED_FOR: Duration = Duration::from_millis(300);

/// The thread. Ends with the value.
pub(crate) struct Kubelets {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelets {
    pub(crate) fn start(kubernetes: Arc<Kubernetes>, programs: PathBuf) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                look(&kubernetes, &programs);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is to be started, taken out of the lock: it takes milliseconds.
struct Start {
    pod: MemberName,
    uid: PodUid,
    layout: Layout,
}

fn look(kubernetes: &Kubernetes, programs: &std::path::Path) {
    let (has_changed, starts) = {
        let mut state = kubernetes.state();
        let mut has_changed = state.schedule();
        has_changed |= state.watch_hosts(kubernetes.pace.not_ready_after);
        has_changed |= state.report_ends(kubernetes.pace.report_after);
        has_changed |= state.see_off(kubernetes.group);
        state.end_orphans();
        (has_changed, state.due(kubernetes, programs))
    };
    if has_changed {
        kubernetes.wake();
    }
    for start in starts {
        let process = begin(kubernetes, &start);
        kubernetes.state().started(start, process);
        kubernetes.wake();
    }
}

fn begin(kubernetes: &Kubernetes, start: &Start) -> Result<Process> {
    let mounts = kubernetes.state().mounts(&kubernetes.key);
    let (config, secret) = mounts.unwrap_or_default();
    start.layout.write(&config, &secret)?;
    start.layout.start(kubernetes.group)
}

impl State {
    /// A host that was silent for long is NotReady; one that is heard again is Ready.
    fn watch_hosts(&mut self, limit: Duration) -> bool {
        let mut has_changed = false;
        for host in &mut self.hosts {
            let is_ready = host
                .silent_since
                .is_none_or(|since| since.elapsed() < limit);
            has_changed |= host.view.is_ready != is_ready;
            host.view.is_ready = is_ready;
            let since = host.view.ready_since;
            host.view.ready_since = is_ready.then(|| since.unwrap_or_else(Timestamp::now));
        }
        has_changed
    }

    /// Containers that ended become pods that ended, some time later.
    fn report_ends(&mut self, after: Duration) -> bool {
        let mut has_changed = false;
        for (uid, container) in &mut self.containers {
            let Some(status) = container.process.end() else {
                continue;
            };
            let ended_at = *container.ended_at.get_or_insert_with(Instant::now);
            let mut hosts = self.hosts.iter();
            let is_heard =
                hosts.any(|it| it.view.name == container.host && it.silent_since.is_none());
            let pod = self.pods.get_mut(&container.pod);
            let pod = pod.filter(|pod| &pod.view.uid == uid && pod.view.phase == PodPhase::Running);
            if let Some(pod) = pod.filter(|_| is_heard && ended_at.elapsed() >= after) {
                pod.view.phase = PodPhase::Ended {
                    reason: status.to_string(),
                };
                has_changed = true;
            }
        }
        has_changed
    }

    /// Pods that were asked to go: hook, SIGTERM, and SIGKILL when the grace is over.
    fn see_off(&mut self, group: i32) -> bool {
        let leaving: Vec<(MemberName, PodUid)> = self
            .pods
            .values()
            .map(|pod| &pod.view)
            .filter(|pod| pod.is_leaving)
            .filter(|pod| pod.host.as_ref().is_none_or(|host| self.is_heard(host)))
            .map(|pod| (pod.name.clone(), pod.uid.clone()))
            .collect();
        let mut has_changed = false;
        for (name, uid) in leaving {
            let (Some(pod), container) = (self.pods.get(&name), self.containers.get_mut(&uid))
            else {
                continue;
            };
            let is_over = match container {
                Some(container) => end_gracefully(pod, container, group),
                None => !pod.is_starting,
            };
            if is_over {
                self.pods.remove(&name);
                self.containers.remove(&uid);
                has_changed = true;
            }
        }
        has_changed
    }

    /// A container without its pod's object: deleted by force.
    fn end_orphans(&mut self) {
        let (pods, hosts) = (&self.pods, &self.hosts);
        self.containers.retain(|uid, container| {
            let has_pod = pods
                .get(&container.pod)
                .is_some_and(|pod| &pod.view.uid == uid);
            let mut hosts = hosts.iter();
            let is_heard =
                hosts.any(|it| it.view.name == container.host && it.silent_since.is_none());
            has_pod || !is_heard
        });
    }

    /// Pods that have a host and no container yet, and whose volume nobody else is at work on.
    fn due(&mut self, kubernetes: &Kubernetes, programs: &std::path::Path) -> Vec<Start> {
        let home = &kubernetes.home;
        let pace = kubernetes.pace.start_after;
        let due: Vec<MemberName> = self
            .pods
            .values()
            .filter(|pod| !pod.is_starting && !pod.view.is_leaving)
            .filter(|pod| pod.placed.is_some_and(|placed| placed.elapsed() >= pace))
            .map(|pod| &pod.view)
            .filter(|pod| matches!(pod.phase, PodPhase::Waiting { .. }))
            .filter(|pod| pod.host.as_ref().is_some_and(|host| self.is_heard(host)))
            .filter(|pod| {
                let volume = pod.volume.as_ref();
                volume.is_none_or(|volume| !self.is_mounted(volume, home))
            })
            .map(|pod| pod.name.clone())
            .collect();
        if due.is_empty() || self.mounts(&kubernetes.key).is_none() {
            return Vec::new();
        }
        due.iter()
            .filter_map(|name| {
                let view = self.pods.get(name)?.view.clone();
                let ip = self.next_ip(view.host.as_ref()?, &kubernetes.block)?;
                let pod = self.pods.get_mut(name)?;
                pod.is_starting = true;
                let directory = home.join("pods").join(name.as_str());
                let volume = view
                    .volume
                    .as_ref()
                    .map(|volume| volume_directory(home, volume));
                let layout = Layout {
                    data: volume.unwrap_or_else(|| directory.join("data")),
                    directory,
                    programs: programs.join(&pod.image),
                    ip,
                    hold_seconds: pod.hold_seconds.clone(),
                };
                Some(Start {
                    pod: name.clone(),
                    uid: view.uid,
                    layout,
                })
            })
            .collect()
    }

    /// The container is there, or why it is not. A pod that went meanwhile leaves an orphan.
    fn started(&mut self, start: Start, process: Result<Process>) {
        let pod = self.pods.get_mut(&start.pod);
        let mut pod = pod.filter(|pod| pod.view.uid == start.uid);
        let host = pod.as_ref().and_then(|pod| pod.view.host.clone());
        if let Some(pod) = pod.as_mut() {
            pod.is_starting = false;
        }
        match (process, host) {
            (Ok(process), Some(host)) => {
                if let Some(pod) = pod {
                    pod.view.address = Some(IpAddr::V4(start.layout.ip));
                    pod.view.phase = PodPhase::Running;
                }
                let container = Container {
                    pod: start.pod,
                    host,
                    layout: start.layout,
                    process,
                    hook: None,
                    was_told_to_end: false,
                    ended_at: None,
                };
                self.containers.insert(start.uid, container);
            }
            // ends with the value: nobody wants it any more
            (Ok(_), None) => {}
            (Err(error), _) => {
                if let Some(pod) = pod {
                    pod.view.phase = PodPhase::Waiting {
                        unschedulable: None,
                        kubelet: Some(format!("RunContainerError: {error:#}")),
                    };
                }
            }
        }
    }
}

/// One step of a departure; true when it is over.
fn end_gracefully(pod: &Pod, container: &mut Container, group: i32) -> bool {
    let waited = pod
        .asked_to_go
        .map_or(Duration::ZERO, |since| since.elapsed());
    if let Some(ended_at) = container.ended_at {
        return ended_at.elapsed() >= SEEN_ENDED_FOR;
    }
    let has_held = match container.hook.as_mut() {
        Some(hook) => hook.end().is_some(),
        None => match container.layout.pre_stop(group) {
            Ok(hook) => {
                container.hook = Some(hook);
                false
            }
            // as a kubelet does where a hook cannot be run
            Err(_) => true,
        },
    };
    if waited >= pod.grace {
        container.process.kill();
    } else if has_held && !container.was_told_to_end {
        container.was_told_to_end = true;
        // what cannot be told is killed when the grace is over
        let _ = signal(Signal::Terminate, [&mut container.process]);
    }
    false
}
