//! Since when this operator has heard each RedisCluster without a break.
//!
//! What an operator that is cut off itself does not hear says nothing of the members: they may have been heard
//! by everybody else. So a silence that has to last (`plan::fence`) counts from here at the earliest. Kept in
//! memory only: an operator that starts anew has heard nobody before, which is the safe side.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Asked, ClusterKey, MemberName};

/// Since when each RedisCluster has been heard.
#[derive(Debug, Default)]
pub(super) struct Listening(BTreeMap<ClusterKey, Timestamp>);

impl Listening {
    /// A round has asked the members. Gives since when some of them have answered in every round.
    pub(super) fn heard(
        &mut self,
        key: &ClusterKey,
        members: &BTreeMap<MemberName, Asked>,
        now: Timestamp,
    ) -> Timestamp {
        if members.values().any(|it| matches!(it, Asked::Answered(_))) {
            *self.0.entry(key.clone()).or_insert(now)
        } else {
            self.0.remove(key);
            now
        }
    }

    /// It could not even be asked, or is gone.
    pub(super) fn lost(&mut self, key: &ClusterKey) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::answer;

    #[test]
    fn who_hears_nobody_begins_to_listen_anew() {
        let key = ClusterKey {
            namespace: "ns".to_owned(),
            name: "c".to_owned(),
        };
        let mut listening = Listening::default();
        let mut heard = |second: i64, answers: bool| {
            let asked = if answers {
                Asked::Answered(Box::new(answer("c-0-1")))
            } else {
                Asked::NotAsked
            };
            let members = BTreeMap::from([(MemberName::from("c-0-1"), asked)]);
            let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second);
            listening.heard(&key, &members, now).as_second()
        };
        assert_eq!([heard(1, true), heard(2, true)], [1, 1]);
        assert_eq!([heard(3, false), heard(4, false)], [3, 4]);
        assert_eq!([heard(5, true), heard(60, true)], [5, 5]);
        listening.lost(&key);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(listening.heard(&key, &BTreeMap::new(), now), now);
    }
}
