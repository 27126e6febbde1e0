//! Which Secrets there must be. Their values are random and are made by `act`: nothing here, and
//! nothing in a plan, ever holds a password.

use super::labels::{
    KEY_HOOK, KEY_OPERATOR, KEY_PASSWORD, KEY_REPLICATION, auth_secret_name, internal_secret_name,
};
use crate::model::Desired;

/// Name and keys of the Secret with our own users' passwords: the operator's, the followers' and
/// the preStop hook's. Three, so that what runs in a pod cannot do what the operator can.
pub fn internal_secret(desired: &Desired, generation: u32) -> (String, Vec<String>) {
    (
        internal_secret_name(&desired.key.name, generation),
        [KEY_OPERATOR, KEY_REPLICATION, KEY_HOOK]
            .map(str::to_owned)
            .to_vec(),
    )
}

/// Name and keys of the clients' Secret that we make. None where clients need no password, or the
/// owner brings the Secret.
pub fn client_secret(desired: &Desired) -> Option<(String, Vec<String>)> {
    (desired.auth.enabled && desired.auth.secret_name.is_none()).then(|| {
        (
            auth_secret_name(&desired.key.name),
            vec![KEY_PASSWORD.to_owned()],
        )
    })
}

/// The Secret that the clients' password is in, whoever made it. None where they need none.
pub fn client_secret_name(desired: &Desired) -> Option<String> {
    let name = || auth_secret_name(&desired.key.name);
    desired
        .auth
        .enabled
        .then(|| desired.auth.secret_name.clone().unwrap_or_else(name))
}
