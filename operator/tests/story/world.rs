//! A world small enough to read: hosts, pods and a bus that agrees at once. It carries plans out
//! and lets time pass; the faults are the test's. What Redis really does, trap by trap, is not in
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use jiff::{SignedDuration, Timestamp};
use zoneward_operator::api::RedisClusterStatus;
use zoneward_operator::model::{
    Address, Asked, ClusterView, ConfigEpoch, CurrentEpoch, Desired, Engine, FollowerLink,
    HostName, HostView, MemberAnswer, MemberId, MemberName, ObjectView, Observation, PodPhase,
    PodUid, PodView, Replication, Role, RunId, SecretsView, ShardId, Silence, SilenceReason,
    SlotSet, UpstreamLink, Version, ViewEntry, ViewFlags, VolumeName, VolumeView, ZoneName,
};
use zoneward_operator::plan::{self, Deed, MemberCommand, Plan};
use zoneward_operator::status;

pub(crate) struct Process {
    pub(crate) id: MemberId,
    pub(crate) epoch: u64,
    pub(crate) slots: SlotSet,
    pub(crate) leader: Option<MemberId>,
    pub(crate) knows: BTreeSet<MemberId>,
    pub(crate) is_open: bool,
    pub(crate) in_sync: bool,
    keys: u64,
    pub(crate) offset: u64,
    pub(crate) timeout: u64,
    is_dead: bool,
    silent_for: u64,
}

fn silent(reason: SilenceReason, millis: u64) -> Asked {
    Asked::Silent(Silence { reason, millis })
}

pub(crate) struct World {
    pub(crate) desired: Desired,
    pub(crate) status: RedisClusterStatus,
    pub(crate) now: Timestamp,
    pub(crate) hosts: Vec<HostView>,
    pub(crate) down: BTreeSet<HostName>,
    pub(crate) pods: BTreeMap<MemberName, PodView>,
    pub(crate) volumes: Vec<VolumeView>,
    pub(crate) processes: BTreeMap<MemberName, Process>,
    pub(crate) full_zones: BTreeSet<ZoneName>,
    pub(crate) image_is_bad: bool,
    /// Pods that exist and that a store which lags does not show.
    pub(crate) hidden: BTreeSet<MemberName>,
    /// The operator reaches no member, for so many milliseconds.
    pub(crate) blind_for: Option<u64>,
    /// Followers whose link to their leader is cut: their copies grow old.
    pub(crate) cut_off: BTreeSet<MemberName>,
    /// Followers whose leader's packets are dropped: their links stay up.
    pub(crate) half_open: BTreeSet<MemberName>,
    /// Volumes over which a server ends at its start.
    pub(crate) broken: BTreeSet<VolumeName>,
    /// Every server ends at its start.
    pub(crate) fails_to_start: bool,
    /// Elections are lost.
    pub(crate) no_votes: bool,
    objects: Vec<ObjectView>,
    pub(crate) secrets: SecretsView,
    next_ip: u32,
    bodies: BTreeMap<VolumeName, MemberId>,
    /// Every deed, in words.
    pub(crate) story: Vec<String>,
}

impl World {
    pub(crate) fn new(desired: Desired, zones: &[&str], hosts_per_zone: usize) -> Self {
        let hosts = zones
            .iter()
            .flat_map(|zone| (0..hosts_per_zone).map(move |n| (zone, n)))
            .map(|(zone, n)| HostView {
                name: HostName::new(format!("{zone}{n}")),
                zone: Some(ZoneName::from(*zone)),
                is_ready: true,
                is_schedulable: true,
                is_out_of_service: false,
            })
            .collect();
        Self {
            desired,
            status: RedisClusterStatus::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            hosts,
            down: BTreeSet::new(),
            pods: BTreeMap::new(),
            volumes: Vec::new(),
            processes: BTreeMap::new(),
            full_zones: BTreeSet::new(),
            image_is_bad: false,
            hidden: BTreeSet::new(),
            blind_for: None,
            cut_off: BTreeSet::new(),
            half_open: BTreeSet::new(),
            broken: BTreeSet::new(),
            fails_to_start: false,
            no_votes: false,
            objects: Vec::new(),
            secrets: SecretsView::default(),
            next_ip: 1,
            bodies: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    fn is_up(&self, name: &MemberName) -> bool {
        let process = self.processes.get(name);
        process.is_some_and(|process| !process.is_dead) && self.host_is_up(name)
    }

    fn host_is_up(&self, name: &MemberName) -> bool {
        let host = self.pods.get(name).and_then(|pod| pod.host.as_ref());
        host.is_some_and(|host| !self.down.contains(host))
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = (&MemberName, &Process)> {
        self.processes.iter().filter(|(name, _)| self.is_up(name))
    }

    pub(crate) fn observe(&self) -> Observation {
        let shown = || {
            self.pods
                .iter()
                .filter(|(name, _)| !self.hidden.contains(*name))
        };
        let members = shown()
            .map(|(name, _)| {
                let asked = match (self.processes.get(name), self.blind_for) {
                    _ if !self.secrets.internal_is_present => Asked::NotAsked,
                    (Some(_), Some(millis)) => silent(SilenceReason::Timeout, millis),
                    (Some(process), None) if self.is_up(name) => {
                        Asked::Answered(Box::new(self.answer(name, process)))
                    }
                    // its kubelet has not reported it yet: nothing listens there any more
                    (Some(process), None) if process.is_dead && self.host_is_up(name) => {
                        silent(SilenceReason::Refused, 0)
                    }
                    (Some(process), None) => silent(SilenceReason::Timeout, process.silent_for),
                    (None, _) => Asked::NotAsked,
                };
                (name.clone(), asked)
            })
            .collect();
        Observation {
            hosts: self.hosts.clone(),
            pods: shown().map(|(_, pod)| pod.clone()).collect(),
            volumes: self.volumes.clone(),
            objects: self.objects.clone(),
            secrets: self.secrets.clone(),
            members,
            record: self.status.record.clone(),
        }
    }

    fn address(&self, name: &MemberName) -> Option<Address> {
        Some(Address {
            ip: self.pods.get(name)?.address?,
            port: 6379,
        })
    }

    fn answer(&self, name: &MemberName, process: &Process) -> MemberAnswer {
        let entries: Vec<ViewEntry> = self
            .processes
            .iter()
            .filter(|(_, other)| other.id == process.id || process.knows.contains(&other.id))
            .map(|(other_name, other)| ViewEntry {
                id: other.id.clone(),
                address: self.address(other_name),
                role: if other.leader.is_some() {
                    Role::Follower
                } else {
                    Role::Leader
                },
                leader: other.leader.clone(),
                flags: ViewFlags {
                    myself: other.id == process.id,
                    failed: other.silent_for > self.desired.node_timeout_millis,
                    suspected: other.silent_for > 0,
                    ..ViewFlags::default()
                },
                config_epoch: ConfigEpoch(other.epoch),
                link_up: !other.is_dead,
                slots: other.slots.clone(),
                open_slots: Vec::new(),
            })
            .collect();
        let highest = entries
            .iter()
            .map(|it| it.config_epoch.0)
            .max()
            .unwrap_or(0);
        let upstream = process.leader.as_ref().map(|leader| {
            let at = self
                .processes
                .iter()
                .find(|(_, p)| &p.id == leader)
                .map(|(n, _)| n);
            UpstreamLink {
                host: at
                    .and_then(|n| self.address(n))
                    .map_or(String::new(), |a| a.ip.to_string()),
                port: 6379,
                // a link whose other end fell silent stands until repl-timeout, a minute
                is_up: process.in_sync && at.is_some_and(|n| !self.processes[n].is_dead),
                is_syncing: !process.in_sync
                    && !self.cut_off.contains(name)
                    && at.is_some_and(|n| self.is_up(n) && self.processes[n].is_open),
                last_io_seconds: at.map(|n| {
                    let dropped = u64::from(self.half_open.contains(name)) * 40;
                    dropped + self.processes[n].silent_for / 1000
                }),
            }
        });
        MemberAnswer {
            id: process.id.clone(),
            run_id: RunId::new(format!("run-{name}")),
            engine: Engine::Redis,
            version: Version(8, 0, 2),
            uptime_seconds: 1,
            loading: false,
            keys: process.keys,
            used_memory_bytes: 1,
            connected_clients: 1,
            is_open: process.is_open,
            node_timeout_millis: process.timeout,
            replication: Replication {
                replication_id: "r".to_owned(),
                offset: process.offset,
                upstream,
                followers: self.links_to_followers(process),
            },
            view: ClusterView {
                myself: process.id.clone(),
                says_ok: true,
                current_epoch: CurrentEpoch(highest),
                entries,
            },
        }
    }

    fn links_to_followers(&self, leader: &Process) -> Vec<FollowerLink> {
        self.processes
            .iter()
            .filter(|(_, it)| it.leader.as_ref() == Some(&leader.id) && !it.is_dead)
            .map(|(name, it)| FollowerLink {
                ip: self.address(name).map(|at| at.ip),
                is_online: it.in_sync,
                offset: it.offset,
                lag_seconds: it.silent_for / 1000,
            })
            .collect()
    }

    /// One round of the loop: decide, check, keep the record, act.
    pub(crate) fn round(&mut self) -> Plan {
        let seen = self.observe();
        let plan = plan::plan(&self.desired, &seen, self.now);
        let refusals = plan::check(&self.desired, &seen, &plan);
        assert_eq!(refusals, [], "story so far:\n{}", self.story.join("\n"));
        self.status = status::status(
            &self.status,
            &status::Input {
                generation: 1,
                desired: Ok(&self.desired),
                seen: &seen,
                plan: &plan,
                refusals: &[],
                failures: &[],
                now: self.now,
            },
        );
        for action in &plan.actions {
            if !matches!(action.deed, Deed::Apply(_) | Deed::MarkPod { .. }) {
                self.story.push(format!("{} ({})", action.deed, action.why));
            }
            self.carry_out(&action.deed);
        }
        plan
    }

    fn carry_out(&mut self, deed: &Deed) {
        match deed {
            Deed::Apply(manifest) => self.objects.push(ObjectView {
                kind: manifest.kind.as_str().to_owned(),
                name: manifest.name.clone(),
                body: manifest.body.clone(),
            }),
            Deed::CreateSecret { name, .. } if name.ends_with("internal") => {
                self.secrets.internal_is_present = true;
            }
            Deed::CreateSecret { .. } => {
                self.secrets.client_is_present = true;
                self.secrets.client_is_usable = true;
            }
            Deed::Create(manifest) => self.create(&manifest.name, &manifest.body),
            Deed::DeletePod { pod, is_dead, .. } => self.delete_pod(pod, *is_dead),
            Deed::DeleteVolume { volume, .. } => self.volumes.retain(|v| &v.name != volume),
            Deed::MarkPod {
                pod,
                role,
                is_ready,
                ..
            } => {
                if let Some(pod) = self.pods.get_mut(pod) {
                    pod.role_label = *role;
                    pod.gate_is_open = *is_ready;
                }
            }
            Deed::Command { member, command } => self.command(&member.name, command),
        }
    }

    fn create(&mut self, name: &str, body: &serde_json::Value) {
        let label = |key: &str| {
            body["metadata"]["labels"][key]
                .as_str()
                .unwrap_or("")
                .to_owned()
        };
        let shard = ShardId(label("zoneward.io/shard").parse().unwrap());
        let zone = ZoneName::from(label("zoneward.io/zone").as_str());
        if body["kind"] == "PersistentVolumeClaim" {
            let (name, uid) = (VolumeName::from(name), format!("uid-{name}"));
            self.volumes.push(VolumeView {
                name,
                uid,
                shard,
                zone,
                is_leaving: false,
            });
            return;
        }
        let name = MemberName::from(name);
        assert!(!self.pods.contains_key(&name), "{name} made twice");
        let volume = body["spec"]["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|v| {
                v["persistentVolumeClaim"]["claimName"]
                    .as_str()
                    .map(VolumeName::from)
            });
        let waiting = PodPhase::Waiting {
            unschedulable: None,
            kubelet: None,
        };
        self.pods.insert(
            name.clone(),
            PodView {
                uid: PodUid::new(format!("uid-{name}")),
                name,
                shard,
                zone,
                host: None,
                address: None,
                phase: waiting,
                is_leaving: false,
                gate_is_open: false,
                role_label: None,
                volume,
                created: self.now,
            },
        );
    }

    /// Takes the process away: what it knew is gone, unless its body is on a volume.
    pub(crate) fn delete_pod(&mut self, name: &MemberName, is_dead: bool) {
        let host_is_up = self.pods.get(name).is_none_or(|pod| {
            pod.host
                .as_ref()
                .is_none_or(|host| !self.down.contains(host))
        });
        if is_dead || host_is_up {
            if let Some(process) = self.processes.get_mut(name) {
                process.is_dead = true;
            }
            self.pods.remove(name);
        } else if let Some(pod) = self.pods.get_mut(name) {
            pod.is_leaving = true;
        }
    }

    /// The container ends; its kubelet reports it.
    pub(crate) fn kill(&mut self, name: &MemberName) {
        self.processes.get_mut(name).unwrap().is_dead = true;
        self.pods.get_mut(name).unwrap().phase = PodPhase::Ended {
            reason: "exit code 137".to_owned(),
        };
    }

    /// The process ends; nobody has reported it yet.
    pub(crate) fn crash(&mut self, name: &MemberName) {
        self.processes.get_mut(name).unwrap().is_dead = true;
    }

    pub(crate) fn stop_zone(&mut self, zone: &str) {
        let hosts = self
            .hosts
            .iter()
            .filter(|host| host.zone == Some(ZoneName::from(zone)));
        self.down.extend(hosts.map(|host| host.name.clone()));
    }

    /// The hosts boot: every container on them has ended, pods asked to go are gone.
    pub(crate) fn start_zone(&mut self, zone: &str) {
        let hosts: BTreeSet<HostName> = self
            .hosts
            .iter()
            .filter(|host| host.zone == Some(ZoneName::from(zone)))
            .map(|host| host.name.clone())
            .collect();
        self.down.retain(|host| !hosts.contains(host));
        let there: Vec<MemberName> = self
            .pods
            .values()
            .filter(|pod| pod.host.as_ref().is_some_and(|host| hosts.contains(host)))
            .map(|pod| pod.name.clone())
            .collect();
        for name in there {
            let is_leaving = self.pods[&name].is_leaving;
            if self.processes.contains_key(&name) {
                self.kill(&name);
            }
            if is_leaving {
                self.pods.remove(&name);
            }
        }
    }

    fn command(&mut self, name: &MemberName, command: &MemberCommand) {
        if !self.is_up(name) {
            return;
        }
        let ids: BTreeMap<Address, MemberId> = self
            .processes
            .iter()
            .filter(|(other, _)| self.is_up(other))
            .filter_map(|(other, process)| Some((self.address(other)?, process.id.clone())))
            .collect();
        let epoch = self.processes.values().map(|p| p.epoch).max().unwrap_or(0) + 1;
        let Some(process) = self.processes.get_mut(name) else {
            return;
        };
        match command {
            MemberCommand::SetConfigEpoch(epoch) => process.epoch = epoch.0,
            MemberCommand::AddSlots(slots) => process.slots = slots.clone(),
            MemberCommand::Meet(addresses) => {
                process
                    .knows
                    .extend(addresses.iter().filter_map(|a| ids.get(a).cloned()));
            }
            MemberCommand::Replicate { leader } => {
                process.leader = Some(leader.clone());
                process.in_sync = false;
            }
            MemberCommand::Forget(id) => {
                process.knows.remove(id);
            }
            MemberCommand::SeizeSlots { slots, .. } => {
                (process.slots, process.epoch) = (slots.clone(), epoch);
                let own = process.id.clone();
                for other in self.processes.values_mut().filter(|it| it.id != own) {
                    other.slots = other.slots.difference(slots);
                }
            }
            MemberCommand::SetNodeTimeout { millis } => process.timeout = *millis,
            MemberCommand::Open => process.is_open = true,
            MemberCommand::Failover { .. } if self.no_votes => {}
            MemberCommand::Failover { of, .. } => self.promote(name, &of.clone(), epoch),
            MemberCommand::AcknowledgeDeparture | MemberCommand::ReleaseDeparture => {}
        }
    }

    fn promote(&mut self, name: &MemberName, of: &MemberId, epoch: u64) {
        let new_id = self.processes.get(name).map(|p| p.id.clone());
        let slots = match self
            .processes
            .values_mut()
            .find(|process| &process.id == of)
        {
            Some(old) => {
                old.leader.clone_from(&new_id);
                std::mem::take(&mut old.slots)
            }
            None => return,
        };
        for other in self
            .processes
            .values_mut()
            .filter(|p| p.leader.as_ref() == Some(of))
        {
            other.leader.clone_from(&new_id);
        }
        let new = self.processes.get_mut(name).unwrap();
        (new.slots, new.leader, new.epoch) = (slots, None, epoch);
    }

    /// Time passes: hosts start pods, the bus agrees, copies complete, elections are held.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += SignedDuration::from_millis(i64::try_from(millis).unwrap());
        for host in &mut self.hosts {
            host.is_ready = !self.down.contains(&host.name);
        }
        self.start_pods();
        self.blind_for = self.blind_for.map(|so_far| so_far + millis);
        let up: BTreeSet<MemberName> = self.living().map(|(name, _)| name.clone()).collect();
        for (name, process) in &mut self.processes {
            process.silent_for = if up.contains(name) {
                0
            } else {
                process.silent_for + millis
            };
        }
        self.gossip(&up);
        self.replicate(&up);
        self.elect(&up);
    }

    fn pods_on_hosts(&self) -> BTreeMap<HostName, u32> {
        let mut held = BTreeMap::new();
        for host in self.pods.values().filter_map(|pod| pod.host.clone()) {
            *held.entry(host).or_insert(0) += 1;
        }
        held
    }

    fn start_pods(&mut self) {
        let taken: BTreeSet<(HostName, ShardId)> = self
            .pods
            .values()
            .filter_map(|pod| Some((pod.host.clone()?, pod.shard)))
            .collect();
        let mut held = self.pods_on_hosts();
        for pod in self
            .pods
            .values_mut()
            .filter(|p| matches!(p.phase, PodPhase::Waiting { .. }))
        {
            let fits = self.hosts.iter().filter(|host| {
                // a pod without a zone of its own may go anywhere
                host.is_ready
                    && (pod.zone.as_str().is_empty() || host.zone.as_ref() == Some(&pod.zone))
                    && !taken.contains(&(host.name.clone(), pod.shard))
                    && !self.full_zones.contains(&pod.zone)
            });
            // as the real scheduler does: the emptiest
            let host = fits.min_by_key(|host| held.get(&host.name).copied().unwrap_or(0));
            let Some(host) = host else {
                let unschedulable = Some("0/6 nodes are available".to_owned());
                pod.phase = PodPhase::Waiting {
                    unschedulable,
                    kubelet: None,
                };
                continue;
            };
            pod.host = Some(host.name.clone());
            *held.entry(host.name.clone()).or_insert(0) += 1;
            if self.image_is_bad {
                let kubelet = Some("ErrImagePull: no such image".to_owned());
                pod.phase = PodPhase::Waiting {
                    unschedulable: None,
                    kubelet,
                };
                continue;
            }
            let is_broken = pod.volume.as_ref().is_some_and(|v| self.broken.contains(v));
            if is_broken || self.fails_to_start {
                let reason = "exit code 1".to_owned();
                pod.phase = PodPhase::Ended { reason };
                continue;
            }
            pod.address = Some(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.next_ip)));
            self.next_ip += 1;
            pod.phase = PodPhase::Running;
            let fresh = MemberId::new(format!("id-{}", pod.name));
            let id = match &pod.volume {
                Some(volume) => self.bodies.entry(volume.clone()).or_insert(fresh).clone(),
                None => fresh,
            };
            // a body remembers whom it knew and what it owned, and starts closed like any other
            let body = self
                .processes
                .iter()
                .find(|(_, p)| p.id == id)
                .map(|(n, _)| n.clone());
            if let Some(mut process) = body.and_then(|name| self.processes.remove(&name)) {
                (process.is_dead, process.is_open, process.timeout) = (false, false, 2000);
                process.in_sync = false;
                self.processes.insert(pod.name.clone(), process);
                continue;
            }
            self.processes.insert(
                pod.name.clone(),
                Process {
                    id,
                    epoch: 0,
                    slots: SlotSet::empty(),
                    leader: None,
                    knows: BTreeSet::new(),
                    is_open: false,
                    in_sync: false,
                    keys: 0,
                    offset: 0,
                    timeout: 2000,
                    is_dead: false,
                    silent_for: 0,
                },
            );
        }
    }

    fn gossip(&mut self, up: &BTreeSet<MemberName>) {
        for _ in 0..3 {
            let snapshot: Vec<(MemberId, BTreeSet<MemberId>)> = up
                .iter()
                .map(|name| {
                    (
                        self.processes[name].id.clone(),
                        self.processes[name].knows.clone(),
                    )
                })
                .collect();
            for name in up {
                let process = self.processes.get_mut(name).unwrap();
                let own = process.id.clone();
                for (id, knows) in &snapshot {
                    if knows.contains(&own) || process.knows.contains(id) {
                        process.knows.insert(id.clone());
                        process.knows.extend(knows.iter().cloned());
                    }
                }
                process.knows.remove(&own);
            }
        }
    }

    fn replicate(&mut self, up: &BTreeSet<MemberName>) {
        let offsets: BTreeMap<MemberId, u64> = up
            .iter()
            .map(|name| &self.processes[name])
            .filter(|process| process.leader.is_none() && process.is_open)
            .map(|process| (process.id.clone(), process.offset + 10))
            .collect();
        for name in up {
            let process = self.processes.get_mut(name).unwrap();
            let source = process.leader.clone().unwrap_or_else(|| process.id.clone());
            if self.cut_off.contains(name) {
                process.in_sync = false;
            } else if let Some(offset) = offsets.get(&source) {
                process.in_sync = process.leader.is_some();
                // clients write as soon as they can
                let is_fed = process.in_sync || !process.slots.is_empty();
                if self.status.record.formed && is_fed {
                    process.keys = 1;
                }
                process.offset = *offset;
            }
        }
    }

    fn elect(&mut self, up: &BTreeSet<MemberName>) {
        let voters = self
            .processes
            .values()
            .filter(|p| !p.slots.is_empty())
            .count();
        let living = up
            .iter()
            .filter(|name| !self.processes[*name].slots.is_empty())
            .count();
        let timeout = self.desired.node_timeout_millis;
        let lost: Vec<MemberId> = self
            .processes
            .values()
            .filter(|p| !p.slots.is_empty() && p.silent_for > timeout)
            .map(|p| p.id.clone())
            .collect();
        for id in lost.into_iter().filter(|_| living > voters / 2) {
            let heir = up
                .iter()
                .filter(|name| self.processes[*name].leader.as_ref() == Some(&id))
                .find(|name| self.processes[*name].in_sync)
                .cloned();
            let epoch = self.processes.values().map(|p| p.epoch).max().unwrap_or(0) + 1;
            if let Some(heir) = heir {
                self.promote(&heir, &id, epoch);
            }
        }
    }
}
