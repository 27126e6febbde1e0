//! What the owner of the RedisCluster changes while it runs.

use std::sync::Arc;

use anyhow::{Context, Result};
use zoneward_operator::api::RedisClusterSpec;
use zoneward_operator::resources::labels::{KEY_PASSWORD, auth_secret_name};

use crate::testbed::Testbed;

impl Testbed {
    /// Edits the spec.
    pub fn edit(&self, change: impl FnOnce(&mut RedisClusterSpec)) {
        let mut state = self.kubernetes.state();
        let mut next = (*state.resource).clone();
        change(&mut next.spec);
        let metadata = &mut next.metadata;
        metadata.generation = metadata.generation.map(|it| it + 1);
        let version = metadata.resource_version.as_deref();
        let version = version.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        metadata.resource_version = Some((version + 1).to_string());
        state.resource = Arc::new(next);
        drop(state);
        self.kubernetes.wake();
    }

    /// Writes another password of clients into the Secret.
    pub fn set_client_password(&self, password: &str) {
        let name = auth_secret_name(&self.kubernetes.key().name);
        let mut state = self.kubernetes.state();
        let keys = state.secrets.entry(name).or_default();
        keys.insert(KEY_PASSWORD.to_owned(), password.to_owned());
        drop(state);
        self.kubernetes.wake();
    }

    /// Deletes the Secret of the clients' password; another one is made. Its name.
    pub(crate) fn forget_client_password(&self) -> Result<String> {
        let name = auth_secret_name(&self.kubernetes.key().name);
        let forgotten = self.kubernetes.state().secrets.remove(&name);
        forgotten.with_context(|| format!("delete Secret {name}: it is not there"))?;
        self.kubernetes.wake();
        Ok(name)
    }
}
