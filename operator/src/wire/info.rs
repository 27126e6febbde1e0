//! Reads the replies to `INFO` and `CLUSTER INFO`: lines of `key:value`.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::Unreadable;
use crate::model::{Engine, FollowerLink, Replication, RunId, UpstreamLink, Version};

/// The fields of one reply.
pub(super) struct Info<'a> {
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> Info<'a> {
    /// Takes what looks like a field; headings and what is unknown do no harm.
    pub(super) fn parse(text: &'a str) -> Self {
        let fields = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.trim_end().split_once(':'))
            .collect();
        Self { fields }
    }

    /// The field's text.
    pub(super) fn text(&self, key: &'static str) -> Result<&'a str, Unreadable> {
        self.fields
            .get(key)
            .copied()
            .ok_or_else(|| Unreadable::new(key, "INFO without it"))
    }

    /// The field as a number.
    pub(super) fn number<T: FromStr>(&self, key: &'static str) -> Result<T, Unreadable> {
        let text = self.text(key)?;
        text.parse().map_err(|_| Unreadable::new(key, text))
    }

    /// Whether the field is there and says 1.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.fields.get(key) == Some(&"1")
    }

    /// Whether the field is there and says this.
    pub(super) fn says(&self, key: &str, text: &str) -> bool {
        self.fields.get(key) == Some(&text)
    }

    /// Which run of the process answers.
    pub(super) fn run_id(&self) -> Result<RunId, Unreadable> {
        self.text("run_id").map(RunId::from)
    }

    /// The server and its version. Valkey goes on calling itself redis 7.2.4 beside its own name.
    pub(super) fn server(&self) -> Result<(Engine, Version), Unreadable> {
        let (engine, text) = match self.fields.get("valkey_version") {
            Some(text) => (Engine::Valkey, *text),
            None => (Engine::Redis, self.text("redis_version")?),
        };
        let mut parts = text.split('.').map(leading_number);
        let mut next = || parts.next().flatten();
        match (next(), next(), next()) {
            (Some(major), Some(minor), patch) => {
                Ok((engine, Version(major, minor, patch.unwrap_or(0))))
            }
            _ => Err(Unreadable::new("a version", text)),
        }
    }

    /// Keys of all databases (`db0:keys=3,expires=0,…`).
    pub(super) fn keys(&self) -> u64 {
        self.numbered("db")
            .filter_map(|value| part(value, "keys")?.parse::<u64>().ok())
            .fold(0, u64::saturating_add)
    }

    /// The section `replication`.
    pub(super) fn replication(&self) -> Result<Replication, Unreadable> {
        let upstream = match self.text("role")? {
            "slave" | "replica" => Some(self.upstream()?),
            _ => None,
        };
        let offset = match upstream {
            Some(_) => self.number("slave_repl_offset")?,
            None => self.number("master_repl_offset")?,
        };
        Ok(Replication {
            replication_id: self.text("master_replid")?.to_owned(),
            former_id: self
                .text("master_replid2")
                .ok()
                .filter(|id| id.contains(|digit| digit != '0'))
                .map(str::to_owned),
            former_until: self
                .number::<i64>("second_repl_offset")
                .ok()
                .and_then(|next| u64::try_from(next.checked_sub(1)?).ok()),
            offset: clamp(offset),
            upstream,
            followers: self.numbered("slave").filter_map(follower).collect(),
        })
    }

    fn upstream(&self) -> Result<UpstreamLink, Unreadable> {
        // -1 while the link is down.
        let last_io: i64 = self.number("master_last_io_seconds_ago")?;
        Ok(UpstreamLink {
            host: self.text("master_host")?.to_owned(),
            port: self.number("master_port")?,
            is_up: self.text("master_link_status")? == "up",
            is_syncing: self.is_set("master_sync_in_progress"),
            last_io_seconds: u64::try_from(last_io).ok(),
            down_seconds: self.number("master_link_down_since_seconds").ok(),
        })
    }

    /// The values of `<prefix>0`, `<prefix>1`, …, sorted as text.
    fn numbered(&self, prefix: &'static str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter_map(move |(key, value)| {
            let number = key.strip_prefix(prefix)?;
            number.parse::<u32>().is_ok().then_some(*value)
        })
    }
}

/// `ip=…,port=…,state=online,offset=…,lag=…[,type=…]`. None for what is no follower of its own:
/// valkey lists the second connection of a full copy (`type=rdb-channel`) as if it were one.
fn follower(value: &str) -> Option<FollowerLink> {
    if part(value, "type") == Some("rdb-channel") {
        return None;
    }
    Some(FollowerLink {
        ip: part(value, "ip")?.parse().ok(),
        is_online: part(value, "state")? == "online",
        offset: clamp(part(value, "offset")?.parse().ok()?),
        lag_seconds: clamp(part(value, "lag")?.parse().ok()?),
    })
}

/// The value of `key` in `key=value,key=value`.
fn part<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(',')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// The number that a text starts with: a version may end in `-rc1`.
fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// Offsets are -1 before the first byte.
fn clamp(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
