//! The scheduler, the kubelets and the controllers of Kubernetes.

use rand::Rng;
use zoneward_operator::model::{ContainerEnd, HostName, PodPhase};

use super::host::{HostState, NOT_READY_AFTER};
use super::{Body, World};
use crate::promises::{self, Cause};
use crate::redis::answer::ip;
use crate::redis::passwords::Passwords;
use crate::redis::process::{Election, HANDSHAKES_FROM, Manual};
use crate::redis::settings::Directives;
use crate::redis::{Addr, Data, Id, Millis, Node, ProcKey, Process, Table, Upstream};
use crate::setup::Keep;

/// What the preStop hook waits for a sign of the operator.
const HOOK_PATIENCE: Millis = 5000;
/// How often a snapshot is taken where snapshots are all that is kept.
const SNAPSHOT_EVERY: Millis = 10_000;

impl World {
    /// 50 ms pass for Kubernetes.
    pub fn kube_step(&mut self) {
        self.watch_hosts();
        self.end_orphans();
        self.take_snapshots();
        let names: Vec<String> = self.pods.keys().cloned().collect();
        for name in names {
            self.pod_step(&name);
        }
    }

    fn watch_hosts(&mut self) {
        for at in 0..self.hosts.len() {
            let is_heard = self
                .net
                .is_connected(&self.hosts, u8::try_from(at).unwrap_or(0));
            let now = self.now;
            let host = &mut self.hosts[at];
            if is_heard {
                host.heard = now;
            }
            let is_ready = now < host.heard + NOT_READY_AFTER;
            if host.is_ready != is_ready {
                host.is_ready = is_ready;
                host.ready_since = now;
                self.has_changed = true;
            }
        }
    }

    /// A kubelet that hears of it lets them have their grace period; who hangs in preStop takes all of it.
    fn end_orphans(&mut self) {
        let mut orphans = std::mem::take(&mut self.orphans);
        orphans.retain(|(key, _)| self.proc(*key).is_alive);
        let grace = self.setup.grace();
        for (key, ends) in &mut orphans {
            let host = self.proc(*key).addr.host;
            if ends.is_none() && self.net.is_connected(&self.hosts, host) {
                // no draw: it would change what all later draws of a history mean
                *ends = Some(self.now + 1000 + (key.0 as u64) * 7919 % grace);
            }
        }
        let is_due = |world: &Self, key: ProcKey, ends: Option<Millis>| {
            let host = &world.hosts[usize::from(world.proc(key).addr.host)];
            ends.is_some_and(|ends| ends <= world.now) && host.state == HostState::Up
        };
        let (due, rest): (Vec<_>, Vec<_>) = orphans
            .into_iter()
            .partition(|(key, ends)| is_due(self, *key, *ends));
        self.orphans = rest;
        for (key, _) in due {
            self.end_process(key, Cause::Fault);
        }
    }

    fn take_snapshots(&mut self) {
        if self.setup.keep != Keep::Rdb || !self.now.is_multiple_of(SNAPSHOT_EVERY) {
            return;
        }
        let keys: Vec<ProcKey> = self.listening.values().copied().collect();
        for key in keys {
            self.take_snapshot(key);
        }
    }

    /// What it holds now is on its volume, where snapshots are all that is kept: at times, and when a full copy
    /// has come (`repl-diskless-load disabled`: the file that came is the snapshot).
    pub(super) fn take_snapshot(&mut self, key: ProcKey) {
        let volume = self.volume_of(key).filter(|_| self.setup.keep == Keep::Rdb);
        let data = self.proc(key).data.clone();
        if let Some(body) = volume.and_then(|it| self.bodies.get_mut(&it)) {
            body.snapshot = data;
        }
    }

    fn pod_step(&mut self, name: &str) {
        let Some(pod) = self.pods.get(name) else {
            return;
        };
        if self.now < pod.due {
            return;
        }
        let Some(host) = pod.host else {
            if pod.asked_to_go.is_some() {
                self.remove_pod(name);
            } else {
                self.schedule(name);
            }
            return;
        };
        let out_of_service =
            self.hosts[host as usize].is_tainted && !self.hosts[host as usize].is_ready;
        if out_of_service && !self.net.is_connected(&self.hosts, host) {
            self.remove_pod(name);
            return;
        }
        if !self.net.is_connected(&self.hosts, host) {
            return; // its kubelet is silent
        }
        let has_ended = matches!(pod.view.phase, PodPhase::Ended { .. });
        match (pod.proc, pod.asked_to_go) {
            (None, Some(_)) => self.see_off(name),
            (None, None) if has_ended => {}
            (None, None) if pod.image.contains("missing") => self.complain(name),
            (None, None) if pod.image.contains("broken") => self.report_end(name),
            (None, None) => self.start(name, host),
            (Some(key), asked) if !self.proc(key).is_alive => {
                if asked.is_some() {
                    self.see_off(name);
                } else {
                    self.report_end(name);
                }
            }
            (Some(key), Some(asked)) => self.let_go(name, key, asked),
            (Some(_), None) => {}
        }
    }

    fn schedule(&mut self, name: &str) {
        let Some(pod) = self.pods.get(name).cloned() else {
            return;
        };
        // a pod that ended takes no room and repels nobody
        let has_ended = |it: &&super::kube::Pod| matches!(it.view.phase, PodPhase::Ended { .. });
        let there: Vec<&super::kube::Pod> =
            self.pods.values().filter(|it| !has_ended(it)).collect();
        let held = |host: u8| there.iter().filter(|it| it.host == Some(host)).count();
        let pinned = pod.view.volume.as_ref().and_then(|volume| {
            self.volumes
                .get(volume.as_str())
                .and_then(|volume| volume.host)
        });
        let has_shard = |host: u8| {
            there
                .iter()
                .any(|it| it.host == Some(host) && it.view.shard == pod.view.shard)
        };
        let fits = |at: &u8| {
            let host = &self.hosts[*at as usize];
            host.is_ready
                && !host.is_cordoned
                && !host.is_tainted
                && host.zone == pod.zone
                && !self.full_zones.contains(&host.zone)
                && held(*at) < self.setup.room
                && !has_shard(*at)
                && pinned.is_none_or(|pinned| pinned == *at)
        };
        let count = u8::try_from(self.hosts.len()).unwrap_or(u8::MAX);
        let best = (0..count).filter(fits).min_by_key(|host| held(*host));
        let now = self.now;
        let wait = self.rng.random_range(100..800);
        let volumes_are_local = self.setup.volumes_are_local;
        let Some(pod) = self.pods.get_mut(name) else {
            return;
        };
        let Some(best) = best else {
            pod.due = now + 500;
            let unschedulable = Some("0 nodes are available".to_owned());
            let phase = PodPhase::Waiting {
                unschedulable,
                kubelet: None,
            };
            if pod.view.phase != phase {
                pod.view.phase = phase;
                self.has_changed = true;
            }
            return;
        };
        pod.host = Some(best);
        pod.due = now + wait;
        pod.view.phase = PodPhase::Waiting {
            unschedulable: None,
            kubelet: None,
        };
        pod.view.host = Some(HostName::new(self.hosts[best as usize].name.clone()));
        if let Some(volume) = pod.view.volume.clone()
            && volumes_are_local
            && let Some(volume) = self.volumes.get_mut(volume.as_str())
        {
            volume.host = Some(best);
        }
        self.has_changed = true;
    }

    fn start(&mut self, name: &str, host: u8) {
        let Some(pod) = self.pods.get(name).cloned() else {
            return;
        };
        let volume = pod
            .view
            .volume
            .as_ref()
            .map(|volume| volume.as_str().to_owned());
        if let Some(volume) = &volume {
            // one process at a time; the volume of a host that is silent cannot be attached elsewhere
            let is_held = self
                .alive()
                .any(|it| self.mounts.get(&it.pod) == Some(volume));
            if is_held || !self.volumes.contains_key(volume) {
                return;
            }
            self.mounts.insert(name.to_owned(), volume.clone());
        }
        let addr = self.new_address(host);
        let body = volume
            .as_ref()
            .and_then(|volume| self.bodies.get(volume).cloned());
        let key = self.spawn(name, addr, body);
        let table = &self.proc(key).table;
        if let (Some(volume), false) = (&volume, table.nodes.is_empty()) {
            self.tell(&format!("{name} starts on the body in {volume}"));
        }
        let table = self.proc(key).table.clone();
        if let Some(volume) = volume
            && !self.bodies.contains_key(&volume)
        {
            let (data, snapshot) = (Data::default(), Data::default());
            self.bodies.insert(
                volume,
                Body {
                    table,
                    data,
                    snapshot,
                },
            );
        } else if let Some(body) = pod
            .view
            .volume
            .as_ref()
            .and_then(|v| self.bodies.get_mut(v.as_str()))
        {
            // what is on the disk is the process' own now
            body.data = Data::default();
        }
        if let Some(pod) = self.pods.get_mut(name) {
            pod.proc = Some(key);
            pod.view.address = Some(ip(addr));
            pod.view.phase = PodPhase::Running;
        }
        self.has_changed = true;
    }

    /// Which generation of our own users' passwords a pod reads.
    fn mounted(&self, pod: &str) -> u32 {
        self.pods.get(pod).map_or(0, |pod| pod.secret_generation)
    }

    /// What a process reads at its start. One that cannot read it is not modelled to end: that it was
    /// given such a redis.conf, where others ran that could have tried it, is the broken promise.
    fn directives(&mut self) -> Directives {
        let mut objects = self.objects.iter();
        let conf = objects
            .find(|object| object.kind == "ConfigMap")
            .and_then(|object| object.body["data"]["redis.conf"].as_str());
        let read = Directives::read(conf.unwrap_or_default());
        let is_formed = self.status().record.formed;
        if is_formed && !read.are_readable() {
            let (now, what) = (self.now, "redis.conf has a value that was refused");
            self.promises
                .break_one("configuration", now, what.to_owned());
        }
        read
    }

    fn new_address(&mut self, host: u8) -> Addr {
        if self.setup.reuses_addresses {
            let taken = |number: &u16| {
                let ip = ip(Addr {
                    host,
                    number: *number,
                });
                let held = self.pods.values().any(|pod| pod.view.address == Some(ip));
                held || self.listening.contains_key(&Addr {
                    host,
                    number: *number,
                })
            };
            let number = (1..u16::MAX)
                .find(|number| !taken(number))
                .unwrap_or(u16::MAX);
            return Addr { host, number };
        }
        let number = self.hosts[host as usize].next_number;
        self.hosts[host as usize].next_number += 1;
        Addr { host, number }
    }

    /// A process starts there, on this body or as a new member. It remembers of the others what
    /// resources/scripts/start.sh leaves of it.
    pub fn spawn(&mut self, name: &str, addr: Addr, body: Option<Body>) -> ProcKey {
        let key = ProcKey(self.procs.len());
        let process = self.process(key, name, addr, body);
        self.listening.insert(addr, key);
        self.procs.push(process);
        promises::data::note_started(self, key);
        key
    }

    fn process(&mut self, key: ProcKey, name: &str, addr: Addr, body: Option<Body>) -> Process {
        let forming = self.setup.node_timeout.min(2000);
        let chunks = self.setup.leaders as usize;
        let (table, data, timeout) = if let Some(body) = body {
            (blank(body.table, self.now), body.data, 1000)
        } else {
            let me = self.next_id();
            let owners = vec![None; chunks];
            let table = Table {
                me,
                owners,
                ..Table::default()
            };
            (table, Data::default(), forming)
        };
        let upstream = match table.leader {
            Some(_) => Upstream::Down {
                addr: None,
                since: None,
                again: self.now,
            },
            None => Upstream::None,
        };
        let load = if data.is_empty() {
            0
        } else {
            self.setup.copy / 2
        };
        Process {
            key,
            pod: name.to_owned(),
            addr,
            engine: self.setup.engine,
            is_alive: true,
            ended: None,
            hangs_until: 0,
            started: self.now,
            loads_until: self.now + load,
            is_open: false,
            is_open_to_followers: false,
            timeout,
            table,
            data,
            upstream,
            downstream: std::collections::BTreeMap::new(),
            election: Election::default(),
            manual: Manual::default(),
            phase: self.rng.random_range(0..10),
            next_handshake: HANDSHAKES_FROM + u32::try_from(key.0).unwrap_or(0) * 10_000,
            holds_writes_until: 0,
            departure_acknowledged: false,
            departure_released: false,
            directives: self.directives(),
            passwords: Passwords::of(self.mounted(name)),
        }
    }

    fn next_id(&mut self) -> Id {
        // ids have no order that means anything
        let id = self.next_id + self.rng.random_range(0..1000) * 1000;
        self.next_id += 1;
        id
    }

    fn report_end(&mut self, name: &str) {
        let process = self.pods.get(name).and_then(|pod| pod.proc);
        let ended = process.and_then(|key| self.proc(key).ended);
        if let Some(pod) = self.pods.get_mut(name)
            && !matches!(pod.view.phase, PodPhase::Ended { .. })
        {
            pod.view.phase = PodPhase::Ended {
                reason: "exit code 137".to_owned(),
            };
            // a kubelet tells whole seconds
            let seen = |at| ContainerEnd::Seen(super::timestamp(at / 1000 * 1000));
            pod.view.end = process.map(|_| ended.map_or(ContainerEnd::Found, seen));
            self.has_changed = true;
        }
    }

    /// Of a pod that was asked to go the kubelet reports the end, and lets go of the object some time
    /// later. No store need have shown the one before the other.
    fn see_off(&mut self, name: &str) {
        let has_ended = |pod: &super::kube::Pod| matches!(pod.view.phase, PodPhase::Ended { .. });
        if self.pods.get(name).is_some_and(has_ended) {
            self.remove_pod(name);
            return;
        }
        self.report_end(name);
        let due = self.now + self.rng.random_range(50..800);
        if let Some(pod) = self.pods.get_mut(name) {
            pod.due = due;
        }
    }

    /// There is no such image.
    fn complain(&mut self, name: &str) {
        let kubelet = Some("ErrImagePull: no such image".to_owned());
        let phase = PodPhase::Waiting {
            unschedulable: None,
            kubelet,
        };
        if let Some(pod) = self.pods.get_mut(name).filter(|it| it.view.phase != phase) {
            pod.view.phase = phase;
            self.has_changed = true;
        }
    }

    /// The preStop hook, and the end.
    fn let_go(&mut self, name: &str, key: ProcKey, asked: Millis) {
        let process = self.proc(key);
        if process.hangs_until > self.now {
            return;
        }
        let grace = self.setup.grace();
        let has_follower = process.downstream.values().any(|link| link.is_online);
        let is_ignored = self.now > asked + HOOK_PATIENCE && !process.departure_acknowledged;
        let waits = process.leads() && has_follower && !process.departure_released && !is_ignored;
        if waits && self.now < asked + grace {
            return;
        }
        let by_user = self.pods.get(name).is_some_and(|pod| pod.asked_by_user);
        self.tell(&format!("{name} ends as it was asked to"));
        self.end_process(
            key,
            if by_user {
                Cause::Fault
            } else {
                Cause::Operator
            },
        );
        self.see_off(name);
    }

    /// A host loses its power: what runs there is gone, and what its kernel had not written.
    pub fn kill_host(&mut self, host: usize) {
        self.hosts[host].state = HostState::Dead;
        let keys: Vec<ProcKey> = self.on_host(host);
        for key in keys {
            self.end_process(key, Cause::Fault);
            self.procs[key.0].ended = None;
        }
    }

    /// The processes on a host.
    pub fn on_host(&self, host: usize) -> Vec<ProcKey> {
        let is_there = |process: &&Process| usize::from(process.addr.host) == host;
        self.alive()
            .filter(is_there)
            .map(|process| process.key)
            .collect()
    }
}

/// Before its start a body forgets where the others were (resources/scripts/start.sh). Opinions of them
/// are not on the disk.
fn blank(mut table: Table, now: Millis) -> Table {
    table.nodes.retain(|_, node| !node.handshake);
    for node in table.nodes.values_mut() {
        *node = Node {
            leader: node.leader,
            epoch: node.epoch,
            pong_received: now,
            entered: now,
            ..Node::default()
        };
    }
    table.banned.clear();
    table.ok = false;
    table
}
