//! What members that do not answer may do or hold: whoever is opened meanwhile could take writes beside them,
//! or in place of newer data. Stage: plan, pure.

use jiff::Timestamp;

use super::super::census::{Member, Round, Shard};
use super::super::evidence::Verdict;
use crate::api::Persistence;
use crate::model::{MemberAnswer, PodPhase};

/// How old a snapshot of a leader that is written to may be by the server's own schedule
/// (`save 3600 1 300 100 60 10000`).
const SNAPSHOT_MILLIS_MAX: u64 = 300_000;

/// How long a body is waited for whose pod does not start.
const STARTS_WITHIN_MILLIS: u64 = 60_000;

/// How long a role change may take to show, clocks of two operators included.
const SHOWS_WITHIN_MILLIS: i64 = 7_000;

/// Who led in this one's place by a later epoch, whoever made it so, or may have been told to, and is not heard:
/// it may lead, and take writes, or its body has some. The views of bodies that ended before that do not know.
pub(super) fn may_lead_unseen<'a, 'b>(
    round: &Round<'_>,
    shard: &'b Shard<'a>,
    answer: &MemberAnswer,
) -> Option<&'b Member<'a>> {
    let mut changes = round.record.clocks.role_changes.iter();
    let change =
        changes.find(|change| change.shard == shard.id && change.of.as_ref() == Some(&answer.id));
    let was_told = |member: &Member<'_>| {
        let since = member.entry.silent_since.unwrap_or(round.now);
        let heard_millis = |at: Timestamp| since.as_millisecond() - at.as_millisecond();
        change.is_some_and(|change| heard_millis(change.at) < SHOWS_WITHIN_MILLIS)
    };
    let has_led = |member: &Member<'_>| has_led_since(round, shard, member, answer);
    let may_lead = |member: &&Member<'_>| match member.verdict {
        Verdict::Silent(_) | Verdict::Gone => {
            member.entry.joined && (was_told(member) || has_led(member))
        }
        // it led, ended, and its body is about to say so
        Verdict::NotMade | Verdict::Starting => {
            (change.is_some() || has_led(member)) && is_body_on_its_way(round, member)
        }
        Verdict::Dead(_) => (change.is_some() || has_led(member)) && is_to_start_again(member),
        Verdict::Alive(_) => false,
    };
    shard.members.iter().find(may_lead)
}

/// It is on record as who led last, by a later epoch than this one's.
fn has_led_since(
    round: &Round<'_>,
    shard: &Shard<'_>,
    member: &Member<'_>,
    answer: &MemberAnswer,
) -> bool {
    let own = answer.view.own_entry().map(|own| own.config_epoch.0);
    let mut histories = round.record.histories.iter();
    let led = histories
        .find(|it| it.shard == shard.id && member.entry.member_id.as_ref() == Some(&it.leader));
    led.is_some_and(|it| it.leader != answer.id && it.epoch > own)
}

pub(super) fn unseen_message(member: &Member<'_>, other: &Member<'_>) -> String {
    let (name, other_name) = (member.name(), other.name());
    let words = format!(
        "{name} stays closed: {other_name} led in its place, or may have been told to, and does not answer"
    );
    match &other.entry.host {
        Some(host) => format!(
            "{words}. Bring host {host} back; if it is off for good, say so: kubectl taint node {host} \
             node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        ),
        None => words,
    }
}

/// Its process has ended, and the next one starts on its volume: with a copy that may be newer, and perhaps
/// elected in its last moment, which nobody who is left has heard.
pub(super) fn is_to_start_again(member: &Member<'_>) -> bool {
    let phase = member.pod.map(|pod| &pod.phase);
    let has_ended = matches!(phase, Some(PodPhase::Ended { .. }));
    // one that ends again before it got so far is not waited for: it may never start
    let got_far = member.entry.synced_run.is_some();
    has_ended && got_far && member.entry.joined && member.entry.volume.is_some()
}

/// Its volume has a copy that may be newer, and its next process is about to answer; where none starts
/// within this time, somebody has to see to it, and the shard goes on.
pub(super) fn is_body_on_its_way(round: &Round<'_>, member: &Member<'_>) -> bool {
    let has_copy = member.entry.joined && member.entry.volume.is_some();
    let made = member.pod.map_or(0, |pod| round.millis_since(pod.created));
    has_copy && made < STARTS_WITHIN_MILLIS
}

/// Its copy was whole when their leader was heard last, or a little earlier, and that leader's snapshot may be
/// older; or that leader has nothing, and any copy is better. It is waited for, as a lost shard's bodies are, until it answers or is
/// proven dead; where even its host is gone from Kubernetes nobody could prove that.
pub(super) fn may_hold_newer(round: &Round<'_>, has_nothing: bool, silent: &Member<'_>) -> bool {
    let is_young = |since: Timestamp| round.millis_since(since) < SNAPSHOT_MILLIS_MAX;
    let fell_silent_late = silent.entry.silent_since.is_some_and(is_young);
    let was_whole = silent.entry.synced_run.is_some() || silent.entry.joined && fell_silent_late;
    let is_snapshot = round.desired.persistence != Persistence::Aof;
    let is_better = is_snapshot && was_whole || has_nothing && silent.entry.joined;
    is_better && silent.host.is_some()
}

/// The same of one that does not answer, or whose body is about to.
pub(in crate::plan) fn may_hold_newer_unheard(round: &Round<'_>, member: &Member<'_>) -> bool {
    match member.verdict {
        Verdict::Alive(_) => false,
        Verdict::Silent(_) | Verdict::Gone => may_hold_newer(round, false, member),
        Verdict::NotMade | Verdict::Starting => is_body_on_its_way(round, member),
        Verdict::Dead(_) => is_to_start_again(member),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::model::{Asked, History, MemberName, ShardId, Silence, SilenceReason};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};

    #[test]
    fn a_body_stays_closed_while_who_led_after_it_is_not_heard() {
        // (the epoch that its follower led with when it was heard last, the body is opened); its own is 1
        let table = [(Some(7), false), (Some(1), true), (None, true)];
        for (epoch, expected) in table {
            let mut seen = formed();
            let body = answer_of(&mut seen, "c-0-1");
            (body.is_open, body.is_open_to_followers) = (false, false);
            let silence = Silence {
                reason: SilenceReason::Timeout,
                millis: 600_000,
                said_goodbye: false,
            };
            let led = MemberName::from("c-0-2");
            seen.members.insert(led, Asked::Silent(silence));
            for entry in &mut seen.record.members {
                entry.volume = Some(entry.name.as_str().into());
            }
            seen.record.histories = vec![History {
                shard: ShardId(0),
                leader: "id-c-0-2".into(),
                replication_id: String::new(),
                epoch,
                ended_with: None,
                since: None,
            }];
            let mut desired = desired(3, 1);
            desired.persistence = crate::api::Persistence::Aof;
            let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(600);
            let plan = plan(&desired, &seen, later);
            let opens = plan.actions.iter().any(|it| it.deed.kind() == "open");
            assert_eq!(opens, expected, "led with epoch {epoch:?}");
        }
    }
}
