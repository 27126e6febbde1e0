//! What differs between two specs, and how the one is made of the other. Pure.

use serde::Serialize;
use serde_json::{Map, Value};

/// A field that would be another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    /// Which.
    pub(super) field: String,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    /// What it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Value>,
}

/// What differs, field by field, in order of their names.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("spec", Some(before), Some(after), &mut found);
    found
}

fn compare(field: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) {
        let only_new = new.keys().filter(|name| !old.contains_key(*name));
        let mut names: Vec<&String> = old.keys().chain(only_new).collect();
        names.sort_unstable();
        for name in names {
            let field = format!("{field}.{name}");
            compare(&field, old.get(name), new.get(name), found);
        }
        return;
    }
    found.push(Change {
        field: field.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    });
}

/// The merge patch (RFC 7386) that makes `wanted` of `live`: what is not wanted is null.
pub(super) fn merge_patch(live: &Value, wanted: &Value) -> Value {
    let (Value::Object(live), Value::Object(wanted)) = (live, wanted) else {
        return wanted.clone();
    };
    let dropped = live.keys().filter(|name| !wanted.contains_key(*name));
    let dropped = dropped.map(|name| (name.clone(), Value::Null));
    let kept = wanted.iter().map(|(name, value)| {
        let before = live.get(name).unwrap_or(&Value::Null);
        (name.clone(), merge_patch(before, value))
    });
    Value::Object(dropped.chain(kept).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_differ_are_told() {
        let before = json!({ "leaders": 3, "config": { "hz": "10", "a": "b" }, "tls": { "secretName": "x" } });
        let after = json!({ "leaders": 3, "config": { "hz": "20", "c": "d" }, "image": "redis:8" });
        let told: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|it| (it.field, it.before, it.after))
            .collect();
        let field = |name: &str, before: Option<Value>, after: Option<Value>| {
            (name.to_owned(), before, after)
        };
        assert_eq!(
            told,
            [
                field("spec.config.a", Some(json!("b")), None),
                field("spec.config.c", None, Some(json!("d"))),
                field("spec.config.hz", Some(json!("10")), Some(json!("20"))),
                field("spec.image", None, Some(json!("redis:8"))),
                field("spec.tls", Some(json!({ "secretName": "x" })), None),
            ]
        );
    }

    #[test]
    fn a_patch_drops_what_is_not_wanted() {
        let live = json!({ "leaders": 3, "config": { "hz": "10", "a": "b" }, "list": [1, 2] });
        let wanted = json!({ "leaders": 3, "config": { "hz": "20" }, "list": [2] });
        assert_eq!(
            merge_patch(&live, &wanted),
            json!({ "leaders": 3, "config": { "hz": "20", "a": null }, "list": [2] })
        );
        assert_eq!(merge_patch(&Value::Null, &wanted), wanted);
    }
}
