//! The page in a real browser, over real servers, through the loss of a zone.

#![cfg(test)]

use std::io::Write as _;

use tokio::time::Instant;
use zoneward_local::{is_chromium_there, pictures, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_zone_is_seen_and_then_may_be_lost_again() {
    if !is_chromium_there() {
        let is_needed = std::env::var_os("ZONEWARD_NEEDS_CHROMIUM").is_some();
        assert!(
            !is_needed,
            "ZONEWARD_NEEDS_CHROMIUM is set and there is no chromium"
        );
        // not println: a test that passes is not heard
        let words = "SKIPPED: there is no chromium; e2e/local/chromium installs it";
        writeln!(std::io::stderr(), "{words}").unwrap();
        return;
    }
    let start = Instant::now();
    let seen = pictures(server("redis-8").unwrap(), None).await.unwrap();
    println!("seen in {:.1?}", start.elapsed());
    assert!(seen.complaints.is_empty(), "{:?}", seen.complaints);
}
