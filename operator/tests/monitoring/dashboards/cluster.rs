//! One RedisCluster.

use super::panel::{Look, Meaning, Panel};
use super::{Dashboard, Variable};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "cluster",
        title: "Zoneward / RedisCluster",
        description: "One RedisCluster: what it serves, its members, and what it waits for.",
        variables: vec![
            Variable {
                name: "namespace",
                label: "Namespace",
                query: "label_values(zoneward_slots_served, namespace)",
                is_many: false,
            },
            Variable {
                name: "cluster",
                label: "RedisCluster",
                query: r#"label_values(zoneward_slots_served{namespace=~"$namespace"}, cluster)"#,
                is_many: false,
            },
        ],
        marks: vec![(
            "failover",
            r#"sum by (namespace, cluster, cause) (increase(zoneward_failovers_total{namespace=~"$namespace",cluster=~"$cluster"}[30s])) > 0"#,
        )],
        panels: [now(), state(), data(), traffic(), members()]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Stat,
            "Slots served",
            "Slots, of 16384, that have a leader that can be reached.",
            "short",
        )
        .query(
            r#"zoneward_slots_served{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "slots",
        )
        .meaning(Meaning::GoodFrom(16384))
        .width(4),
        Panel::new(
            Look::Stat,
            "Members in sync",
            "How many of the members that the spec wants lead, or have a copy that is complete and fed.",
            "percentunit",
        )
        .query(
            r#"zoneward_members_in_sync{namespace=~"$namespace",cluster=~"$cluster"} / zoneward_members_wanted{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "in sync",
        )
        .meaning(Meaning::GoodFrom(1))
        .width(4),
        Panel::new(
            Look::Stat,
            "May be lost now",
            "For each zone: whether its loss would be survived at this moment.",
            "short",
        )
        .query(
            r#"zoneward_zone_survives_loss{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{zone}}",
        )
        .meaning(Meaning::GoodIfOne("yes", "no")),
        Panel::new(
            Look::Stat,
            "Degraded",
            "For how long the condition Degraded was True, in the time that is shown.",
            "s",
        )
        .query(
            r#"increase(zoneward_degraded_seconds_total{namespace=~"$namespace",cluster=~"$cluster"}[$__range])"#,
            "degraded",
        )
        .width(4),
        Panel::new(
            Look::Name,
            "Server",
            "The server that the members run; the lowest version where they differ.",
            "short",
        )
        .query(
            r#"zoneward_cluster_info{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{engine}} {{version}}",
        )
        .width(3),
        Panel::new(
            Look::Stat,
            "Certificate ends",
            "When the certificate of spec.tls ends. Empty without TLS.",
            "dateTimeFromNow",
        )
        .query(
            r#"zoneward_certificate_expiry_timestamp_seconds{namespace=~"$namespace",cluster=~"$cluster"} * 1000"#,
            "certificate",
        )
        .width(3),
    ]
}

fn state() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Bands,
            "Conditions",
            "The conditions of status, each so that green is good: for those that are to be False, \"not\" stands \
             before the name.",
            "short",
        )
        .query(
            r#"zoneward_condition{condition=~"Ready|Available|PlacementSatisfied|ZoneSafe",namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{condition}}",
        )
        .query(
            r#"1 - zoneward_condition{condition=~"Progressing|Degraded|ZoneOutage|DataLost|Paused",namespace=~"$namespace",cluster=~"$cluster"}"#,
            "not {{condition}}",
        )
        .meaning(Meaning::GoodIfOne("true", "false")),
        Panel::new(
            Look::Bars,
            "Waits for",
            "What the operator waits for, by reason; docs/operations.md has an entry for each.",
            "short",
        )
        .query(
            r#"zoneward_waiting{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{reason}}",
        ),
        Panel::new(
            Look::Table,
            "Leaders",
            "Who leads each shard now, and where.",
            "short",
        )
        .query(
            r#"zoneward_shard_leader_info{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "",
        ),
        Panel::new(
            Look::Lines,
            "Lag",
            "How many bytes each shard's last follower is behind its leader.",
            "bytes",
        )
        .query(
            r#"zoneward_shard_lag_bytes{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "shard {{shard}}",
        ),
    ]
}

fn data() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Lines,
            "Memory",
            "Memory in use by each member.",
            "bytes",
        )
        .query(
            r#"zoneward_member_used_memory_bytes{namespace=~"$namespace",cluster=~"$cluster"} * on (namespace, cluster, pod) group_left (role, zone) zoneward_member_info"#,
            "{{pod}}, {{role}} in {{zone}}",
        ),
        Panel::new(
            Look::Stack,
            "Keys",
            "Keys by shard, as its leader has them.",
            "short",
        )
        .query(
            r#"zoneward_member_keys{namespace=~"$namespace",cluster=~"$cluster"} * on (namespace, cluster, pod) group_left (shard) zoneward_shard_leader_info"#,
            "shard {{shard}}",
        ),
        Panel::new(
            Look::Lines,
            "Clients",
            "Clients connected to each member, the operator among them.",
            "short",
        )
        .query(
            r#"zoneward_member_connected_clients{namespace=~"$namespace",cluster=~"$cluster"} * on (namespace, cluster, pod) group_left (role, zone) zoneward_member_info"#,
            "{{pod}}, {{role}} in {{zone}}",
        ),
    ]
}

/// The maximum, as for a moment after a change of the active operator both tell of the same member.
fn traffic() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Lines,
            "Operations",
            "Commands in a second that each member processes: those of clients, of its leader, and the \
             operator's own.",
            "ops",
        )
        .query(
            r#"max by (namespace, cluster, pod) (rate(zoneward_member_commands_processed_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval])) * on (namespace, cluster, pod) group_left (role, zone) zoneward_member_info"#,
            "{{pod}}, {{role}} in {{zone}}",
        ),
        Panel::new(
            Look::Stack,
            "Reads of keys",
            "Reads in a second that found their key, and that did not, over all members.",
            "ops",
        )
        .query(
            r#"sum by (namespace, cluster) (max by (namespace, cluster, pod) (rate(zoneward_member_keyspace_hits_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval])))"#,
            "hits",
        )
        .query(
            r#"sum by (namespace, cluster) (max by (namespace, cluster, pod) (rate(zoneward_member_keyspace_misses_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval])))"#,
            "misses",
        ),
    ]
}

fn members() -> Vec<Panel> {
    vec![
        Panel::new(
            Look::Lines,
            "Members",
            "Members that the spec wants, and those in sync.",
            "short",
        )
        .query(
            r#"zoneward_members_wanted{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "wanted",
        )
        .query(
            r#"zoneward_members_in_sync{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "in sync",
        ),
        Panel::new(
            Look::Bands,
            "Members that answer",
            "Whether each member answered when it was asked last.",
            "short",
        )
        .query(
            r#"zoneward_member_answers{namespace=~"$namespace",cluster=~"$cluster"}"#,
            "{{pod}}",
        )
        .meaning(Meaning::GoodIfOne("answers", "silent")),
        Panel::new(
            Look::Bars,
            "Changes of leaders",
            "Failovers, unplanned, and switchovers, planned, by cause.",
            "short",
        )
        .query(
            r#"increase(zoneward_failovers_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval])"#,
            "failover, {{cause}}",
        )
        .query(
            r#"increase(zoneward_switchovers_total{namespace=~"$namespace",cluster=~"$cluster"}[$__rate_interval])"#,
            "switchover, {{cause}}",
        ),
    ]
}
