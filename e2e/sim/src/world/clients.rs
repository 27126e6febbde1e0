//! Clients in every zone that write to every chunk, and what became of their writes.

use std::collections::BTreeMap;

use super::World;
use crate::redis::{Millis, ProcKey, Reign};

/// A reign: who acknowledged its writes, and when each.
#[derive(Clone, Debug)]
pub struct ReignInfo {
    /// The chunk.
    pub chunk: usize,
    /// The leader.
    pub leader: ProcKey,
    /// When each write was acknowledged.
    pub acked: Vec<Millis>,
    /// Who else ever held how many of them.
    pub holders: BTreeMap<ProcKey, u64>,
}

/// All reigns, and how the chunks are served.
#[derive(Clone, Debug, Default)]
pub struct Reigns {
    /// By number.
    pub all: Vec<ReignInfo>,
    /// When each chunk was last written to, by anybody.
    pub served: Vec<Millis>,
    /// The longest time without, for each chunk, once it was served at all.
    pub longest_gap: Vec<Millis>,
}

impl Reigns {
    /// For so many chunks.
    pub fn new(chunks: usize) -> Self {
        Self {
            all: Vec::new(),
            served: vec![0; chunks],
            longest_gap: vec![0; chunks],
        }
    }
}

impl World {
    /// Each client writes once to each chunk.
    pub fn clients_step(&mut self) {
        let running: Vec<ProcKey> = self.listening.values().copied().collect();
        let running: Vec<ProcKey> = running
            .into_iter()
            .filter(|k| self.is_running(*k))
            .collect();
        for chunk in 0..self.reigns.served.len() {
            let takers: Vec<ProcKey> = running
                .iter()
                .copied()
                .filter(|key| self.proc(*key).takes_writes(chunk, self.now))
                .collect();
            for zone in 0..self.setup.zones {
                let reached = takers.iter().copied().find(|key| {
                    self.net
                        .reaches(&self.hosts, zone, self.proc(*key).addr.host)
                });
                if let Some(key) = reached {
                    self.write(key, chunk);
                }
            }
        }
    }

    /// A write is acknowledged.
    pub fn write(&mut self, key: ProcKey, chunk: usize) {
        let now = self.now;
        let reign = self.procs[key.0].data.reign();
        // one that lost the end of its own reign to another leader begins a new one
        let upto = |reign| self.proc(key).data.upto(reign);
        let is_own = |reign: Reign| {
            let info = &self.reigns.all[reign.0 as usize];
            info.leader == key && info.acked.len() as u64 == upto(reign)
        };
        let reign = if let Some(reign) = reign.filter(|reign| is_own(*reign)) {
            reign
        } else {
            let reign = Reign(u32::try_from(self.reigns.all.len()).unwrap_or(u32::MAX));
            self.reigns.all.push(ReignInfo {
                chunk,
                leader: key,
                acked: Vec::new(),
                holders: BTreeMap::new(),
            });
            self.procs[key.0].data.begin(reign);
            reign
        };
        self.procs[key.0].data.write();
        self.reigns.all[reign.0 as usize].acked.push(now);
        let last = self.reigns.served[chunk];
        if last > 0 {
            let gap = now - last;
            self.reigns.longest_gap[chunk] = self.reigns.longest_gap[chunk].max(gap);
        }
        self.reigns.served[chunk] = now;
    }
}
