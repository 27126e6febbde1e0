//! What this operator has heard of each RedisCluster, and since when without a break.
//!
//! What an operator that is cut off itself does not hear says nothing of the members: they may have been heard
//! by everybody else. So a silence that has to last (`plan::fence`) counts from here at the earliest. Kept in
//! memory only: an operator that starts anew has heard nobody before, which is the safe side. (It waits for longer,
//! and may tell a copy for an older one that the operator before it knew to be whole.)

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    Asked, ClusterKey, LastWord, MemberAnswer, MemberId, MemberName, Observation, Role,
};

/// How long what was told last is kept: what a leader did in a longer silence nobody knows.
const WORDS_LAST: SignedDuration = SignedDuration::from_secs(5);

/// What has been heard of each RedisCluster.
#[derive(Debug, Default)]
pub(super) struct Listening(BTreeMap<ClusterKey, Memory>);

/// What has been heard of one.
#[derive(Debug, Default)]
struct Memory {
    since: Option<Timestamp>,
    words: BTreeMap<MemberId, LastWord>,
}

/// What a round may know of the rounds before it.
#[derive(Debug)]
pub(super) struct Heard {
    /// Since when some of the members have answered in every round.
    pub(super) since: Timestamp,
    /// What the leaders told last that do not answer now.
    pub(super) last_words: BTreeMap<MemberId, LastWord>,
}

impl Heard {
    /// Puts it beside what this round saw.
    pub(super) fn told_in(self, seen: Observation) -> Observation {
        Observation {
            listening_since: Some(self.since),
            last_words: self.last_words,
            ..seen
        }
    }
}

impl Listening {
    /// A round has asked the members.
    pub(super) fn heard(
        &mut self,
        key: &ClusterKey,
        members: &BTreeMap<MemberName, Asked>,
        now: Timestamp,
    ) -> Heard {
        let memory = self.0.entry(key.clone()).or_default();
        let answers: Vec<&MemberAnswer> = members.values().filter_map(Asked::answer).collect();
        if answers.is_empty() {
            memory.since = None;
        } else {
            memory.since.get_or_insert(now);
        }
        let is_fresh = |word: &LastWord| now.duration_since(word.at) < WORDS_LAST;
        memory.words.retain(|_, word| is_fresh(word));
        for answer in &answers {
            memory.words.remove(&answer.id);
        }
        let last_words = memory.words.clone();
        for answer in answers.iter().filter(|it| it.role() == Role::Leader) {
            memory.words.insert(answer.id.clone(), word_of(answer, now));
        }
        Heard {
            since: memory.since.unwrap_or(now),
            last_words,
        }
    }

    /// It could not even be asked.
    pub(super) fn lost(&mut self, key: &ClusterKey) {
        if let Some(memory) = self.0.get_mut(key) {
            memory.since = None;
        }
    }

    /// It is gone.
    pub(super) fn forget(&mut self, key: &ClusterKey) {
        self.0.remove(key);
    }
}

fn word_of(answer: &MemberAnswer, now: Timestamp) -> LastWord {
    LastWord {
        replication_id: answer.replication.replication_id.clone(),
        offset: answer.replication.offset,
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{answer, answer_of, formed};

    fn key() -> ClusterKey {
        ClusterKey {
            namespace: "ns".to_owned(),
            name: "c".to_owned(),
        }
    }

    #[test]
    fn who_hears_nobody_begins_to_listen_anew() {
        let key = key();
        let mut listening = Listening::default();
        let mut heard = |second: i64, answers: bool| {
            let asked = if answers {
                Asked::Answered(Box::new(answer("c-0-1")))
            } else {
                Asked::NotAsked
            };
            let members = BTreeMap::from([(MemberName::from("c-0-1"), asked)]);
            let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second);
            listening.heard(&key, &members, now).since.as_second()
        };
        assert_eq!([heard(1, true), heard(2, true)], [1, 1]);
        assert_eq!([heard(3, false), heard(4, false)], [3, 4]);
        assert_eq!([heard(5, true), heard(60, true)], [5, 5]);
        listening.lost(&key);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(listening.heard(&key, &BTreeMap::new(), now).since, now);
    }

    #[test]
    fn what_a_leader_told_last_is_known_for_a_moment() {
        let (key, mut listening) = (key(), Listening::default());
        let mut second = 0;
        let mut words = |seen: &Observation, seconds: i64| {
            second += seconds;
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
            let heard = listening.heard(&key, &seen.members, now);
            let offsets = heard.last_words.iter();
            let offsets = offsets.map(|(id, word)| (id.to_string(), word.offset));
            offsets.collect::<Vec<_>>()
        };
        let mut seen = formed();
        answer_of(&mut seen, "c-0-1").replication.offset = 77;
        assert_eq!(words(&seen, 1), [], "all are heard");
        let mut lost = seen.clone();
        lost.members.remove(&MemberName::from("c-0-1"));
        lost.members.remove(&MemberName::from("c-1-4"));
        let word = [("id-c-0-1".to_owned(), 77)];
        assert_eq!(words(&lost, 1), word, "of leaders alone");
        assert_eq!(words(&lost, 3), word, "for as long as it is unheard");
        assert_eq!(words(&lost, 1), [], "and no longer than this");
        assert_eq!(words(&seen, 1), [], "it is heard again");
        let deaf = Observation {
            members: BTreeMap::new(),
            ..lost.clone()
        };
        assert_eq!(words(&deaf, 1).len(), 3, "nobody is heard");
        assert_eq!(words(&lost, 1), word);
    }
}
