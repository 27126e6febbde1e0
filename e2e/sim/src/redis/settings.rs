//! A process' directives. Which are set at run time, and which value is refused, is the model's choice;
//! that there are such is what the operator has to live with.

use std::collections::BTreeMap;

use zoneward_operator::model::{Deviation, Settings, Standing};

/// What a process takes at its start only.
pub const AT_START_ONLY: &str = "tcp-backlog";
/// A value that no process takes.
pub const BAD: &str = "bad";

/// One process' directives, and what it said to values.
#[derive(Clone, Debug, Default)]
pub struct Directives {
    in_force: Settings,
    said: BTreeMap<String, (String, Standing)>,
}

impl Directives {
    /// A process that starts with this redis.conf.
    pub fn read(conf: &str) -> Self {
        let pairs = conf.lines().filter_map(|line| line.split_once(' '));
        let in_force: Settings = pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        Self {
            in_force,
            said: BTreeMap::new(),
        }
    }

    /// Whether a server starts with them.
    pub fn are_readable(&self) -> bool {
        self.in_force.values().all(|value| value != BAD)
    }

    /// What is in force.
    pub fn get(&self, name: &str) -> &str {
        self.in_force.get(name).map_or("0", String::as_str)
    }

    /// `CONFIG SET` of each.
    pub fn configure(&mut self, wanted: &Settings) {
        for (name, value) in wanted {
            let standing = if name == AT_START_ONLY {
                Standing::NeedsRestart
            } else if value == BAD {
                Standing::Refused("it is bad".to_owned())
            } else {
                self.in_force.insert(name.clone(), value.clone());
                continue;
            };
            self.said.insert(name.clone(), (value.clone(), standing));
        }
    }

    /// What differs.
    pub fn deviations(&self, wanted: &Settings) -> Vec<Deviation> {
        let differs = |(name, value): (&String, &String)| {
            let said = self.said.get(name).filter(|(of, _)| of == value);
            (self.get(name) != value).then(|| Deviation {
                name: name.clone(),
                in_force: Some(self.get(name).to_owned()),
                standing: said.map_or(Standing::Untried, |(_, standing)| standing.clone()),
            })
        };
        wanted.iter().filter_map(differs).collect()
    }
}
