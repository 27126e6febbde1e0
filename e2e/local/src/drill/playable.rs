//! Which drills of the table can be played on loopback, and which server an image stands for. Pure but for [`label`],
//! which looks for the servers that were fetched.

use e2e::bed::Fault;
use e2e::drill::{Drill, Step, ZONE_OF_THE_ACTIVE};

use crate::servers::server;

/// The server of a drill that names no image.
pub(super) const IMAGE: &str = "zoneward.local/redis:8";

/// Why it can be played on kind only; none where it can be played here.
pub fn why_not(drill: &Drill) -> Option<&'static str> {
    if drill.clusters > 1 {
        return Some("it has several RedisClusters, and the Kubernetes in memory has one");
    }
    drill.steps.iter().find_map(|step| unplayable(*step))
}

/// The same, of a step: what would not be true of it here.
pub(super) fn unplayable(step: Step) -> Option<&'static str> {
    match step {
        Step::LoseZone(_, Fault::Cut) | Step::ReturnZone(_, Fault::Cut) => {
            Some("a zone is cut off, and processes on loopback have no network between them")
        }
        Step::LoseZone(ZONE_OF_THE_ACTIVE, _) | Step::ReturnZone(ZONE_OF_THE_ACTIVE, _) => {
            Some("the active operator is lost with its zone, and here it is in none")
        }
        Step::DrainZone(_) | Step::UncordonZone(_) => {
            Some("hosts are drained, and the Kubernetes in memory evicts no pods")
        }
        Step::CutPower | Step::RestorePower => {
            Some("all hosts start anew, and a host in memory has nothing to start")
        }
        Step::DeleteLeader
        | Step::CrashLeader
        | Step::CrashFollowers
        | Step::KillLeaders(_)
        | Step::CrashOperator
        | Step::ForgetPassword
        | Step::ComparePasswords
        | Step::KillHost
        | Step::StartHost
        | Step::LoseZone(_, Fault::Kill | Fault::Pause)
        | Step::ReturnZone(_, Fault::Kill | Fault::Pause)
        | Step::TaintZone(_)
        | Step::UntaintZone(_)
        | Step::Change(_)
        | Step::Stay(_)
        | Step::Until(_) => None,
    }
}

/// How `make servers` names the server of an image: `zoneward.local/redis:8` is `redis-8`.
pub(super) fn short(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.replace(':', "-")
}

/// The label of the server that was fetched for an image; where there is none, a name that nothing has.
pub(super) fn label(image: &str) -> String {
    let short = short(image);
    server(&short).map_or(short, |server| server.label)
}

/// `redis-8.0-8.0.2` is Redis 8.0.2.
pub(super) fn engine(label: &str) -> String {
    let name = if label.starts_with("valkey") {
        "Valkey"
    } else {
        "Redis"
    };
    let version = label.rsplit('-').next().unwrap_or(label);
    format!("{name} {version}")
}

#[cfg(test)]
mod tests {
    use e2e::drill::DRILLS;

    use super::*;

    /// Nothing is left out without a word: who adds a drill or a step says here why it is not played.
    #[test]
    fn every_drill_can_be_played_or_has_a_reason() {
        let on_kind_only: Vec<&str> = DRILLS
            .iter()
            .filter(|drill| why_not(drill).is_some())
            .map(|drill| drill.name)
            .collect();
        assert_eq!(
            on_kind_only,
            [
                "zone-cut",
                "zone-kill-operator",
                "zone-pause-operator",
                "two-zones",
                "two-zones-unreachable",
                "drain",
                "power"
            ]
        );
        for drill in &DRILLS {
            let first = drill.steps.iter().find_map(|step| unplayable(*step));
            let has_several = drill.clusters > 1;
            assert_eq!(
                why_not(drill).is_some(),
                first.is_some() || has_several,
                "{}",
                drill.name
            );
        }
    }

    #[test]
    fn an_image_is_a_server_that_make_servers_fetches() {
        for (image, server) in [
            (IMAGE, "redis-8"),
            ("zoneward.local/redis:7", "redis-7"),
            ("zoneward.local/valkey:8", "valkey-8"),
            ("zoneward.local/valkey:9", "valkey-9"),
            ("redis:8", "redis-8"),
            ("zoneward.local/redis:none", "redis-none"),
        ] {
            assert_eq!(short(image), server);
        }
        // bad-image: it must not be there
        assert_eq!(label("zoneward.local/redis:none"), "redis-none");
        for image in DRILLS.iter().filter_map(|drill| drill.image) {
            let short = short(image);
            let known = ["redis-7", "redis-8", "valkey-8", "valkey-9"];
            assert!(known.contains(&short.as_str()), "{image}");
        }
    }

    #[test]
    fn labels_tell_the_engine() {
        for (label, told) in [
            ("redis-8.0-8.0.2", "Redis 8.0.2"),
            ("valkey-9-9.1.2", "Valkey 9.1.2"),
        ] {
            assert_eq!(engine(label), told);
        }
    }
}
