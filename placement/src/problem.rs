//! The question: zones, shards, and who sits where now. Also what makes a question malformed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::outcome::SolveError;
use crate::topology::{Zone, ZoneName};

/// The most zones that a problem may name.
pub const ZONES_MAX: usize = 8;
/// The most shards that a problem may ask for.
pub const SHARDS_MAX: u32 = 500;
/// The most members that a shard may have.
pub const MEMBERS_PER_SHARD_MAX: u32 = 6;
/// The most present members that may be listed for a shard: surplus ones are on their way out.
const LISTED_MAX: usize = 64;

/// What to do when the zones do not suffice to keep the members of a shard apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum WhenUnsatisfiable {
    /// Two members of a shard in one zone are refused: the problem is infeasible.
    #[default]
    DoNotSchedule,
    /// Two members of a shard in one zone are accepted, as few as possible.
    ScheduleAnyway,
}

/// Which order of the terms is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Something is missing: members that hold data stay where they are, evenness comes after.
    #[default]
    Repair,
    /// Quiet times: evenness first, members that hold data may move for it.
    Rebalance,
}

/// A member that exists now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CurrentMember {
    /// Where it sits.
    pub zone: ZoneName,
    /// Whether it holds the data of its shard, so that moving it costs a copy.
    #[serde(default = "yes")]
    pub has_data: bool,
}

/// A shard as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CurrentShard {
    /// Which shard; one that is not below [`Problem::shards`] is about to leave and counts nowhere.
    pub shard: u32,
    /// Its members.
    pub members: Vec<CurrentMember>,
    /// The zone of its leader, if it has one; a member of the shard sits there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<ZoneName>,
    /// Whether it may not be moved now: its members and its leader stay, as far as they exist, even
    /// where it has more members than were asked for.
    #[serde(default)]
    pub pinned: bool,
}

/// Everything that the solver is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Problem {
    /// The zones, one to [`ZONES_MAX`], each named once.
    pub zones: Vec<Zone>,
    /// How many shards there shall be, numbered from 0.
    pub shards: u32,
    /// How many members each shard shall have, its leader included.
    pub members_per_shard: u32,
    /// What to do when zones do not suffice.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which order of the terms is minimised.
    #[serde(default)]
    pub mode: Mode,
    /// Who sits where now; shards that are not listed are new.
    #[serde(default)]
    pub current: Vec<CurrentShard>,
}

fn yes() -> bool {
    true
}

impl Problem {
    /// The first thing that makes the problem malformed, with the path of the wrong field.
    pub fn check(&self) -> Result<(), SolveError> {
        self.check_sizes()?;
        let mut names = BTreeSet::new();
        for (index, zone) in self.zones.iter().enumerate() {
            let path = format!("zones[{index}].name");
            if zone.name.as_str().is_empty() {
                return Err(malformed(path, "a zone needs a name".to_owned()));
            }
            if !names.insert(&zone.name) {
                return Err(malformed(
                    path,
                    format!("zone {} is named twice", zone.name),
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for (index, shard) in self.current.iter().enumerate() {
            if !seen.insert(shard.shard) {
                let message = format!("shard {} is listed twice", shard.shard);
                return Err(malformed(format!("current[{index}].shard"), message));
            }
            check_shard(index, shard, &names)?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), SolveError> {
        if self.zones.is_empty() || self.zones.len() > ZONES_MAX {
            let message = format!("{} zones; 1 to {ZONES_MAX} are allowed", self.zones.len());
            return Err(malformed("zones".to_owned(), message));
        }
        if self.shards == 0 || self.shards > SHARDS_MAX {
            let message = format!("{} shards; 1 to {SHARDS_MAX} are allowed", self.shards);
            return Err(malformed("shards".to_owned(), message));
        }
        if self.members_per_shard == 0 || self.members_per_shard > MEMBERS_PER_SHARD_MAX {
            let message = format!(
                "{} members per shard; 1 to {MEMBERS_PER_SHARD_MAX} are allowed",
                self.members_per_shard
            );
            return Err(malformed("membersPerShard".to_owned(), message));
        }
        Ok(())
    }
}

fn check_shard(
    index: usize,
    shard: &CurrentShard,
    names: &BTreeSet<&ZoneName>,
) -> Result<(), SolveError> {
    if shard.members.len() > LISTED_MAX {
        let message = format!(
            "{} members; at most {LISTED_MAX} are allowed",
            shard.members.len()
        );
        return Err(malformed(format!("current[{index}].members"), message));
    }
    for (position, member) in shard.members.iter().enumerate() {
        if !names.contains(&member.zone) {
            let path = format!("current[{index}].members[{position}].zone");
            return Err(malformed(
                path,
                format!("zone {} is not listed in zones", member.zone),
            ));
        }
    }
    let Some(leader) = &shard.leader else {
        return Ok(());
    };
    if shard.members.iter().any(|member| member.zone == *leader) {
        return Ok(());
    }
    let message = format!("shard {} has no member in zone {leader}", shard.shard);
    Err(malformed(format!("current[{index}].leader"), message))
}

fn malformed(path: String, message: String) -> SolveError {
    SolveError::Malformed { path, message }
}
