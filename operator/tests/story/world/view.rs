//! What the operator sees of the world: each member answers, refuses or is silent.

use std::collections::BTreeMap;

use zoneward_operator::model::{
    Address, Asked, ClusterView, ConfigEpoch, CurrentEpoch, Engine, FollowerLink, MemberAnswer,
    MemberId, MemberName, Observation, Replication, Role, RunId, Silence, SilenceReason, SlotSet,
    Traffic, UpstreamLink, Version, ViewEntry, ViewFlags,
};

use zoneward_operator::plan;

use super::{Process, World};

impl World {
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
                    (Some(process), None) if self.is_up(name) && !self.is_known_to(process) => {
                        silent(SilenceReason::Unusable, 0)
                    }
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
            secrets: self.secrets_seen(),
            neighbours: BTreeMap::new(),
            listening_since: None,
            last_words: BTreeMap::new(),
            members,
            record: self.status.record.clone(),
        }
    }

    pub(super) fn address(&self, name: &MemberName) -> Option<Address> {
        Some(Address {
            ip: self.pods.get(name)?.address?,
            port: 6379,
        })
    }

    fn upstream(&self, name: &MemberName, process: &Process, leader: &MemberId) -> UpstreamLink {
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
            down_seconds: None,
        }
    }

    fn answer(&self, name: &MemberName, process: &Process) -> MemberAnswer {
        let entries = self
            .processes
            .iter()
            .filter(|(_, other)| other.id == process.id || process.knows.contains(&other.id))
            .map(|(other_name, other)| (other_name, other, self.heard_by(process, other)))
            .map(|(other_name, other, (slots, epoch))| ViewEntry {
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
                config_epoch: ConfigEpoch(epoch),
                link_up: !other.is_dead,
                slots,
                open_slots: Vec::new(),
            })
            .collect();
        let upstream = process.leader.as_ref();
        let upstream = upstream.map(|leader| self.upstream(name, process, leader));
        MemberAnswer {
            id: process.id.clone(),
            run_id: RunId::new(format!("run-{name}")),
            engine: Engine::Redis,
            version: Version(8, 0, 2),
            uptime_seconds: u64::try_from(self.now.as_second() - process.started.as_second())
                .unwrap_or(0),
            loading: false,
            keys: process.keys,
            used_memory_bytes: 1,
            connected_clients: 1,
            traffic: Traffic::default(),
            is_open: process.is_open,
            is_open_to_followers: process.is_open_to_followers,
            node_timeout_millis: process.timeout,
            disk: process.disk,
            access: self.access(process),
            deviations: process
                .directives
                .deviations(&plan::wanted_settings(&self.desired, &self.status.record)),
            replication: Replication {
                replication_id: "r".to_owned(),
                former_id: None,
                former_until: None,
                offset: process.offset,
                upstream,
                followers: self.links_to_followers(process),
            },
            view: ClusterView {
                myself: process.id.clone(),
                says_ok: true,
                current_epoch: CurrentEpoch(self.highest_epoch()),
                entries,
            },
        }
    }

    /// Which slots of the other it has heard of, and of which epoch.
    fn heard_by(&self, process: &Process, other: &Process) -> (SlotSet, u64) {
        if self.hears_late && other.id != process.id {
            let (slots, epoch) = &other.told;
            (slots.difference(&process.slots), *epoch)
        } else {
            (other.slots.clone(), other.epoch)
        }
    }

    fn highest_epoch(&self) -> u64 {
        let epochs = self.processes.values().map(|it| it.epoch);
        epochs.max().unwrap_or(0)
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
}

fn silent(reason: SilenceReason, millis: u64) -> Asked {
    let said_goodbye = reason == SilenceReason::Refused;
    Asked::Silent(Silence {
        reason,
        millis,
        said_goodbye,
    })
}
