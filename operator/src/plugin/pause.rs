//! `kubectl zoneward pause` and `resume`: `spec.paused`, and what that means.

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use terminal::Color;

use super::page::Page;
use super::reach::Reach;
use super::{Answer, To};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    paused: bool,
    /// Whether it was otherwise before.
    changed: bool,
}

/// Sets `spec.paused`.
pub(super) async fn set(reach: &Reach, name: &str, paused: bool, to: To) -> anyhow::Result<Answer> {
    let cluster = reach.cluster(name).await?;
    let changed = cluster.spec.paused != paused;
    if changed {
        let patch = json!({ "spec": { "paused": paused } });
        let written = reach.merge(name, &patch, false).await;
        let (verb, key) = (if paused { "pause" } else { "resume" }, reach.key(name));
        written.with_context(|| format!("failed to {verb} RedisCluster {key}"))?;
    }
    let view = View {
        namespace: reach.namespace().to_owned(),
        name: name.to_owned(),
        paused,
        changed,
    };
    to.answer(&view, true, draw)
}

fn draw(view: &View, page: &mut Page) {
    let View {
        namespace, name, ..
    } = view;
    let now = if view.changed {
        "is now"
    } else {
        "was already"
    };
    if view.paused {
        page.painted(&format!("{namespace}/{name} {now} paused."), Color::Yellow);
        page.paragraph(
            0,
            "The operator looks and reports, and touches nothing: no failed member is replaced, no leader \
             relieved, nothing of the spec carried out, and a pod that is asked to go hands nothing over. \
             The servers still elect by themselves where a majority of leaders is left. Go on with:",
        );
        page.verbatim(2, &format!("kubectl zoneward resume {name} -n {namespace}"));
    } else {
        let text = format!("{namespace}/{name} {now} looked after.");
        page.painted(&text, Color::Green);
        page.paragraph(
            0,
            "The operator carries out what the spec says and makes good what was lost meanwhile, within \
             seconds. What it does first:",
        );
        page.verbatim(2, &format!("kubectl zoneward plan {name} -n {namespace}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::drawn;

    fn page_of(paused: bool, changed: bool) -> String {
        let view = View {
            namespace: "prod".to_owned(),
            name: "cache".to_owned(),
            paused,
            changed,
        };
        drawn(|page| draw(&view, page))
    }

    #[test]
    fn what_it_means_is_said() {
        insta::assert_snapshot!(page_of(true, true));
        insta::assert_snapshot!(page_of(false, true));
        assert!(page_of(true, false).starts_with("prod/cache was already paused.\n"));
    }
}
