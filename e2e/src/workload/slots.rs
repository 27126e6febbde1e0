//! Slots: which one a key is in, and who serves it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail};
use redis::Value;

/// How many slots a Redis Cluster has.
pub const SLOT_COUNT: u16 = 16384;

/// Where a member serves clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Self> {
        let (host, port) = text
            .rsplit_once(':')
            .with_context(|| format!("{text}: expected host:port"))?;
        let port = port
            .parse()
            .with_context(|| format!("{text}: not a port"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The slot of a key that has no hash tag in it.
pub fn slot_of(tag: &str) -> u16 {
    // CRC16/XMODEM, as the cluster specification has it.
    let mut crc: u16 = 0;
    for byte in tag.bytes() {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
        }
    }
    crc % SLOT_COUNT
}

/// A shard as `CLUSTER SLOTS` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSlots {
    /// Its slots.
    pub ranges: Vec<RangeInclusive<u16>>,
    /// Its members, the leader first.
    pub members: Vec<Address>,
}

impl ShardSlots {
    /// Whether it owns the slot.
    pub fn owns(&self, slot: u16) -> bool {
        self.ranges.iter().any(|range| range.contains(&slot))
    }

    /// Its first slot.
    pub fn first_slot(&self) -> u16 {
        self.ranges
            .iter()
            .map(|range| *range.start())
            .min()
            .unwrap_or(SLOT_COUNT)
    }

    /// Its slots as people write them, such as `0-5460`.
    pub fn slots(&self) -> String {
        let ranges: Vec<String> = self
            .ranges
            .iter()
            .map(|range| match (range.start(), range.end()) {
                (start, end) if start == end => start.to_string(),
                (start, end) => format!("{start}-{end}"),
            })
            .collect();
        ranges.join(",")
    }

    /// Up to `count` hash tags whose slots are this shard's, each in a slot of its own.
    pub fn tags(&self, count: usize) -> Vec<String> {
        let mut tags = BTreeMap::new();
        // 16384 slots are all hit long before this many tries.
        for number in 0..1_000_000_u32 {
            let tag = format!("zw{number}");
            let slot = slot_of(&tag);
            if self.owns(slot) {
                tags.entry(slot).or_insert(tag);
            }
            if tags.len() >= count {
                break;
            }
        }
        tags.into_values().collect()
    }
}

/// Reads an answer to `CLUSTER SLOTS`, shards in the order of their first slot. `asked` stands
/// in where a member does not know its own address.
pub fn shards(answer: &Value, asked: &Address) -> Result<Vec<ShardSlots>> {
    let mut by_leader: BTreeMap<Address, ShardSlots> = BTreeMap::new();
    for row in list(answer)? {
        let [start, end, members @ ..] = list(row)? else {
            bail!("CLUSTER SLOTS: a row of {row:?}");
        };
        let range = slot(start)?..=slot(end)?;
        let mut addresses = Vec::new();
        for member in members {
            addresses.extend(address(member, asked)?);
        }
        let Some(leader) = addresses.first() else {
            continue;
        };
        let shard = by_leader
            .entry(leader.clone())
            .or_insert_with(|| ShardSlots {
                ranges: Vec::new(),
                members: addresses.clone(),
            });
        shard.ranges.push(range);
    }
    let mut shards: Vec<ShardSlots> = by_leader.into_values().collect();
    shards.sort_by_key(ShardSlots::first_slot);
    Ok(shards)
}

fn list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(items) => Ok(items),
        other => bail!("CLUSTER SLOTS: expected a list, got {other:?}"),
    }
}

fn slot(value: &Value) -> Result<u16> {
    match value {
        Value::Int(number) => Ok(u16::try_from(*number)?),
        other => bail!("CLUSTER SLOTS: expected a slot, got {other:?}"),
    }
}

fn address(member: &Value, asked: &Address) -> Result<Option<Address>> {
    let [host, Value::Int(port), ..] = list(member)? else {
        bail!("CLUSTER SLOTS: a member of {member:?}");
    };
    let host = match host {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        // "the address that you asked me at"
        Value::Nil => asked.host.clone(),
        other => bail!("CLUSTER SLOTS: an address of {other:?}"),
    };
    let host = if host.is_empty() {
        asked.host.clone()
    } else {
        host
    };
    let port = u16::try_from(*port)?;
    // "?" and port 0: the bus does not know it either.
    Ok((host != "?" && port != 0).then_some(Address { host, port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn member(host: Value, port: i64) -> Value {
        Value::Array(vec![
            host,
            Value::Int(port),
            bulk("id"),
            Value::Array(vec![]),
        ])
    }

    fn row(start: i64, end: i64, members: Vec<Value>) -> Value {
        let mut items = vec![Value::Int(start), Value::Int(end)];
        items.extend(members);
        Value::Array(items)
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot_of("123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12182);
        assert_eq!(slot_of(""), 0);
    }

    #[test]
    fn ranges_of_one_leader_make_one_shard() {
        let asked = Address::parse("10.0.0.9:6379").unwrap();
        let answer = Value::Array(vec![
            row(10923, 16383, vec![member(bulk("10.0.0.1"), 6379)]),
            row(
                0,
                5460,
                vec![member(Value::Nil, 6379), member(bulk("?"), 0)],
            ),
            row(5461, 5461, vec![member(bulk("10.0.0.1"), 6379)]),
            row(
                5462,
                10922,
                vec![member(bulk("10.0.0.2"), 6379), member(bulk("10.0.0.3"), 7)],
            ),
        ]);
        let shards = shards(&answer, &asked).unwrap();
        let shown: Vec<String> = shards
            .iter()
            .map(|shard| {
                let members: Vec<String> = shard.members.iter().map(Address::to_string).collect();
                format!("{} {}", shard.slots(), members.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "0-5460 10.0.0.9:6379",
                "10923-16383,5461 10.0.0.1:6379",
                "5462-10922 10.0.0.2:6379 10.0.0.3:7",
            ]
        );
    }

    #[test]
    fn tags_stay_in_their_shard() {
        let shard = ShardSlots {
            ranges: vec![5461..=10922],
            members: Vec::new(),
        };
        let tags = shard.tags(16);
        assert_eq!(tags.len(), 16);
        assert!(tags.iter().all(|tag| shard.owns(slot_of(tag))));
        let single = ShardSlots {
            ranges: vec![77..=77],
            members: Vec::new(),
        };
        assert_eq!(single.tags(16).len(), 1);
    }
}
