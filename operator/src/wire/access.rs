//! Who may log in with what, as a member says, compared with what the Secrets say. Passwords and their
//! hashes do not leave `wire`.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::acl::User;
use crate::model::{Access, Keys, Settings};
use crate::ports::{Credentials, Password};

/// What a follower logs in to its leader with.
pub(super) const UPSTREAM_PASSWORD: &str = "masterauth";

/// The users of one member, as far as they matter.
pub(super) struct Users {
    pub(super) clients: User,
    pub(super) followers: User,
    pub(super) operator: User,
}

impl Users {
    /// Whether clients and followers may log in.
    pub(super) fn are_let_in(&self) -> bool {
        self.clients.is_on && self.followers.is_on
    }

    /// Whether followers may.
    pub(super) fn followers_are_let_in(&self) -> bool {
        self.followers.is_on
    }

    /// Passwords that clients may use and that no Secret has: somebody may not have moved yet.
    pub(super) fn former_of_clients(&self, credentials: &Credentials) -> BTreeSet<String> {
        let wanted = hashes(credentials.client_passwords());
        self.clients.hashes.difference(&wanted).cloned().collect()
    }

    /// The comparison. What cannot be compared for want of a Secret is as wanted.
    pub(super) fn access(&self, credentials: &Credentials, in_force: &Settings) -> Access {
        let upstream = in_force.get(UPSTREAM_PASSWORD);
        let follows_with = credentials.replication.as_ref().map(Password::reveal);
        Access {
            clients: self.client_keys(credentials),
            followers: if self.followers.is_on {
                keys(&self.followers, credentials.follower_passwords())
            } else {
                Keys::AsWanted
            },
            operator: keys(&self.operator, credentials.operator_passwords()),
            presents_former: false,
            follows_with_former: follows_with.is_some()
                && upstream.map(String::as_str) != follows_with,
        }
    }

    fn client_keys(&self, credentials: &Credentials) -> Keys {
        let user = &self.clients;
        match (credentials.client_needs_password, user.needs_no_password) {
            _ if !user.is_on => Keys::AsWanted,
            (false, false) => Keys::LackNew,
            (true, false) => keys(user, credentials.client_passwords()),
            // any password is taken, the new one too
            (true, true) if credentials.client.is_some() => Keys::TakeFormer,
            (_, true) => Keys::AsWanted,
        }
    }
}

/// `wanted`: the current password first.
fn keys<'a>(user: &User, wanted: impl Iterator<Item = &'a Password>) -> Keys {
    let wanted = hashes(wanted);
    if wanted.is_empty() {
        Keys::AsWanted
    } else if !wanted.is_subset(&user.hashes) {
        Keys::LackNew
    } else if user.hashes.is_subset(&wanted) {
        Keys::AsWanted
    } else {
        Keys::TakeFormer
    }
}

fn hashes<'a>(passwords: impl Iterator<Item = &'a Password>) -> BTreeSet<String> {
    passwords.map(hash).collect()
}

/// As servers store it.
pub(super) fn hash(password: &Password) -> String {
    format!("{:x}", Sha256::digest(password.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taking(passwords: &[&str]) -> User {
        let owned = passwords.iter().map(|text| Password::new(*text));
        User {
            is_on: true,
            needs_no_password: false,
            hashes: owned.map(|password| hash(&password)).collect(),
        }
    }

    fn users(clients: User) -> Users {
        Users {
            clients,
            followers: taking(&["f"]),
            operator: taking(&["o"]),
        }
    }

    fn credentials(client: Option<&str>, former: Option<&str>) -> Credentials {
        let password = |text: &str| Some(Password::new(text));
        Credentials {
            operator: password("o"),
            replication: password("f"),
            client: client.and_then(password),
            client_needs_password: true,
            former_client: former.and_then(password),
            ..Credentials::default()
        }
    }

    #[test]
    fn what_clients_may_use_is_compared_with_the_secret() {
        type Text = Option<&'static str>;
        let table: [(&[&str], Text, Text, Keys); 7] = [
            (&["a"], Some("a"), None, Keys::AsWanted),
            (&["a"], Some("b"), None, Keys::LackNew),
            (&["a", "b"], Some("b"), None, Keys::TakeFormer),
            (&["a", "b"], Some("b"), Some("a"), Keys::AsWanted),
            (&["b"], Some("b"), Some("a"), Keys::LackNew),
            (&["a"], None, None, Keys::AsWanted),
            (&["a"], None, Some("b"), Keys::AsWanted),
        ];
        for (takes, client, former, expected) in table {
            let users = users(taking(takes));
            let found = users.client_keys(&credentials(client, former));
            assert_eq!(found, expected, "{takes:?} {client:?} {former:?}");
        }
    }

    #[test]
    fn who_lets_everybody_in_takes_the_new_password_too() {
        let open = || {
            users(User {
                needs_no_password: true,
                ..taking(&[])
            })
        };
        let mut credentials = credentials(Some("a"), None);
        assert_eq!(open().client_keys(&credentials), Keys::TakeFormer);
        credentials.client_needs_password = false;
        assert_eq!(open().client_keys(&credentials), Keys::AsWanted);
        assert_eq!(
            users(taking(&["a"])).client_keys(&credentials),
            Keys::LackNew
        );
        let closed = users(User::default());
        assert_eq!(closed.client_keys(&credentials), Keys::AsWanted);
    }

    #[test]
    fn our_own_users_take_the_former_password_while_it_is_changed() {
        let mut credentials = Credentials {
            operator: Some(Password::new("o2")),
            replication: Some(Password::new("f2")),
            former_operator: Some(Password::new("o")),
            former_replication: Some(Password::new("f")),
            client_needs_password: true,
            is_rotating: true,
            ..Credentials::default()
        };
        let follows_with =
            |text: &str| Settings::from([("masterauth".to_owned(), text.to_owned())]);
        let mut users = users(taking(&[]));
        let access = users.access(&credentials, &follows_with("f"));
        assert_eq!(
            (access.operator, access.followers),
            (Keys::LackNew, Keys::LackNew)
        );
        assert!(access.follows_with_former);
        (users.operator, users.followers) = (taking(&["o", "o2"]), taking(&["f", "f2"]));
        let access = users.access(&credentials, &follows_with("f2"));
        assert_eq!(access, Access::default());
        credentials.is_rotating = false;
        let access = users.access(&credentials, &follows_with("f2"));
        assert_eq!(
            (access.operator, access.followers),
            (Keys::TakeFormer, Keys::TakeFormer)
        );
    }
}
