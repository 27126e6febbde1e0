//! The `RedisCluster` to be applied.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::objects::Key;

/// Marks what the demo made, so that the next one may replace it.
pub const DEMO_LABEL: &str = "zoneward.io/demo";

/// What to change of the example.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Image of the members.
    pub image: Option<String>,
    /// Shards.
    pub leaders: Option<u32>,
    /// Followers of each leader.
    pub followers: Option<u32>,
    /// Size of each member's volume.
    pub storage: Option<String>,
}

/// The example in `file`, changed.
pub fn from_example(file: &Path, key: &Key, change: &Change) -> Result<Value> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let example: Value = serde_saphyr::from_str(&text)
        .with_context(|| format!("{}: not one YAML document", file.display()))?;
    if example.get("kind").and_then(Value::as_str) != Some("RedisCluster") {
        bail!("{}: not a RedisCluster", file.display());
    }
    changed(example, key, change)
}

/// A `RedisCluster` with nothing in it but the change.
pub fn plain(key: &Key, change: &Change) -> Result<Value> {
    let bare = json!({
        "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster", "metadata": {}, "spec": {},
    });
    changed(bare, key, change)
}

fn changed(mut manifest: Value, key: &Key, change: &Change) -> Result<Value> {
    let metadata = object(&mut manifest, "metadata")?;
    metadata.insert("name".to_owned(), json!(key.name));
    metadata.insert("namespace".to_owned(), json!(key.namespace));
    if let Some(metadata) = manifest.get_mut("metadata") {
        object(metadata, "labels")?.insert(DEMO_LABEL.to_owned(), json!("true"));
    }
    let spec = object(&mut manifest, "spec")?;
    if let Some(image) = &change.image {
        spec.insert("image".to_owned(), json!(image));
    }
    if let Some(leaders) = change.leaders {
        spec.insert("leaders".to_owned(), json!(leaders));
    }
    if let Some(followers) = change.followers {
        spec.insert("followersPerLeader".to_owned(), json!(followers));
    }
    if let Some(size) = &change.storage {
        let storage = spec.entry("storage").or_insert_with(|| json!({}));
        let storage = storage.as_object_mut().context("spec.storage is no map")?;
        storage.insert("size".to_owned(), json!(size));
        // What a demo leaves behind, nobody wants back.
        storage.insert("retain".to_owned(), json!("Delete"));
    }
    Ok(manifest)
}

fn object<'a>(
    parent: &'a mut Value,
    field: &str,
) -> Result<&'a mut serde_json::Map<String, Value>> {
    parent
        .as_object_mut()
        .context("not a map")?
        .entry(field)
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .with_context(|| format!("{field} is no map"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            namespace: "here".to_owned(),
            name: "demo".to_owned(),
        }
    }

    #[test]
    fn the_example_is_changed_where_asked_only() {
        let file = std::env::temp_dir().join(format!("zoneward-{}.yaml", std::process::id()));
        let text = "# a comment\napiVersion: zoneward.io/v1alpha1\nkind: RedisCluster\n\
                    metadata:\n  name: x\nspec:\n  image: redis:8\n  leaders: 3\n  config:\n    maxmemory: 1gb\n";
        std::fs::write(&file, text).unwrap();
        let change = Change {
            image: Some("zoneward.local/redis:8".to_owned()),
            followers: Some(2),
            storage: Some("64Mi".to_owned()),
            ..Change::default()
        };
        let manifest = from_example(&file, &key(), &change).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(
            manifest,
            json!({
                "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
                "metadata": {
                    "name": "demo", "namespace": "here", "labels": { "zoneward.io/demo": "true" },
                },
                "spec": {
                    "image": "zoneward.local/redis:8", "leaders": 3, "followersPerLeader": 2,
                    "config": { "maxmemory": "1gb" },
                    "storage": { "size": "64Mi", "retain": "Delete" },
                },
            })
        );
    }
}
