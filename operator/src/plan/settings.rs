//! Brings the owner's directives into force, and corrects drift.
//!
//! What can be set at run time is learnt from the servers, not from a list: a value is told to one
//! member first, and to the others when that one took it. What a server takes at its start only waits
//! for a restart; what it refuses is told in its words, and stays as it was everywhere. redis.conf, by
//! which new processes start, holds what members took and nothing else: a process does not start over
//! a line that it cannot read, and then nobody is repaired.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::census::{Member, Round};
use super::{Draft, MemberCommand, WaitingReason};
use crate::model::{
    Desired, Deviation, Original, Record, RefusedSetting, Setting, Settings, SettingsRecord,
    Standing,
};
use crate::resources;

/// A process that starts this long after redis.conf was changed has read the new one: kubelets watch
/// the ConfigMaps of their pods.
const CONFIG_REACHES_PODS_MILLIS: u64 = 30_000;
/// How far off a process' own word about its age may be: it counts whole seconds.
const UPTIME_ERROR_MILLIS: u64 = 5_000;

/// The directives that every member is asked about, and the values that they shall have: ours, over
/// them the owner's, and what is taken back where the owner's is refused or was removed.
pub fn wanted_settings(desired: &Desired, record: &Record) -> Settings {
    let mut wanted = resources::kept_settings(desired);
    let known = &record.settings;
    for setting in known.settled.iter().filter(|it| it.is_removed) {
        if let (false, Some(original)) = (
            wanted.contains_key(&setting.name),
            known.original(&setting.name),
        ) {
            wanted.insert(setting.name.clone(), original.to_owned());
        }
    }
    for (name, value) in &desired.config {
        let value = unquoted(value);
        let value = if known.refusal(name, value).is_none() {
            Some(value.to_owned())
        } else {
            let settled = known.setting(name).map(|it| it.value.clone());
            settled.or_else(|| known.original(name).map(str::to_owned))
        };
        wanted.extend(value.map(|value| (name.clone(), value)));
    }
    wanted
}

/// The spec with the directives that redis.conf shall have.
pub(super) fn with_settled(desired: &Desired, record: &Record) -> Desired {
    let settled = record.settings.settled.iter();
    let config: BTreeMap<String, String> = settled
        .filter(|setting| !setting.is_removed)
        .map(|setting| (setting.name.clone(), setting.value.clone()))
        .collect();
    Desired {
        config,
        ..desired.clone()
    }
}

/// In redis.conf an empty value is written as two quotes; `CONFIG SET` takes it as it is.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    if value == "\"\"" { "" } else { value }
}

/// Notes what the members made of the owner's directives.
pub(super) fn note(round: &Round<'_>, draft: &mut Draft) {
    let config = &round.desired.config;
    let formed = round.record.formed;
    let now = round.now;
    let settings = &mut draft.record.settings;
    settings.refused.retain(|it| {
        config
            .get(&it.name)
            .is_some_and(|value| unquoted(value) == it.value)
    });
    for (name, value) in config {
        let value = unquoted(value);
        if !formed {
            settle(settings, name, value, now);
            continue;
        }
        if settings.refusal(name, value).is_some() {
            continue;
        }
        let standings: Vec<Option<&Standing>> = standings(round, name).collect();
        if let Some(words) = standings.iter().copied().find_map(refusal) {
            // settled unseen, before there was anybody to try it
            settings
                .settled
                .retain(|it| it.name != *name || it.value != value);
            settings.refused.push(RefusedSetting {
                name: name.clone(),
                value: value.to_owned(),
                words: words.to_owned(),
            });
        } else if !standings.is_empty() && standings.iter().copied().all(is_taken) {
            settle(settings, name, value, now);
        }
    }
    for setting in &mut settings.settled {
        let is_removed = !config.contains_key(&setting.name);
        if setting.is_removed != is_removed {
            (setting.is_removed, setting.since) = (is_removed, now);
        }
    }
    let gone: BTreeSet<String> = settings
        .settled
        .iter()
        .filter(|it| it.is_removed && (!formed || has_gone(round, it)))
        .map(|it| it.name.clone())
        .collect();
    settings.settled.retain(|it| !gone.contains(&it.name));
    settings
        .originals
        .retain(|it| !gone.contains(&it.name) && !is_moot(it, config, &settings.settled));
}

/// An original that nobody can go back to: the directive was never taken and is wanted no more.
fn is_moot(original: &Original, config: &BTreeMap<String, String>, settled: &[Setting]) -> bool {
    !config.contains_key(&original.name) && !settled.iter().any(|it| it.name == original.name)
}

fn settle(settings: &mut SettingsRecord, name: &str, value: &str, now: Timestamp) {
    let settled = &mut settings.settled;
    let is_so = |it: &Setting| it.name == name && it.value == value && !it.is_removed;
    if settled.iter().any(is_so) {
        return;
    }
    settled.retain(|it| it.name != name);
    settled.push(Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        since: now,
        is_removed: false,
    });
    settled.sort_by(|a, b| a.name.cmp(&b.name));
}

/// How each member that answers stands to a directive; none where it is in force as wanted. Those that
/// read their data still say nothing.
fn standings<'a>(
    round: &Round<'a>,
    name: &'a str,
) -> impl Iterator<Item = Option<&'a Standing>> + use<'a> {
    let answers = round.census.living().filter(|(_, answer)| !answer.loading);
    let found: Vec<_> = answers
        .map(|(_, answer)| {
            let mut deviations = answer.deviations.iter();
            deviations.find(|it| it.name == name).map(|it| &it.standing)
        })
        .collect();
    found.into_iter()
}

fn refusal(standing: Option<&Standing>) -> Option<&str> {
    match standing {
        Some(Standing::Refused(words)) => Some(words),
        _ => None,
    }
}

fn is_taken(standing: Option<&Standing>) -> bool {
    matches!(standing, None | Some(Standing::NeedsRestart))
}

/// Whether no member has a removed directive's value any more, as far as can be told.
fn has_gone(round: &Round<'_>, setting: &Setting) -> bool {
    let asked = round.seen.record.settings.setting(&setting.name);
    if !asked.is_some_and(|it| it.is_removed) {
        return false; // nobody was asked about what it goes back to
    }
    let mut living = round.census.living().peekable();
    living.peek().is_some()
        && living.all(|(member, answer)| {
            !answer.loading
                && answer.deviations.iter().all(|it| it.name != setting.name)
                && !is_left_with(round, member, setting)
        })
}

/// Tells members the values that they do not have.
pub(super) fn configure(round: &Round<'_>, draft: &mut Draft) {
    let wanted = wanted_settings(round.desired, &draft.record);
    // what they told is about what was wanted when they were asked
    let asked_for = wanted_settings(round.desired, &round.seen.record);
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for (member, answer) in by_weight(round) {
        let Some(target) = member.command_target().filter(|_| !answer.loading) else {
            continue;
        };
        let mut told = BTreeMap::new();
        for deviation in &answer.deviations {
            let Some(value) = wanted.get(&deviation.name) else {
                continue;
            };
            if deviation.standing != Standing::Untried
                || asked_for.get(&deviation.name) != Some(value)
            {
                continue;
            }
            if !is_proven(round, draft, &deviation.name, value) {
                if !asked.insert(deviation.name.clone()) {
                    continue; // another member tries it first
                }
                remember_original(draft, deviation);
            }
            told.insert(deviation.name.clone(), value.clone());
        }
        if !told.is_empty() {
            let names: Vec<&str> = told.keys().map(String::as_str).collect();
            let why = format!("not as wanted: {}", names.join(", "));
            draft.tell(target, MemberCommand::Configure(told), why);
        }
    }
}

/// Followers first: what a new value does to a server is seen there with the least harm.
fn by_weight<'a, 'r>(
    round: &'r Round<'a>,
) -> Vec<(&'r Member<'a>, &'a crate::model::MemberAnswer)> {
    let mut living: Vec<_> = round.census.living().collect();
    living.sort_by_key(|(_, answer)| {
        answer
            .view
            .own_entry()
            .is_some_and(|own| !own.slots.is_empty())
    });
    living
}

/// Whether some member has taken it, or it is not the owner's new word.
fn is_proven(round: &Round<'_>, draft: &Draft, name: &str, value: &str) -> bool {
    let Some(owners) = round.desired.config.get(name) else {
        return true;
    };
    let settled = draft.record.settings.setting(name);
    unquoted(owners) != value
        || settled.is_some_and(|it| it.value == value)
        || standings(round, name).any(is_taken)
}

fn remember_original(draft: &mut Draft, deviation: &Deviation) {
    let settings = &mut draft.record.settings;
    let is_known =
        settings.original(&deviation.name).is_some() || settings.setting(&deviation.name).is_some();
    if let (false, Some(value)) = (is_known, &deviation.in_force) {
        settings.originals.push(Original {
            name: deviation.name.clone(),
            value: value.clone(),
        });
        settings.originals.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// Whether a rolling update is to replace this process for a directive's sake: not before who starts now
/// has read redis.conf as it is, or he would have to go, too.
pub(super) fn is_to_start_again(round: &Round<'_>, member: &Member<'_>) -> bool {
    let has_reached_pods = |name: &String| {
        let setting = round.record.settings.setting(name);
        setting.is_some_and(|it| {
            round.millis_since(it.since) >= CONFIG_REACHES_PODS_MILLIS + UPTIME_ERROR_MILLIS
        })
    };
    needs_restart(round, member).iter().any(has_reached_pods)
}

/// The directives for whose sake this process has to be started again: it takes them at its start only,
/// and started before redis.conf had them. A process that has started since is never named again,
/// whatever it shows.
fn needs_restart(round: &Round<'_>, member: &Member<'_>) -> Vec<String> {
    let Some(answer) = member.answer() else {
        return Vec::new();
    };
    let settings = &round.record.settings;
    let at_start_only = answer.deviations.iter().filter(|deviation| {
        let setting = settings.setting(&deviation.name);
        deviation.standing == Standing::NeedsRestart
            && setting.is_some_and(|it| started_before(round, answer.uptime_seconds, it.since))
    });
    let left_over = settings
        .settled
        .iter()
        .filter(|setting| is_left_with(round, member, setting));
    let mut names: Vec<String> = at_start_only
        .map(|deviation| deviation.name.clone())
        .chain(left_over.map(|setting| setting.name.clone()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn started_before(round: &Round<'_>, uptime_seconds: u64, since: Timestamp) -> bool {
    let limit = round
        .millis_since(since)
        .saturating_sub(CONFIG_REACHES_PODS_MILLIS);
    uptime_seconds.saturating_mul(1000) > limit
}

/// Whether the process runs with a directive that was removed, and nobody knows what it would be
/// without: redis.conf had it when the process was started.
fn is_left_with(round: &Round<'_>, member: &Member<'_>, setting: &Setting) -> bool {
    let is_known = round.record.settings.original(&setting.name).is_some()
        || resources::kept_settings(round.desired).contains_key(&setting.name);
    let started_before = member
        .answer()
        .is_some_and(|answer| started_before(round, answer.uptime_seconds, setting.since));
    setting.is_removed && !is_known && started_before
}

/// Says what was refused and what waits for a restart.
pub(super) fn report(round: &Round<'_>, draft: &mut Draft) {
    for refused in draft.record.settings.refused.clone() {
        let RefusedSetting { name, value, words } = refused;
        draft.wait(
            WaitingReason::DirectiveRefused,
            format!(
                "the server refuses {name}: {value:?}: {words}. Members keep what they had; correct \
                 spec.config.{name}"
            ),
        );
    }
    let mut waiting: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for member in round.census.members() {
        for name in needs_restart(round, member) {
            waiting
                .entry(name)
                .or_default()
                .push(member.name().as_str());
        }
    }
    for (name, members) in waiting {
        draft.wait(
            WaitingReason::RestartNeeded,
            format!(
                "{name} changes at a member's start only: it is not in force yet on {}",
                members.join(", ")
            ),
        );
    }
}

#[cfg(test)]
mod tests;
