//! `kubectl zoneward plan`: what would the operator do? The world comes from it, the decision from its own
//! code.

mod change;
mod view;

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::reach::{Reach, typed};
use super::world::world;
use super::{Answer, To};
use crate::api::RedisCluster;
use crate::cli;
use crate::plan::{Rejection, validate};
use crate::rounds::World;
use change::{Change, changes, merge_patch};
use view::View;

/// What it would do now; or, with a file, if that were applied.
pub(super) async fn plan(
    reach: &Reach,
    name: &str,
    file: Option<&Path>,
    to: To,
) -> anyhow::Result<Answer> {
    let object = reach.object(name).await?;
    let key = reach.key(name);
    let mut view = View::new(&key);
    let resource = match file {
        None => typed(object)?,
        Some(file) => {
            let wanted =
                wanted_spec(&cli::read(file)?, &key.name, &key.namespace).with_context(|| {
                    format!("failed to read a RedisCluster from {}", file.display())
                })?;
            match trial(reach, name, &object, &wanted).await? {
                Trial::Taken(resource, changes) => {
                    view.changes = changes;
                    *resource
                }
                Trial::Untried(resource, changes, why) => {
                    view.changes = changes;
                    view.notes.push(why);
                    *resource
                }
                Trial::Refused(why) => {
                    view.refused_by_api_server = Some(why);
                    return to.answer(&view, false, View::draw);
                }
            }
        }
    };
    let seen = match validate(&resource) {
        Ok(desired) => {
            let seen = world(reach, &key).await?;
            if file.is_some() {
                World { desired, ..seen }
            } else {
                if seen.desired.generation < desired.generation {
                    let told = "the spec was changed since: this is about the former one";
                    view.notes.push(told.to_owned());
                }
                seen
            }
        }
        Err(Rejection { reason, message }) => {
            view.rejected = Some((reason, message).into());
            return to.answer(&view, false, View::draw);
        }
    };
    view.decide(&seen, Timestamp::now());
    let is_good = view.refusals.is_empty();
    to.answer(&view, is_good, View::draw)
}

/// What the API server says to a spec.
enum Trial {
    /// It would take it, and make this of it.
    Taken(Box<RedisCluster>, Vec<Change>),
    /// It was not asked: the user may not.
    Untried(Box<RedisCluster>, Vec<Change>, String),
    /// It would not take it.
    Refused(String),
}

/// Asks the API server, which changes nothing: it knows the rules of admission, and the defaults.
async fn trial(reach: &Reach, name: &str, object: &Value, wanted: &Value) -> anyhow::Result<Trial> {
    let none = Value::Null;
    let live = object.get("spec").unwrap_or(&none);
    let patch = serde_json::json!({ "spec": merge_patch(live, wanted) });
    let (would_be, why) = match reach.merge(name, &patch, true).await {
        Ok(taken) => (serde_json::to_value(taken)?, None),
        Err(kube::Error::Api(answer)) if answer.code == 422 || is_by_webhook(&answer.message) => {
            return Ok(Trial::Refused(answer.message.clone()));
        }
        Err(kube::Error::Api(answer)) if answer.code == 403 => {
            let mut would_be = object.clone();
            if let Some(spec) = would_be.get_mut("spec") {
                *spec = wanted.clone();
            }
            let why = format!(
                "the API server's own rules were not tried: {}",
                answer.message
            );
            (would_be, Some(why))
        }
        Err(error) => {
            let told = format!("failed to try the spec on RedisCluster {}", reach.key(name));
            return Err(anyhow::Error::new(error).context(told));
        }
    };
    let resource = Box::new(typed(would_be.clone())?);
    let after = would_be.get("spec").unwrap_or(&none);
    let changes = changes(live, after);
    Ok(match why {
        None => Trial::Taken(resource, changes),
        Some(why) => Trial::Untried(resource, changes, why),
    })
}

/// The spec of the RedisCluster of this name in the text: YAML, of one or more documents.
fn wanted_spec(text: &str, name: &str, namespace: &str) -> anyhow::Result<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("it is no YAML")?;
    let field = |document: &Value, path: &str| {
        let found = document.pointer(path).and_then(Value::as_str);
        found.map(ToOwned::to_owned)
    };
    let clusters: Vec<Value> = documents
        .into_iter()
        .filter(|it| field(it, "/kind").as_deref() == Some("RedisCluster"))
        .collect();
    let name_of = |it: &Value| field(it, "/metadata/name").unwrap_or_default();
    let others: Vec<String> = clusters.iter().map(name_of).collect();
    let found = clusters.into_iter().find(|it| name_of(it) == name);
    let mut found = found.ok_or_else(|| match others.as_slice() {
        [] => anyhow!("no RedisCluster is in it"),
        others => anyhow!("no RedisCluster {name} is in it, but {}", others.join(", ")),
    })?;
    let elsewhere = field(&found, "/metadata/namespace").filter(|it| it != namespace);
    ensure!(
        elsewhere.is_none(),
        "RedisCluster {name} in it is of namespace {}: give that with -n",
        elsewhere.unwrap_or_default()
    );
    let spec = found.get_mut("spec").map(Value::take);
    spec.with_context(|| format!("RedisCluster {name} in it has no spec"))
}

/// Webhooks refuse with 403, too, like the lack of a right.
fn is_by_webhook(message: &str) -> bool {
    message.starts_with("admission webhook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_document_is_found() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: cache}\n---\n\
            kind: RedisCluster\nmetadata: {name: other}\nspec: {image: a}\n---\n\
            kind: RedisCluster\nmetadata: {name: cache, namespace: prod}\nspec: {image: b}\n";
        let spec = wanted_spec(text, "cache", "prod").unwrap();
        assert_eq!(spec["image"], "b");
        let spec = wanted_spec(text, "other", "anywhere").unwrap();
        assert_eq!(spec["image"], "a");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_told() {
        let one = "kind: RedisCluster\nmetadata: {name: cache, namespace: prod}\n";
        let table = [
            ("kind: Pod", "no RedisCluster is in it"),
            (one, "RedisCluster cache in it has no spec"),
            ("a: [", "it is no YAML"),
        ];
        for (text, expected) in table {
            let error = wanted_spec(text, "cache", "prod").unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let told = |name, namespace| wanted_spec(one, name, namespace).unwrap_err().to_string();
        assert_eq!(
            told("nope", "prod"),
            "no RedisCluster nope is in it, but cache"
        );
        assert!(told("cache", "default").contains("of namespace prod"));
    }
}
