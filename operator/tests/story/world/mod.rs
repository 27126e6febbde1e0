//! A world small enough to read: hosts, pods and a bus that agrees at once. It carries plans out
//! and lets time pass; the faults are the test's. What Redis really does, trap by trap, is not in
//! here.

pub(crate) mod access;
mod bus;
mod kube;
pub(crate) mod settings;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use zoneward_operator::api::RedisClusterStatus;
use zoneward_operator::model::{
    Desired, Disk, HostName, HostView, MemberId, MemberName, ObjectView, PodView, SecretsView,
    SlotSet, VolumeName, VolumeView, ZoneName,
};
use zoneward_operator::plan::{self, Deed, Plan};
use zoneward_operator::status;

#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Process {
    pub(crate) id: MemberId,
    pub(crate) epoch: u64,
    pub(crate) slots: SlotSet,
    pub(crate) leader: Option<MemberId>,
    pub(crate) knows: BTreeSet<MemberId>,
    pub(crate) is_open: bool,
    pub(crate) is_open_to_followers: bool,
    pub(crate) in_sync: bool,
    keys: u64,
    pub(crate) offset: u64,
    pub(crate) timeout: u64,
    pub(crate) directives: settings::Directives,
    pub(crate) passwords: access::Passwords,
    pub(crate) disk: Disk,
    /// When it was started.
    started: Timestamp,
    is_dead: bool,
    silent_for: u64,
    /// The slots and the epoch that others have heard of, where they hear late.
    told: (SlotSet, u64),
}

#[allow(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
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
    /// Hosts take no more pods than so many, all together.
    pub(crate) full_beyond: Option<usize>,
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
    /// Members hear of each other's slots a round late.
    pub(crate) hears_late: bool,
    objects: Vec<ObjectView>,
    pub(crate) secrets: SecretsView,
    /// What is in the clients' Secret.
    pub(crate) client_password: u32,
    /// Which generations of our own Secret are there.
    own_secrets: BTreeSet<u32>,
    next_ip: u32,
    images: BTreeMap<MemberName, String>,
    leaving: BTreeMap<MemberName, Timestamp>,
    evicted: BTreeSet<MemberName>,
    pub(crate) bodies: BTreeMap<VolumeName, MemberId>,
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
                ready_since: Some(Timestamp::UNIX_EPOCH),
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
            full_beyond: None,
            image_is_bad: false,
            hidden: BTreeSet::new(),
            blind_for: None,
            cut_off: BTreeSet::new(),
            half_open: BTreeSet::new(),
            broken: BTreeSet::new(),
            fails_to_start: false,
            no_votes: false,
            hears_late: false,
            objects: Vec::new(),
            secrets: SecretsView::default(),
            client_password: 0,
            own_secrets: BTreeSet::new(),
            next_ip: 1,
            images: BTreeMap::new(),
            leaving: BTreeMap::new(),
            evicted: BTreeSet::new(),
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

    /// One round of the loop: decide, check, keep the record, act.
    pub(crate) fn round(&mut self) -> Plan {
        let seen = self.observe();
        for process in self.processes.values_mut() {
            process.told = (process.slots.clone(), process.epoch);
        }
        let plan = plan::plan(&self.desired, &seen, self.now);
        let refusals = plan::check(&self.desired, &seen, &plan, self.now);
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
            Deed::Apply(manifest) => {
                let kind = manifest.kind.as_str();
                self.objects
                    .retain(|it| it.kind != kind || it.name != manifest.name);
                self.objects.push(ObjectView {
                    kind: kind.to_owned(),
                    name: manifest.name.clone(),
                    body: manifest.body.clone(),
                });
            }
            Deed::CreateSecret { name, .. } if name.contains("-internal") => {
                let generation = name.rsplit('-').next().and_then(|it| it.parse().ok());
                self.own_secrets.insert(generation.unwrap_or(0));
                self.secrets.internal_is_present = true;
            }
            Deed::CreateSecret { .. } => {
                self.secrets.client_is_present = true;
                self.secrets.client_is_usable = true;
            }
            Deed::Create(manifest) => self.create(&manifest.name, &manifest.body),
            Deed::DeletePod { pod, is_dead, .. } => self.delete_pod(pod, *is_dead),
            Deed::GrowVolume { volume, size, .. } => {
                let mut volumes = self.volumes.iter_mut();
                let found = volumes.find(|it| &it.name == volume).unwrap();
                found.size.clone_from(size);
            }
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

    /// Time passes: hosts start pods, the bus agrees, copies complete, elections are held.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += SignedDuration::from_millis(i64::try_from(millis).unwrap());
        for host in &mut self.hosts {
            host.is_ready = !self.down.contains(&host.name);
            host.ready_since = host.is_ready.then(|| host.ready_since.unwrap_or(self.now));
        }
        self.let_go();
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
}
