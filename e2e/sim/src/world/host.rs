//! Hosts, zones and who can talk to whom.

use std::collections::BTreeSet;

use crate::redis::{Addr, Millis};

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It runs.
    Up,
    /// It is off: nothing answers, not even its kernel.
    Dead,
    /// It hangs with all that is on it, and may go on where it was.
    Paused,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: usize,
    /// What it does.
    pub state: HostState,
    /// When its kubelet was heard last.
    pub heard: Millis,
    /// Kubernetes' word on it.
    pub is_ready: bool,
    /// Since when that is so.
    pub ready_since: Millis,
    /// It takes no new pods.
    pub is_cordoned: bool,
    /// A human said that it is dead.
    pub is_tainted: bool,
    /// The next address.
    pub next_number: u16,
}

/// The network.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Zones that are cut off from all others, and from Kubernetes.
    pub cut_zones: BTreeSet<usize>,
    /// Whether those hear each other: then it is the others that are cut off, with Kubernetes.
    pub cut_together: bool,
}

/// Kubernetes waits so long for a kubelet's sign of life.
pub const NOT_READY_AFTER: Millis = 40_000;

impl Net {
    /// Whether packets pass between two hosts.
    pub fn joins(&self, hosts: &[Host], a: u8, b: u8) -> bool {
        if a == b {
            return hosts[a as usize].state == HostState::Up;
        }
        let (a, b) = (&hosts[a as usize], &hosts[b as usize]);
        let is_up = a.state == HostState::Up && b.state == HostState::Up;
        is_up && self.joins_zones(a.zone, b.zone)
    }

    fn joins_zones(&self, a: usize, b: usize) -> bool {
        match (self.cut_zones.contains(&a), self.cut_zones.contains(&b)) {
            (false, false) => true,
            (true, true) => a == b || self.cut_together,
            _ => false,
        }
    }

    /// Whether a client in this zone reaches the host.
    pub fn reaches(&self, hosts: &[Host], zone: usize, host: u8) -> bool {
        let host = &hosts[host as usize];
        host.state == HostState::Up && self.joins_zones(host.zone, zone)
    }

    /// Whether Kubernetes (and an operator outside of all the zones that are cut) reaches the host.
    pub fn is_connected(&self, hosts: &[Host], host: u8) -> bool {
        let host = &hosts[host as usize];
        host.state == HostState::Up && !self.cut_zones.contains(&host.zone)
    }
}

/// The host of an address.
pub fn host_of(addr: Addr) -> u8 {
    addr.host
}
