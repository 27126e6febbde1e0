//! The operator itself.

use super::panel::{Look, Meaning, Panel};
use super::{Dashboard, Variable};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "operator",
        title: "Zoneward / Operator",
        description: "The operator: who is active, how its rounds go, and what they do.",
        variables: vec![Variable {
            name: "job",
            label: "Job",
            query: "label_values(zoneward_active, job)",
            is_many: true,
        }],
        marks: Vec::new(),
        panels: [now(), rounds(), deeds()].into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Stat,
            "Active",
            "Operators that hold their lease: one for each installation.",
            "short",
        )
        .query(r#"sum(zoneward_active{job=~"$job"})"#, "active")
        .meaning(Meaning::GoodFrom(1)),
        Panel::new(
            Look::Stat,
            "RedisClusters",
            "How many are looked after.",
            "short",
        )
        .query(
            r#"count(zoneward_slots_served{job=~"$job"})"#,
            "RedisClusters",
        ),
        Panel::new(
            Look::Name,
            "Version",
            "The version of each operator.",
            "short",
        )
        .query(
            r#"count by (version) (zoneward_build_info{job=~"$job"})"#,
            "{{version}}",
        ),
        Panel::new(
            Look::Stat,
            "Plans refused",
            "Plans that the checker refused in the time that is shown. Each is a bug of ours.",
            "short",
        )
        .query(
            r#"sum(increase(zoneward_plan_refusals_total{job=~"$job"}[$__range])) or vector(0)"#,
            "refused",
        )
        .meaning(Meaning::BadFrom(1)),
    ]
}

fn rounds() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Bands,
            "Lease",
            "Which operator was active when.",
            "short",
        )
        .query(r#"zoneward_active{job=~"$job"}"#, "{{instance}}")
        .meaning(Meaning::GoodIfOne("active", "stands by")),
        Panel::new(
            Look::Stack,
            "Rounds",
            "Rounds of the loop in a second, by how they ended.",
            "ops",
        )
        .query(
            r#"sum by (outcome) (rate(zoneward_reconciles_total{job=~"$job"}[$__rate_interval]))"#,
            "{{outcome}}",
        ),
        Panel::new(
            Look::Lines,
            "A round takes",
            "How long rounds take, from the first look to the last action. A silent member costs a round 0.6 s.",
            "s",
        )
        .query(
            r#"histogram_quantile(0.5, sum by (le) (rate(zoneward_reconcile_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
            "half of them less than",
        )
        .query(
            r#"histogram_quantile(0.99, sum by (le) (rate(zoneward_reconcile_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
            "99 % less than",
        ),
        Panel::new(
            Look::Lines,
            "Of it, to observe and to plan",
            "How long 99 % of the rounds take, at most, to see everything, and to decide.",
            "s",
        )
        .query(
            r#"histogram_quantile(0.99, sum by (le) (rate(zoneward_observe_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
            "observe",
        )
        .query(
            r#"histogram_quantile(0.99, sum by (le) (rate(zoneward_plan_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
            "plan",
        ),
    ]
}

fn deeds() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Stack,
            "Members asked",
            "Members asked in a second, by what came of it.",
            "ops",
        )
        .query(
            r#"sum by (answer) (rate(zoneward_members_asked_total{job=~"$job"}[$__rate_interval]))"#,
            "{{answer}}",
        ),
        Panel::new(
            Look::Bars,
            "Actions",
            "What was done, by kind.",
            "short",
        )
        .query(
            r#"sum by (kind) (increase(zoneward_actions_total{job=~"$job",outcome="done"}[$__rate_interval]))"#,
            "{{kind}}",
        ),
        Panel::new(
            Look::Bars,
            "Actions that failed",
            "By kind and by the class of the error. A conflict is harmless: the world had moved on.",
            "short",
        )
        .query(
            r#"sum by (kind, outcome) (increase(zoneward_actions_total{job=~"$job",outcome!="done"}[$__rate_interval]))"#,
            "{{kind}}, {{outcome}}",
        ),
        Panel::new(
            Look::Lines,
            "An action takes",
            "How long 95 % of the actions take, at most, by kind.",
            "s",
        )
        .query(
            r#"histogram_quantile(0.95, sum by (le, kind) (rate(zoneward_action_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
            "{{kind}}",
        ),
        Panel::new(
            Look::Bars,
            "Plans refused",
            "Plans that the checker refused, by the promise that they would break.",
            "short",
        )
        .query(
            r#"sum by (promise) (increase(zoneward_plan_refusals_total{job=~"$job"}[$__rate_interval]))"#,
            "{{promise}}",
        ),
    ]
}
