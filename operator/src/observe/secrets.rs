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

use super::certificate;
use crate::api::RedisCluster;
use crate::api_call::bounded;
use crate::model::{CertificateView, ClusterKey, SecretsView};
use crate::ports::{Clock, Credentials, ObjectError, Password, Trust};
use crate::resources::labels::{
    KEY_CA, KEY_CERTIFICATE, KEY_OPERATOR, KEY_PASSWORD, KEY_PREVIOUS_PASSWORD, KEY_PRIVATE,
    KEY_REPLICATION, auth_secret_name, internal_secret_name, members_service_name,
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
    let generation = generation(resource);
    let internal_name = internal_secret_name(&key.name, generation);
    // the same as the current one where there was none before
    let former_name = internal_secret_name(&key.name, generation.saturating_sub(1));
    let client_name = resource
        .spec
        .auth
        .secret_name
        .clone()
        .unwrap_or_else(|| auth_secret_name(&key.name));
    let internal = cache.read(client, clock, &key.namespace, &internal_name);
    let client_secret = cache.read(client, clock, &key.namespace, &client_name);
    let former = cache.read(client, clock, &key.namespace, &former_name);
    let certificate = async {
        let Some(tls) = &resource.spec.tls else {
            return Ok(None);
        };
        let name = &tls.secret_name;
        cache.read(client, clock, &key.namespace, name).await
    };
    let (internal, former, client_secret, certificate) =
        tokio::try_join!(internal, former, client_secret, certificate)?;
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
    let read = Read {
        internal: internal.as_deref(),
        former: former.as_deref().filter(|_| generation > 0),
        client: client_secret.as_deref(),
        certificate: certificate.as_deref(),
    };
    Ok(read_secrets(&read, resource))
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

/// The Secrets of one RedisCluster, as far as they are there.
#[derive(Default)]
struct Read<'a> {
    internal: Option<&'a Secret>,
    /// Our own users' passwords before the current ones.
    former: Option<&'a Secret>,
    client: Option<&'a Secret>,
    certificate: Option<&'a Secret>,
}

/// Which Secret of our own users' passwords is the current one.
fn generation(resource: &RedisCluster) -> u32 {
    let status = resource.status.as_ref();
    status.map_or(0, |status| status.record.passwords.generation)
}

fn read_secrets(read: &Read<'_>, resource: &RedisCluster) -> (SecretsView, Credentials) {
    let uid = resource.metadata.uid.as_deref().unwrap_or_default();
    let internal = read.internal.filter(|secret| !is_leftover(secret, uid));
    let former = read.former.filter(|secret| !is_leftover(secret, uid));
    let client = read.client.filter(|secret| !is_leftover(secret, uid));
    let needs_password = resource.spec.auth.enabled;
    let of_client = |key| client.and_then(|secret| password(secret, key));
    let status = resource.status.as_ref();
    let is_rotating = status.is_some_and(|status| status.record.passwords.is_rotating);
    let operator = internal.and_then(|secret| password(secret, KEY_OPERATOR));
    let replication = internal.and_then(|secret| password(secret, KEY_REPLICATION));
    let internal_is_present = operator.is_some() && replication.is_some();
    let former_operator = former.and_then(|secret| password(secret, KEY_OPERATOR));
    let former_replication = former.and_then(|secret| password(secret, KEY_REPLICATION));
    let former_is_present = former_operator.is_some() && former_replication.is_some();
    let (certificate, trust) = certificate_of(read.certificate, resource).unzip();
    let credentials = Credentials {
        is_sealed: resource.spec.tls.is_some(),
        trust,
        // until the new ones are made, the former ones are what there is
        operator: operator.or_else(|| former_operator.clone()),
        replication: replication.or_else(|| former_replication.clone()),
        client: of_client(KEY_PASSWORD).filter(|_| needs_password),
        client_needs_password: needs_password,
        former_client: of_client(KEY_PREVIOUS_PASSWORD).filter(|_| needs_password),
        former_operator,
        former_replication,
        is_rotating,
    };
    let view = SecretsView {
        internal_is_present,
        former_is_present,
        certificate,
        client_is_present: client.is_some(),
        client_is_usable: client.is_some_and(|s| password(s, KEY_PASSWORD).is_some()),
    };
    (view, credentials)
}

/// The certificate, and how to know who presents it. None where a part of it is missing.
fn certificate_of(
    secret: Option<&Secret>,
    resource: &RedisCluster,
) -> Option<(CertificateView, Trust)> {
    let data = secret?.data.as_ref()?;
    let text = |key: &str| std::str::from_utf8(&data.get(key)?.0).ok();
    text(KEY_PRIVATE).filter(|key| !key.is_empty())?;
    let authorities = text(KEY_CA)?;
    let (view, fingerprint) = certificate::read(text(KEY_CERTIFICATE)?, authorities)?;
    let name = resource
        .spec
        .tls
        .as_ref()
        .and_then(|tls| tls.server_name.clone());
    let trust = Trust {
        authorities: authorities.to_owned(),
        server_name: name.unwrap_or_else(|| {
            let metadata = &resource.metadata;
            let cluster = metadata.name.as_deref().unwrap_or_default();
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            format!("{}.{namespace}.svc", members_service_name(cluster))
        }),
        fingerprint: Some(fingerprint),
    };
    Some((view, trust))
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

    fn of_client(secret: &Secret) -> Read<'_> {
        Read {
            client: Some(secret),
            ..Read::default()
        }
    }

    #[test]
    fn until_new_passwords_of_ours_are_made_the_former_ones_serve() {
        let mut resource = resource(&json!({}));
        resource.status = serde_json::from_value(json!({
            "record": { "passwords": { "generation": 1, "isRotating": true } } }))
        .unwrap();
        let of = |name| secret(None, &[("operator", name), ("replication", name)]);
        let (new, old) = (of("new"), of("old"));
        let mut read = Read {
            former: Some(&old),
            ..Read::default()
        };
        let (view, credentials) = read_secrets(&read, &resource);
        assert!(!view.internal_is_present && view.former_is_present);
        assert_eq!(credentials.operator, Some(Password::new("old")));
        read.internal = Some(&new);
        let (view, credentials) = read_secrets(&read, &resource);
        assert!(view.internal_is_present && view.former_is_present);
        let passwords: Vec<_> = credentials.operator_passwords().cloned().collect();
        assert_eq!(passwords, [Password::new("new"), Password::new("old")]);
        resource.status = None;
        let (_, credentials) = read_secrets(&read, &resource);
        assert_eq!(credentials.operator_passwords().count(), 1);
        assert_eq!(credentials.follower_passwords().count(), 1);
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
        let (view, credentials) = read_secrets(&Read::default(), &resource);
        assert_eq!(view, SecretsView::default());
        assert!(credentials.client_needs_password);

        let unusable = secret(None, &[("pass", "x")]);
        let (view, _) = read_secrets(&of_client(&unusable), &resource);
        assert!(view.client_is_present && !view.client_is_usable);
    }

    #[test]
    fn a_leftover_of_a_deleted_cluster_does_not_count() {
        let resource = resource(&json!({}));
        let data = [("operator", "a"), ("replication", "b")];
        for (uid, expected) in [("u-0", false), ("u-1", true)] {
            let own = secret(Some(uid), &data);
            let read = Read {
                internal: Some(&own),
                ..Read::default()
            };
            let (view, _) = read_secrets(&read, &resource);
            assert_eq!(view.internal_is_present, expected, "{uid}");
        }
    }

    #[test]
    fn without_auth_no_client_password_is_used() {
        let resource = resource(&json!({ "enabled": false }));
        let given = secret(None, &[("password", "x")]);
        let (_, credentials) = read_secrets(&of_client(&given), &resource);
        assert_eq!(credentials.client, None);
        assert!(!credentials.client_needs_password);
    }
}
