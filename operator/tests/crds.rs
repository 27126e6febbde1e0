//! `crds/redisclusters.yaml` is what the types in `api` say. `UPDATE_CRDS=1` writes it anew.

use std::fs;
use std::path::Path;

use kube::CustomResourceExt;
use zoneward_operator::api::RedisCluster;

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
