//! Who takes which password. Passwords are numbers; those of our own users are the Secrets' generations.

use std::collections::BTreeSet;

use zoneward_operator::model::{Access, Keys, SecretsView};
use zoneward_operator::plan::PasswordStep;

use super::{Process, World};

/// What one process takes, and uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passwords {
    pub(crate) clients: BTreeSet<u32>,
    pub(crate) operator: BTreeSet<u32>,
    pub(crate) followers: BTreeSet<u32>,
    pub(crate) follows_with: u32,
}

impl Passwords {
    /// A process that starts with the Secret of this generation.
    pub(super) fn of(generation: u32) -> Self {
        Self {
            clients: BTreeSet::new(),
            operator: [generation].into(),
            followers: [generation].into(),
            follows_with: generation,
        }
    }
}

impl World {
    /// The generations of our own users' passwords that are to be taken, the current one last.
    pub(super) fn own(&self) -> BTreeSet<u32> {
        let passwords = &self.status.record.passwords;
        let former = passwords.generation.saturating_sub(1);
        let first = if passwords.is_rotating {
            former
        } else {
            passwords.generation
        };
        (first..=passwords.generation).collect()
    }

    /// Which Secrets there are, of the generation on record and the one before.
    pub(super) fn secrets_seen(&self) -> SecretsView {
        let generation = self.status.record.passwords.generation;
        let has = |it: u32| self.own_secrets.contains(&it);
        SecretsView {
            internal_is_present: self.secrets.internal_is_present && has(generation),
            former_is_present: generation > 0 && has(generation - 1),
            ..self.secrets.clone()
        }
    }

    /// Whether the operator can log in there.
    pub(super) fn is_known_to(&self, process: &Process) -> bool {
        let generation = self.status.record.passwords.generation;
        let known = [generation, generation.saturating_sub(1)];
        known
            .iter()
            .any(|it| self.own_secrets.contains(it) && process.passwords.operator.contains(it))
    }

    pub(super) fn access(&self, process: &Process) -> Access {
        let keys = |takes: &BTreeSet<u32>, wanted: &BTreeSet<u32>| {
            if !wanted.is_subset(takes) {
                Keys::LackNew
            } else if takes.is_subset(wanted) {
                Keys::AsWanted
            } else {
                Keys::TakeFormer
            }
        };
        let current = self.status.record.passwords.generation;
        let passwords = &process.passwords;
        let mut access = Access {
            operator: keys(&passwords.operator, &self.own()),
            follows_with_former: passwords.follows_with != current,
            ..Access::default()
        };
        if process.is_open {
            access.clients = keys(&passwords.clients, &[self.client_password].into());
        }
        if process.is_open_to_followers {
            access.followers = keys(&passwords.followers, &self.own());
        }
        if !self.own_secrets.contains(&current) {
            // nobody can compare with what is not there
            (access.operator, access.followers) = (Keys::AsWanted, Keys::AsWanted);
            access.follows_with_former = false;
        }
        access
    }

    /// Opens it: clients' former passwords are taken where others take them still.
    pub(super) fn clients_to_admit(&self) -> BTreeSet<u32> {
        let others = self.processes.values().filter(|it| it.is_open);
        let mut all: BTreeSet<u32> = others.flat_map(|it| it.passwords.clients.clone()).collect();
        all.insert(self.client_password);
        all
    }

    pub(super) fn step(&mut self, name: &zoneward_operator::model::MemberName, step: PasswordStep) {
        let (own, client) = (self.own(), self.client_password);
        let generation = self.status.record.passwords.generation;
        let Some(process) = self.processes.get_mut(name) else {
            return;
        };
        let passwords = &mut process.passwords;
        match step {
            PasswordStep::AdmitClients => {
                passwords.clients.insert(client);
            }
            PasswordStep::RetireFormerOfClients => passwords.clients = [client].into(),
            PasswordStep::AdmitOwn => {
                passwords.operator.extend(&own);
                passwords.followers.extend(&own);
            }
            PasswordStep::FollowWithNew => passwords.follows_with = generation,
            PasswordStep::RetireFormerOwn => {
                passwords.operator.clone_from(&own);
                passwords.followers.clone_from(&own);
            }
        }
    }
}
