//! I1: where members may be made.

use super::*;

#[test]
fn i1_no_second_member_of_a_shard_in_a_zone() {
    let mut seen = formed();
    seen.record.members.push(enrolled("c-0-7", 0, "c"));
    assert!(promises(&seen, vec![create("c-0-7")]).is_empty());
    seen.record.members.push(enrolled("c-0-8", 0, "a"));
    assert_eq!(promises(&seen, vec![create("c-0-8")]), ["I1"]);
    seen.record.members[0].surplus = true;
    assert!(
        promises(&seen, vec![create("c-0-8")]).is_empty(),
        "it replaces the one there"
    );
    seen.record.members.push(enrolled("c-0-9", 0, "a"));
    assert!(
        promises(&seen, vec![create("c-0-8")]).is_empty(),
        "a name on the roster takes no room"
    );
    let both = vec![create("c-0-8"), create("c-0-9")];
    assert_eq!(promises(&seen, both), ["I1", "I1"]);
}
