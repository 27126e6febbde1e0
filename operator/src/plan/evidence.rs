//! What is known of a member, from the evidence about it.
//!
//! Silence is not death and a pod object that is gone is no proof (force deletes leave processes
//! running): only its kubelet's report, or a human's word, proves that a process is dead.

use crate::model::{Asked, Enrolled, HostView, MemberAnswer, PodPhase, PodView, Silence};

const OUT_OF_SERVICE: &str = "its host carries the out-of-service taint";

/// The verdict on one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Its pod was never seen: it is still to be made.
    NotMade,
    /// Its pod was made; its process was not heard yet.
    Starting,
    /// It answers.
    Alive(&'a MemberAnswer),
    /// It runs as far as Kubernetes knows, and does not answer.
    Silent(Silence),
    /// Its pod was seen and is gone. No proof that its process is dead.
    Gone,
    /// Its process is dead, proven.
    Dead(&'a str),
}

impl<'a> Verdict<'a> {
    /// Weighs the evidence.
    pub fn of(
        entry: &Enrolled,
        pod: Option<&'a PodView>,
        host: Option<&HostView>,
        asked: Option<&'a Asked>,
    ) -> Self {
        let is_out_of_service = host.is_some_and(|host| host.is_out_of_service);
        let Some(pod) = pod else {
            // the word about a host outlives the pods that were evicted from it
            return match entry.pod_uid {
                Some(_) if is_out_of_service => Self::Dead(OUT_OF_SERVICE),
                Some(_) => Self::Gone,
                None => Self::NotMade,
            };
        };
        if entry.pod_uid.as_ref().is_some_and(|uid| uid != &pod.uid) {
            // names are never used twice: whatever this pod is, it is not the member
            return Self::Gone;
        }
        if let PodPhase::Ended { reason } = &pod.phase {
            return Self::Dead(reason);
        }
        match asked {
            // outweighs a human's word: the taint may be for another host, or not taken back yet
            Some(Asked::Answered(answer)) => Self::Alive(answer),
            _ if is_out_of_service => Self::Dead(OUT_OF_SERVICE),
            _ if matches!(pod.phase, PodPhase::Waiting { .. }) => Self::Starting,
            // before its first answer a process may just not listen yet
            Some(Asked::Silent(silence)) if entry.member_id.is_some() => Self::Silent(*silence),
            Some(Asked::Silent(_) | Asked::NotAsked) | None => Self::Starting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberId, PodUid, SilenceReason};
    use crate::plan::testing::{answer, enrolled, host, pod};

    fn check(
        setup: impl FnOnce(&mut Enrolled, &mut PodView, &mut HostView),
        asked: Option<&Asked>,
    ) -> String {
        let (mut entry, mut pod, mut host) = (
            enrolled("c-0-1", 0, "a"),
            pod("c-0-1", 0, "a"),
            host("h", "a"),
        );
        entry.pod_uid = Some(pod.uid.clone());
        setup(&mut entry, &mut pod, &mut host);
        match Verdict::of(&entry, Some(&pod), Some(&host), asked) {
            Verdict::Alive(_) => "alive".to_owned(),
            other => format!("{other:?}")
                .split('(')
                .next()
                .unwrap()
                .to_lowercase(),
        }
    }

    #[test]
    fn silence_is_not_death_and_only_the_kubelet_or_a_human_proves_it() {
        let refused = Asked::Silent(Silence {
            reason: SilenceReason::Refused,
            millis: 0,
            said_goodbye: true,
        });
        let silent = || Some(&refused);
        let answered = Asked::Answered(Box::new(answer("m")));
        let told = |entry: &mut Enrolled| entry.member_id = Some(MemberId::from("m"));
        assert_eq!(check(|_, _, _| {}, Some(&answered)), "alive");
        assert_eq!(check(|e, _, _| told(e), silent()), "silent");
        assert_eq!(check(|_, _, _| {}, silent()), "starting");
        assert_eq!(
            check(
                |e, _, h| {
                    told(e);
                    h.is_ready = false;
                },
                silent()
            ),
            "silent"
        );
        assert_eq!(
            check(
                |_, p, _| p.phase = PodPhase::Ended { reason: "x".into() },
                silent()
            ),
            "dead"
        );
        assert_eq!(
            check(|_, _, h| h.is_out_of_service = true, silent()),
            "dead"
        );
        assert_eq!(
            check(|_, _, h| h.is_out_of_service = true, Some(&answered)),
            "alive"
        );
        assert_eq!(
            check(|_, p, _| p.uid = PodUid::from("another"), silent()),
            "gone"
        );
        assert_eq!(
            check(
                |_, p, _| p.phase = PodPhase::Waiting {
                    unschedulable: None,
                    kubelet: None
                },
                None
            ),
            "starting"
        );
    }

    #[test]
    fn a_pod_never_seen_is_to_be_made_and_one_seen_is_gone() {
        let mut entry = enrolled("c-0-1", 0, "a");
        assert_eq!(Verdict::of(&entry, None, None, None), Verdict::NotMade);
        entry.pod_uid = Some(PodUid::from("u"));
        assert_eq!(Verdict::of(&entry, None, None, None), Verdict::Gone);
        let mut host = host("h", "a");
        assert_eq!(Verdict::of(&entry, None, Some(&host), None), Verdict::Gone);
        host.is_out_of_service = true;
        let told = Verdict::of(&entry, None, Some(&host), None);
        assert!(matches!(told, Verdict::Dead(_)), "a human's word");
    }
}
