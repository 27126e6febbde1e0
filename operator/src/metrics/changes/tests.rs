//! Which change of a leader is counted as what, and for how long it took.

use super::*;
use crate::api::{RedisClusterStatus, ShardMemberStatus, ShardStatus};
use crate::metrics::Metrics;
use crate::model::{Asked, MemberId, Role, Silence, SilenceReason};
use crate::plan::testing::{answer_of, formed};
use crate::plan::{Action, MemberRef, WaitingOn};

fn key() -> ClusterKey {
    ClusterKey {
        namespace: "ns".to_owned(),
        name: "c".to_owned(),
    }
}

/// Shard 0 is led by this pod.
fn led_by(pod: &str) -> RedisClusterStatus {
    let mut status = RedisClusterStatus::default();
    status.record.formed = true;
    status.shards.push(ShardStatus {
        shard: 0,
        slots: String::new(),
        members: vec![ShardMemberStatus {
            pod: pod.to_owned(),
            zone: "a".to_owned(),
            role: Some(Role::Leader),
            state: "Alive".to_owned(),
            in_sync: true,
            lag_mebibytes: None,
        }],
    });
    status
}

fn observe(metrics: &Metrics, status: RedisClusterStatus, seen: &Observation, seconds: f64) {
    let at = Duration::from_secs_f64(seconds);
    let round = Round {
        desired: None,
        seen,
        status,
        at,
    };
    metrics.observed(&key(), round);
}

fn silent(seen: &mut Observation, pod: &str, millis: u64) {
    let silence = Silence {
        reason: SilenceReason::Timeout,
        millis,
        said_goodbye: false,
    };
    seen.members.insert(pod.into(), Asked::Silent(silence));
}

fn failover(seen: &mut Observation, mode: FailoverMode) -> Plan {
    let answer = answer_of(seen, "c-0-2");
    let member = MemberRef {
        name: "c-0-2".into(),
        id: answer.id.clone(),
        run_id: answer.run_id.clone(),
        address: answer.view.entries[1].address.unwrap(),
    };
    let of = MemberId::from("id-c-0-1");
    let command = MemberCommand::Failover { mode, of };
    Plan {
        actions: vec![Action {
            deed: Deed::Command { member, command },
            why: String::new(),
        }],
        ..Plan::default()
    }
}

/// What the scrape says of this family, labels and all, without zeroes.
fn told(metrics: &Metrics, family: &str) -> Vec<String> {
    let text = metrics.render().unwrap();
    let lines = text.lines().filter(|line| line.starts_with(family));
    let lines = lines.filter(|line| !line.ends_with(" 0"));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_election_is_counted_with_the_time_since_the_leader_was_heard() {
    let metrics = Metrics::new().unwrap();
    let mut seen = formed();
    observe(&metrics, led_by("c-0-1"), &seen, 10.0);
    silent(&mut seen, "c-0-1", 500);
    observe(&metrics, led_by("c-0-1"), &seen, 11.0);
    observe(&metrics, led_by("c-0-2"), &seen, 12.0);
    observe(&metrics, led_by("c-0-2"), &seen, 13.0);
    let expected = r#"zoneward_failovers_total{cause="bus",cluster="c",namespace="ns"} 1"#;
    assert_eq!(told(&metrics, "zoneward_failovers_total"), [expected]);
    let sum = r#"zoneward_failover_duration_seconds_sum{cause="bus"} 1.5"#;
    assert_eq!(
        told(&metrics, "zoneward_failover_duration_seconds_sum"),
        [sum]
    );
    assert!(told(&metrics, "zoneward_switchovers_total").is_empty());
}

#[test]
fn what_was_ordered_tells_the_cause() {
    let mut leaves = formed();
    let is_old = |pod: &&mut crate::model::PodView| pod.name.as_str() == "c-0-1";
    leaves.pods.iter_mut().find(is_old).unwrap().is_leaving = true;
    let mut wished = formed();
    let is_new = |pod: &&mut crate::model::PodView| pod.name.as_str() == "c-0-2";
    wished.pods.iter_mut().find(is_new).unwrap().is_to_lead = true;
    for (mode, mut seen, reason, family, cause) in [
        (FailoverMode::Force, formed(), None, "failovers", FORCED),
        (
            FailoverMode::Takeover,
            formed(),
            None,
            "failovers",
            TAKEOVER,
        ),
        (
            FailoverMode::Graceful,
            formed(),
            None,
            "switchovers",
            PLACEMENT,
        ),
        (FailoverMode::Graceful, wished, None, "switchovers", OWNER),
        (
            FailoverMode::Graceful,
            leaves,
            None,
            "switchovers",
            DEPARTURE,
        ),
        (
            FailoverMode::Graceful,
            formed(),
            Some(WaitingReason::RollingUpdate),
            "switchovers",
            UPDATE,
        ),
    ] {
        let metrics = Metrics::new().unwrap();
        observe(&metrics, led_by("c-0-1"), &seen, 10.0);
        let mut plan = failover(&mut seen, mode);
        let waits = reason.map(|reason| WaitingOn::new(reason, ""));
        plan.waiting_on.extend(waits);
        metrics.ordered(&key(), &plan, &seen, Duration::from_secs(11));
        observe(&metrics, led_by("c-0-2"), &seen, 11.25);
        let labels = format!(r#"{{cause="{cause}",cluster="c",namespace="ns"}}"#);
        let expected = format!("zoneward_{family}_total{labels} 1");
        let all = ["zoneward_failovers_total", "zoneward_switchovers_total"];
        let lines: Vec<_> = all.iter().flat_map(|it| told(&metrics, it)).collect();
        assert_eq!(lines, [expected]);
        let took = told(&metrics, "zoneward_switchover_duration_seconds_sum");
        assert_eq!(took.len(), usize::from(family == "switchovers"), "{took:?}");
        assert!(took.iter().all(|line| line.ends_with(" 0.25")), "{took:?}");
    }
}

#[test]
fn an_order_that_failed_long_ago_explains_nothing() {
    let metrics = Metrics::new().unwrap();
    let mut seen = formed();
    observe(&metrics, led_by("c-0-1"), &seen, 10.0);
    let plan = failover(&mut seen, FailoverMode::Graceful);
    metrics.ordered(&key(), &plan, &seen, Duration::from_secs(10));
    observe(&metrics, led_by("c-0-2"), &seen, 100.0);
    let lines = told(&metrics, "zoneward_failovers_total");
    assert!(lines[0].contains(r#"cause="bus""#), "{lines:?}");
}

#[test]
fn slots_that_are_dealt_out_are_no_failover() {
    let metrics = Metrics::new().unwrap();
    for (second, pod) in [(1.0, "c-0-1"), (2.0, "c-0-2"), (3.0, "c-0-1")] {
        let mut status = led_by(pod);
        status.record.formed = false;
        observe(&metrics, status, &formed(), second);
    }
    assert!(told(&metrics, "zoneward_failovers_total").is_empty());
}

#[test]
fn time_degraded_is_summed_up_and_goes_with_the_cluster() {
    let metrics = Metrics::new().unwrap();
    for (second, status) in [(0.0, "True"), (3.0, "True"), (5.0, "False"), (9.0, "False")] {
        let mut told = led_by("c-0-1");
        let condition = serde_json::json!({
            "type": "Degraded", "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        told.conditions
            .push(serde_json::from_value(condition).unwrap());
        observe(&metrics, told, &formed(), second);
    }
    let expected = r#"zoneward_degraded_seconds_total{cluster="c",namespace="ns"} 5"#;
    assert_eq!(told(&metrics, "zoneward_degraded"), [expected]);
    metrics.forget(&key());
    assert!(!metrics.render().unwrap().contains(r#"cluster="c""#));
}
