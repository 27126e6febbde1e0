//! Has members take up a changed certificate without a restart, and says when its time runs out.
//!
//! A server reads the files again when it is told their names again; connections that are up stay so
//! (REDIS-LAB section 12).

use super::census::Round;
use super::{Draft, MemberCommand, WaitingReason};
use crate::model::{CertificateRecord, CertificateView, Desired, Tls};

/// A kubelet brings a changed Secret into its pods' files within two minutes or so. Which authorities a
/// server trusts cannot be asked: it is told again for so long.
const KUBELETS_LAG_MILLIS: u64 = 180_000;
/// Told of when this part of its time is left: cert-manager renews at a third.
const WARNED_PART: i64 = 5;

/// Whether a cluster can be begun: the certificate is there, or none is wanted. Says so where not.
pub(super) fn is_there(round: &Round<'_>, draft: &mut Draft) -> bool {
    let Some(tls) = &round.desired.tls else {
        return true;
    };
    if round.seen.secrets.certificate.is_none() {
        draft.wait(
            WaitingReason::SecretMissing,
            format!(
                "Secret {} does not exist, or lacks a usable tls.crt, tls.key or ca.crt: create it, for \
                 instance by a Certificate of cert-manager. Members that run go on with what they have",
                tls.secret_name
            ),
        );
    }
    round.seen.secrets.certificate.is_some()
}

/// Notes the certificate and has members read it.
pub(super) fn reload(round: &Round<'_>, draft: &mut Draft) {
    let Some(tls) = &round.desired.tls else {
        return;
    };
    let Some(certificate) = &round.seen.secrets.certificate else {
        return; // said in `say_missing`
    };
    note(draft, certificate, round);
    let changed = draft.record.certificate.as_ref().and_then(|it| it.changed);
    let is_recent = changed.is_some_and(|at| round.millis_since(at) < KUBELETS_LAG_MILLIS);
    let mut late = Vec::new();
    for (member, answer) in round.census.living() {
        let presents_former = answer.access.presents_former;
        if presents_former {
            late.push(member.name().as_str());
        }
        if let (true, Some(target)) = (presents_former || is_recent, member.command_target()) {
            let why = "the Secret was changed";
            draft.tell(target, MemberCommand::ReloadCertificate, why);
        }
    }
    if !late.is_empty() {
        draft.wait(
            WaitingReason::CertificateRotation,
            format!(
                "the certificate of Secret {} is not presented yet by {}: their hosts bring it into the \
                 pods within about two minutes",
                tls.secret_name,
                late.join(", ")
            ),
        );
    }
    warn(round.desired, tls, certificate, round, draft);
}

fn note(draft: &mut Draft, certificate: &CertificateView, round: &Round<'_>) {
    let known = &mut draft.record.certificate;
    if known
        .as_ref()
        .is_some_and(|it| it.digest == certificate.digest)
    {
        return;
    }
    let had_another = known.is_some();
    *known = Some(CertificateRecord {
        digest: certificate.digest.clone(),
        changed: had_another.then_some(round.now),
    });
}

fn warn(
    desired: &Desired,
    tls: &Tls,
    certificate: &CertificateView,
    round: &Round<'_>,
    draft: &mut Draft,
) {
    let end = certificate.not_after.as_second();
    let whole = end - certificate.not_before.as_second();
    let left = end - round.now.as_second();
    if left > whole / WARNED_PART {
        return;
    }
    let what = if left > 0 { "ends" } else { "ended" };
    draft.wait(
        WaitingReason::CertificateExpires,
        format!(
            "the certificate in Secret {} {what} at {:.0}, and then nobody can connect to {} any more: \
             renew it",
            tls.secret_name, certificate.not_after, desired.key
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Record;
    use crate::plan::census::Census;
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::plan::{Deed, Plan};
    use jiff::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn decide(record: &Record, digest: &str, presents_former: bool, now: i64) -> Plan {
        let mut desired = desired(3, 1);
        desired.tls = Some(Tls {
            secret_name: "s".to_owned(),
        });
        let mut seen = formed();
        seen.secrets.certificate = Some(CertificateView {
            digest: digest.to_owned(),
            not_before: at(0),
            not_after: at(1000),
        });
        answer_of(&mut seen, "c-0-1").access.presents_former = presents_former;
        let mut record_now = seen.record.clone();
        record_now.certificate.clone_from(&record.certificate);
        let census = Census::new(&desired, &seen, &record_now);
        let round = Round {
            desired: &desired,
            seen: &seen,
            census: &census,
            record: &record_now,
            now: at(now),
        };
        let mut draft = Draft::new(record_now.clone());
        reload(&round, &mut draft);
        draft.finish()
    }

    fn told(plan: &Plan) -> usize {
        let reloads = |deed: &Deed| matches!(deed, Deed::Command { command, .. } if *command == MemberCommand::ReloadCertificate);
        plan.actions.iter().filter(|it| reloads(&it.deed)).count()
    }

    fn waits(plan: &Plan) -> Vec<WaitingReason> {
        plan.waiting_on.iter().map(|it| it.reason).collect()
    }

    #[test]
    fn a_changed_certificate_is_read_again_until_it_is_presented_and_the_hosts_had_time() {
        let first = decide(&Record::default(), "one", false, 100);
        assert_eq!((told(&first), waits(&first)), (0, vec![]));
        let same = decide(&first.record, "one", true, 200);
        assert_eq!(told(&same), 1, "who presents another one");
        assert_eq!(waits(&same), [WaitingReason::CertificateRotation]);
        let other = decide(&same.record, "two", false, 300);
        assert_eq!(told(&other), 6);
        assert_eq!(told(&decide(&other.record, "two", false, 479)), 6);
        assert_eq!(told(&decide(&other.record, "two", false, 480)), 0);
    }

    #[test]
    fn its_end_is_told_when_a_fifth_of_its_time_is_left() {
        for (now, expected) in [(799, false), (800, true), (1001, true)] {
            let plan = decide(&Record::default(), "one", false, now);
            let warned = waits(&plan).contains(&WaitingReason::CertificateExpires);
            assert_eq!(warned, expected, "{now}");
        }
    }
}
