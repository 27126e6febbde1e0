//! A server's directives: some are set at run time, one at the start only, and some values are refused.

use std::collections::BTreeMap;

use zoneward_operator::model::{Deviation, Settings, Standing};

/// What every server takes at its start only.
const AT_START_ONLY: &str = "tcp-backlog";
/// What no server takes.
pub(crate) const BAD: &str = "bad";

/// One process' directives, and what it said to values.
#[derive(Default)]
pub(crate) struct Directives {
    in_force: Settings,
    said: BTreeMap<String, (String, Standing)>,
}

impl Directives {
    /// A process that starts with this redis.conf.
    pub(super) fn read(conf: &str) -> Self {
        let pairs = conf.lines().filter_map(|line| line.split_once(' '));
        let in_force = pairs.map(|(name, value)| (name.to_owned(), normal(value)));
        Self {
            in_force: in_force.collect(),
            said: BTreeMap::new(),
        }
    }

    /// What is in force.
    pub(crate) fn get(&self, name: &str) -> String {
        let default = match name {
            AT_START_ONLY => "511",
            "hz" => "10",
            _ => "0",
        };
        let value = self.in_force.get(name);
        value.cloned().unwrap_or_else(|| default.to_owned())
    }

    /// Somebody sets it by hand.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.in_force.insert(name.to_owned(), normal(value));
    }

    pub(super) fn configure(&mut self, wanted: &Settings) {
        for (name, value) in wanted {
            let standing = if name == AT_START_ONLY {
                Standing::NeedsRestart
            } else if value == BAD {
                Standing::Refused("it is bad".to_owned())
            } else {
                self.set(name, value);
                continue;
            };
            self.said.insert(name.clone(), (value.clone(), standing));
        }
    }

    pub(super) fn deviations(&self, wanted: &Settings) -> Vec<Deviation> {
        let differs = |(name, value): (&String, &String)| {
            let shown = self.get(name);
            let said = self.said.get(name).filter(|(of, _)| of == value);
            (shown != normal(value)).then(|| Deviation {
                name: name.clone(),
                in_force: Some(shown),
                standing: said.map_or(Standing::Untried, |(_, standing)| standing.clone()),
            })
        };
        wanted.iter().filter_map(differs).collect()
    }
}

fn normal(value: &str) -> String {
    value.trim_matches('"').to_ascii_lowercase()
}
