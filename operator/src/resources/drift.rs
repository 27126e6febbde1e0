//! Whether an object in the API server is not as it shall be.

use serde_json::{Map, Value};

/// Fields of lists to which others may add: an object can have more owners than us.
const SHARED_LISTS: [&str; 1] = ["ownerReferences"];

/// Whether `seen` differs from `wanted` in anything that `wanted` sets. What the server or others
/// have added does not count, or an object would be applied again and again for nothing.
///
/// Lists are compared element by element. Nothing, an empty list and an empty map are the same:
/// the API server drops empty ones. Quantities are compared by their text, so they must be written
/// as the server writes them back; of the objects that are applied none has any.
pub fn drift(wanted: &Value, seen: &Value) -> bool {
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => wanted
            .iter()
            .any(|(key, value)| field_drift(key, value, seen)),
        (Value::Array(wanted), Value::Array(seen)) => {
            wanted.len() != seen.len() || wanted.iter().zip(seen).any(|(w, s)| drift(w, s))
        }
        _ => wanted != seen,
    }
}

fn field_drift(key: &str, wanted: &Value, seen: &Map<String, Value>) -> bool {
    let Some(seen) = seen.get(key) else {
        return !is_empty(wanted);
    };
    match (wanted, seen) {
        (Value::Array(wanted), Value::Array(seen)) if SHARED_LISTS.contains(&key) => {
            !wanted.iter().all(|w| seen.iter().any(|s| !drift(w, s)))
        }
        _ => drift(wanted, seen),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(wanted: &Value, seen: &Value, expect: bool) {
        assert_eq!(drift(wanted, seen), expect, "wanted {wanted}, seen {seen}");
    }

    #[test]
    fn what_others_add_is_no_drift() {
        check(&json!({"a": 1}), &json!({"a": 1, "b": 2}), false);
        check(
            &json!({"metadata": {"labels": {"ours": "1"}}}),
            &json!({"metadata": {"labels": {"ours": "1", "theirs": "2"}, "uid": "u"}}),
            false,
        );
        check(
            &json!({"ports": [{"port": 6379}]}),
            &json!({"ports": [{"port": 6379, "protocol": "TCP"}]}),
            false,
        );
        check(
            &json!({"ownerReferences": [{"uid": "ours"}]}),
            &json!({"ownerReferences": [{"uid": "theirs"}, {"uid": "ours", "name": "x"}]}),
            false,
        );
    }

    #[test]
    fn what_we_set_must_be_there_and_equal() {
        check(&json!({"a": 1}), &json!({"a": 2}), true);
        check(&json!({"a": 1}), &json!({"a": "1"}), true);
        check(&json!({"a": 1}), &json!({}), true);
        check(&json!({"a": {"b": 1}}), &json!({"a": {"c": 1}}), true);
        check(&json!({"a": {"b": 1}}), &json!({"a": null}), true);
        check(&json!({"q": "1Gi"}), &json!({"q": "1024Mi"}), true);
        check(
            &json!({"ownerReferences": [{"uid": "ours"}]}),
            &json!({"ownerReferences": [{"uid": "theirs"}]}),
            true,
        );
    }

    #[test]
    fn lists_are_compared_element_by_element() {
        check(&json!([1, 2]), &json!([1, 2]), false);
        check(&json!([1, 2]), &json!([2, 1]), true);
        check(&json!([1]), &json!([1, 2]), true);
        check(&json!([1, 2]), &json!([1]), true);
    }

    #[test]
    fn nothing_and_empty_are_the_same() {
        for nothing in [json!(null), json!([]), json!({})] {
            check(&json!({"a": nothing}), &json!({}), false);
        }
        check(&json!({"a": ""}), &json!({}), true);
        check(&json!({"a": false}), &json!({}), true);
    }
}
