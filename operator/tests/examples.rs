//! Goal: what users copy works. Method: each file of `examples/` is read as the API server would
//! hand it over, with every field known to the API, and accepted by validation.

use std::fs;
use std::path::Path;

use serde_json::Value;
use zoneward_operator::api::RedisCluster;
use zoneward_operator::plan::validate;
use zoneward_operator::resources::{drift, shared_objects};

#[test]
fn every_example_is_a_valid_cluster() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let written: Value = serde_saphyr::from_str(&text).unwrap();
        let mut cluster: RedisCluster = serde_json::from_value(written.clone()).unwrap();
        // A field that we do not know is lost on the way.
        let read = serde_json::to_value(&cluster).unwrap();
        assert!(!drift(&written, &read), "{}: {read}", path.display());
        cluster.metadata.namespace = Some("default".to_owned());
        let desired = validate(&cluster).unwrap();
        assert!(!shared_objects(&desired).is_empty());
        names.push(desired.key.name);
    }
    names.sort();
    names.dedup();
    assert_eq!(
        names.len(),
        4,
        "an example is missing, or two have one name: {names:?}"
    );
}
