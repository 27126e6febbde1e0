//! The passwords of a `RedisCluster`, to see that they were made anew. They are compared, and never shown.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::bed::Bed;
use crate::objects::Key;

/// Passwords by whose they are.
#[derive(Clone, Default)]
pub struct Passwords(BTreeMap<String, String>);

impl Passwords {
    /// These.
    pub fn new(all: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(all.into_iter().collect())
    }

    /// Says that each of them is another one by now.
    ///
    /// # Errors
    /// Where one is the same, or gone, or where there were none.
    pub fn are_renewed(&self, now: &Self) -> Result<String> {
        ensure!(!self.0.is_empty(), "there were no passwords");
        for (whose, before) in &self.0 {
            let now = now.0.get(whose);
            let now = now.with_context(|| format!("{whose} has no password any more"))?;
            ensure!(now != before, "{whose} has the same password as before");
        }
        let whose: Vec<&str> = self.0.keys().map(String::as_str).collect();
        Ok(format!("there are new passwords for {}", whose.join(", ")))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// As the Secrets have them: the clients', and of our own users the last generation.
pub(super) async fn passwords(bed: &Bed, key: &Key) -> Result<Passwords> {
    let secrets = bed.kubectl.secrets(&key.namespace).await?;
    let of_clients = secrets.get(&format!("{}-auth", key.name));
    let client = of_clients.and_then(|it| it.get("password"));
    let prefix = format!("{}-internal", key.name);
    let generation = |name: &str| match name.strip_prefix(&prefix)?.strip_prefix('-') {
        Some(number) => number.parse().ok(),
        None => (name == prefix).then_some(0_u32),
    };
    let own = secrets
        .iter()
        .filter_map(|(name, data)| Some((generation(name)?, data)));
    let last = own.max_by_key(|(generation, _)| *generation);
    let own = last.into_iter().flat_map(|(_, data)| {
        let named = ["operator", "replication"].map(|user| (user, data.get(user)));
        named.into_iter()
    });
    let all = own.chain([("clients", client)]);
    let known = all.filter_map(|(user, password)| Some((user.to_owned(), password?.clone())));
    Ok(Passwords::new(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&str, &str)]) -> Passwords {
        let all = all.iter();
        Passwords::new(all.map(|(user, password)| ((*user).to_owned(), (*password).to_owned())))
    }

    #[test]
    fn each_password_has_to_be_another_one() {
        let before = of(&[("clients", "a"), ("operator", "b")]);
        for (now, told) in [
            (
                of(&[("clients", "c"), ("operator", "d")]),
                Ok("there are new passwords for clients, operator"),
            ),
            (
                of(&[("clients", "c"), ("operator", "b")]),
                Err("operator has the same password as before"),
            ),
            (
                of(&[("clients", "c")]),
                Err("operator has no password any more"),
            ),
        ] {
            let said = before.are_renewed(&now).map_err(|it| it.to_string());
            assert_eq!(said.as_deref().map_err(String::as_str), told);
        }
        assert!(Passwords::default().are_renewed(&before).is_err());
    }

    #[test]
    fn they_are_never_shown() {
        let shown = format!("{:?}", of(&[("clients", "secret-1")]));
        assert_eq!(shown, r#"{"clients"}"#);
    }
}
