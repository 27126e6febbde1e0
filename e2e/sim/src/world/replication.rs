//! Replication: whom each process copies from, and whom it feeds (`replication.c`).

use rand::Rng;

use super::World;
use crate::promises::Cause;
use crate::redis::process::Downstream;
use crate::redis::{Data, Millis, ProcKey, Upstream};

/// `repl-timeout`.
const LINK_MILLIS_MAX: Millis = 60_000;
/// A follower without a link tries again this often.
const AGAIN: Millis = 1000;

impl World {
    /// One turn of a process' replication.
    pub fn replicate(&mut self, key: ProcKey) {
        self.drop_old_downstream(key);
        if self.proc(key).leads() {
            return;
        }
        match self.proc(key).upstream {
            Upstream::None => {}
            Upstream::Down { addr, again, since } => {
                if self.now >= again {
                    let addr = addr.or_else(|| {
                        let table = &self.proc(key).table;
                        table.leader.and_then(|id| table.nodes.get(&id)?.addr)
                    });
                    self.connect(key, addr, since);
                }
            }
            Upstream::Syncing {
                addr,
                from,
                loads,
                done,
                ..
            } => {
                if !self.feeds(from, key) {
                    self.lose_link(key);
                } else if self.now >= done {
                    let data = self.proc(from).data.clone();
                    self.set_data(key, data, Cause::Copied);
                    self.take_snapshot(key);
                    let heard = self.now;
                    self.procs[key.0].upstream = Upstream::Up { addr, from, heard };
                    self.acknowledge(key, from, true);
                } else {
                    if self.now >= loads {
                        self.set_data(key, Data::default(), Cause::Copied);
                    }
                    self.acknowledge(key, from, false);
                }
            }
            Upstream::Up { addr, from, heard } => self.take_in(key, addr, from, heard),
        }
    }

    fn take_in(&mut self, key: ProcKey, addr: crate::redis::Addr, from: ProcKey, heard: Millis) {
        let source = self.proc(from);
        let own = self.proc(key);
        let has_ended = !source.is_alive && self.joins(own.addr, source.addr);
        if has_ended || self.now > heard + LINK_MILLIS_MAX {
            self.lose_link(key);
            return;
        }
        if !self.feeds(from, key) {
            return; // silent: the link stands
        }
        let data = self.proc(from).data.clone();
        let own = &self.proc(key).data;
        if *own != data && !own.is_beginning_of(&data) && !own.is_empty() {
            self.lose_link(key);
            return;
        }
        self.set_data(key, data, Cause::Copied);
        let heard = self.now;
        self.procs[key.0].upstream = Upstream::Up { addr, from, heard };
        self.acknowledge(key, from, true);
    }

    fn connect(&mut self, key: ProcKey, addr: Option<crate::redis::Addr>, since: Option<Millis>) {
        let again = self.now + AGAIN;
        self.procs[key.0].upstream = Upstream::Down { addr, since, again };
        let Some((addr, from)) = addr.and_then(|addr| Some((addr, *self.listening.get(&addr)?)))
        else {
            return;
        };
        let source = self.proc(from);
        let password = self.proc(key).passwords.follows_with;
        let is_let_in =
            source.is_open_to_followers && source.passwords.followers.contains(&password);
        let is_ready = is_let_in && self.now >= source.loads_until;
        let chain = source.leads() || source.is_in_sync();
        if from == key || !is_ready || !chain || !self.feeds(from, key) {
            return;
        }
        let own = &self.proc(key).data;
        if own.is_beginning_of(&source.data) {
            let heard = self.now;
            self.procs[key.0].upstream = Upstream::Up { addr, from, heard };
            let data = self.proc(from).data.clone();
            self.set_data(key, data, Cause::Copied);
            self.acknowledge(key, from, true);
            return;
        }
        let takes = self.setup.copy + self.rng.random_range(0..=self.setup.copy);
        self.procs[key.0].upstream = Upstream::Syncing {
            addr,
            from,
            since,
            loads: self.now + takes * 4 / 5,
            done: self.now + takes,
        };
        self.acknowledge(key, from, false);
    }

    /// What a process sent to a follower that hangs lies in the kernel there, and is read when that one goes on,
    /// also where the sender has ended meanwhile.
    pub fn leave_to_the_hung(&mut self, from: ProcKey) {
        let is_fed = |it: &&crate::redis::Process| {
            let copies = matches!(it.upstream, Upstream::Up { from: of, .. } if of == from);
            copies && it.hangs_until > self.now
        };
        let hung: Vec<ProcKey> = self.alive().filter(is_fed).map(|it| it.key).collect();
        for key in hung {
            let data = self.proc(from).data.clone();
            let goes_on = self.proc(key).data.is_beginning_of(&data);
            if goes_on && self.joins(self.proc(from).addr, self.proc(key).addr) {
                self.set_data(key, data, Cause::Copied);
            }
        }
    }

    /// Whether what this process sends reaches that one.
    fn feeds(&self, from: ProcKey, to: ProcKey) -> bool {
        self.is_running(from) && self.joins(self.proc(from).addr, self.proc(to).addr)
    }

    fn lose_link(&mut self, key: ProcKey) {
        let (addr, since) = match self.proc(key).upstream {
            // `repl_down_since` is the end of the link, also where nothing came over it for a minute
            Upstream::Up { addr, .. } => (addr, Some(self.now)),
            Upstream::Syncing { addr, since, .. } => (addr, since),
            Upstream::Down { .. } | Upstream::None => return,
        };
        self.procs[key.0].upstream = Upstream::Down {
            addr: Some(addr),
            since,
            again: self.now,
        };
    }

    fn acknowledge(&mut self, key: ProcKey, to: ProcKey, is_online: bool) {
        let link = Downstream {
            is_online,
            acked: self.now,
            offset: self.proc(key).data.offset(),
        };
        self.procs[to.0].downstream.insert(key, link);
    }

    /// Followers that left, ended, or were not heard for too long.
    fn drop_old_downstream(&mut self, key: ProcKey) {
        let own = self.proc(key).addr;
        let gone: Vec<ProcKey> = self
            .proc(key)
            .downstream
            .iter()
            .filter(|(other, link)| {
                let follower = self.proc(**other);
                let is_ours = match follower.upstream {
                    Upstream::Up { from, .. } | Upstream::Syncing { from, .. } => from == key,
                    _ => false,
                };
                let tells = self.joins(own, follower.addr);
                tells && !(follower.is_alive && is_ours) || self.now > link.acked + LINK_MILLIS_MAX
            })
            .map(|(other, _)| *other)
            .collect();
        for other in gone {
            self.procs[key.0].downstream.remove(&other);
        }
    }

    /// A process holds this now, and no more what it held.
    pub fn set_data(&mut self, key: ProcKey, data: Data, cause: Cause) {
        if self.proc(key).data == data {
            return;
        }
        for (reign, upto) in data.parts() {
            let info = &self.reigns.all[reign.0 as usize];
            let most = info.holders.get(&key).copied().unwrap_or(0);
            // what a deposed leader feeds is lost whoever takes it
            let leader = self.proc(info.leader);
            if upto > most && leader.leads() && !self.is_deposed(leader) {
                self.reigns.all[reign.0 as usize].holders.insert(key, upto);
            }
        }
        let old = std::mem::replace(&mut self.procs[key.0].data, data);
        crate::promises::note_dropped(self, key, &old, cause);
    }
}
