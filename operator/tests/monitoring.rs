//! What is shown of the figures keeps to what there is: `docs/metrics.md`, `docs/reasons.md` and the
//! dashboards are what the code says, dashboards and alert rules name no figure that does not exist, and no
//! reason of a status is without its event, figure, alert and entry of the runbook.
//!
//! `UPDATE_DOCS=1` writes the generated files anew.

#![cfg(test)]

#[path = "monitoring/dashboards/mod.rs"]
mod dashboards;
#[path = "monitoring/names.rs"]
mod names;
#[path = "monitoring/reasons/mod.rs"]
mod reasons;
#[path = "monitoring/reference.rs"]
mod reference;
#[path = "monitoring/rules.rs"]
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The file is what was generated; written anew where that is wanted.
fn assert_fresh(path: &str, generated: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(at(path), generated).unwrap();
    }
    let committed = fs::read_to_string(at(path)).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is stale: run UPDATE_DOCS=1 cargo test -p zoneward-operator --test monitoring"
    );
}
