//! Whom nobody may be told to forget.

use super::*;
use crate::model::{Departed, Share};

#[test]
fn i7_neither_an_owner_of_slots_nor_the_living_are_forgotten() {
    let mut seen = formed();
    let forget = |id: &str| vec![tell("c-1-3", MemberCommand::Forget(MemberId::from(id)))];
    assert_eq!(promises(&seen, forget("id-c-0-2")), ["I7"], "it answers");
    seen.members.remove(&MemberName::from("c-0-1"));
    assert_eq!(promises(&seen, forget("id-c-0-1")), ["I7"], "it owns slots");
    let silent = MemberName::from("c-0-2");
    seen.members.remove(&silent);
    assert_eq!(promises(&seen, forget("id-c-0-2")), ["I7"], "it is ours");
    seen.record.members.retain(|entry| entry.name != silent);
    assert!(promises(&seen, forget("id-c-0-2")).is_empty());
}

#[test]
fn i7_nobody_unproven_is_forgotten_while_a_majority_may_elect_it_out_of_sight() {
    let mut seen = formed();
    seen.record.shares = (0..3)
        .map(|shard| Share {
            shard: ShardId(shard),
            slots: SlotSet::even_share(shard, 3),
        })
        .collect();
    let name = MemberName::from("c-0-2");
    seen.members.remove(&name);
    seen.record.members.retain(|entry| entry.name != name);
    seen.record.departed.push(Departed {
        member_id: "id-c-0-2".into(),
        name,
        shard: ShardId(0),
        host: None,
        is_proven_dead: false,
        ended_unseen: false,
        since: NOW,
    });
    let forget = || vec![tell("c-1-3", MemberCommand::Forget("id-c-0-2".into()))];
    assert!(promises(&seen, forget()).is_empty(), "all leaders answer");
    seen.members.remove(&MemberName::from("c-0-1"));
    assert!(promises(&seen, forget()).is_empty(), "two of three do");
    seen.members.remove(&MemberName::from("c-2-5"));
    assert_eq!(promises(&seen, forget()), ["I7"]);
    seen.record.formed = false;
    assert!(promises(&seen, forget()).is_empty(), "it forms");
    seen.record.formed = true;
    seen.record.departed[0].is_proven_dead = true;
    assert!(promises(&seen, forget()).is_empty(), "it has ended");
}
