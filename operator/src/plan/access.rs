//! Changes passwords without a restart and without a gap (REDIS-LAB section 12): everybody takes the new
//! one beside the old one first, then it is used, then the old one is no longer taken. What is done is
//! read back from the members; the record has only since when.

use jiff::{SignedDuration, Timestamp};

use super::census::{Member, Round};
use super::evidence::Verdict;
use super::{Draft, MemberCommand, PasswordStep, WaitingReason};
use crate::model::{Access, Keys, MemberAnswer};

/// Has members take the clients' new password, and after the grace no former one.
pub(super) fn rotate_clients(round: &Round<'_>, draft: &mut Draft) {
    let clients = |answer: &MemberAnswer| answer.access.clients;
    tell(round, draft, PasswordStep::AdmitClients, |answer| {
        clients(answer) == Keys::LackNew
    });
    let living: Vec<Keys> = round.census.living().map(|(_, it)| clients(it)).collect();
    let takes_former = living.contains(&Keys::TakeFormer);
    let lacks_new = living.contains(&Keys::LackNew);
    let former_since = &mut draft.record.passwords.former_since;
    if lacks_new {
        *former_since = None; // the grace begins when the new one is taken everywhere
        return;
    }
    if !takes_former {
        if !living.is_empty() {
            *former_since = None;
        }
        return;
    }
    let since = *former_since.get_or_insert(round.now);
    let grace_millis = round.desired.auth.grace_seconds.saturating_mul(1000);
    if round.millis_since(since) < grace_millis {
        let until = later(since, round.desired.auth.grace_seconds);
        draft.wait(
            WaitingReason::PasswordRotation,
            format!(
                "clients are still let in as before, too, until {until:.0}: move them to the new \
                 password by then. To end it now: spec.auth.rotationGraceSeconds: 0"
            ),
        );
        return;
    }
    // the clock stands in the record already: it is older than this round, or there is no grace
    tell(
        round,
        draft,
        PasswordStep::RetireFormerOfClients,
        |answer| clients(answer) == Keys::TakeFormer,
    );
}

fn later(since: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    since
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// Begins new passwords of our own users where the spec asks for it: they are in a Secret of the next
/// generation, whose name is in the record before it is made.
pub(super) fn begin_own(round: &Round<'_>, draft: &mut Draft) {
    let passwords = &mut draft.record.passwords;
    let asked = round
        .desired
        .auth
        .rotate_internal
        .clone()
        .unwrap_or_default();
    if passwords.asked == asked {
        return;
    }
    if !round.record.formed || (passwords.generation == 0 && round.record.members.is_empty()) {
        passwords.asked = asked; // they are new anyway
    } else if !passwords.is_rotating && round.seen.secrets.internal_is_present {
        passwords.asked = asked;
        passwords.generation += 1;
        passwords.is_rotating = true;
    }
}

/// Has members take our own users' new passwords, then follow with them, then take no former ones. Each
/// step waits until everybody on the roster has done the one before: a member that is not heard may feed
/// a follower, or be fed.
pub(super) fn rotate_own(round: &Round<'_>, draft: &mut Draft) {
    let has_begun_now = draft.record.passwords.generation != round.seen.record.passwords.generation;
    if has_begun_now || !round.seen.secrets.internal_is_present {
        return; // what was seen is about the passwords before
    }
    let lacks =
        |access: &Access| access.operator == Keys::LackNew || access.followers == Keys::LackNew;
    tell(round, draft, PasswordStep::AdmitOwn, |answer| {
        lacks(&answer.access)
    });
    let missing = round.census.members().find(|member| {
        let has_ended = matches!(member.verdict, Verdict::Dead(_) | Verdict::NotMade);
        !has_ended && member.answer().is_none_or(|answer| lacks(&answer.access))
    });
    let follows_with_former = |answer: &MemberAnswer| answer.access.follows_with_former;
    if let Some(member) = missing {
        let mut living = round.census.living();
        if round.record.passwords.is_rotating || living.any(|(_, it)| follows_with_former(it)) {
            wait_for(draft, member);
        }
        return;
    }
    tell(
        round,
        draft,
        PasswordStep::FollowWithNew,
        follows_with_former,
    );
    let mut living = round.census.living().peekable();
    if living.peek().is_none() || living.any(|(_, answer)| follows_with_former(answer)) {
        return;
    }
    draft.record.passwords.is_rotating = false;
    if round.record.passwords.is_rotating {
        return; // the former Secret counts until that is on record
    }
    tell(round, draft, PasswordStep::RetireFormerOwn, |answer| {
        let access = &answer.access;
        access.operator == Keys::TakeFormer || access.followers == Keys::TakeFormer
    });
}

fn wait_for(draft: &mut Draft, member: &Member<'_>) {
    draft.wait(
        WaitingReason::PasswordRotation,
        format!(
            "new passwords of Zoneward's own users are used when {} takes them, too: it does not \
             answer yet",
            member.name()
        ),
    );
}

fn tell(
    round: &Round<'_>,
    draft: &mut Draft,
    step: PasswordStep,
    concerns: impl Fn(&MemberAnswer) -> bool,
) {
    for (member, answer) in round.census.living() {
        if let (true, Some(target)) = (concerns(answer), member.command_target()) {
            let why = match step {
                PasswordStep::AdmitClients | PasswordStep::AdmitOwn => {
                    "it does not take the new one"
                }
                PasswordStep::FollowWithNew => "everybody takes the new one",
                PasswordStep::RetireFormerOfClients => "the grace is over",
                PasswordStep::RetireFormerOwn => "nobody uses the former one",
            };
            draft.tell(target, MemberCommand::Passwords(step), why);
        }
    }
}
