//! Which steps of a drill are the two ends of one fault. Pure.

use super::Step;
use super::deeds::Hands;
use super::measured::Edge;

/// The fault that a step begins or ends; none where it does something in a moment.
pub(super) fn edge(step: Step, hands: &Hands) -> Option<Edge> {
    let zone = |number: usize, what: &str| Some(format!("{} {what}", hands.zone(number).ok()?));
    let host = || Some(format!("{} dead", hands.host.as_ref()?));
    let power = || Some("power cut".to_owned());
    let (fault, ends) = match step {
        Step::KillHost => (host(), false),
        Step::StartHost => (host(), true),
        Step::LoseZone(number, fault) => (zone(number, fault.word()), false),
        Step::ReturnZone(number, fault) => (zone(number, fault.word()), true),
        Step::TaintZone(number) => (zone(number, "tainted"), false),
        Step::UntaintZone(number) => (zone(number, "tainted"), true),
        Step::DrainZone(number) => (zone(number, "drained"), false),
        Step::UncordonZone(number) => (zone(number, "drained"), true),
        Step::CutPower => (power(), false),
        Step::RestorePower => (power(), true),
        Step::DeleteLeader
        | Step::CrashLeader
        | Step::CrashFollowers
        | Step::KillLeaders(_)
        | Step::CrashOperator
        | Step::ForgetPassword
        | Step::ComparePasswords
        | Step::Change(_)
        | Step::Stay(_)
        | Step::Until(_) => return None,
    };
    Some(Edge {
        fault: fault?,
        ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed::Fault;

    #[test]
    fn both_ends_of_a_fault_have_one_name() {
        let hands = Hands {
            zones: vec!["zone-b".to_owned()],
            host: Some("worker2".to_owned()),
            ..Hands::default()
        };
        for (begin, end, name) in [
            (Step::KillHost, Step::StartHost, "worker2 dead"),
            (
                Step::LoseZone(0, Fault::Cut),
                Step::ReturnZone(0, Fault::Cut),
                "zone-b cut off",
            ),
            (Step::TaintZone(0), Step::UntaintZone(0), "zone-b tainted"),
            (Step::DrainZone(0), Step::UncordonZone(0), "zone-b drained"),
            (Step::CutPower, Step::RestorePower, "power cut"),
        ] {
            let ends = [begin, end].map(|step| edge(step, &hands).unwrap());
            assert_eq!(ends.clone().map(|edge| edge.ends), [false, true], "{name}");
            assert_eq!(ends.map(|edge| edge.fault), [name, name]);
        }
        assert_eq!(edge(Step::DeleteLeader, &hands), None);
        assert_eq!(
            edge(Step::KillHost, &Hands::default()),
            None,
            "not chosen yet"
        );
    }
}
