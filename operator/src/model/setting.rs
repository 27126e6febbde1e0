//! Directives of redis.conf: what is wanted of a process, and what it made of that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a process shall have in force, by directive.
pub type Settings = BTreeMap<String, String>;

/// A directive that is in force with another value than the wanted one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deviation {
    /// The directive.
    pub name: String,
    /// What the process has, in its own words; none where it does not know the directive.
    pub in_force: Option<String>,
    /// What came of telling it.
    pub standing: Standing,
}

/// What a process said to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It was not told yet, or something was changed since.
    Untried,
    /// It takes the directive at its start only.
    NeedsRestart,
    /// It does not take the value, and says why.
    Refused(String),
}

/// A directive of the owner's, as redis.conf has it for processes to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The value that every member took, at run time or at its start.
    pub value: String,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// It is in the spec no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
}

/// What a server had before the owner set it: what it goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Original {
    /// The directive.
    pub name: String,
    /// The value, in the server's words.
    pub value: String,
}

/// A value that a server did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedSetting {
    /// The directive.
    pub name: String,
    /// The value.
    pub value: String,
    /// Why, in the server's words.
    pub words: String,
}

/// The owner's directives over the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsRecord {
    /// What redis.conf has, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Setting>,
    /// What to go back to, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub originals: Vec<Original>,
    /// What was not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedSetting>,
}

impl SettingsRecord {
    /// The entry of this directive.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settled.iter().find(|setting| setting.name == name)
    }

    /// What a server had before the owner set it.
    pub fn original(&self, name: &str) -> Option<&str> {
        let mut originals = self.originals.iter();
        let found = originals.find(|original| original.name == name)?;
        Some(&found.value)
    }

    /// Why a server did not take this value.
    pub fn refusal(&self, name: &str, value: &str) -> Option<&str> {
        let mut refused = self.refused.iter();
        let found = refused.find(|it| it.name == name && it.value == value)?;
        Some(&found.words)
    }

    /// Whether nothing was ever noted.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}
