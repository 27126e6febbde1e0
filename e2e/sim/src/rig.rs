//! Processes of the model without Kubernetes and operator, for scripts that are run on real servers,
//! too.

use rand::SeedableRng;
use rand::rngs::StdRng;
use zoneward_operator::api::QuorumLossPolicy;
use zoneward_operator::model::{Address, MemberAnswer};
use zoneward_operator::plan::MemberCommand;

use crate::promises::Cause;
use crate::redis::answer::{address, answer};
use crate::redis::command::command;
use crate::redis::{Addr, Data, Engine, Millis, ProcKey};
use crate::setup::{Keep, Setup};
use crate::world::host::HostState;
use crate::world::{Body, STEP, World};

/// How a process comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// With its nodes.conf as it was.
    AsItWas,
    /// With the addresses in it blanked, as our start script does.
    Blanked,
    /// With nothing.
    Empty,
}

/// Six processes, each on a host of its own; nobody's data outlives its process.
pub struct Rig {
    world: World,
    members: Vec<ProcKey>,
}

impl Rig {
    /// Starts them.
    pub fn new(engine: Engine, seed: u64) -> Self {
        let setup = Setup {
            leaders: 3,
            followers: 1,
            zones: 3,
            hosts_per_zone: 2,
            room: 12,
            keep: Keep::Memory,
            volumes_are_local: false,
            node_timeout: 2000,
            zone_loss: 0,
            rehome_seconds: 30,
            accept_empty: false,
            quorum_loss: QuorumLossPolicy::Fenced,
            engine,
            operators: 0,
            copy: 50,
            store_lag: 0,
            reuses_addresses: false,
            flaky_percent: 0,
            image_version: 0,
        };
        let mut world = World::new(setup, StdRng::seed_from_u64(seed));
        let members = (0..6)
            .map(|host| world.spawn(&format!("m{host}"), Addr { host, number: 1 }, None))
            .collect();
        Self { world, members }
    }

    /// Where a member is.
    pub fn address(&self, member: usize) -> Address {
        address(self.world.proc(self.members[member]).addr)
    }

    /// What it answers; none where it is not there.
    pub fn ask(&self, member: usize) -> Option<MemberAnswer> {
        let key = self.members[member];
        let world = &self.world;
        let at = |other: ProcKey| Some(world.proc(other).addr);
        let is_there = world.is_running(key);
        is_there.then(|| answer(world.proc(key), world.setup.leaders, world.now, at))
    }

    /// Whether it accepts the command.
    pub fn tell(&mut self, member: usize, deed: &MemberCommand) -> bool {
        let key = self.members[member];
        let (now, leaders) = (self.world.now, self.world.setup.leaders);
        let mut out = Vec::new();
        let process = &mut self.world.procs[key.0];
        let is_done = command(process, deed, leaders, now, &mut out).is_ok();
        self.world.packets.extend(out);
        is_done
    }

    /// `kill -9`.
    pub fn kill(&mut self, member: usize) {
        self.world.end_process(self.members[member], Cause::Fault);
    }

    /// It hangs.
    pub fn freeze(&mut self, member: usize) {
        self.set_host(member, HostState::Paused);
    }

    /// It goes on.
    pub fn thaw(&mut self, member: usize) {
        self.set_host(member, HostState::Up);
    }

    fn set_host(&mut self, member: usize, state: HostState) {
        let host = self.world.proc(self.members[member]).addr.host;
        self.world.hosts[host as usize].state = state;
    }

    /// Starts it again on its address, closed and without data.
    pub fn start_again(&mut self, member: usize, how: Return) {
        let old = self.world.proc(self.members[member]).clone();
        let body = (how != Return::Empty).then(|| Body {
            table: old.table.clone(),
            data: Data::default(),
            snapshot: Data::default(),
        });
        let key = self.world.spawn(&old.pod, old.addr, body);
        if how == Return::AsItWas {
            let process = &mut self.world.procs[key.0];
            process.timeout = 2000;
            for (id, node) in &mut process.table.nodes {
                node.addr = old.table.nodes.get(id).and_then(|known| known.addr);
            }
        }
        self.members[member] = key;
    }

    /// A client writes, as the operator's user may also where clients are not let in.
    pub fn write(&mut self, member: usize) {
        let chunk = member % 3;
        self.world.write(self.members[member], chunk);
    }

    /// Time passes.
    pub fn pass(&mut self, millis: Millis) {
        for _ in 0..millis / STEP {
            self.world.bus_step();
        }
    }
}
