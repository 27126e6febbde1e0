//! What Kubernetes' events tell of a drill: the operator's own, and of pods that were made and ended, for
//! these are what the operator does. Pure, but for [`told()`].

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::measured::{About, Told};
use crate::bed::Bed;
use crate::objects::{Key, Metadata};

/// How the operator calls itself in its events.
const OPERATOR: &str = "zoneward.io/operator";

/// An event of Kubernetes. One that is told again is the same object: only its first and its last time stand
/// there, in one of two ways, with the words of the first.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KubernetesEvent {
    metadata: Metadata,
    involved_object: Involved,
    event_time: Option<Timestamp>,
    series: Option<Series>,
    first_timestamp: Option<Timestamp>,
    last_timestamp: Option<Timestamp>,
    count: Option<u32>,
    reporting_component: String,
    reason: String,
    message: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    count: u32,
    last_observed_time: Timestamp,
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
        .flat_map(|event| times_told(event, names, unix_millis));
    let mut told: Vec<Told> = each.filter(|told| told.at >= 0.0).collect();
    told.sort_by(|a, b| a.at.total_cmp(&b.at));
    told
}

/// The first time that it was told, and the last where it was told again.
fn times_told(event: &KubernetesEvent, names: &[&str], unix_millis: i64) -> Vec<Told> {
    let Some(about) = about(event, names) else {
        return Vec::new();
    };
    let first = event.event_time.or(event.first_timestamp);
    let series = event.series.as_ref();
    let last = series
        .map(|it| it.last_observed_time)
        .or(event.last_timestamp);
    let last = last.filter(|last| first != Some(*last));
    let count = series.map(|it| it.count).or(event.count).unwrap_or(1);
    let again = format!(" (the last of {count})");
    let times = first.map(|at| (at, "")).into_iter();
    let times = times.chain(last.map(|at| (at, again.as_str())));
    let one = |(at, again): (Timestamp, &str)| Told {
        at: SignedDuration::from_millis(at.as_millisecond() - unix_millis).as_secs_f64(),
        about,
        reason: event.reason.clone(),
        text: text(event, about, names) + again,
        is_warning: event.kind == "Warning",
    };
    times.map(one).collect()
}

fn text(event: &KubernetesEvent, about: About, names: &[&str]) -> String {
    match about {
        About::Operator if names.len() > 1 => {
            format!("{}: {}", event.involved_object.name, event.message)
        }
        About::Operator => event.message.clone(),
        About::PodMade | About::PodEnded => event.involved_object.name.clone(),
    }
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

    /// It was told while the cluster was brought up, and again in the drill.
    #[test]
    fn what_is_told_again_is_told_for_its_last_time() {
        let ours = r#""eventTime": "1970-01-01T00:00:05.000000Z",
            "series": {"count": 3, "lastObservedTime": "1970-01-01T00:00:12.250000Z"}"#;
        let older = r#""eventTime": null, "count": 2, "firstTimestamp": "1970-01-01T00:00:11Z",
            "lastTimestamp": "1970-01-01T00:00:14Z""#;
        let once = r#""firstTimestamp": "1970-01-01T00:00:11Z", "count": 1,
            "lastTimestamp": "1970-01-01T00:00:11Z""#;
        for (time, told) in [
            (ours, vec![(2.25, "why (the last of 3)")]),
            (older, vec![(1.0, "why"), (4.0, "why (the last of 2)")]),
            (once, vec![(1.0, "why")]),
        ] {
            let events = [event("RedisCluster", "bench", "AsWanted", time)];
            let found = of_drill(&events, &["bench"], 10_000);
            let found: Vec<(f64, &str)> =
                found.iter().map(|it| (it.at, it.text.as_str())).collect();
            assert_eq!(found, told);
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
