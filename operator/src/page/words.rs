//! What a status means, in words for who looks at the page: one verdict for all of it, one for each
//! zone, and the state of each member. Pure; the markup is in `render`.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{RedisCluster, RedisClusterStatus, ShardMemberStatus, WaitingStatus, ZoneStatus};
use crate::model::Role;
use crate::status::{is_good, reasons};

/// How something stands. In order: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As it should be.
    Good,
    /// Something is being brought about.
    Busy,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Bad,
}

impl Level {
    /// The class that colours it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// The sign beside the colour, for who sees no colours.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Busy => "↻",
            Self::Warn => "!",
            Self::Bad => "✕",
        }
    }
}

/// Something said of a part of a RedisCluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saying {
    /// How it stands.
    pub(super) level: Level,
    /// In a few words.
    pub(super) words: String,
    /// The rest of it; may be empty.
    pub(super) more: String,
}

impl Saying {
    fn new(level: Level, words: impl Into<String>, more: impl Into<String>) -> Self {
        let (words, more) = (words.into(), more.into());
        Self { level, words, more }
    }
}

/// A RedisCluster in one line: the worst that there is to say.
pub(super) fn verdict(resource: &RedisCluster) -> Saying {
    let Some(status) = resource
        .status
        .as_ref()
        .filter(|it| !it.conditions.is_empty())
    else {
        let more = "No operator has written a status yet.";
        return Saying::new(Level::Busy, "Not looked at yet", more);
    };
    let is_new = resource.metadata.generation > Some(status.observed_generation);
    let new = || Saying::new(Level::Busy, "The spec was changed", "It is looked at next.");
    lost(status)
        .or_else(|| forming(status))
        .or_else(|| unserved(status))
        .or_else(|| outage(status))
        .or_else(|| unsafe_zones(status))
        .or_else(|| held(status, "Degraded", "True", "Degraded"))
        .or_else(|| held(status, "Paused", "True", "Paused: nothing is touched"))
        .or_else(|| is_new.then(new))
        .or_else(|| held(status, "Ready", "False", "Not ready"))
        .unwrap_or_else(|| well(status))
}

fn condition<'a>(status: &'a RedisClusterStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|it| it.type_ == kind)
}

/// The condition, if its status is this.
fn found<'a>(status: &'a RedisClusterStatus, kind: &str, is: &str) -> Option<&'a Condition> {
    condition(status, kind).filter(|it| it.status == is)
}

fn held(status: &RedisClusterStatus, kind: &str, is: &str, words: &str) -> Option<Saying> {
    let it = found(status, kind, is)?;
    Some(Saying::new(Level::Warn, words, sentence(&it.message)))
}

fn lost(status: &RedisClusterStatus) -> Option<Saying> {
    let it = found(status, "DataLost", "True")?;
    Some(Saying::new(
        Level::Bad,
        "Data is lost",
        sentence(&it.message),
    ))
}

fn forming(status: &RedisClusterStatus) -> Option<Saying> {
    let it = found(status, "Ready", "False").filter(|it| it.reason == reasons::FORMING)?;
    let is_stuck = found(status, "Degraded", "True").is_some();
    let level = if is_stuck { Level::Warn } else { Level::Busy };
    Some(Saying::new(level, "Being formed", sentence(&it.message)))
}

fn unserved(status: &RedisClusterStatus) -> Option<Saying> {
    let it = found(status, "Available", "False")?;
    Some(Saying::new(
        Level::Bad,
        "Slots are not served",
        sentence(&it.message),
    ))
}

fn outage(status: &RedisClusterStatus) -> Option<Saying> {
    found(status, "ZoneOutage", "True")?;
    let gone: Vec<_> = status.zones.iter().filter(|zone| is_gone(zone)).collect();
    let others = || status.zones.iter().filter(|zone| !is_gone(zone));
    let stay: Vec<_> = others().filter(|zone| !zone.survives_loss).collect();
    let also = if stay.is_empty() {
        "Any other zone may be lost, too.".to_owned()
    } else if stay.len() == others().count() {
        format!("No other zone may be lost now. {}", whys(&stay))
    } else {
        format!("{} must not be lost now. {}", names(&stay), whys(&stay))
    };
    let verb = if gone.len() == 1 { "is" } else { "are" };
    let words = format!("{} {verb} lost", names(&gone));
    let more = format!("Every slot is served. {also}");
    Some(Saying::new(Level::Warn, words, more))
}

fn unsafe_zones(status: &RedisClusterStatus) -> Option<Saying> {
    let unsafe_ones = status.zones.iter().filter(|zone| !zone.survives_loss);
    let stay: Vec<_> = unsafe_ones.collect();
    let all = status.zones.len();
    let words = match stay.len() {
        0 => return None,
        count if count == all && all > 1 => "No zone may be lost now".to_owned(),
        _ => format!("{} must not be lost now", names(&stay)),
    };
    let more = format!("Every slot is served. {}", whys(&stay));
    Some(Saying::new(Level::Warn, words, more))
}

fn well(status: &RedisClusterStatus) -> Saying {
    let words = "Any one zone may be lost now";
    if let Some(it) = found(status, "Progressing", "True") {
        return Saying::new(Level::Busy, words, sentence(&it.message));
    }
    let more = "Every slot is served, and every member is in sync.";
    Saying::new(Level::Good, words, more)
}

/// `Zone a`, `Zones a and b`.
fn names(zones: &[&ZoneStatus]) -> String {
    let names: Vec<&str> = zones.iter().map(|zone| zone_name(&zone.zone)).collect();
    match names.as_slice() {
        [one] => format!("Zone {one}"),
        [first @ .., last] => format!("Zones {} and {last}", first.join(", ")),
        [] => "A zone".to_owned(),
    }
}

/// Why these must not be lost, as a sentence; those with the same reason together.
fn whys(zones: &[&ZoneStatus]) -> String {
    let mut said: Vec<(&str, Vec<&ZoneStatus>)> = Vec::new();
    for zone in zones {
        let Some(why) = zone.why_not.as_deref() else {
            continue;
        };
        match said.iter_mut().find(|(known, _)| *known == why) {
            Some((_, zones)) => zones.push(zone),
            None => said.push((why, vec![zone])),
        }
    }
    let parts = said
        .iter()
        .map(|(why, zones)| format!("{}: {why}.", names(zones)));
    parts.collect::<Vec<_>>().join(" ")
}

/// A cluster whose hosts carry no zone label has one zone, without a name.
pub(super) fn zone_name(zone: &str) -> &str {
    if zone.is_empty() { "(no name)" } else { zone }
}

/// Whether nothing in it answers.
pub(super) fn is_gone(zone: &ZoneStatus) -> bool {
    zone.state == "Gone"
}

/// May it be lost now?
pub(super) fn zone_verdict(zone: &ZoneStatus) -> Saying {
    let why = zone.why_not.as_deref().unwrap_or_default();
    match (is_gone(zone), zone.survives_loss) {
        (true, true) => Saying::new(
            Level::Bad,
            "lost",
            "survived: every shard goes on elsewhere",
        ),
        (true, false) => Saying::new(Level::Bad, "lost", why),
        (false, true) => Saying::new(Level::Good, "may be lost", ""),
        (false, false) => Saying::new(Level::Warn, "must not be lost", why),
    }
}

/// How a member stands.
pub(super) fn member_state(member: &ShardMemberStatus) -> Saying {
    let leads = member.role == Some(Role::Leader);
    let behind = member.lag_mebibytes.filter(|lag| *lag > 0);
    let behind = behind.map_or_else(String::new, |lag| format!("{lag} MiB behind"));
    let synced = if member.in_sync {
        "in sync"
    } else {
        "not in sync"
    };
    match member.state.as_str() {
        "Alive" if leads => Saying::new(Level::Good, "leads", ""),
        "Alive" => Saying::new(Level::Good, "in sync", behind),
        "Joining" => Saying::new(Level::Busy, "joining", synced),
        "Closed" => Saying::new(
            Level::Warn,
            "closed",
            "keeps clients out until that endangers no copy",
        ),
        "Starting" => Saying::new(Level::Busy, "starting", synced),
        "Leaving" => Saying::new(Level::Busy, "leaving", synced),
        "Silent" => Saying::new(Level::Bad, "silent", synced),
        "Ended" => Saying::new(Level::Bad, "ended", synced),
        other => Saying::new(Level::Warn, other, synced),
    }
}

/// How a condition stands.
pub(super) fn condition_level(it: &Condition) -> Level {
    match (it.type_.as_str(), is_good(&it.type_, &it.status)) {
        (_, true) => Level::Good,
        ("Progressing", false) => Level::Busy,
        ("Available" | "DataLost", false) => Level::Bad,
        (_, false) => Level::Warn,
    }
}

/// The things waited for by their reason, in the order in which the operator names them.
pub(super) fn waits(status: &RedisClusterStatus) -> Vec<(&str, Vec<&WaitingStatus>)> {
    let mut found: Vec<(&str, Vec<&WaitingStatus>)> = Vec::new();
    for wait in &status.waiting_on {
        match found.iter_mut().find(|(reason, _)| *reason == wait.reason) {
            Some((_, waits)) => waits.push(wait),
            None => found.push((&wait.reason, vec![wait])),
        }
    }
    found
}

/// How long ago, as coarse as reads well: it shall not change at each look.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(then).max(SignedDuration::ZERO).as_mins();
    match minutes {
        0 => "< 1 min".to_owned(),
        1..60 => format!("{minutes} min"),
        60..1440 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

/// A message as a sentence: they begin with a small letter and have no full stop. A name that one
/// begins with stays as it is.
pub(super) fn sentence(message: &str) -> String {
    let text = message.trim_end();
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(char::is_alphabetic);
    let mut letters = text.chars();
    let first = letters
        .next()
        .filter(|_| text.split(' ').next().is_some_and(|it| is_word(&it)));
    let text = match first {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => text.to_owned(),
    };
    let is_ended = text.is_empty() || text.ends_with(['.', '!', '?']);
    if is_ended { text } else { text + "." }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::scenes;

    #[test]
    fn the_verdict_is_the_worst_there_is_to_say() {
        let table = [
            (scenes::unseen(), Level::Busy, "Not looked at yet"),
            (scenes::forming(), Level::Busy, "Being formed"),
            (scenes::whole(), Level::Good, "Any one zone may be lost now"),
            (scenes::zone_lost(), Level::Warn, "Zone a is lost"),
            (
                scenes::copying(),
                Level::Warn,
                "Zones a and b must not be lost now",
            ),
            (scenes::unserved(), Level::Bad, "Slots are not served"),
            (scenes::data_lost(), Level::Bad, "Data is lost"),
        ];
        for (resource, level, words) in table {
            let said = verdict(&resource);
            assert_eq!(
                (said.level, said.words.as_str()),
                (level, words),
                "{said:?}"
            );
        }
    }

    #[test]
    fn a_lost_zone_tells_which_others_must_stay() {
        let said = verdict(&scenes::zone_lost()).more;
        let wanted = "Every slot is served. No other zone may be lost now. \
             Zones b and c: no in-sync member outside it for shard 0.";
        assert_eq!(said, wanted);
    }

    #[test]
    fn a_change_of_the_spec_that_nobody_saw_is_no_good_news() {
        let mut resource = scenes::whole();
        resource.metadata.generation = Some(9);
        assert_eq!(verdict(&resource).words, "The spec was changed");
    }

    #[test]
    fn ages_are_coarse() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (seconds, words) in [
            (-5, "< 1 min"),
            (59, "< 1 min"),
            (60, "1 min"),
            (3600, "1 h"),
            (200_000, "2 d"),
        ] {
            assert_eq!(ago(at(0), at(seconds)), words);
        }
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        for (message, wanted) in [
            ("", ""),
            ("no b", "No b."),
            ("éa b.", "Éa b."),
            ("cart-0-1 is silent", "cart-0-1 is silent."),
            ("b: no one", "b: no one."),
        ] {
            assert_eq!(sentence(message), wanted);
        }
    }
}
