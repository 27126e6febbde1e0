//! How long it takes from `kubectl apply` to a redundant cluster, some shapes, some times.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bed::Bed;
use crate::bring_up::{BringUp, bring_up, make_room, remove};
use crate::manifest::{Change, plain};
use crate::objects::Key;
use crate::show::Screen;

/// Leaders and followers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Leaders.
    pub leaders: u32,
    /// Followers of each.
    pub followers: u32,
}

impl Shape {
    /// Reads `3x1`.
    pub fn parse(text: &str) -> Result<Self> {
        let read = |(leaders, followers): (&str, &str)| {
            let leaders = leaders.parse().ok()?;
            let followers = followers.parse().ok()?;
            Some(Self { leaders, followers })
        };
        text.split_once('x')
            .and_then(read)
            .with_context(|| format!("{text}: expected LEADERSxFOLLOWERS, such as 3x1"))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.leaders, self.followers)
    }
}

/// One bring-up.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The shape.
    pub shape: String,
    /// Its times.
    #[serde(flatten)]
    pub times: BringUp,
}

/// Brings each shape up so often, one after the other.
pub async fn bench(
    bed: &Bed,
    key: &Key,
    image: Option<&str>,
    shapes: &[Shape],
    repetitions: u32,
    screen: Screen,
) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    screen.line(
        "shape   pods run   slots served   redundant   Ready   confirmed   (seconds from apply)",
    );
    for shape in shapes {
        for _ in 0..repetitions {
            make_room(bed, key).await?;
            let change = Change {
                image: image.map(str::to_owned),
                leaders: Some(shape.leaders),
                followers: Some(shape.followers),
                storage: None,
            };
            let (times, _) = bring_up(bed, key, &plain(key, &change)?, 300, None).await?;
            screen.line(&format!(
                "{:<7} {:>8}   {:>12}   {:>9.1}   {:>5}   {:>9.1}",
                shape.to_string(),
                shown(times.pods_running),
                shown(times.slots_served),
                times.redundant,
                shown(times.ready),
                times.confirmed,
            ));
            runs.push(Run {
                shape: shape.to_string(),
                times,
            });
            remove(bed, key).await?;
        }
    }
    Ok(runs)
}

fn shown(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_shown_alike() {
        assert_eq!(Shape::parse("5x2").unwrap().to_string(), "5x2");
        assert!(Shape::parse("5").is_err());
        assert!(Shape::parse("5xtwo").is_err());
    }
}
