//! Hosts, pods and volumes: what Kubernetes does, and what is done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use zoneward_operator::model::{
    Disk, HostName, MemberId, MemberName, PodFingerprint, PodPhase, PodUid, PodView, ShardId,
    SlotSet, VolumeName, VolumeView, ZoneName,
};

use super::access::Passwords;
use super::settings::Directives;
use super::{Process, World};

impl World {
    pub(super) fn create(&mut self, name: &str, body: &serde_json::Value) {
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
            let size = &body["spec"]["resources"]["requests"]["storage"];
            self.volumes.push(VolumeView {
                name,
                uid,
                shard,
                zone,
                is_leaving: false,
                size: size.as_str().unwrap_or("").to_owned(),
                resize_trouble: None,
            });
            return;
        }
        let name = MemberName::from(name);
        let image = body["spec"]["containers"][0]["image"].as_str();
        self.images
            .insert(name.clone(), image.unwrap_or_default().to_owned());
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
                end: None,
                is_leaving: false,
                gate_is_open: false,
                is_to_lead: false,
                role_label: None,
                volume,
                fingerprint: body["metadata"]["annotations"]["zoneward.io/made-from"]
                    .as_str()
                    .map(PodFingerprint::new),
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
        let has_host = self.pods.get(name).is_some_and(|pod| pod.host.is_some());
        if !is_dead && host_is_up && has_host {
            self.see_off(name);
        } else if is_dead || host_is_up {
            if let Some(process) = self.processes.get_mut(name) {
                process.is_dead = true;
            }
            self.pods.remove(name);
        } else if let Some(pod) = self.pods.get_mut(name) {
            pod.is_leaving = true;
        }
    }

    /// Its kubelet reports the end before it lets the object go.
    fn see_off(&mut self, name: &MemberName) {
        if let Some(process) = self.processes.get_mut(name) {
            process.is_dead = true;
        }
        let pod = self.pods.get_mut(name).unwrap();
        pod.is_leaving = true;
        pod.phase = PodPhase::Ended {
            reason: "exit code 0".to_owned(),
        };
        self.leaving.entry(name.clone()).or_insert(self.now);
    }

    /// Asks it to go, as the eviction API does: its preStop hook holds it while it leads.
    pub(crate) fn evict(&mut self, name: &MemberName) {
        self.pods.get_mut(name).unwrap().is_leaving = true;
        self.evicted.insert(name.clone());
    }

    pub(super) fn let_go(&mut self) {
        let handed_over = |name: &&MemberName| {
            let process = self.processes.get(*name);
            process.is_none_or(|it| it.slots.is_empty())
        };
        let done: Vec<MemberName> = self.evicted.iter().filter(handed_over).cloned().collect();
        for name in done {
            self.evicted.remove(&name);
            if self.pods.contains_key(&name) {
                self.see_off(&name);
            }
        }
        let (now, pods) = (self.now, &mut self.pods);
        self.leaving.retain(|name, since| {
            let is_over = now.duration_since(*since).as_millis() >= 300;
            if is_over {
                pods.remove(name);
            }
            !is_over
        });
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

    fn pods_on_hosts(&self) -> BTreeMap<HostName, u32> {
        let mut held = BTreeMap::new();
        for host in self.pods.values().filter_map(|pod| pod.host.clone()) {
            *held.entry(host).or_insert(0) += 1;
        }
        held
    }

    /// Places the pods that wait, and starts what was placed.
    pub(super) fn start_pods(&mut self) {
        let taken: BTreeSet<(HostName, ShardId)> = self
            .pods
            .values()
            .filter_map(|pod| Some((pod.host.clone()?, pod.shard)))
            .collect();
        let mut held = self.pods_on_hosts();
        let waiting: Vec<MemberName> = self
            .pods
            .values()
            .filter(|pod| matches!(pod.phase, PodPhase::Waiting { .. }))
            .map(|pod| pod.name.clone())
            .collect();
        for name in waiting {
            let host = self.host_for(&self.pods[&name], &taken, &held);
            let pod = self.pods.get_mut(&name).unwrap();
            if let Some(host) = host {
                *held.entry(host.clone()).or_insert(0) += 1;
                pod.host = Some(host);
                self.start(&name);
            } else {
                let unschedulable = Some("0/6 nodes are available".to_owned());
                pod.phase = PodPhase::Waiting {
                    unschedulable,
                    kubelet: None,
                };
            }
        }
    }

    /// As the real scheduler does: the emptiest that fits.
    fn host_for(
        &self,
        pod: &PodView,
        taken: &BTreeSet<(HostName, ShardId)>,
        held: &BTreeMap<HostName, u32>,
    ) -> Option<HostName> {
        let fits = self.hosts.iter().filter(|host| {
            // a pod without a zone of its own may go anywhere
            host.is_ready
                && host.is_schedulable
                && (pod.zone.as_str().is_empty() || host.zone.as_ref() == Some(&pod.zone))
                && !taken.contains(&(host.name.clone(), pod.shard))
                && !self.full_zones.contains(&pod.zone)
                && self
                    .full_beyond
                    .is_none_or(|most| held.values().sum::<u32>() < u32::try_from(most).unwrap())
        });
        fits.min_by_key(|host| held.get(&host.name).copied().unwrap_or(0))
            .map(|host| host.name.clone())
    }

    /// What the kubelet does with a pod that was placed.
    fn start(&mut self, name: &MemberName) {
        let pod = self.pods.get_mut(name).unwrap();
        let image = self.images[name].clone();
        if self.image_is_bad || image.contains("missing") {
            let kubelet = Some("ErrImagePull: no such image".to_owned());
            pod.phase = PodPhase::Waiting {
                unschedulable: None,
                kubelet,
            };
            return;
        }
        let is_broken = pod.volume.as_ref().is_some_and(|v| self.broken.contains(v));
        if is_broken || self.fails_to_start || image.contains("broken") {
            let reason = "exit code 1".to_owned();
            pod.phase = PodPhase::Ended { reason };
            return;
        }
        pod.address = Some(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.next_ip)));
        self.next_ip += 1;
        pod.phase = PodPhase::Running;
        let fresh = MemberId::new(format!("id-{name}"));
        let id = match &pod.volume {
            Some(volume) => self.bodies.entry(volume.clone()).or_insert(fresh).clone(),
            None => fresh,
        };
        let process = self.process(id);
        self.processes.insert(name.clone(), process);
    }

    /// A body remembers whom it knew and what it owned, and starts closed like any other.
    fn process(&mut self, id: MemberId) -> Process {
        let body = self.processes.iter().find(|(_, p)| p.id == id);
        let body = body.map(|(name, _)| name.clone());
        if let Some(mut process) = body.and_then(|name| self.processes.remove(&name)) {
            (process.is_open, process.is_open_to_followers) = (false, false);
            (process.is_dead, process.timeout) = (false, 2000);
            (process.in_sync, process.started) = (false, self.now);
            process.directives = Directives::read(&self.redis_conf());
            process.passwords = Passwords::of(self.status.record.passwords.generation);
            return process;
        }
        Process {
            id,
            epoch: 0,
            slots: SlotSet::empty(),
            leader: None,
            knows: BTreeSet::new(),
            is_open: false,
            is_open_to_followers: false,
            in_sync: false,
            keys: 0,
            offset: 0,
            timeout: 2000,
            directives: Directives::read(&self.redis_conf()),
            passwords: Passwords::of(self.status.record.passwords.generation),
            disk: Disk::default(),
            started: self.now,
            is_dead: false,
            silent_for: 0,
            told: Default::default(),
        }
    }

    /// What the ConfigMap has.
    pub(crate) fn redis_conf(&self) -> String {
        let mut objects = self.objects.iter().rev();
        let found = objects.find(|object| object.kind == "ConfigMap");
        let text = found.and_then(|object| object.body["data"]["redis.conf"].as_str());
        text.unwrap_or_default().to_owned()
    }
}
