//! Which of two copies of a shard's data has more: offsets compare within one history of writes, and INFO
//! names two, the present one and the one before it with the offset where they part. Stage: plan, pure.

use crate::model::MemberAnswer;

/// Whether it holds more of the same history: a body that was started again goes on from the offset that
/// its snapshot had, and names the history that it had then as its former one. A leader that was replaced,
/// and follows its successor's body now, may have the larger offset and nothing of what that one took. Of
/// a body without a history nobody can tell.
pub(super) fn is_ahead_of(copy: &MemberAnswer, body: &MemberAnswer) -> bool {
    let (own, of_body) = (&copy.replication, &body.replication);
    let is_unknown = body.keys == 0 || of_body.former_id.is_none();
    if is_unknown || own.replication_id == of_body.replication_id {
        return copy.keys > 0 && own.offset > of_body.offset;
    }
    let until = of_body.former_until.unwrap_or(of_body.offset);
    let until = until.min(of_body.offset);
    // one that was not opened since took no writes: what it has beyond are keys that expired
    let took_writes = body.is_open_to_followers && until < of_body.offset;
    let was_its = of_body.former_id.as_ref() == Some(&own.replication_id);
    // or one goes on from what the other has, too, and was promoted since
    let goes_on = own.former_id.is_some()
        && own.former_id == of_body.former_id
        && own.former_until.is_some_and(|parted| parted >= until);
    copy.keys > 0 && (was_its || goes_on) && !took_writes && own.offset > until
}

/// Whether a body that was started again had more of the copy's history when it ended.
pub(super) fn is_ahead_of_copy(body: &MemberAnswer, copy: &MemberAnswer) -> bool {
    let (of_body, own) = (&body.replication, &copy.replication);
    let shared_until = if of_body.replication_id == own.replication_id {
        Some(of_body.offset)
    } else if of_body.former_id.as_ref() == Some(&own.replication_id) {
        of_body.former_until.map(|until| until.min(of_body.offset))
    } else {
        None
    };
    body.keys > 0 && shared_until.is_some_and(|until| until > own.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::answer;

    #[test]
    fn only_who_is_of_the_same_history_is_ahead_of_a_body() {
        // (the copy's history, what the body names as former, until where, whether the body was opened
        // since), the body's being "b"
        let table = [
            (
                "b",
                Some("a"),
                Some(50),
                true,
                true,
                "it follows who started again with its id",
            ),
            (
                "a",
                Some("a"),
                Some(100),
                false,
                true,
                "the body was started again",
            ),
            (
                "a",
                Some("a"),
                Some(50),
                false,
                true,
                "and keys expired on it",
            ),
            (
                "a",
                Some("a"),
                Some(50),
                true,
                false,
                "the body was promoted, and took writes",
            ),
            (
                "a",
                Some("x"),
                Some(100),
                false,
                false,
                "two leaders of one shard",
            ),
            ("a", None, None, false, true, "nobody can tell"),
        ];
        for (id, former, until, is_open, expected, why) in table {
            let (mut copy, mut body) = (answer("copy"), answer("body"));
            (copy.keys, body.keys) = (10, 10);
            (copy.replication.offset, body.replication.offset) = (120, 100);
            copy.replication.replication_id = id.to_owned();
            body.replication.replication_id = "b".to_owned();
            body.replication.former_id = former.map(str::to_owned);
            body.replication.former_until = until;
            body.is_open_to_followers = is_open;
            assert_eq!(is_ahead_of(&copy, &body), expected, "{why}");
            body.keys = 0;
            assert!(is_ahead_of(&copy, &body), "it came back empty");
        }
    }

    #[test]
    fn who_was_promoted_since_a_body_was_saved_is_ahead_of_it() {
        let (mut copy, mut body) = (answer("copy"), answer("body"));
        (copy.keys, body.keys) = (10, 10);
        let own = &mut copy.replication;
        (own.replication_id, own.offset) = ("c".to_owned(), 120);
        (own.former_id, own.former_until) = (Some("a".to_owned()), Some(110));
        let of_body = &mut body.replication;
        (of_body.replication_id, of_body.offset) = ("b".to_owned(), 100);
        (of_body.former_id, of_body.former_until) = (Some("a".to_owned()), Some(100));
        assert!(is_ahead_of(&copy, &body));
        copy.replication.former_until = Some(90);
        assert!(
            !is_ahead_of(&copy, &body),
            "the body has what the copy never got"
        );
    }
}
