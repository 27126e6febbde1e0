//! Every object as it goes to the API server. Goal: a change of any of them is seen in review.
//! `INSTA_UPDATE=always cargo test -p zoneward-operator resources` writes them anew.

use super::fixture::{minimal, rich};
use crate::model::{Desired, MemberName, ShardId, VolumeName, ZoneName};
use crate::plan::Manifest;
use crate::resources::{PodRequest, config_map, pod, redis_conf, shared_objects, volume};

fn yaml(manifest: &Manifest) -> String {
    serde_saphyr::to_string(&manifest.body).expect("JSON is YAML")
}

/// One document after another; the `ConfigMap`, which is mostly text, stands apart.
fn documents<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> String {
    manifests
        .into_iter()
        .map(yaml)
        .collect::<Vec<_>>()
        .join("---\n")
}

fn check_objects(name: &str, desired: &Desired) {
    let config = config_map(desired);
    let objects = shared_objects(desired);
    assert!(objects.contains(&config));
    let others = objects.iter().filter(|object| **object != config);
    insta::assert_snapshot!(format!("{name}_shared_objects"), documents(others));
    insta::assert_snapshot!(format!("{name}_redis_conf"), redis_conf(desired));
}

fn check_member(name: &str, desired: &Desired, zone: &str) {
    let shard = ShardId(1);
    let zone = ZoneName::from(zone);
    let body = desired
        .storage
        .as_ref()
        .map(|_| VolumeName::new("cart-1-7"));
    let request = PodRequest {
        secret_generation: 0,
        name: MemberName::new("cart-1-7"),
        shard,
        zone: zone.clone(),
        volume: body.clone(),
    };
    let mut objects = vec![pod(desired, &request)];
    objects.extend(body.map(|body| volume(desired, &body, shard, &zone)));
    insta::assert_snapshot!(format!("{name}_member"), documents(&objects));
}

#[test]
fn minimal_spec() {
    check_objects("minimal", &minimal());
    check_member("minimal", &minimal(), "europe-1a");
}

#[test]
fn rich_spec() {
    check_objects("rich", &rich());
    check_member("rich", &rich(), "b");
}

#[test]
fn config_map_of_the_minimal_spec() {
    insta::assert_snapshot!("minimal_config_map", yaml(&config_map(&minimal())));
}
