//! A plan as it is told. Pure.

use jiff::Timestamp;
use serde::Serialize;
use terminal::Color;

use super::change::Change;
use crate::model::{ClusterKey, Record};
use crate::plan::{self, Action, Plan};
use crate::plugin::page::{Page, age};
use crate::rounds::World;

/// What is told of a plan.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    namespace: String,
    name: String,
    /// When the operator saw the world that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// What the file would change of the spec.
    pub(super) changes: Vec<Change>,
    /// Why the API server would not take the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused_by_api_server: Option<String>,
    /// Why the operator would not work by the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rejected: Option<Told>,
    /// What would be done, as `zoneward plan` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// What would change in the list of members.
    roster: Vec<String>,
    /// Why the checker would let nothing of it happen.
    pub(super) refusals: Vec<Told>,
    pub(super) notes: Vec<String>,
    #[serde(skip)]
    ago: i64,
}

/// A reason, in a word and in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    reason: String,
    message: String,
}

impl From<(&str, String)> for Told {
    fn from((reason, message): (&str, String)) -> Self {
        Self {
            reason: reason.to_owned(),
            message,
        }
    }
}

impl View {
    /// Of this RedisCluster; nothing is decided yet.
    pub(super) fn new(key: &ClusterKey) -> Self {
        Self {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            as_of: None,
            changes: Vec::new(),
            refused_by_api_server: None,
            rejected: None,
            plan: None,
            roster: Vec::new(),
            refusals: Vec::new(),
            notes: Vec::new(),
            ago: 0,
        }
    }

    /// Plans and checks, as the operator does.
    pub(super) fn decide(&mut self, world: &World, now: Timestamp) {
        let World {
            desired,
            observation,
            now: then,
        } = world;
        let plan = plan::plan(desired, observation, *then);
        let refusals = plan::check(desired, observation, &plan, *then);
        self.refusals = refusals
            .into_iter()
            .map(|it| (it.promise, it.message).into())
            .collect();
        self.roster = roster(&observation.record, &plan.record);
        self.plan = Some(plan);
        self.as_of = Some(*then);
        self.ago = now.duration_since(*then).as_secs();
    }

    pub(super) fn draw(&self, page: &mut Page) {
        self.draw_title(page);
        self.draw_changes(page);
        if let Some(why) = &self.refused_by_api_server {
            page.heading("The API server would not take it, so nothing would be done");
            page.paragraph_in(2, why, Color::Red);
        }
        if let Some(Told { reason, message }) = &self.rejected {
            page.heading("The spec cannot work, so nothing would be done");
            page.paragraph_in(2, &format!("{reason}: {message}"), Color::Red);
        }
        if !self.refusals.is_empty() {
            page.heading("The checker refuses the plan, so nothing of it would be done");
            for Told { reason, message } in &self.refusals {
                page.paragraph_in(2, &format!("promise {reason}: {message}"), Color::Red);
            }
        }
        if let Some(plan) = &self.plan {
            self.draw_plan(plan, page);
        }
        page.notes(&self.notes);
    }

    fn draw_title(&self, page: &mut Page) {
        let Self {
            namespace, name, ..
        } = self;
        let as_of = match self.as_of {
            Some(_) => format!(", by the world that the operator saw {} ago", age(self.ago)),
            None => String::new(),
        };
        page.painted(&format!("{namespace}/{name}{as_of}"), Color::Bold);
    }

    fn draw_changes(&self, page: &mut Page) {
        if self.changes.is_empty() {
            return;
        }
        page.heading("The spec would change");
        for Change {
            field,
            before,
            after,
        } in &self.changes
        {
            let told = |value: &Option<serde_json::Value>| {
                value.as_ref().map_or("-".to_owned(), ToString::to_string)
            };
            page.paragraph(2, &format!("{field}: {} to {}", told(before), told(after)));
        }
    }

    fn draw_plan(&self, plan: &Plan, page: &mut Page) {
        if plan.actions.is_empty() && self.roster.is_empty() {
            page.heading("Nothing would be done now");
        } else {
            page.heading("Would be done in this round");
        }
        for line in &self.roster {
            page.paragraph(2, line);
        }
        for Action { deed, why } in &plan.actions {
            page.paragraph(2, &deed.to_string());
            page.paragraph_in(6, why, Color::Dim);
        }
        if !plan.waiting_on.is_empty() {
            page.heading("Would wait for");
            for wait in &plan.waiting_on {
                page.paragraph(2, &format!("{}: {}", wait.reason, wait.message));
            }
        }
        if !plan.actions.is_empty() || !self.roster.is_empty() {
            page.blank();
            let told = "This is one round. What follows is decided when the operator has seen what came of it.";
            page.paragraph_in(0, told, Color::Dim);
        }
    }
}

/// Who comes, who is to go, and who is struck out.
fn roster(before: &Record, after: &Record) -> Vec<String> {
    let mut told = Vec::new();
    for member in &after.members {
        let (name, shard, zone) = (&member.name, member.shard, &member.zone);
        let place = format!("{name} of shard {shard} in {zone}");
        match before.member(name) {
            None => told.push(format!("enroll {place}")),
            Some(old) if member.surplus && !old.surplus => {
                told.push(format!("let go of {place}: its place is elsewhere"));
            }
            Some(old) if !member.surplus && old.surplus => {
                told.push(format!("keep {place} after all"));
            }
            Some(_) => {}
        }
    }
    let gone = before
        .members
        .iter()
        .filter(|it| after.member(&it.name).is_none());
    told.extend(gone.map(|it| format!("strike out {} of shard {}", it.name, it.shard)));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Observation;
    use crate::plan::testing::{desired, enrolled, formed};
    use crate::plan::{Deed, WaitingOn, WaitingReason};
    use crate::plugin::testing::{assert_is_tame, drawn};

    fn view() -> View {
        View::new(&ClusterKey {
            namespace: "prod".to_owned(),
            name: "cache".to_owned(),
        })
    }

    #[test]
    fn a_new_cluster_is_planned_as_the_operator_would() {
        let world = World {
            desired: desired(3, 1),
            observation: Observation {
                pods: Vec::new(),
                members: std::collections::BTreeMap::default(),
                record: Record::default(),
                ..formed()
            },
            now: Timestamp::UNIX_EPOCH,
        };
        let mut view = view();
        view.decide(&world, Timestamp::from_second(3).unwrap());
        let expected = plan::plan(&world.desired, &world.observation, world.now);
        assert_eq!(view.plan, Some(expected));
        assert!(view.refusals.is_empty());
        let text = drawn(|page| view.draw(page));
        assert!(text.contains("saw 3s ago"), "{text}");
        assert!(text.contains("Would be done in this round"), "{text}");
    }

    #[test]
    fn one_more_follower_for_each_leader() {
        let world = World {
            desired: desired(3, 2),
            observation: formed(),
            now: Timestamp::UNIX_EPOCH,
        };
        let mut view = view();
        view.decide(&world, Timestamp::UNIX_EPOCH);
        insta::assert_snapshot!(drawn(|page| view.draw(page)));
    }

    #[test]
    fn who_comes_and_who_goes() {
        let record = |names: &[(&str, bool)]| Record {
            members: names
                .iter()
                .map(|(name, surplus)| {
                    let mut member = enrolled(name, 0, "b");
                    member.surplus = *surplus;
                    member
                })
                .collect(),
            ..Record::default()
        };
        let before = record(&[("c-0-1", false), ("c-0-2", true), ("c-0-3", false)]);
        let after = record(&[("c-0-1", true), ("c-0-2", false), ("c-0-4", false)]);
        assert_eq!(
            roster(&before, &after),
            [
                "let go of c-0-1 of shard 0 in b: its place is elsewhere",
                "keep c-0-2 of shard 0 in b after all",
                "enroll c-0-4 of shard 0 in b",
                "strike out c-0-3 of shard 0",
            ]
        );
        assert!(roster(&before, &before).is_empty());
    }

    #[test]
    fn everything_that_can_be_told() {
        let mut view = view();
        let evil = "\u{1b}[2J\u{9b}31m";
        view.changes = vec![Change {
            field: "spec.followersPerLeader".to_owned(),
            before: Some(1.into()),
            after: Some(2.into()),
        }];
        view.as_of = Some(Timestamp::UNIX_EPOCH);
        view.ago = 2;
        view.refusals = vec![("I3", format!("no {evil}whole copy would be left")).into()];
        view.roster = vec!["enroll cache-0-7 of shard 0 in zone-c".to_owned()];
        view.notes = vec!["the spec was changed since".to_owned()];
        view.plan = Some(Plan {
            actions: vec![Action {
                deed: Deed::CreateSecret {
                    name: format!("cache-auth{evil}"),
                    keys: Vec::new(),
                },
                why: "clients need a password".to_owned(),
            }],
            record: Record::default(),
            waiting_on: vec![WaitingOn::new(
                WaitingReason::NoRoom,
                format!("no {evil}host"),
            )],
        });
        let text = drawn(|page| view.draw(page));
        assert_is_tame(&text);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_refusal_says_that_nothing_would_be_done() {
        let mut view = view();
        view.refused_by_api_server = Some("spec.persistence cannot be changed yet".to_owned());
        view.rejected = Some(("DirectiveOwned", "remove port".to_owned()).into());
        insta::assert_snapshot!(drawn(|page| view.draw(page)));
    }
}
