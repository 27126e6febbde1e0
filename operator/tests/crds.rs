//! `crds/redisclusters.yaml` is what the types in `api` say. `UPDATE_CRDS=1` writes it anew.

use std::fs;
use std::path::Path;

use kube::CustomResourceExt;
use zoneward_operator::api::{self, RedisCluster};

#[test]
fn the_crd_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/redisclusters.yaml");
    let generated = serde_saphyr::to_string(&RedisCluster::crd()).unwrap();
    if std::env::var_os("UPDATE_CRDS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is stale: run UPDATE_CRDS=1 cargo test -p zoneward-operator --test crds",
        path.display()
    );
}

/// What the operator would reject is refused at admission already: `config` cannot be changed
/// afterwards, so a RedisCluster that got in with such a directive would be of no use.
#[test]
fn admission_refuses_every_directive_that_is_ours() {
    let rule = serde_json::to_string(&RedisCluster::crd()).unwrap();
    for directive in api::OWNED_DIRECTIVES {
        assert!(
            rule.contains(&format!("'{}'", directive.name)),
            "{}",
            directive.name
        );
    }
    for family in api::OWNED_PREFIXES {
        assert!(
            rule.contains(&format!("startsWith('{}')", family.name)),
            "{}",
            family.name
        );
    }
}
