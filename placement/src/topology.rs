//! Where members may live: zones, their room and their state. Plain data, no rules.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a zone, as the host label spells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneName(String);

impl ZoneName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ZoneName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<String> for ZoneName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl AsRef<str> for ZoneName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What a zone can be used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ZoneState {
    /// Keeps its members and takes new ones.
    #[default]
    Open,
    /// Keeps its members and takes no new ones.
    Cordoned,
    /// Lost: members in it do not exist any more.
    Gone,
}

/// One failure domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Zone {
    /// The name, unique within a problem.
    pub name: ZoneName,
    /// The most members that the zone can hold; `None` is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// What the zone can be used for now.
    #[serde(default)]
    pub state: ZoneState,
}

impl Zone {
    /// An open zone without a bound.
    pub fn open(name: &str) -> Self {
        Self {
            name: ZoneName::from(name),
            capacity: None,
            state: ZoneState::Open,
        }
    }
}
