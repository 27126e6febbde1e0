//! RedisClusters for the tests of the page: three shards, three zones, one follower each.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::RedisCluster;
use crate::fakes;
use crate::rounds::{Happening, What};

/// Now, in all scenes.
pub(super) fn now() -> Timestamp {
    "2026-11-22T15:04:05Z".parse().unwrap()
}

/// As it is made, before any operator has looked.
pub(super) fn unseen() -> RedisCluster {
    fakes::resource(&json!({ "image": "redis:8", "leaders": 3, "followersPerLeader": 1 }))
}

fn scene(status: Value) -> RedisCluster {
    let status = serde_json::from_value(status).unwrap();
    RedisCluster {
        status: Some(status),
        ..unseen()
    }
}

/// One that is written to as the scene has it.
pub(super) fn with(resource: RedisCluster, change: impl FnOnce(&mut Value)) -> RedisCluster {
    let mut status = serde_json::to_value(resource.status).unwrap();
    change(&mut status);
    scene(status)
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-22T14:04:05Z" })
}

fn member(pod: &str, zone: &str, role: &str) -> Value {
    json!({ "pod": pod, "zone": zone, "role": role, "state": "Alive", "inSync": true })
}

fn zone(name: &str, why_not: Option<&str>) -> Value {
    json!({ "zone": name, "state": "Open", "leaders": 1, "followers": 1,
        "survivesLoss": why_not.is_none(), "whyNot": why_not })
}

/// All is as wanted.
pub(super) fn whole() -> RedisCluster {
    scene(json!({
        "observedGeneration": 1, "leaders": 3, "slotsServed": 16384,
        "engine": "Redis", "engineVersion": "8.0.2",
        "conditions": [
            condition("Ready", "True", "AsWanted", "all slots are served"),
            condition("Available", "True", "AsWanted", "all 16384 slots are served"),
            condition("Degraded", "False", "AsWanted", "nothing is amiss"),
            condition("ZoneSafe", "True", "AsWanted", "the loss of any one zone would be survived"),
            condition("ZoneOutage", "False", "AsWanted", "every zone answers"),
        ],
        "zones": [zone("a", None), zone("b", None), zone("c", None)],
        "shards": [
            { "shard": 0, "slots": "0-5460",
              "members": [member("cache-0-0", "a", "leader"), member("cache-0-1", "b", "follower")] },
            { "shard": 1, "slots": "5461-10922",
              "members": [member("cache-1-0", "b", "leader"), member("cache-1-1", "c", "follower")] },
            { "shard": 2, "slots": "10923-16383",
              "members": [member("cache-2-0", "c", "leader"), member("cache-2-1", "a", "follower")] },
        ],
    }))
}

/// Nothing but the wish, and the first words about it.
pub(super) fn forming() -> RedisCluster {
    let message = "1 of 6 pods run";
    scene(json!({
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "False", "Forming", message),
            condition("Available", "False", "Forming", "the cluster is being formed"),
        ],
        "zones": [zone("a", Some("the cluster is not formed yet"))],
        "shards": [{ "shard": 0, "slots": "", "members": [
            { "pod": "cache-0-0", "zone": "a", "state": "Starting", "inSync": false },
        ] }],
        "waitingOn": [{ "reason": "PodStarting", "message": message }],
    }))
}

/// Zone a is silent; its leader has been succeeded.
pub(super) fn zone_lost() -> RedisCluster {
    let why = "no in-sync member outside it for shard 0";
    with(whole(), |status| {
        status["zones"][0]["state"] = json!("Gone");
        for zone in [1, 2] {
            status["zones"][zone]["survivesLoss"] = json!(false);
            status["zones"][zone]["whyNot"] = json!(why);
        }
        let members = &mut status["shards"][0]["members"];
        members[0]["state"] = json!("Silent");
        members[0]["inSync"] = json!(false);
        members[0]["role"] = json!("follower");
        members[1]["role"] = json!("leader");
        status["conditions"][4] = condition(
            "ZoneOutage",
            "True",
            "ZoneSilent",
            "all hosts of a are silent",
        );
        status["waitingOn"] =
            json!([{ "reason": "MemberSilent", "message": "cache-0-0 has been silent" }]);
    })
}

/// A new follower still copies.
pub(super) fn copying() -> RedisCluster {
    with(whole(), |status| {
        for zone in [0, 1] {
            status["zones"][zone]["survivesLoss"] = json!(false);
            status["zones"][zone]["whyNot"] = json!("no in-sync member outside it for shard 0");
        }
        let member = &mut status["shards"][0]["members"][1];
        member["state"] = json!("Joining");
        member["inSync"] = json!(false);
    })
}

/// A shard without a leader.
pub(super) fn unserved() -> RedisCluster {
    with(zone_lost(), |status| {
        let message = "no leader answers for slots 0-5460";
        status["conditions"][1] = condition("Available", "False", "SlotsUnserved", message);
    })
}

/// A shard that lost every copy.
pub(super) fn data_lost() -> RedisCluster {
    with(unserved(), |status| {
        let message = "slots 0-5460 lost every copy";
        status["conditions"][2] = condition("DataLost", "True", "DataLost", message);
    })
}

/// Something that happened so long ago.
pub(super) fn happening(seconds_ago: i64, what: What, text: &str) -> Happening {
    Happening {
        at: now() - jiff::SignedDuration::from_secs(seconds_ago),
        what,
        text: text.to_owned(),
        why: "it was time".to_owned(),
    }
}
