//! The scheduler: the zone by the pod's affinity, never two of a shard on one host, the emptiest of
//! those that are left.

use tokio::time::Instant;
use zoneward_operator::model::{HostName, MemberName, PodPhase, PodView};

use crate::kubernetes::State;

impl State {
    /// Gives every pod that waits for one its host. True where something has changed.
    pub(crate) fn schedule(&mut self) -> bool {
        let waiting: Vec<MemberName> = self
            .pods
            .values()
            .map(|pod| &pod.view)
            .filter(|pod| pod.host.is_none() && !pod.is_leaving)
            .map(|pod| pod.name.clone())
            .collect();
        let mut has_changed = false;
        for name in waiting {
            let Some(pod) = self.pods.get(&name).map(|pod| &pod.view) else {
                continue;
            };
            let host = self.host_for(pod);
            let phase = PodPhase::Waiting {
                unschedulable: host.is_none().then(|| self.refusal()),
                kubelet: None,
            };
            if let Some(pod) = self.pods.get_mut(&name) {
                has_changed |= pod.view.host != host || pod.view.phase != phase;
                pod.placed = host.as_ref().map(|_| Instant::now());
                (pod.view.host, pod.view.phase) = (host, phase);
            }
        }
        has_changed
    }

    fn host_for(&self, pod: &PodView) -> Option<HostName> {
        let fits = self.hosts.iter().map(|host| &host.view).filter(|host| {
            let is_in_zone = pod.zone.as_str().is_empty() || host.zone.as_ref() == Some(&pod.zone);
            // an ended pod holds no place
            let is_taken = self.pods.values().map(|pod| &pod.view).any(|other| {
                let runs = !matches!(other.phase, PodPhase::Ended { .. });
                runs && other.host.as_ref() == Some(&host.name) && other.shard == pod.shard
            });
            host.is_ready && host.is_schedulable && is_in_zone && !is_taken
        });
        let held = |host: &HostName| {
            let pods = self.pods.values();
            pods.filter(|pod| pod.view.host.as_ref() == Some(host))
                .count()
        };
        let emptiest = fits.min_by_key(|host| held(&host.name));
        emptiest.map(|host| host.name.clone())
    }

    fn refusal(&self) -> String {
        format!("0/{} nodes are available", self.hosts.len())
    }
}
