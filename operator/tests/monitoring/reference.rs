//! `docs/metrics.md`, out of the catalogue.

use std::fmt::Write;

use zoneward_operator::metrics::CATALOGUE;

const HEAD: &str = "\
# Metrics

What the operator tells at `/metrics`. [Monitoring](monitoring.md) says how to have it scraped, and what the dashboards and alerts make of it.

Only the active operator has the figures of the RedisClusters. What is told of a RedisCluster, a zone, a shard or a member ends when it is gone.
`namespace` and `pod` are those of the RedisCluster and its members, not of the operator: scrape with `honor_labels`.

This page is generated: `UPDATE_DOCS=1 cargo test -p zoneward-operator --test monitoring`.
";

#[test]
fn the_reference_is_up_to_date() {
    let mut page = HEAD.to_owned();
    for section in CATALOGUE {
        let (title, head) = (section.title, "| name | type | labels | what it tells |");
        write!(page, "\n## {title}\n\n{head}\n| --- | --- | --- | --- |\n").unwrap();
        for family in section.families {
            let labels: Vec<String> = family.labels.iter().map(|it| format!("`{it}`")).collect();
            let (name, kind, labels) = (family.name, family.kind.as_str(), labels.join(", "));
            writeln!(page, "| `{name}` | {kind} | {labels} | {} |", family.help).unwrap();
        }
    }
    super::assert_fresh("docs/metrics.md", &page);
}
