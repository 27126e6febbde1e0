//! The order of a round, and what it does when a stage says no.

use std::error::Error;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::fakes::{World, key, objects, pod, resource};

fn world(spec: &serde_json::Value) -> Arc<World> {
    let world = World::default();
    *world.objects.lock().unwrap() = Some(objects(spec));
    Arc::new(world)
}

fn position(lines: &[String], start: &str) -> Option<usize> {
    lines.iter().position(|line| line.starts_with(start))
}

#[tokio::test]
async fn the_record_is_written_before_anything_is_done() {
    let world = world(&json!({ "image": "redis" }));
    let context = world.context();
    let round = reconcile(&context, &key()).await.unwrap();
    assert_eq!(round.end, RoundEnd::Acted);
    let lines = world.lines();
    let written = position(&lines, "write status").unwrap();
    let applied = position(&lines, "apply").unwrap();
    assert!(written < applied, "{lines:?}");
}

#[tokio::test]
async fn nothing_is_done_where_the_record_could_not_be_written() {
    for class in [ErrorClass::Conflict, ErrorClass::Transient] {
        let world = world(&json!({ "image": "redis" }));
        world.fail("write status", class);
        let error = reconcile(&world.context(), &key()).await.unwrap_err();
        assert_eq!(error.class(), class);
        let lines = world.lines();
        assert_eq!(position(&lines, "apply"), None, "{lines:?}");
        assert_eq!(position(&lines, "create"), None, "{lines:?}");
    }
}

#[tokio::test]
async fn a_paused_cluster_is_observed_and_told_of_and_not_touched() {
    let world = world(&json!({ "image": "redis", "paused": true }));
    let mut seen = world.objects.lock().unwrap().take().unwrap();
    seen.pods.push(pod("cache-0-1"));
    *world.objects.lock().unwrap() = Some(seen);
    let round = reconcile(&world.context(), &key()).await.unwrap();
    assert_eq!(round.end, RoundEnd::Paused);
    let expected = ["view", "retain 1", "ask cache-0-1", "write status"];
    assert_eq!(world.lines(), expected);
}

#[tokio::test]
async fn a_spec_that_cannot_work_gets_a_status_and_nothing_else() {
    let world = world(&json!({ "image": "redis", "config": { "port": "7000" } }));
    let context = world.context();
    let round = reconcile(&context, &key()).await.unwrap();
    assert_eq!(round.end, RoundEnd::Rejected);
    assert_eq!(world.lines(), ["view", "retain 0", "write status"]);
    // Nothing has changed: nothing is written.
    reconcile(&context, &key()).await.unwrap();
    assert_eq!(world.lines().len(), 5, "{:?}", world.lines());
}

#[tokio::test]
async fn a_cluster_that_goes_or_is_gone_is_let_go() {
    let gone = Arc::new(World::default());
    let round = reconcile(&gone.context(), &key()).await.unwrap();
    assert_eq!(round.end, RoundEnd::Gone);
    assert_eq!(gone.lines(), ["view", "retain 0"]);

    let leaving = world(&json!({ "image": "redis" }));
    let mut deleted = resource(&json!({ "image": "redis" }));
    deleted.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    if let Some(objects) = leaving.objects.lock().unwrap().as_mut() {
        objects.resource = Arc::new(deleted);
    }
    let round = reconcile(&leaving.context(), &key()).await.unwrap();
    assert_eq!(round.end, RoundEnd::Gone);
    assert_eq!(leaving.lines(), ["view", "retain 0"]);
}

#[tokio::test]
async fn a_failed_action_is_remembered_and_does_not_slow_the_watch_down() {
    let world = world(&json!({ "image": "redis" }));
    world.fail("apply cache-config", ErrorClass::Forbidden);
    let context = world.context();
    for round in 1..6 {
        let end = reconcile(&context, &key()).await.unwrap();
        assert_eq!(end.end, RoundEnd::ActionFailed, "round {round}");
        assert!(end.again_in <= STEADY, "round {round}");
    }
    let memory = context.recall(&key());
    assert_eq!(memory.failed_rounds, 5);
    assert_eq!(memory.failures.len(), 1);
    assert!(
        memory.failures[0].contains("ConfigMap cache-config"),
        "{:?}",
        memory.failures
    );
}

#[test]
fn of_many_failures_status_tells_of_the_same_one_each_time_and_what_to_do() {
    let error = |deed: &str, class, is_objects: bool| ActError {
        deed: deed.to_owned(),
        class,
        source: is_objects
            .then(|| Box::new(crate::api_call::fault(deed, class)) as Box<dyn Error + Send + Sync>),
    };
    let (a, b, c, d) = (
        error("create Pod a", ErrorClass::Invalid, true),
        error("create Pod b", ErrorClass::Transient, true),
        error("create Pod c", ErrorClass::Conflict, true),
        error("tell d: open", ErrorClass::Invalid, false),
    );
    let told = in_words(&[&d, &c, &b, &a]);
    assert_eq!(told, in_words(&[&a, &c, &d, &b]));
    assert_eq!(
        told,
        [
            format!("failed to create Pod a. {CORRECT_THE_SPEC}").as_str(),
            "failed to create Pod b",
            "failed to tell d: open",
        ]
    );
}

#[tokio::test]
async fn an_unread_store_is_an_error_of_its_class() {
    let world = world(&json!({ "image": "redis" }));
    world.fail("view", ErrorClass::Transient);
    let error = reconcile(&world.context(), &key()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(world.lines(), ["view"]);
}
