//! What proves that the process of a pod has ended whose object is gone: an object that is deleted by
//! force goes at once, and the process there ends when its kubelet has heard of it and its grace period
//! is over. Until then it may write on its volume, and lead. Stage: plan, pure.

use jiff::Timestamp;

use super::super::census::{Member, Round};
use crate::model::{Departed, Desired, HostView, Observation, PodPhase, STORE_AGE_MILLIS_MAX};
use crate::resources;

/// Kubernetes takes a kubelet for ready until it was silent for so long (node-monitor-grace-period: 40 s,
/// from 1.32 on 50 s): one that is called ready may have been away all that time.
const KUBELET_SILENCE_MILLIS: u64 = 50_000;
/// For clocks that differ (a kubelet tells by its own since when it is ready), and for SIGKILL.
const MARGIN_MILLIS: u64 = 10_000;

/// How long after its object went a process may live whose kubelet is well.
pub(super) fn lingering_millis(desired: &Desired) -> u64 {
    let grace = resources::grace_period_seconds(desired);
    let grace_millis = u64::try_from(grace).unwrap_or(0).saturating_mul(1000);
    grace_millis
        .saturating_add(KUBELET_SILENCE_MILLIS)
        .saturating_add(MARGIN_MILLIS)
}

/// Whether the kubelet of this host has ended a process whose pod is gone since then: it is ready, and
/// had the time since both. Silence before that tells nothing, a process may hang.
fn kubelet_had_time(
    host: &HostView,
    gone_since: Timestamp,
    desired: &Desired,
    now: Timestamp,
) -> bool {
    let known_since = host.ready_since.map(|ready| ready.max(gone_since));
    host.is_ready
        && known_since.is_some_and(|since| {
            let millis = now.as_millisecond() - since.as_millisecond();
            u64::try_from(millis).unwrap_or(0) >= lingering_millis(desired)
        })
}

/// What was not proven when it was struck out may be by now: a human gave his word about its host,
/// or the kubelet there is back and has had time to end it. A pod that stands there still is told of
/// by its kubelet.
pub(super) fn has_surely_ended(
    gone: &Departed,
    desired: &Desired,
    seen: &Observation,
    now: Timestamp,
) -> bool {
    let host = gone.host.as_ref().and_then(|host| seen.host(host));
    match seen.pod(&gone.name) {
        Some(pod) => matches!(pod.phase, PodPhase::Ended { .. }),
        None => host.is_some_and(|host| {
            host.is_out_of_service || kubelet_had_time(host, gone.since, desired, now)
        }),
    }
}

/// A store that lags shows no pod where there is one: the bus would still be in touch with it.
/// Where nobody can tell, the oldest store is waited for.
pub(super) fn is_really_gone(round: &Round<'_>, member: &Member<'_>) -> bool {
    let gone_millis = member
        .entry
        .gone_since
        .map_or(0, |since| round.millis_since(since));
    match &member.entry.member_id {
        Some(_) if round.census.living().next().is_none() => gone_millis >= STORE_AGE_MILLIS_MAX,
        Some(id) => !round.census.is_in_touch_with(id),
        None => true,
    }
}

/// Whether no process can be at work on the volume of a pod that is gone: it never was on a host, or
/// the kubelet there has ended it. (A human's word makes it dead, not gone.)
pub(super) fn body_is_free(round: &Round<'_>, member: &Member<'_>) -> bool {
    let has_no_pod = round.seen.pod(member.name()).is_none();
    has_no_pod && (member.entry.host.is_none() || kubelet_has_ended_it(round, member))
}

/// The host's kubelet lives and has had time to end the container of a pod that is gone. A host object
/// that is gone proves nothing, and who is in touch with the others has not ended, whatever the time.
pub(in crate::plan) fn kubelet_has_ended_it(round: &Round<'_>, member: &Member<'_>) -> bool {
    let id = member.entry.member_id.as_ref();
    let is_in_touch = id.is_some_and(|id| round.census.is_in_touch_with(id));
    let host = member.host.zip(member.entry.gone_since);
    !is_in_touch
        && host.is_some_and(|(host, gone)| kubelet_had_time(host, gone, round.desired, round.now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{desired, host};

    #[test]
    fn a_kubelet_is_given_its_silence_and_the_grace_period_from_when_the_pod_went() {
        let at = |seconds: i64| Timestamp::new(seconds, 0).unwrap();
        let wanted = desired(3, 1); // a node timeout of 5 s: a grace period of 50 s
        assert_eq!(lingering_millis(&wanted), 110_000);
        let table: [(&str, Option<i64>, i64, i64, bool); 6] = [
            ("both long ago", Some(0), 0, 110, true),
            ("a moment too early", Some(0), 0, 109, false),
            (
                "the pod went later, however long it was silent",
                Some(0),
                900,
                1000,
                false,
            ),
            (
                "the kubelet was away when the pod went",
                Some(950),
                0,
                1000,
                false,
            ),
            ("the kubelet is back for long", Some(890), 0, 1000, true),
            ("nobody tells since when it is ready", None, 0, 1000, false),
        ];
        for (name, ready, gone, now, expected) in table {
            let mut host = host("host-a", "a");
            host.ready_since = ready.map(at);
            let found = kubelet_had_time(&host, at(gone), &wanted, at(now));
            assert_eq!(found, expected, "{name}");
            host.is_ready = false;
            assert!(
                !kubelet_had_time(&host, at(gone), &wanted, at(now)),
                "{name}"
            );
        }
    }
}
