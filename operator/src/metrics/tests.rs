//! What a scrape tells after a round over a small world.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::model::{Asked, CertificateView, Tls, Traffic};
use crate::plan::testing::{answer_of, desired, formed};
use crate::plan::{check, plan};
use crate::status::{Input, status};

/// Figures after one round over this world.
fn after(desired: &Desired, seen: &Observation) -> (Metrics, ClusterKey) {
    let now = Timestamp::UNIX_EPOCH;
    let plan = plan(desired, seen, now);
    let refusals = check(desired, seen, &plan, now);
    let input = Input {
        generation: 1,
        desired: Ok(desired),
        seen,
        plan: &plan,
        refusals: &refusals,
        failures: &[],
        now,
    };
    let metrics = Metrics::new().unwrap();
    let round = Round {
        desired: Some(desired),
        seen,
        status: status(&RedisClusterStatus::default(), &input),
        at: Duration::ZERO,
    };
    metrics.observed(&desired.key, round);
    (metrics, desired.key.clone())
}

#[test]
fn a_whole_cluster_is_told_by_zone_by_shard_and_by_member() {
    let mut seen = formed();
    answer_of(&mut seen, "c-0-1").replication.offset = 5000;
    answer_of(&mut seen, "c-0-1").used_memory_bytes = 7;
    answer_of(&mut seen, "c-0-1").traffic = Traffic {
        commands: 900,
        hits: 70,
        misses: 5,
    };
    let lost = crate::model::MemberName::from("c-2-6");
    seen.members.insert(lost, Asked::NotAsked);
    let (metrics, _) = after(&desired(3, 1), &seen);
    let text = metrics.render().unwrap();
    for line in [
        r#"zoneward_slots_served{cluster="c",namespace="default"} 16384"#,
        r#"zoneward_members_wanted{cluster="c",namespace="default"} 6"#,
        r#"zoneward_members_in_sync{cluster="c",namespace="default"} 5"#,
        r#"zoneward_zone_leaders{cluster="c",namespace="default",zone="a"} 1"#,
        r#"zoneward_zone_members{cluster="c",namespace="default",zone="b"} 2"#,
        r#"zoneward_zone_survives_loss{cluster="c",namespace="default",zone="b"} 1"#,
        r#"zoneward_zone_survives_loss{cluster="c",namespace="default",zone="c"} 0"#,
        r#"zoneward_zone_gone{cluster="c",namespace="default",zone="a"} 0"#,
        r#"zoneward_shard_zones{cluster="c",namespace="default",shard="0"} 2"#,
        r#"zoneward_shard_zones{cluster="c",namespace="default",shard="2"} 1"#,
        r#"zoneward_shard_leader_info{cluster="c",namespace="default",pod="c-1-3",shard="1",zone="b"} 1"#,
        r#"zoneward_shard_lag_bytes{cluster="c",namespace="default",shard="0"} 4000"#,
        r#"zoneward_member_lag_bytes{cluster="c",namespace="default",pod="c-0-2"} 4000"#,
        r#"zoneward_member_used_memory_bytes{cluster="c",namespace="default",pod="c-0-1"} 7"#,
        r#"zoneward_member_commands_processed_total{cluster="c",namespace="default",pod="c-0-1"} 900"#,
        r#"zoneward_member_keyspace_hits_total{cluster="c",namespace="default",pod="c-0-1"} 70"#,
        r#"zoneward_member_keyspace_misses_total{cluster="c",namespace="default",pod="c-0-1"} 5"#,
        "# TYPE zoneward_member_commands_processed_total counter",
        r#"zoneward_member_answers{cluster="c",namespace="default",pod="c-2-6"} 0"#,
        r#"zoneward_member_info{cluster="c",namespace="default",pod="c-1-4",role="follower",shard="1",zone="c"} 1"#,
        r#"zoneward_cluster_info{cluster="c",engine="Redis",namespace="default",version="8.0.0"} 1"#,
        r#"zoneward_condition{cluster="c",condition="Available",namespace="default"} 1"#,
        r#"zoneward_members_asked_total{answer="answered"} 5"#,
        r#"zoneward_failovers_total{cause="bus",cluster="c",namespace="default"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    for absent in [
        r#"zoneward_member_keys{cluster="c",namespace="default",pod="c-2-6"}"#,
        r#"zoneward_shard_lag_bytes{cluster="c",namespace="default",shard="2"}"#,
        "zoneward_certificate_expiry",
    ] {
        assert!(!text.contains(absent), "{absent}\n{text}");
    }
}

#[test]
fn a_certificate_s_end_is_told_where_it_is_used() {
    let mut seen = formed();
    seen.secrets.certificate = Some(CertificateView {
        digest: "d".to_owned(),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::from_second(1_800_000_000).unwrap(),
    });
    let mut with_tls = desired(3, 1);
    with_tls.tls = Some(Tls {
        secret_name: "s".to_owned(),
    });
    let end = r#"zoneward_certificate_expiry_timestamp_seconds{cluster="c",namespace="default"} 1800000000"#;
    assert!(after(&with_tls, &seen).0.render().unwrap().contains(end));
    let without = after(&desired(3, 1), &seen).0.render().unwrap();
    assert!(!without.contains("zoneward_certificate"), "{without}");
}

#[test]
fn nothing_is_left_of_a_cluster_that_is_gone() {
    let (metrics, key) = after(&desired(3, 1), &formed());
    metrics.forget(&key);
    let text = metrics.render().unwrap();
    assert!(!text.contains(r#"cluster="c""#), "{text}");
}

/// As it is what `rate()` counts from: were the old number held, or the new one added to it, the first reads
/// after a restart would be lost or counted twice.
#[test]
fn a_process_that_starts_anew_is_told_with_its_own_count() {
    let mut seen = formed();
    let (metrics, key) = after(&desired(3, 1), &seen);
    for counted in [900, 901, 3] {
        answer_of(&mut seen, "c-0-1").traffic.commands = counted;
        let round = Round {
            desired: None,
            seen: &seen,
            status: RedisClusterStatus::default(),
            at: Duration::ZERO,
        };
        metrics.observed(&key, round);
        let line = format!(
            "zoneward_member_commands_processed_total{{cluster=\"c\",namespace=\"default\",pod=\"c-0-1\"}} {counted}\n"
        );
        for scrape in 0..2 {
            let text = metrics.render().unwrap();
            assert!(text.contains(&line), "scrape {scrape}: {line}{text}");
        }
    }
}

/// Conventions of Prometheus, so that nobody has to look twice.
#[test]
fn names_have_their_units_and_labels_are_few() {
    let mut names = BTreeSet::new();
    for family in CATALOGUE.iter().flat_map(|section| section.families) {
        let name = family.name;
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("zoneward_"), "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
        let is_counter = family.kind.as_str() == "counter";
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        if matches!(family.kind, Kind::Histogram(_)) {
            assert!(name.ends_with("_seconds"), "{name}");
        }
        assert!(family.labels.len() <= 6, "{name}: {:?}", family.labels);
    }
}
