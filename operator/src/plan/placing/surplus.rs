//! Who is to leave once its shard is whole without it, and whose place is given back.

use super::super::census::{Member, Round};
use super::super::{Draft, zones};

/// Where too few are left, or the scheduler has no room for who was to take its place, a surplus member
/// that lives is needed after all; first of all one that need not be replaced again.
pub(super) fn take_back(round: &Round<'_>, draft: &mut Draft) {
    for shard in &round.census.shards {
        let fills = |m: &&Member<'_>| super::counts(round, m) && !zones::waits_for_room(round, m);
        let filling = shard.members.iter().filter(fills).count();
        let whole = usize::try_from(round.desired.members_per_shard()).unwrap_or(usize::MAX);
        let mut missing = whole.saturating_sub(filling);
        let mut surplus: Vec<&Member<'_>> =
            shard.members.iter().filter(|m| m.entry.surplus).collect();
        surplus.sort_by_key(|it| (it.is_outdated, !shard.is_led_by(it)));
        for member in surplus {
            let lives = member.answer().is_some() && !member.is_leaving();
            // the only copy that is left, and an empty member stands where it is to start; while the cluster
            // forms it may own the slots, and nobody else gets them before it is heard
            let may_hold =
                member.entry.joined || !round.record.formed && member.entry.member_id.is_some();
            let is_blocked = shard.living_leader().is_none()
                && may_hold
                && member.entry.volume.is_some()
                && zones::waits_for_room(round, member);
            if missing > 0 && lives && shard.is_current(member) || is_blocked {
                set_surplus(draft, member, false);
                missing = missing.saturating_sub(1);
            }
        }
    }
}

/// Marks a member that is to leave, or takes the mark back.
pub(in crate::plan) fn set_surplus(draft: &mut Draft, member: &Member<'_>, surplus: bool) {
    if let Some(entry) = draft
        .record
        .members
        .iter_mut()
        .find(|e| &e.name == member.name())
    {
        entry.surplus = surplus;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::model::MemberName;
    use crate::plan::plan;
    use crate::plan::testing::{desired, formed};

    /// Of two that handed over to somebody who finds no room the old one was kept, and the update ended there.
    #[test]
    fn where_one_too_few_is_left_who_is_up_to_date_is_taken_back_and_not_both() {
        for outdated in ["c-0-1", "c-0-2"].map(MemberName::from) {
            let mut seen = formed();
            for pod in seen.pods.iter_mut().filter(|it| it.name == outdated) {
                pod.fingerprint = Some("old".into());
            }
            let pair = ["c-0-1", "c-0-2"].map(MemberName::from);
            for entry in &mut seen.record.members {
                entry.surplus = pair.contains(&entry.name);
            }
            let is_superfluous = |name: &MemberName| ["c-1-4", "c-2-6"].contains(&name.as_str());
            seen.record.members.retain(|it| !is_superfluous(&it.name));
            seen.pods.retain(|it| !is_superfluous(&it.name));
            seen.members.retain(|name, _| !is_superfluous(name));
            let record = plan(&desired(3, 0), &seen, Timestamp::new(6, 0).unwrap()).record;
            for name in &pair {
                let stays = record.member(name).is_some_and(|it| !it.surplus);
                assert_eq!(stays, *name != outdated, "{name}");
            }
        }
    }
}
