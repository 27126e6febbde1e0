//! The bus: commands, gossip, replication and elections. It agrees at once.

use std::collections::{BTreeMap, BTreeSet};

use zoneward_operator::model::{Address, MemberId, MemberName, SlotSet};
use zoneward_operator::plan::MemberCommand;

use super::World;

/// As many as a source gives away between two rounds; the higher its shard, the fewer, so that they do not
/// end together.
const SLOTS_IN_A_ROUND: u16 = 100;
const FEWER_FOR_EACH_SHARD: u16 = 9;

impl World {
    pub(super) fn command(&mut self, name: &MemberName, command: &MemberCommand) {
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
        if let MemberCommand::Passwords(step) = command {
            return self.step(name, *step);
        }
        let (clients, own) = (self.clients_to_admit(), self.own());
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
            MemberCommand::MoveSlots {
                slots,
                to,
                begins: true,
                ..
            } => {
                let shard = u16::try_from(self.pods[name].shard.0).unwrap();
                let count = SLOTS_IN_A_ROUND - FEWER_FOR_EACH_SHARD * shard.min(9);
                self.move_slots(name, &slots.first(count), &to.name.clone(), epoch);
            }
            MemberCommand::SetNodeTimeout { millis } => process.timeout = *millis,
            MemberCommand::Configure(wanted) => process.directives.configure(wanted),
            MemberCommand::OpenToFollowers => {
                process.is_open_to_followers = true;
                process.passwords.followers = own;
            }
            MemberCommand::Open => {
                (process.is_open, process.is_open_to_followers) = (true, true);
                (process.passwords.clients, process.passwords.followers) = (clients, own);
            }
            MemberCommand::Failover { .. } if self.no_votes => {}
            MemberCommand::Failover { of, .. } => self.promote(name, &of.clone(), epoch),
            MemberCommand::MoveSlots { .. }
            | MemberCommand::DisownSlots { .. }
            | MemberCommand::CloseSlots(_)
            | MemberCommand::Passwords(_)
            | MemberCommand::ReloadCertificate
            | MemberCommand::HoldWrites { .. }
            | MemberCommand::AcknowledgeDeparture
            | MemberCommand::ReleaseDeparture => {}
        }
    }

    fn move_slots(&mut self, from: &MemberName, slots: &SlotSet, to: &MemberName, epoch: u64) {
        if !self.is_up(to) {
            return;
        }
        let source = self.processes.get_mut(from).unwrap();
        let moved = slots.intersection(&source.slots);
        source.slots = source.slots.difference(&moved);
        if source.slots.is_empty() {
            let id = source.id.clone();
            let of_shard = self.processes.values_mut();
            let of_shard = of_shard.filter(|it| it.id == id || it.leader.as_ref() == Some(&id));
            of_shard.for_each(|it| it.keys = 0);
        }
        let target = self.processes.get_mut(to).unwrap();
        (target.slots, target.epoch) = (target.slots.union(&moved), epoch);
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

    pub(super) fn gossip(&mut self, up: &BTreeSet<MemberName>) {
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

    pub(super) fn replicate(&mut self, up: &BTreeSet<MemberName>) {
        let offsets: BTreeMap<MemberId, (u64, bool)> = up
            .iter()
            .map(|name| &self.processes[name])
            .filter(|process| process.leader.is_none() && process.is_open_to_followers)
            .map(|process| {
                let is_written_to = !process.slots.is_empty();
                (process.id.clone(), (process.offset + 10, is_written_to))
            })
            .collect();
        let lets_in: BTreeMap<MemberId, BTreeSet<u32>> = up
            .iter()
            .map(|name| &self.processes[name])
            .map(|process| (process.id.clone(), process.passwords.followers.clone()))
            .collect();
        for name in up {
            let process = self.processes.get_mut(name).unwrap();
            let source = process.leader.clone().unwrap_or_else(|| process.id.clone());
            // as if every link were cut again and again
            let knows = process.passwords.follows_with;
            let is_let_in = lets_in.get(&source).is_none_or(|it| it.contains(&knows));
            if self.cut_off.contains(name) || (process.leader.is_some() && !is_let_in) {
                process.in_sync = false;
            } else if let Some((offset, is_written_to)) = offsets.get(&source) {
                process.in_sync = process.leader.is_some();
                // clients write as soon as they can
                let is_fed = process.in_sync || !process.slots.is_empty();
                if self.status.record.formed && is_fed && *is_written_to {
                    process.keys = 1;
                }
                process.offset = *offset;
            }
        }
    }

    pub(super) fn elect(&mut self, up: &BTreeSet<MemberName>) {
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
