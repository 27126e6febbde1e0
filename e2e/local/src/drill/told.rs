//! What the loop did in a drill, for its timeline: what Kubernetes' events tell on kind. Pure.

use std::collections::HashMap;
use std::time::Duration;

use e2e::drill::measured::{About, Told};
use e2e::timeline::seconds;
use tokio::time::Instant;

use crate::operator::Done;

/// What is said again sooner than this is one: the loop says some things in every round.
const AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// What changes nothing of the cluster itself.
const UNTOLD: [&str; 2] = ["apply", "mark-pod"];

/// Of what was done since then.
pub(super) fn told(story: &[Done], since: Instant) -> Vec<Told> {
    let mut last = HashMap::new();
    let mut told = Vec::new();
    for done in story {
        if done.at < since || UNTOLD.contains(&done.kind) {
            continue;
        }
        let said = (done.kind, done.target.as_str(), done.error.is_some());
        let before = last.insert(said, done.at);
        if before.is_some_and(|before| done.at.duration_since(before) < AGAIN_WITHIN) {
            continue;
        }
        told.push(Told {
            at: seconds(done.at.duration_since(since)),
            about: about(done),
            reason: done.kind.to_owned(),
            text: text(done),
            is_warning: done.error.is_some(),
        });
    }
    told
}

fn about(done: &Done) -> About {
    match done.kind {
        "create" if done.error.is_none() && done.target.starts_with("Pod/") => About::PodMade,
        "delete-pod" if done.error.is_none() => About::PodEnded,
        _ => About::Operator,
    }
}

/// The reason stands before it already.
fn text(done: &Done) -> String {
    let target = done.target.strip_prefix("Pod/").unwrap_or(&done.target);
    match &done.error {
        Some(error) => format!("{target} failed: {error}"),
        None => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_deeds_stand_on_the_timeline_once_each() {
        let start = Instant::now();
        let done = |millis: u64, kind, target: &str, error: Option<&str>| Done {
            at: start + Duration::from_millis(millis),
            kind,
            target: target.to_owned(),
            error: error.map(str::to_owned),
        };
        let story = [
            done(500, "meet", "Pod/cart-0-0", None),
            done(1500, "create", "Pod/cart-0-7", None),
            done(1600, "apply", "ConfigMap/cart", None),
            done(1700, "move-slots", "Pod/cart-0-1", None),
            done(3700, "move-slots", "Pod/cart-0-1", None),
            done(3800, "delete-pod", "Pod/cart-0-1", None),
            done(4000, "switchover", "Pod/cart-1-2", Some("no answer")),
            done(9900, "move-slots", "Pod/cart-0-1", None),
        ];
        let told = told(&story, start + Duration::from_secs(1));
        let told: Vec<_> = told
            .iter()
            .map(|it| (it.at, it.about, it.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (0.5, About::PodMade, "cart-0-7"),
                (0.7, About::Operator, "cart-0-1"),
                (2.8, About::PodEnded, "cart-0-1"),
                (3.0, About::Operator, "cart-1-2 failed: no answer"),
                (8.9, About::Operator, "cart-0-1"),
            ]
        );
    }
}
