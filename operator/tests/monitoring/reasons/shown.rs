//! Where a reason is seen: what the operator's own code makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::metrics::{Metrics, Round};
use zoneward_operator::model::ClusterKey;
use zoneward_operator::plan::WaitingReason;
use zoneward_operator::plugin::{self, Finding};
use zoneward_operator::status::transitions;

use super::alerts::Series;
use super::known::{Standing, cluster, nothing};

/// What a message stands for.
const MESSAGE: &str = "…";

/// A status in which each condition of these stands so.
fn status_of<'a>(standings: impl IntoIterator<Item = &'a Standing>) -> RedisClusterStatus {
    let condition = |it: &Standing| {
        json!({
            "type": it.condition, "status": it.is, "reason": it.reason, "message": MESSAGE,
            "lastTransitionTime": "1970-01-01T00:00:00Z", "observedGeneration": 1,
        })
    };
    let conditions: Vec<_> = standings.into_iter().map(condition).collect();
    serde_json::from_value(json!({ "observedGeneration": 1, "conditions": conditions })).unwrap()
}

/// The other way round, for the other reason.
fn opposite(it: &Standing) -> Standing {
    let is = if it.is == "True" { "False" } else { "True" };
    Standing {
        is: is.to_owned(),
        reason: "Former".to_owned(),
        ..it.clone()
    }
}

/// The event that a change to this brings.
pub(super) fn event(it: &Standing) -> Option<String> {
    let (before, after) = (status_of([&opposite(it)]), status_of([it]));
    let told = transitions(&before, &after).pop()?;
    let kind = if told.is_warning { "Warning" } else { "Normal" };
    assert_eq!(told.reason, it.reason);
    Some(format!("{kind} `{}`", told.reason))
}

/// The figures that are there because of it.
pub(super) fn figures(it: &Standing) -> Vec<Series> {
    risen(&status_of([&opposite(it)]), &status_of([it]))
}

/// The same of what is waited for.
pub(super) fn figures_of_wait(reason: WaitingReason) -> Vec<Series> {
    risen(&RedisClusterStatus::default(), &waiting(reason))
}

fn waiting(reason: WaitingReason) -> RedisClusterStatus {
    let waits = json!([{ "reason": reason.to_string(), "message": MESSAGE }]);
    serde_json::from_value(json!({ "waitingOn": waits, "observedGeneration": 1 })).unwrap()
}

/// What differs between the figures of two statuses, both told for a while.
fn risen(before: &RedisClusterStatus, after: &RedisClusterStatus) -> Vec<Series> {
    let (before, after) = (figures_after(before), figures_after(after));
    // a condition tells by its 0, too; of all else 0 is nothing
    let tells = |it: &Series| it.value > 0.0 || it.family == "zoneward_condition";
    let risen = after.into_iter().filter(|it| !before.contains(it));
    risen.filter(tells).collect()
}

fn figures_after(status: &RedisClusterStatus) -> Vec<Series> {
    let (metrics, seen) = (Metrics::new().unwrap(), nothing());
    let key = ClusterKey {
        namespace: "d".to_owned(),
        name: "c".to_owned(),
    };
    for seconds in [0, 10] {
        let round = Round {
            desired: None,
            seen: &seen,
            status: status.clone(),
            at: Duration::from_secs(seconds),
        };
        metrics.observed(&key, round);
    }
    let text = metrics.render().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(series).collect()
}

fn series(line: &str) -> Series {
    let (name, value) = line.rsplit_once(' ').unwrap();
    let (family, labels) = name.split_once('{').unwrap_or((name, ""));
    let pairs = labels.trim_end_matches('}').split(',');
    let labels = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_of_cluster = ["namespace", "cluster"].contains(&name);
        (!is_of_cluster).then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
    });
    Series {
        family: family.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}

/// What `kubectl zoneward status` says above all else, where every condition that takes the reason on has
/// it, and the others are good.
pub(super) fn verdict(of: &Standing, all: &BTreeSet<Standing>) -> String {
    let is_good = |it: &Standing| it.reason == "AsWanted";
    let (good, bad): (Vec<&Standing>, Vec<&Standing>) = all.iter().partition(|it| is_good(it));
    let has_it = |it: &&Standing| it.reason == of.reason && !is_good(of);
    let has_it: Vec<&Standing> = bad.into_iter().filter(has_it).collect();
    let has_none = |it: &&Standing| !has_it.iter().any(|bad| bad.condition == it.condition);
    let others = good.into_iter().filter(has_none);
    let status = status_of(others.chain(has_it.iter().copied()));
    let mut resource = cluster(&json!({ "paused": of.reason == "PausedBySpec" }));
    resource.status = Some(status);
    plugin::verdict(&resource).text
}

/// What `kubectl zoneward explain` says of it.
pub(super) fn explained(it: &Standing) -> Option<Finding> {
    one(status_of([it]))
}

/// The same of what is waited for.
pub(super) fn explained_wait(reason: WaitingReason) -> Option<Finding> {
    one(waiting(reason))
}

fn one(status: RedisClusterStatus) -> Option<Finding> {
    let resource = RedisCluster {
        status: Some(status),
        ..cluster(&json!({}))
    };
    let mut found = plugin::findings(&resource);
    assert!(found.len() < 2, "one thing is told once");
    found.pop()
}
