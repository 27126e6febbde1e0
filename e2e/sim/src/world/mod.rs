//! The modelled world: time, hosts, Kubernetes, processes and their bus, clients.
//!
//! It moves in steps of 10 ms, and knows the truth; the operator sees what `ports` lets it see.

pub mod clients;
pub mod host;
pub mod kube;
pub mod kubelet;
pub mod replication;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use tokio::sync::Notify;
use zoneward_operator::api::RedisCluster;
use zoneward_operator::model::ObjectView;

use crate::promises::Promises;
use crate::redis::data::Data;
use crate::redis::{Addr, Id, Mask, Millis, Packet, ProcKey, Process, Table, Upstream, bus, cron};
use crate::setup::Setup;
use clients::Reigns;
use host::{Host, HostState, Net};
use kube::{Pod, Snapshot, Volume};

/// The length of a step.
pub const STEP: Millis = 10;

/// What is on a volume: nodes.conf and data.
#[derive(Clone, Debug)]
pub struct Body {
    /// nodes.conf.
    pub table: Table,
    /// The data.
    pub data: Data,
    /// The last snapshot, where snapshots are all that is kept.
    pub snapshot: Data,
}

/// What the world keeps about one operator.
pub struct OperatorSide {
    /// Wakes its loop.
    pub wake: Arc<Notify>,
    /// It reaches no member.
    pub is_cut_off: bool,
    /// How far its stores lag.
    pub lag: Millis,
    /// What it wrote last.
    pub written: Option<Arc<RedisCluster>>,
    /// When each process was heard last, and whether it was late.
    pub heard: BTreeMap<ProcKey, Heard>,
}

/// When a process was heard (`wire::heard`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// It answered before.
    pub has_answered: bool,
    /// It left the last question unanswered.
    pub is_late: bool,
    /// When it was waited for with patience last.
    pub patient: Millis,
    /// The last sign of it.
    pub last: Millis,
}

/// What a process was before something happened to it.
#[derive(Clone, Copy, Debug)]
pub struct Stance {
    /// Whether it led.
    pub leads: bool,
    /// When its leader was heard last.
    pub heard: Millis,
}

impl Stance {
    /// What it is now.
    pub fn of(process: &Process, now: Millis) -> Self {
        Self {
            leads: process.leads(),
            heard: match process.upstream {
                Upstream::Up { heard, .. } => heard,
                Upstream::Down { since, .. } => since.unwrap_or(now),
                Upstream::Syncing { .. } | Upstream::None => now,
            },
        }
    }
}

/// Everything.
pub struct World {
    /// Now.
    pub now: Millis,
    /// The dice.
    pub rng: StdRng,
    /// What it began with.
    pub setup: Setup,
    /// Hosts.
    pub hosts: Vec<Host>,
    /// The network.
    pub net: Net,
    /// Every process that ever was.
    pub procs: Vec<Process>,
    /// Who listens where.
    pub listening: BTreeMap<Addr, ProcKey>,
    /// Packets under way.
    pub packets: VecDeque<Packet>,
    /// The next member id.
    pub next_id: Id,
    /// The RedisCluster.
    pub resource: Arc<RedisCluster>,
    /// The next resourceVersion.
    pub version: u64,
    /// Pods, by name.
    pub pods: BTreeMap<String, Pod>,
    /// Volumes, by name.
    pub volumes: BTreeMap<String, Volume>,
    /// What is on them.
    pub bodies: BTreeMap<String, Body>,
    /// Other objects.
    pub objects: Vec<ObjectView>,
    /// The volume that each pod mounts.
    pub mounts: BTreeMap<String, String>,
    /// Secrets that are there.
    pub secrets: BTreeSet<String>,
    /// What is in the clients' one.
    pub client_password: u32,
    /// Processes whose pod object is gone, and when they end: once their kubelet has heard of it, and not
    /// before.
    pub orphans: Vec<(ProcKey, Option<Millis>)>,
    /// Zones without room for new pods.
    pub full_zones: BTreeSet<usize>,
    /// Whether anything changed that Kubernetes tells of.
    pub has_changed: bool,
    /// What stores that lag still show.
    pub snapshots: VecDeque<(Millis, Arc<Snapshot>)>,
    /// The operators.
    pub operators: Vec<OperatorSide>,
    /// How slow Kubernetes answers.
    pub api_delay: Millis,
    /// The writes.
    pub reigns: Reigns,
    /// The promises.
    pub promises: Promises,
    /// What happened, in words.
    pub story: Vec<String>,
    /// Lines that were told a moment ago.
    told: BTreeMap<String, Millis>,
}

impl World {
    /// A world with an owner's RedisCluster in it and nothing else.
    ///
    /// # Panics
    ///
    /// Where the setup's spec is none.
    pub fn new(setup: Setup, rng: StdRng) -> Self {
        let resource: RedisCluster =
            serde_json::from_value(setup.resource()).expect("the setup writes a valid resource");
        let hosts = (0..setup.zones)
            .flat_map(|zone| (0..setup.hosts_per_zone).map(move |n| (zone, n)))
            .map(|(zone, n)| Host {
                name: format!("{}{n}", Setup::zone_name(zone)),
                zone,
                state: HostState::Up,
                heard: 0,
                is_ready: true,
                ready_since: 0,
                is_cordoned: false,
                is_tainted: false,
                next_number: 1,
            })
            .collect();
        let reigns = Reigns::new(setup.leaders as usize);
        Self {
            now: 0,
            rng,
            hosts,
            net: Net::default(),
            procs: Vec::new(),
            listening: BTreeMap::new(),
            packets: VecDeque::new(),
            next_id: 1,
            resource: Arc::new(resource),
            version: 1,
            pods: BTreeMap::new(),
            volumes: BTreeMap::new(),
            bodies: BTreeMap::new(),
            objects: Vec::new(),
            mounts: BTreeMap::new(),
            secrets: BTreeSet::new(),
            client_password: 0,
            orphans: Vec::new(),
            full_zones: BTreeSet::new(),
            has_changed: true,
            snapshots: VecDeque::new(),
            operators: Vec::new(),
            api_delay: 0,
            reigns,
            promises: Promises::default(),
            story: Vec::new(),
            told: BTreeMap::new(),
            setup,
        }
    }

    /// The wall clock.
    pub fn timestamp(&self) -> Timestamp {
        timestamp(self.now)
    }

    /// A line of the story.
    pub fn tell(&mut self, line: &str) {
        const REPEATED_AFTER: Millis = 2000;
        let now = self.now;
        self.told.retain(|_, at| *at + REPEATED_AFTER > now);
        if self.told.insert(line.to_owned(), now).is_none() {
            self.story
                .push(format!("{:>8.2} s  {line}", now as f64 / 1000.0));
        }
    }

    /// A process.
    pub fn proc(&self, key: ProcKey) -> &Process {
        &self.procs[key.0]
    }

    /// Whether a process can act now.
    pub fn is_running(&self, key: ProcKey) -> bool {
        let process = self.proc(key);
        let host = &self.hosts[process.addr.host as usize];
        process.is_alive && host.state == HostState::Up && process.hangs_until <= self.now
    }

    /// Whether a majority has given a leader's slots to somebody else: it stops as soon as it hears of
    /// that.
    pub fn is_deposed(&self, leader: &Process) -> bool {
        let mask = leader.table.mask(leader.table.me);
        self.procs.iter().any(|it| {
            let is_newer = it.leads() && it.table.epoch > leader.table.epoch;
            is_newer && it.table.mask(it.table.me) & mask != 0
        })
    }

    /// Whether packets pass between two processes' hosts.
    pub fn joins(&self, a: Addr, b: Addr) -> bool {
        self.net.joins(&self.hosts, a.host, b.host)
    }

    /// The living processes, whether they can act or not.
    pub fn alive(&self) -> impl Iterator<Item = &Process> {
        self.listening.values().map(|key| self.proc(*key))
    }

    /// 10 ms pass.
    pub fn step(&mut self) {
        self.bus_step();
        let turn = (self.now / STEP) % 10;
        if turn.is_multiple_of(5) {
            self.kube_step();
        }
        if turn == 3 {
            self.clients_step();
            self.probe_step();
        }
        if turn == 7 {
            crate::promises::watch(self);
        }
        if self.has_changed {
            self.has_changed = false;
            let snapshot = Arc::new(self.snapshot());
            self.snapshots.push_back((self.now, snapshot));
            for operator in &self.operators {
                operator.wake.notify_one();
            }
        }
        self.drop_old_snapshots();
    }

    /// 10 ms pass for the processes alone.
    pub fn bus_step(&mut self) {
        self.now += STEP;
        self.deliver();
        let turn = (self.now / STEP) % 10;
        let due: Vec<ProcKey> = self.listening.values().copied().collect();
        for key in due {
            if self.proc(key).phase == turn && self.is_running(key) {
                self.maintain_links(key);
                self.cron(key);
                self.replicate(key);
            }
        }
    }

    fn deliver(&mut self) {
        let packets = std::mem::take(&mut self.packets);
        let mut out = Vec::new();
        for packet in packets {
            let (from, to) = (self.proc(packet.from).addr, self.proc(packet.to));
            if !to.is_alive || !self.joins(from, to.addr) {
                continue;
            }
            if to.hangs_until > self.now {
                self.packets.push_back(packet);
                continue;
            }
            let before = Stance::of(to, self.now);
            bus::receive(&mut self.procs[packet.to.0], &packet, self.now, &mut out);
            self.note_role(packet.to, before);
        }
        self.packets.extend(out);
    }

    fn cron(&mut self, key: ProcKey) {
        let mut out = Vec::new();
        let before = Stance::of(self.proc(key), self.now);
        self.procs[key.0].election.rank = self.rank(key);
        cron::cron(&mut self.procs[key.0], self.now, &mut self.rng, &mut out);
        self.note_role(key, before);
        self.packets.extend(out);
    }

    /// How many followers of the same leader are further, as far as it can know.
    fn rank(&self, key: ProcKey) -> u64 {
        let me = self.proc(key);
        let Some(leader) = me.table.leader else {
            return 0;
        };
        let further = self.alive().filter(|other| {
            other.key != key
                && other.table.leader == Some(leader)
                && other.data.offset() > me.data.offset()
        });
        further.count() as u64
    }

    /// Tells of a change of role.
    pub fn note_role(&mut self, key: ProcKey, before: Stance) {
        let process = self.proc(key);
        let leads = process.leads();
        if before.leads == leads {
            return;
        }
        let (pod, mask) = (process.pod.clone(), process.table.mask(process.table.me));
        self.tell(&if leads {
            format!(
                "{pod} leads (epoch {}, chunks {mask:b})",
                self.proc(key).table.epoch
            )
        } else {
            format!("{pod} follows now")
        });
        if leads {
            let mask = self.proc(key).table.mask(self.proc(key).table.me);
            let overlaps = |it: &&Process| it.table.mask(it.table.me) & mask != 0;
            let others = self.alive().filter(|it| it.key != key && it.leads());
            let deposed: Vec<ProcKey> = others.filter(overlaps).map(|it| it.key).collect();
            let mut unasked: Vec<ProcKey> = self.led_last(mask).filter(|it| *it != key).collect();
            unasked.extend(self.passed_over(key, &deposed));
            self.promises
                .note_promotion(self.now, key, before.heard, (&deposed, &unasked));
            let chunks = 0..self.setup.leaders as usize;
            self.promises
                .note_leader(key, chunks.filter(|chunk| mask & (1 << chunk) != 0));
        }
    }

    /// Followers of the deposed that have no link to them, as a body that was started again a moment before: the
    /// bus goes by the age of links, and one that never had one is not elected, whatever it holds.
    fn passed_over(&self, key: ProcKey, deposed: &[ProcKey]) -> Vec<ProcKey> {
        let ids: Vec<Id> = deposed.iter().map(|it| self.proc(*it).table.me).collect();
        let is_cut_off = |it: &&Process| {
            matches!(
                it.upstream,
                Upstream::Down { since: None, .. } | Upstream::Syncing { since: None, .. }
            )
        };
        let follows = |it: &&Process| it.table.leader.is_some_and(|leader| ids.contains(&leader));
        let others = self.alive().filter(|it| it.key != key);
        others
            .filter(follows)
            .filter(is_cut_off)
            .map(|it| it.key)
            .collect()
    }

    /// The dead that led these chunks last.
    fn led_last(&self, mask: Mask) -> impl Iterator<Item = ProcKey> + '_ {
        let chunks = (0..self.setup.leaders as usize).filter(move |chunk| mask & (1 << chunk) != 0);
        let leader = |chunk| {
            let mut reigns = self.reigns.all.iter().rev();
            reigns
                .find(|it| it.chunk == chunk && !it.acked.is_empty())
                .map(|it| it.leader)
        };
        chunks
            .filter_map(leader)
            .filter(|key| !self.proc(*key).is_alive)
    }

    /// Bus connections end where the other process did, and are opened where there is none.
    fn maintain_links(&mut self, key: ProcKey) {
        let mut out = Vec::new();
        let own = self.proc(key).addr;
        let ids: Vec<Id> = self.proc(key).table.nodes.keys().copied().collect();
        for id in ids {
            let Some(node) = self.proc(key).table.nodes.get(&id) else {
                continue;
            };
            if let Some(link) = node.link {
                let peer = self.proc(link.peer);
                if !peer.is_alive && self.joins(own, peer.addr) {
                    self.set_link_down(key, id);
                }
                continue;
            }
            let peer = node
                .addr
                .and_then(|addr| self.listening.get(&addr))
                .copied();
            let peer = peer.filter(|peer| self.joins(own, self.proc(*peer).addr));
            let now = self.now;
            match peer {
                Some(peer) => self.procs[key.0].linked(id, peer, now, &mut out),
                None => self.set_link_down(key, id),
            }
        }
        self.packets.extend(out);
    }

    fn set_link_down(&mut self, key: ProcKey, id: Id) {
        let now = self.now;
        if let Some(node) = self.procs[key.0].table.nodes.get_mut(&id) {
            node.link = None;
            if !node.no_addr {
                node.ping_sent.get_or_insert(now);
            }
        }
    }

    /// The kernel at the other end of an operator's kept connection answers its probes.
    fn probe_step(&mut self) {
        let keys: Vec<ProcKey> = self.listening.values().copied().collect();
        for at in 0..self.operators.len() {
            for key in &keys {
                let host = self.proc(*key).addr.host;
                let is_heard =
                    !self.operators[at].is_cut_off && self.net.is_connected(&self.hosts, host);
                if is_heard && let Some(heard) = self.operators[at].heard.get_mut(key) {
                    heard.last = self.now;
                }
            }
        }
    }

    /// The state of the RedisCluster.
    pub fn status(&self) -> zoneward_operator::api::RedisClusterStatus {
        self.resource.status.clone().unwrap_or_default()
    }
}

/// A moment of the history on the wall clock.
pub fn timestamp(now: Millis) -> Timestamp {
    let begun = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
    begun + SignedDuration::from_millis(i64::try_from(now).unwrap_or(i64::MAX))
}
