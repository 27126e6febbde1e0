//! RedisClusters to test with.

use serde_json::{Value, json};
use terminal::Paint;

use super::page::Page;
use crate::api::RedisCluster;

/// 3×1 over three zones, whole: shard i leads in zone i and follows in the next.
pub(super) fn whole() -> RedisCluster {
    serde_json::from_value(json!({
        "apiVersion": "zoneward.io/v1alpha1",
        "kind": "RedisCluster",
        "metadata": { "namespace": "prod", "name": "cache", "generation": 2 },
        "spec": { "image": "redis:8" },
        "status": {
            "observedGeneration": 2,
            "conditions": [
                sample("Ready", "True", "all slots are served and every member is in sync"),
                sample("Available", "True", "all 16384 slots are served"),
                sample("Progressing", "False", "nothing is left to do"),
                sample("Degraded", "False", "nothing is amiss"),
                sample("ZoneSafe", "True", "the loss of any one zone would be survived now"),
                sample("Paused", "False", "the cluster is looked after"),
            ],
            "leaders": 3,
            "slotsServed": 16384,
            "engine": "Redis",
            "engineVersion": "8.0.2",
            "shards": (0..3).map(shard).collect::<Vec<_>>(),
            "zones": (0..3).map(|at| json!({
                "zone": zone(at), "state": "Open", "leaders": 1, "followers": 1, "survivesLoss": true,
            })).collect::<Vec<_>>(),
        },
    }))
    .unwrap()
}

fn zone(at: usize) -> &'static str {
    ["zone-a", "zone-b", "zone-c"][at % 3]
}

fn shard(at: usize) -> Value {
    let slots = ["0-5460", "5461-10922", "10923-16383"][at];
    let member = |place: usize, role: &str| {
        json!({
            "pod": format!("cache-{at}-{}", 2 * at + place + 1),
            "zone": zone(at + place), "role": role, "state": "Alive", "inSync": true,
        })
    };
    json!({ "shard": at, "slots": slots, "members": [member(0, "leader"), member(1, "follower")] })
}

fn sample(kind: &str, status: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "AsWanted", "message": message,
        "lastTransitionTime": "2026-11-21T12:00:00Z", "observedGeneration": 2,
    })
}

/// Sets conditions: type, status, reason, message.
pub(super) fn conditions(cluster: &mut RedisCluster, wanted: &[(&str, &str, &str, &str)]) {
    let status = cluster.status.as_mut().unwrap();
    for (kind, state, reason, message) in wanted {
        status.conditions.retain(|it| it.type_ != *kind);
        let mut condition = sample(kind, state, message);
        condition["reason"] = json!(reason);
        status
            .conditions
            .push(serde_json::from_value(condition).unwrap());
    }
}

/// A zone that fell silent: its leader is succeeded, and a member is on its way.
pub(super) fn outage() -> RedisCluster {
    let mut cluster = whole();
    let ready = "shard 0 has 1 of 2 members in sync";
    let not_safe = "zone-b: no in-sync member outside it for shard 0";
    conditions(
        &mut cluster,
        &[
            ("Ready", "False", "MembersMissing", ready),
            ("Degraded", "True", "MembersMissing", ready),
            ("Progressing", "True", "PodStarting", "cache-0-7 starts"),
            ("ZoneSafe", "False", "LossNotSurvived", not_safe),
            (
                "ZoneOutage",
                "True",
                "ZoneSilent",
                "all hosts of zone-a are silent",
            ),
        ],
    );
    let mut status = serde_json::to_value(cluster.status.unwrap()).unwrap();
    status["zones"][0]["state"] = json!("Gone");
    status["zones"][1]["survivesLoss"] = json!(false);
    status["zones"][1]["whyNot"] = json!("no in-sync member outside it for shard 0");
    let members = &mut status["shards"][0]["members"];
    members[0]["state"] = json!("Silent");
    members[0]["inSync"] = json!(false);
    members[0]["role"] = json!("follower");
    members[1]["role"] = json!("leader");
    members.as_array_mut().unwrap().push(json!({
        "pod": "cache-0-7", "zone": "zone-c", "state": "Starting", "inSync": false,
    }));
    status["shards"][1]["members"][1]["lagMebibytes"] = json!(12);
    status["waitingOn"] = json!([
        { "reason": "PodStarting", "message": "cache-0-7 starts" },
        { "reason": "MemberSilent", "message": "cache-0-1 is silent for 41 s" },
    ]);
    cluster.status = Some(serde_json::from_value(status).unwrap());
    cluster
}

/// Every text in it tries to control the terminal.
pub(super) fn hostile() -> RedisCluster {
    fn spoil(value: &mut Value) {
        match value {
            Value::String(text)
                if !["True", "False", "leader", "follower"].contains(&text.as_str()) =>
            {
                text.push_str("\u{1b}[2J\u{9b}31m\u{202e}\r\u{7}");
            }
            Value::Array(items) => items.iter_mut().for_each(spoil),
            Value::Object(fields) => fields.values_mut().for_each(spoil),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(outage()).unwrap();
    for path in [
        "/metadata",
        "/status/shards",
        "/status/zones",
        "/status/waitingOn",
    ] {
        spoil(value.pointer_mut(path).unwrap());
    }
    for condition in value["status"]["conditions"].as_array_mut().unwrap() {
        for field in ["type", "reason", "message"] {
            spoil(&mut condition[field]);
        }
    }
    serde_json::from_value(value).unwrap()
}

/// What a drawing looks like, without colours.
pub(super) fn drawn(draw: impl FnOnce(&mut Page)) -> String {
    let mut page = Page::new(Paint::plain());
    draw(&mut page);
    page.text()
}

/// Nothing in it controls the terminal.
pub(super) fn assert_is_tame(text: &str) {
    let wild: Vec<char> = text
        .chars()
        .filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}')
        .collect();
    assert!(wild.is_empty(), "{wild:?} in {text}");
}
