//! The last round of each RedisCluster, for whoever looks: the page and the plugin.
//!
//! One way only: the loop puts in and never reads. An operator that starts anew has nothing to show
//! until its first round, and what happened before it is in the Events of Kubernetes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::model::{ClusterKey, Desired, Observation};
use crate::status::Transition;

/// How far back the timeline goes.
const TIMELINE: SignedDuration = SignedDuration::from_hours(1);
/// How many things a timeline tells; the oldest go first. A roll of 90 members does some 400.
const HAPPENINGS_MAX: usize = 500;

/// The world of one round, as `zoneward plan` reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// The validated spec.
    pub desired: Desired,
    /// What was seen.
    pub observation: Observation,
    /// When.
    pub now: Timestamp,
}

/// Something that happened to a RedisCluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub what: What,
    /// What, in words.
    pub text: String,
    /// Why, in words.
    pub why: String,
}

/// The kinds of things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The operator is about to do something.
    Action,
    /// A condition changed for the better, or for neither.
    Condition,
    /// A condition changed for the worse.
    Warning,
}

/// The last rounds of all RedisClusters. Clones share them.
#[derive(Clone)]
pub struct Rounds(Arc<Inner>);

struct Inner {
    kept: Mutex<BTreeMap<ClusterKey, Kept>>,
    /// Changes with each round.
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    world: Option<Arc<World>>,
    timeline: VecDeque<Happening>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self(Arc::new(Inner {
            kept: Mutex::default(),
            count: watch::Sender::new(0),
        }))
    }
}

impl Rounds {
    /// A round has decided. Call it last: whoever waits for a change looks then.
    pub fn decided(&self, key: &ClusterKey, world: World) {
        self.kept().entry(key.clone()).or_default().world = Some(Arc::new(world));
        self.0.count.send_modify(|count| *count += 1);
    }

    /// Something is about to be done.
    pub fn announced(&self, key: &ClusterKey, at: Timestamp, text: String, why: String) {
        let what = What::Action;
        self.happened(
            key,
            Happening {
                at,
                what,
                text,
                why,
            },
        );
    }

    /// Conditions flipped.
    pub fn flipped(&self, key: &ClusterKey, at: Timestamp, transitions: &[Transition]) {
        for transition in transitions {
            let what = if transition.is_warning {
                What::Warning
            } else {
                What::Condition
            };
            let text = format!("{}, {}", transition.action, transition.reason);
            let why = transition.message.clone();
            self.happened(
                key,
                Happening {
                    at,
                    what,
                    text,
                    why,
                },
            );
        }
    }

    /// A RedisCluster is gone.
    pub fn forget(&self, key: &ClusterKey) {
        self.kept().remove(key);
        self.0.count.send_modify(|count| *count += 1);
    }

    /// The world of the last round, if there was one.
    pub fn world(&self, key: &ClusterKey) -> Option<Arc<World>> {
        self.kept().get(key)?.world.clone()
    }

    /// What happened in the last hour, the oldest first.
    pub fn timeline(&self, key: &ClusterKey, now: Timestamp) -> Vec<Happening> {
        let kept = self.kept();
        let timeline = kept.get(key).map(|kept| &kept.timeline);
        let recent = |it: &&Happening| now.duration_since(it.at) <= TIMELINE;
        timeline
            .into_iter()
            .flatten()
            .filter(recent)
            .cloned()
            .collect()
    }

    /// Changes with each round of any RedisCluster.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.count.subscribe()
    }

    fn happened(&self, key: &ClusterKey, happening: Happening) {
        let mut kept = self.kept();
        let timeline = &mut kept.entry(key.clone()).or_default().timeline;
        let is_again = |last: &Happening| {
            (last.what, &last.text, &last.why) == (happening.what, &happening.text, &happening.why)
        };
        // what fails is asked for again and again: told once, with the time of the last
        if timeline.back().is_some_and(is_again) {
            timeline.pop_back();
        }
        if timeline.len() == HAPPENINGS_MAX {
            timeline.pop_front();
        }
        timeline.push_back(happening);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ClusterKey {
        ClusterKey {
            namespace: "ns".to_owned(),
            name: "cache".to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_timeline_goes_back_an_hour_and_no_further() {
        let rounds = Rounds::default();
        rounds.announced(&key(), at(0), "apply".to_owned(), String::new());
        rounds.announced(&key(), at(10), "meet".to_owned(), String::new());
        let told: Vec<_> = rounds.timeline(&key(), at(3605));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].text, "meet");
    }

    #[test]
    fn a_timeline_is_bounded() {
        let rounds = Rounds::default();
        for n in 0..=HAPPENINGS_MAX {
            rounds.announced(&key(), at(0), n.to_string(), String::new());
        }
        let told = rounds.timeline(&key(), at(1));
        assert_eq!(told.len(), HAPPENINGS_MAX);
        assert_eq!(told[0].text, "1");
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone_and_whoever_waits_hears_of_it() {
        let rounds = Rounds::default();
        let mut changes = rounds.changes();
        rounds.announced(&key(), at(0), "apply".to_owned(), String::new());
        rounds.forget(&key());
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(rounds.timeline(&key(), at(1)).is_empty());
    }
}
