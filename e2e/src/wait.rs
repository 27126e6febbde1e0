//! Waits for something to become true, never for ever.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long to wait, and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long.
    pub limit: Duration,
    /// How often.
    pub every: Duration,
}

impl Patience {
    /// Looks five times a second.
    pub fn seconds(limit: u64) -> Self {
        Self {
            limit: Duration::from_secs(limit),
            every: Duration::from_millis(200),
        }
    }
}

/// Looks until there is something. An error of `look` ends the wait.
pub async fn until<T>(
    what: &str,
    patience: Patience,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let began = Instant::now();
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if start.elapsed() > patience.limit {
            bail!("waited {} s in vain: {what}", patience.limit.as_secs());
        }
        // Counted from the look's start: looking takes its time too.
        sleep(patience.every.saturating_sub(began.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_what_was_found_or_says_what_was_not() {
        let mut looks = 0;
        let found = until("three", Patience::seconds(5), async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.await.unwrap(), 3);
        let never = until("the moon", Patience::seconds(5), async || Ok(None::<()>)).await;
        assert_eq!(
            never.unwrap_err().to_string(),
            "waited 5 s in vain: the moon"
        );
    }
}
