//! What speaks against a drill, and what of it can be overruled.

use serde_json::json;

use super::*;
use crate::plugin::testing::{conditions, outage, whole};
use crate::resources::labels::LABEL_CLUSTER;

fn facts(cluster: RedisCluster) -> Facts {
    let pod = |zone: &str| {
        let labels = json!({ LABEL_CLUSTER: "cache", LABEL_ZONE: zone });
        serde_json::from_value(json!({ "metadata": { "labels": labels } })).unwrap()
    };
    Facts {
        cluster,
        operator: Activity::Active {
            holder: "zoneward-1".to_owned(),
        },
        trouble: None,
        pods: vec![pod("zone-a"), pod("zone-b")],
        policies: Vec::new(),
        in_the_way: Vec::new(),
    }
}

fn policy(zone: &str) -> NetworkPolicy {
    serde_json::from_value(json!({
        "metadata": { "name": "clients" },
        "spec": { "podSelector": { "matchLabels": { LABEL_ZONE: zone } }, "ingress": [{}] },
    }))
    .unwrap()
}

fn propose(facts: &Facts, zone: &str) -> Proposal {
    Proposal::new(facts, zone, Duration::from_secs(60))
}

#[test]
fn a_zone_whose_loss_is_survived_is_drilled_without_a_word_against_it() {
    let proposal = propose(&facts(whole()), "zone-a");
    assert_eq!(proposal.objections, []);
    assert!(proposal.is_allowed(false));
    assert_eq!(proposal.loss, Some(Loss::Survived));
    assert_eq!(proposal.rehome_after_seconds, Some(30));
    let cut = |pod: &str, shard, role| Cut {
        pod: pod.to_owned(),
        shard,
        role: Some(role),
    };
    let expected = [
        cut("cache-0-1", 0, Role::Leader),
        cut("cache-2-6", 2, Role::Follower),
    ];
    assert_eq!(proposal.members, expected);
}

type Change = fn(&mut Facts);

/// What changes, what is told, and whether an owner may want it all the same.
fn assert_objected(table: &[(&str, Change, &str)], can_be_overruled: bool) {
    for (case, change, expected) in table {
        let mut facts = facts(whole());
        change(&mut facts);
        let proposal = propose(&facts, "zone-a");
        let mut told = proposal.objections.iter();
        let found = told.find(|it| it.why.contains(expected));
        let found = found.unwrap_or_else(|| panic!("{case}: {:?}", proposal.objections));
        assert_eq!(found.can_be_overruled, can_be_overruled, "{case}");
        assert!(!proposal.is_allowed(false), "{case}");
        assert_eq!(proposal.is_allowed(true), can_be_overruled, "{case}");
    }
}

#[test]
fn an_owners_own_risk_can_be_overruled() {
    let table: [(&str, Change, &str); 4] = [
        (
            "hurts",
            |it| {
                let zone = &mut it.cluster.status.as_mut().unwrap().zones[0];
                (zone.survives_loss, zone.why_not) = (false, Some("shard 0".to_owned()));
            },
            "the loss of zone-a would not be survived: shard 0",
        ),
        (
            "not ready",
            |it| {
                conditions(
                    &mut it.cluster,
                    &[("Ready", "False", "MembersMissing", "x")],
                );
            },
            "it is not ready",
        ),
        ("paused", |it| it.cluster.spec.paused = true, "it is paused"),
        (
            "who knows",
            |it| {
                it.operator = Activity::Unknown { why: String::new() };
                it.trouble = Some("you may not read leases".to_owned());
            },
            "you may not read leases",
        ),
    ];
    assert_objected(&table, true);
}

#[test]
fn what_is_no_drill_cannot_be_overruled() {
    let table: [(&str, Change, &str); 9] = [
        (
            "no operator",
            |it| {
                it.operator = Activity::Free;
                it.trouble = Some("no operator is active".to_owned());
            },
            "no operator is active",
        ),
        (
            "an earlier spec",
            |it| it.cluster.metadata.generation = Some(3),
            "the status is about the former one",
        ),
        (
            "no such zone",
            |it| it.cluster.status.as_mut().unwrap().zones.remove(0).leaders = 0,
            "there is no zone zone-a: there are zone-b, zone-c",
        ),
        (
            "not looked at",
            |it| it.cluster.status = None,
            "no operator has looked yet",
        ),
        (
            "nobody there",
            |it| {
                for shard in &mut it.cluster.status.as_mut().unwrap().shards {
                    shard.members.retain(|member| member.zone != "zone-a");
                }
            },
            "no member is in zone-a",
        ),
        (
            "another drill",
            |it| it.in_the_way = vec!["Job cache-drill".to_owned()],
            "kubectl zoneward drill cache --restore",
        ),
        (
            "another policy",
            |it| it.policies = vec![policy("zone-b"), policy("zone-a")],
            "cannot forbid what they allow: clients.",
        ),
        (
            "an outage",
            |it| it.cluster = outage(),
            "that is no time for a drill",
        ),
        (
            "on its way out",
            |it| {
                let time = "2026-11-21T12:00:00Z".parse().unwrap();
                let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time);
                it.cluster.metadata.deletion_timestamp = Some(time);
            },
            "it is being deleted",
        ),
    ];
    assert_objected(&table, false);
}

#[test]
fn it_must_last_longer_than_a_false_alarm() {
    for (seconds, is_allowed) in [(9, false), (10, true)] {
        let lasts = Duration::from_secs(seconds);
        let proposal = Proposal::new(&facts(whole()), "zone-a", lasts);
        assert_eq!(proposal.is_allowed(true), is_allowed, "{seconds}");
    }
}

#[test]
fn another_zones_policy_is_no_matter() {
    let mut facts = facts(whole());
    facts.policies = vec![policy("zone-b")];
    assert!(propose(&facts, "zone-a").is_allowed(false));
}
