//! Every query of every dashboard, and every alert rule, asked of a real Prometheus that scrapes the
//! operator while it looks after a real cluster: none is refused, none asks for what is not there, and
//! a zone that falls silent is told while it lasts.

#![cfg(test)]

#[path = "dashboards/prometheus.rs"]
mod prometheus;
#[path = "dashboards/queries.rs"]
mod queries;

use std::env;
use std::io::Write as _;
use std::time::Duration;

use prometheus::Prometheus;
use queries::{Query, queries};
use tokio::time::Instant;
use zoneward_local::{Settings, Testbed, program, server};

/// What a busy machine may take for anything.
const LONG: Duration = Duration::from_secs(40);

/// What a cluster that is well has nothing to say to, and why. The query holds the text.
const EMPTY_WHEN_WELL: &[(&str, &str)] = &[
    ("zoneward_certificate_expiry", "it has no TLS"),
    ("zoneward_waiting{", "nothing is waited for"),
    ("zoneward_plan_refusals_total", "no plan was refused"),
    ("zoneward_failover_duration", "nobody failed over yet"),
    ("zoneward_switchover_duration", "nobody switched over yet"),
    (r#"outcome!="done""#, "no action failed"),
    ("[30s])) > 0", "a mark is set where there was a failover"),
    ("< 2)", "no shard is within one zone"),
];
/// The same, once a zone was lost.
const TOLD_OF_A_LOSS: &[&str] = &["zoneward_failover_duration", "zoneward_failovers_total"];

#[tokio::test(flavor = "multi_thread")]
async fn queries_find_what_they_ask_for_and_a_lost_zone_is_told() {
    let Some(program) = program("prometheus", "prometheus") else {
        let is_needed = env::var_os("ZONEWARD_NEEDS_PROMETHEUS").is_some();
        assert!(!is_needed, "no Prometheus: run make servers");
        // past the test's own output, which nobody sees when it passes
        let skipped = "SKIPPED: no Prometheus for dashboards and alerts: run make servers";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    };
    let settings = Settings::new(server("redis-8").unwrap(), 3, 1);
    let testbed = Testbed::whole(settings).await.unwrap();
    let metrics = testbed.metrics().unwrap();
    let prometheus = Prometheus::start(&program, metrics).await.unwrap();
    let scraped = "count_over_time(zoneward_slots_served[1m]) >= 5";
    prometheus.until_some(scraped, LONG).await.unwrap();

    let samples = prometheus.query("scrape_samples_scraped").await.unwrap();
    println!("samples of a scrape: {}", samples[0]["value"][1]);
    let took = prometheus.query("scrape_duration_seconds").await.unwrap();
    println!("seconds that it took: {}", took[0]["value"][1]);
    let queries = queries().unwrap();
    assert!(queries.len() > 40, "{} queries", queries.len());
    find_something(&prometheus, &queries).await;
    let zone_alert = all_is_quiet(&prometheus).await;

    let start = Instant::now();
    testbed.silence_zone("a").unwrap();
    prometheus.until_some(&zone_alert, LONG).await.unwrap();
    println!(
        "{} queries; zone a is told after {:.1?}",
        queries.len(),
        start.elapsed()
    );
    let failover = "sum(zoneward_failovers_total) > 0";
    prometheus.until_some(failover, LONG).await.unwrap();
    let end = Instant::now();
    testbed.end_silence().unwrap();
    prometheus.until_none(&zone_alert, LONG).await.unwrap();
    println!("its return is told after {:.1?}", end.elapsed());
    let mean = "sum(zoneward_failover_duration_seconds_sum) / sum(zoneward_failover_duration_seconds_count)";
    let mean = prometheus.query(mean).await.unwrap();
    println!("seconds of a failover: {}", mean[0]["value"][1]);
    for query in &queries {
        if TOLD_OF_A_LOSS.iter().any(|it| query.text.contains(it)) {
            let told = prometheus.until_some(&query.text, LONG).await;
            told.unwrap_or_else(|error| panic!("{}: {error:#}", query.place));
        }
    }
}

/// All but the listed ones, that is.
async fn find_something(prometheus: &Prometheus, queries: &[Query]) {
    for query in queries {
        let text = &query.text;
        let is_listed = EMPTY_WHEN_WELL.iter().any(|(it, _)| text.contains(it));
        let place = &query.place;
        if !is_listed {
            let found = prometheus.until_some(text, LONG).await;
            found.unwrap_or_else(|error| panic!("{place}: {error:#}"));
        }
        let found = prometheus.query(text).await;
        for series in found.unwrap_or_else(|error| panic!("{place}: {error:#}")) {
            for label in &query.labels {
                let has_it = !series["metric"][label].is_null();
                assert!(has_it, "{place}: no label {label} for the legend: {series}");
            }
        }
    }
    for (text, why) in EMPTY_WHEN_WELL {
        let is_used = queries.iter().any(|query| query.text.contains(text));
        assert!(is_used, "nothing asks for {text} any more ({why})");
    }
}

/// Every rule can be evaluated, and none is true; the expression of the zone alert.
async fn all_is_quiet(prometheus: &Prometheus) -> String {
    let rules = prometheus.rules().await.unwrap();
    assert!(rules.len() > 8, "{rules:?}");
    for (name, expression) in &rules {
        let quiet = prometheus.until_none(expression, LONG).await;
        quiet.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    let mut rules = rules.into_iter();
    let zone = rules.find(|(name, _)| name == "ZonewardZoneOutage");
    zone.unwrap().1
}
