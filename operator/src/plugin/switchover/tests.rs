//! What is refused, what is waited for, what is told.

use serde_json::json;

use super::*;
use crate::plugin::testing::{assert_is_tame, drawn, hostile, outage, whole};

fn pod(name: &str, annotations: &serde_json::Value) -> Pod {
    let meta = json!({ "name": name, "annotations": annotations });
    serde_json::from_value(json!({ "metadata": meta })).unwrap()
}

#[test]
fn what_cannot_be_is_refused_beforehand_and_the_rest_is_left_to_the_operator() {
    type Change = fn(&mut RedisCluster);
    let table: [(&str, Change, Option<&str>, Option<&str>); 8] = [
        ("cache-0-2", |_| {}, None, None),
        ("cache-0-1", |_| {}, None, None),
        ("cache-9-9", |_| {}, None, Some("no member")),
        ("cache-0-2", |it| it.status = None, None, Some("no member")),
        (
            "cache-0-2",
            |it| it.spec.paused = true,
            None,
            Some("resume cache"),
        ),
        (
            "cache-0-2",
            |_| {},
            Some("no operator is active"),
            Some("no operator is active"),
        ),
        (
            "cache-0-2",
            |it| it.status.as_mut().unwrap().shards[0].members[1].state = "Leaving".to_owned(),
            None,
            Some("the others of its shard are cache-0-1"),
        ),
        (
            "cache-0-2",
            |it| it.status.as_mut().unwrap().shards[0].members[1].in_sync = false,
            None,
            None,
        ),
    ];
    for (pod, change, trouble, expected) in table {
        let mut cluster = whole();
        change(&mut cluster);
        let told = refusal(&cluster, pod, trouble.map(str::to_owned));
        match expected {
            None => assert_eq!(told, None),
            Some(part) => assert!(
                told.as_ref().is_some_and(|it| it.contains(part)),
                "{told:?}"
            ),
        }
    }
}

#[test]
fn wishes_of_the_same_shard_are_taken_back_and_no_others() {
    let cluster = whole();
    let wanted = json!({ "zoneward.io/lead": "true" });
    let pods = [
        pod("cache-0-1", &wanted),
        pod("cache-0-2", &wanted),
        pod("cache-1-3", &wanted),
    ];
    let shard = find(&cluster, "cache-0-2").map(|(shard, _)| shard);
    assert_eq!(others_wished(shard, "cache-0-2", &pods), ["cache-0-1"]);
    let not_wanted = json!({ "zoneward.io/lead": "false" });
    let pods = [pod("cache-0-1", &not_wanted)];
    assert!(others_wished(shard, "cache-0-2", &pods).is_empty());
    assert!(cluster_of(&pods[0], "cache-0-1").is_err());
}

#[test]
fn what_is_told_while_waiting_is_about_the_pod_where_anything_is() {
    let cluster = outage();
    let expected = ["MemberSilent: cache-0-1 is silent for 41 s"];
    assert_eq!(waits_of(&cluster, "cache-0-1"), expected);
    assert_eq!(waits_of(&cluster, "cache-0-2").len(), 2);
    assert!(!names("cache-0-21 starts", "cache-0-2"));
    assert!(names("to cache-0-2: it waits", "cache-0-2"));
}

#[test]
fn durations_are_as_kubectl_writes_them() {
    for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0s", 0)] {
        assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds));
    }
    for text in ["5", "soon", "-5m"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

fn page_of(outcome: Outcome) -> String {
    let view = View {
        namespace: "prod".to_owned(),
        name: "cache".to_owned(),
        pod: "cache-0-2".to_owned(),
        shard: Some(0),
        taken_back: Vec::new(),
        outcome,
    };
    drawn(|page| view.draw(page))
}

#[test]
fn each_outcome_is_told_with_what_to_do_next() {
    let why = "RedisCluster cache is paused".to_owned();
    let waits_for = vec!["LeadWish: cache-0-2 is to lead shard 0: it is not in sync".to_owned()];
    let all = [
        Outcome::Leads { seconds: 3 },
        Outcome::LedAlready { is_asked: true },
        Outcome::LedAlready { is_asked: false },
        Outcome::Asked,
        Outcome::LeadsNotYet {
            seconds: 300,
            waits_for,
        },
        Outcome::Gone,
        Outcome::Refused { why },
        Outcome::Released,
        Outcome::WasNotAsked,
    ];
    let pages: Vec<String> = all.into_iter().map(page_of).collect();
    insta::assert_snapshot!(pages.join("--\n"));
}

#[test]
fn no_wait_controls_the_terminal() {
    let cluster = hostile();
    let waits_for = waits_of(&cluster, "cache-0-2");
    assert!(!waits_for.is_empty());
    let seconds = 1;
    assert_is_tame(&page_of(Outcome::LeadsNotYet { seconds, waits_for }));
}
