//! What Kubernetes' events tell of a drill: the operator's own, and of pods that were made and ended, for
//! these are what the operator does. Pure, but for [`told()`].

use jiff::Timestamp;
use serde::Deserialize;

use super::measured::{About, Told};
use crate::bed::Bed;
use crate::objects::{Key, Metadata};

/// How the operator calls itself in its events.
const OPERATOR: &str = "zoneward.io/operator";

/// An event of Kubernetes: of the two ways in which its time may stand there, one is filled in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KubernetesEvent {
    metadata: Metadata,
    involved_object: Involved,
    event_time: Option<Timestamp>,
    first_timestamp: Option<Timestamp>,
    reporting_component: String,
    reason: String,
    message: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Involved {
    kind: String,
    name: String,
}

/// What was told since then; nothing where the events cannot be read, for a drill does not fail by that.
pub(super) async fn told(bed: &Bed, keys: &[Key], unix_millis: i64) -> Vec<Told> {
    let Some(first) = keys.first() else {
        return Vec::new();
    };
    let events = bed.kubectl.events(&first.namespace).await;
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    of_drill(&events.unwrap_or_default(), &names, unix_millis)
}

/// Those of a drill, in order.
fn of_drill(events: &[KubernetesEvent], names: &[&str], unix_millis: i64) -> Vec<Told> {
    let each = events
        .iter()
        .filter_map(|event| one(event, names, unix_millis));
    let mut told: Vec<Told> = each.filter(|told| told.at >= 0.0).collect();
    told.sort_by(|a, b| a.at.total_cmp(&b.at));
    told
}

fn one(event: &KubernetesEvent, names: &[&str], unix_millis: i64) -> Option<Told> {
    let about = about(event, names)?;
    let at = event.event_time.or(event.first_timestamp)?.as_millisecond() - unix_millis;
    let text = match about {
        About::Operator if names.len() > 1 => {
            format!("{}: {}", event.involved_object.name, event.message)
        }
        About::Operator => event.message.clone(),
        About::PodMade | About::PodEnded => event.involved_object.name.clone(),
    };
    Some(Told {
        at: jiff::SignedDuration::from_millis(at).as_secs_f64(),
        about,
        reason: event.reason.clone(),
        text,
        is_warning: event.kind == "Warning",
    })
}

fn about(event: &KubernetesEvent, names: &[&str]) -> Option<About> {
    let object = &event.involved_object;
    let is_member = || {
        let shard_and_serial = |name| object.name.strip_prefix(name)?.strip_prefix('-');
        let mut rests = names.iter().filter_map(|name| shard_and_serial(*name));
        rests.any(|rest| rest.split('-').count() == 2)
    };
    match (object.kind.as_str(), event.reason.as_str()) {
        ("RedisCluster", _) => (event.reporting_component == OPERATOR
            && names.contains(&object.name.as_str()))
        .then_some(About::Operator),
        ("Pod", "Scheduled") if is_member() => Some(About::PodMade),
        ("Pod", "Killing" | "TaintManagerEviction") if is_member() => Some(About::PodEnded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, name: &str, reason: &str, time: &str) -> KubernetesEvent {
        let text = format!(
            r#"{{"metadata": {{"name": "x"}}, "involvedObject": {{"kind": "{kind}", "name": "{name}"}},
                "reason": "{reason}", "message": "why", "type": "Warning",
                "reportingComponent": "zoneward.io/operator", {time}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn only_what_is_of_the_drill_is_told() {
        let exact = r#""eventTime": "1970-01-01T00:00:11.500000Z", "firstTimestamp": null"#;
        let whole = r#""eventTime": null, "firstTimestamp": "1970-01-01T00:00:11Z""#;
        let early = r#""eventTime": "1970-01-01T00:00:09.000000Z""#;
        for (given, told) in [
            (
                event("RedisCluster", "bench", "ZoneSilent", exact),
                Some((1.5, About::Operator)),
            ),
            (event("RedisCluster", "other", "ZoneSilent", exact), None),
            (event("RedisCluster", "bench", "ZoneSilent", early), None),
            (
                event("Pod", "bench-0-7", "Scheduled", exact),
                Some((1.5, About::PodMade)),
            ),
            (
                event("Pod", "bench-0-7", "Killing", whole),
                Some((1.0, About::PodEnded)),
            ),
            (event("Pod", "bench-0-7", "Pulled", whole), None),
            (event("Pod", "bench-2-0-7", "Scheduled", exact), None),
            (event("Node", "bench", "Scheduled", exact), None),
        ] {
            let found = of_drill(std::slice::from_ref(&given), &["bench"], 10_000);
            let found = found.first().map(|it| (it.at, it.about));
            assert_eq!(found, told, "{given:?}");
        }
    }

    #[test]
    fn of_two_redis_clusters_each_is_named() {
        let time = r#""eventTime": "1970-01-01T00:00:11.500000Z""#;
        let events = [
            event("RedisCluster", "bench-2", "NoRoom", time),
            event("Pod", "bench-2-0-7", "Scheduled", time),
        ];
        let told = of_drill(&events, &["bench", "bench-2"], 10_000);
        let texts: Vec<&str> = told.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["bench-2: why", "bench-2-0-7"]);
    }
}
