//! Who takes which password. Passwords are numbers; those of our own users are their Secrets'
//! generations.

use std::collections::BTreeSet;

use zoneward_operator::model::{Access, Keys};
use zoneward_operator::plan::PasswordStep;
use zoneward_operator::ports::{Credentials, Password};

/// What one process takes, and uses.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    /// Of clients.
    pub clients: BTreeSet<u32>,
    /// Of the operator.
    pub operator: BTreeSet<u32>,
    /// Of followers.
    pub followers: BTreeSet<u32>,
    /// What it logs in to its leader with.
    pub follows_with: u32,
}

/// What an operator knows from the Secrets as it sees them.
#[derive(Clone, Debug, Default)]
pub struct Known {
    client: u32,
    current: u32,
    former: Option<u32>,
    own: BTreeSet<u32>,
}

impl Known {
    /// Reads the numbers.
    pub fn of(credentials: &Credentials) -> Self {
        let number = |password: &Password| password.reveal().parse().unwrap_or(u32::MAX);
        Self {
            client: credentials.client.as_ref().map_or(0, number),
            current: credentials.operator.as_ref().map_or(0, number),
            former: credentials.former_operator.as_ref().map(number),
            own: credentials.operator_passwords().map(number).collect(),
        }
    }
}

impl Passwords {
    /// Of a process that starts with the Secret of this generation.
    pub fn of(generation: u32) -> Self {
        Self {
            clients: BTreeSet::new(),
            operator: [generation].into(),
            followers: [generation].into(),
            follows_with: generation,
        }
    }

    /// Whether the operator can log in.
    pub fn let_in(&self, known: &Known) -> bool {
        let mut keys = [known.current].into_iter().chain(known.former);
        keys.any(|key| self.operator.contains(&key))
    }

    /// What the operator is told.
    pub fn access(&self, known: &Known, to_clients: bool, to_followers: bool) -> Access {
        let own = &known.own;
        let where_open = |is_open, keys| if is_open { keys } else { Keys::AsWanted };
        Access {
            clients: where_open(to_clients, keys(&self.clients, &[known.client].into())),
            followers: where_open(to_followers, keys(&self.followers, own)),
            operator: keys(&self.operator, own),
            presents_former: false,
            follows_with_former: self.follows_with != known.current,
        }
    }

    /// Clients and followers are let in; `former`: what clients use elsewhere.
    pub fn open(&mut self, known: &Known, former: BTreeSet<u32>) {
        self.clients = former;
        self.clients.insert(known.client);
        self.open_to_followers(known);
    }

    /// Followers are let in.
    pub fn open_to_followers(&mut self, known: &Known) {
        self.followers.clone_from(&known.own);
    }

    /// One step of a change.
    pub fn step(&mut self, known: &Known, step: PasswordStep) {
        let own = &known.own;
        match step {
            PasswordStep::AdmitClients => {
                self.clients.insert(known.client);
            }
            PasswordStep::RetireFormerOfClients => self.clients = [known.client].into(),
            PasswordStep::AdmitOwn => {
                self.operator.extend(own);
                self.followers.extend(own);
            }
            PasswordStep::FollowWithNew => self.follows_with = known.current,
            PasswordStep::RetireFormerOwn => {
                self.operator.clone_from(own);
                self.followers.clone_from(own);
            }
        }
    }
}

fn keys(takes: &BTreeSet<u32>, wanted: &BTreeSet<u32>) -> Keys {
    if !wanted.is_subset(takes) {
        Keys::LackNew
    } else if takes.is_subset(wanted) {
        Keys::AsWanted
    } else {
        Keys::TakeFormer
    }
}
