//! Zones: which may be lost now, and what happened when one was.

use super::panel::{Look, Meaning, Panel};
use super::{Dashboard, Variable};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "zones",
        title: "Zoneward / Zones",
        description: "Which zone may be lost now, who lives where, and what happened.",
        variables: vec![
            Variable {
                name: "namespace",
                label: "Namespace",
                query: "label_values(zoneward_slots_served, namespace)",
                is_many: true,
            },
            Variable {
                name: "cluster",
                label: "RedisCluster",
                query: r#"label_values(zoneward_slots_served{namespace=~"$namespace"}, cluster)"#,
                is_many: true,
            },
        ],
        marks: vec![(
            "failover",
            r#"sum by (namespace, cluster, cause) (increase(zoneward_failovers_total{namespace=~"$namespace",cluster=~"$cluster"}[30s])) > 0"#,
        )],
        panels: [now(), layout(), history()].into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Stat,
            "May be lost now",
            "For each zone: whether all chosen RedisClusters would survive its loss at this moment.",
            "short",
        )
        .query(
            r#"min by (zone) (zoneward_zone_survives_loss{namespace=~"$namespace",cluster=~"$cluster"})"#,
            "{{zone}}",
        )
        .meaning(Meaning::GoodIfOne("yes", "no"))
        .width(8),
        Panel::new(
            Look::Stat,
            "Silent",
            "For each zone: whether some RedisCluster hears nothing from it.",
            "short",
        )
        .query(
            r#"max by (zone) (zoneward_zone_gone{namespace=~"$namespace",cluster=~"$cluster"})"#,
            "{{zone}}",
        )
        .meaning(Meaning::BadIfOne("silent", "heard"))
        .width(8),
        Panel::new(
            Look::Stat,
            "Not zone-safe",
            "RedisClusters of which some zone could not be lost now.",
            "short",
        )
        .query(
            r#"count(zoneward_condition{condition="ZoneSafe",namespace=~"$namespace",cluster=~"$cluster"} == 0) or vector(0)"#,
            "RedisClusters",
        )
        .meaning(Meaning::BadFrom(1))
        .width(4),
        Panel::new(
            Look::Stat,
            "Shards within one zone",
            "Shards whose members in sync are all in one zone, or that have a single one.",
            "short",
        )
        .query(
            r#"count(zoneward_shard_zones{namespace=~"$namespace",cluster=~"$cluster"} < 2) or vector(0)"#,
            "shards",
        )
        .meaning(Meaning::BadFrom(1))
        .width(4),
    ]
}

fn layout() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Stack,
            "Leaders by zone",
            "How many leaders each zone has. They are to be even.",
            "short",
        )
        .query(
            r#"sum by (zone) (zoneward_zone_leaders{namespace=~"$namespace",cluster=~"$cluster"})"#,
            "{{zone}}",
        ),
        Panel::new(
            Look::Stack,
            "Members by zone",
            "How many members in sync each zone has, leaders among them.",
            "short",
        )
        .query(
            r#"sum by (zone) (zoneward_zone_members{namespace=~"$namespace",cluster=~"$cluster"})"#,
            "{{zone}}",
        ),
    ]
}

fn history() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Bands,
            "Loss survived",
            "When which zone could have been lost, by RedisCluster.",
            "short",
        )
        .query(
            r#"zoneward_zone_survives_loss{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{namespace}}/{{cluster}} {{zone}}",
        )
        .meaning(Meaning::GoodIfOne("survived", "not survived"))
        .width(24),
        Panel::new(
            Look::Lines,
            "Time degraded",
            "The share of the time for which the condition Degraded was True, by RedisCluster.",
            "percentunit",
        )
        .query(
            r#"sum by (namespace, cluster) (rate(zoneward_degraded_seconds_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval]))"#,
            "{{namespace}}/{{cluster}}",
        ),
        Panel::new(
            Look::Lines,
            "Shards within one zone",
            "Shards that one zone's loss would take, by RedisCluster.",
            "short",
        )
        .query(
            r#"count by (namespace, cluster) (zoneward_shard_zones{namespace=~"$namespace",cluster=~"$cluster"} < 2)"#,
            "{{namespace}}/{{cluster}}",
        ),
        Panel::new(
            Look::Bars,
            "Failovers",
            "Unplanned changes of a shard's leader, by cause.",
            "short",
        )
        .query(
            r#"sum by (cause) (increase(zoneward_failovers_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval]))"#,
            "{{cause}}",
        ),
        Panel::new(
            Look::Bars,
            "Switchovers",
            "Planned changes of a shard's leader, by cause.",
            "short",
        )
        .query(
            r#"sum by (cause) (increase(zoneward_switchovers_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval]))"#,
            "{{cause}}",
        ),
        Panel::new(
            Look::Lines,
            "Failovers took (95th percentile of the last hour)",
            "From when a leader was heard last until another one led, over all RedisClusters.",
            "s",
        )
        .query(
            "histogram_quantile(0.95, sum by (le, cause) (increase(zoneward_failover_duration_seconds_bucket[1h])))",
            "{{cause}}",
        ),
        Panel::new(
            Look::Lines,
            "Switchovers took (95th percentile of the last hour)",
            "From the order to hand over until it was seen, over all RedisClusters.",
            "s",
        )
        .query(
            "histogram_quantile(0.95, sum by (le, cause) (increase(zoneward_switchover_duration_seconds_bucket[1h])))",
            "{{cause}}",
        ),
    ]
}
