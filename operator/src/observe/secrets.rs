//! Secrets: read by name, kept for a while, and turned into [`SecretsView`] and [`Credentials`].
//!
//! They are not watched. A watch needs the right to list, which shows every Secret of the
//! namespace; reading by name needs `get` alone, also for a Secret that the user named. The price
//! is that a changed Secret is noticed only when the kept copy is too old.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Resource};

use crate::api::RedisCluster;
use crate::api_call::bounded;
use crate::model::{ClusterKey, SecretsView};
use crate::ports::{Clock, Credentials, ObjectError, Password};
use crate::resources::labels::{
    KEY_OPERATOR, KEY_PASSWORD, KEY_REPLICATION, auth_secret_name, internal_secret_name,
};

/// How long a Secret that was found is taken to be as it was.
const PRESENT_FOR: Duration = Duration::from_secs(30);
/// The same for one that was missing: somebody may be waiting for it.
const ABSENT_FOR: Duration = Duration::from_secs(1);

type Key = (String, String);

/// Secrets as they were read last.
#[derive(Default)]
pub struct SecretCache {
    entries: Mutex<BTreeMap<Key, Entry>>,
}

#[derive(Clone)]
struct Entry {
    secret: Option<Arc<Secret>>,
    read_at: Duration,
}

impl SecretCache {
    /// Drops what is kept of this namespace's Secret: it was written.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.locked()
            .remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, key: &Key, now: Duration) -> Option<Entry> {
        let mut entries = self.locked();
        entries.retain(|_, entry| entry.is_fresh(now));
        entries.get(key).cloned()
    }

    async fn read(
        &self,
        client: &Client,
        clock: &dyn Clock,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Secret>>, ObjectError> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(kept) = self.kept(&key, clock.monotonic()) {
            return Ok(kept.secret);
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let read_at = clock.monotonic();
        let secret = bounded(format!("get Secret {name}"), api.get_opt(name)).await?;
        let secret = secret.map(Arc::new);
        self.locked().insert(
            key,
            Entry {
                secret: secret.clone(),
                read_at,
            },
        );
        Ok(secret)
    }
}

impl Entry {
    fn is_fresh(&self, now: Duration) -> bool {
        let limit = if self.secret.is_some() {
            PRESENT_FOR
        } else {
            ABSENT_FOR
        };
        now.saturating_sub(self.read_at) < limit
    }
}

/// Reads both Secrets of a RedisCluster.
pub(super) async fn secrets(
    cache: &SecretCache,
    client: &Client,
    clock: &dyn Clock,
    key: &ClusterKey,
    resource: &RedisCluster,
) -> Result<(SecretsView, Credentials), ObjectError> {
    let internal_name = internal_secret_name(&key.name);
    let client_name = resource
        .spec
        .auth
        .secret_name
        .clone()
        .unwrap_or_else(|| auth_secret_name(&key.name));
    let internal = cache.read(client, clock, &key.namespace, &internal_name);
    let client_secret = cache.read(client, clock, &key.namespace, &client_name);
    let (internal, client_secret) = tokio::try_join!(internal, client_secret)?;
    let uid = resource.metadata.uid.as_deref().unwrap_or_default();
    for (name, secret) in [(&internal_name, &internal), (&client_name, &client_secret)] {
        if secret
            .as_ref()
            .is_some_and(|secret| is_leftover(secret, uid))
        {
            // Garbage collection takes it away at any moment: look again soon.
            cache.forget(&key.namespace, name);
        }
    }
    Ok(read_secrets(
        internal.as_deref(),
        client_secret.as_deref(),
        resource,
    ))
}

/// A Secret that belongs to a RedisCluster of another uid: one of the same name that was deleted.
/// It is as good as gone.
fn is_leftover(secret: &Secret, uid: &str) -> bool {
    let kind = RedisCluster::kind(&());
    secret
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.kind == kind && owner.uid != uid)
}

fn read_secrets(
    internal: Option<&Secret>,
    client: Option<&Secret>,
    resource: &RedisCluster,
) -> (SecretsView, Credentials) {
    let uid = resource.metadata.uid.as_deref().unwrap_or_default();
    let internal = internal.filter(|secret| !is_leftover(secret, uid));
    let client = client.filter(|secret| !is_leftover(secret, uid));
    let needs_password = resource.spec.auth.enabled;
    let client_password = client.and_then(|secret| password(secret, KEY_PASSWORD));
    let credentials = Credentials {
        operator: internal.and_then(|secret| password(secret, KEY_OPERATOR)),
        replication: internal.and_then(|secret| password(secret, KEY_REPLICATION)),
        client: client_password.filter(|_| needs_password),
        client_needs_password: needs_password,
    };
    let view = SecretsView {
        internal_is_present: credentials.operator.is_some() && credentials.replication.is_some(),
        client_is_present: client.is_some(),
        client_is_usable: client.is_some_and(|s| password(s, KEY_PASSWORD).is_some()),
    };
    (view, credentials)
}

/// The password under this key. One line break at its end is dropped: `echo secret > file` puts it
/// there, and a password with a line break inside cannot be given to Redis.
fn password(secret: &Secret, key: &str) -> Option<Password> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let is_usable = !text.is_empty() && !text.contains(['\n', '\r', '\0']);
    is_usable.then(|| Password::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use serde_json::json;

    fn resource(auth: &serde_json::Value) -> RedisCluster {
        serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cache", "namespace": "ns", "uid": "u-1" },
            "spec": { "image": "redis", "auth": auth },
        }))
        .unwrap()
    }

    fn secret(owner_uid: Option<&str>, data: &[(&str, &str)]) -> Secret {
        let mut secret = Secret {
            data: Some(
                data.iter()
                    .map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec())))
                    .collect(),
            ),
            ..Secret::default()
        };
        if let Some(uid) = owner_uid {
            secret.metadata.owner_references = serde_json::from_value(json!([{
                "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster", "name": "cache",
                "uid": uid }]))
            .unwrap();
        }
        secret
    }

    #[test]
    fn passwords_are_read_and_judged() {
        let table = [
            ("plain", "hunter2", Some("hunter2")),
            ("a line break at the end", "hunter2\n", Some("hunter2")),
            ("a line break inside", "hunter\n2", None),
            ("empty", "", None),
            ("only a line break", "\n", None),
        ];
        for (name, text, expected) in table {
            let read = password(&secret(None, &[("password", text)]), "password");
            assert_eq!(read, expected.map(Password::new), "{name}");
        }
    }

    #[test]
    fn a_missing_secret_is_missing_and_an_unusable_one_is_there() {
        let resource = resource(&json!({}));
        let (view, credentials) = read_secrets(None, None, &resource);
        assert_eq!(view, SecretsView::default());
        assert!(credentials.client_needs_password);

        let (view, _) = read_secrets(None, Some(&secret(None, &[("pass", "x")])), &resource);
        assert!(view.client_is_present && !view.client_is_usable);
    }

    #[test]
    fn a_leftover_of_a_deleted_cluster_does_not_count() {
        let resource = resource(&json!({}));
        let data = [("operator", "a"), ("replication", "b")];
        let (view, _) = read_secrets(Some(&secret(Some("u-0"), &data)), None, &resource);
        assert!(!view.internal_is_present);
        let (view, _) = read_secrets(Some(&secret(Some("u-1"), &data)), None, &resource);
        assert!(view.internal_is_present);
    }

    #[test]
    fn without_auth_no_client_password_is_used() {
        let resource = resource(&json!({ "enabled": false }));
        let given = secret(None, &[("password", "x")]);
        let (_, credentials) = read_secrets(None, Some(&given), &resource);
        assert_eq!(credentials.client, None);
        assert!(!credentials.client_needs_password);
    }
}
