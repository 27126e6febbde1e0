//! Whether a fault has happened, by the kernel's word and not by that of whoever did it: a drill whose fault did not
//! happen proves nothing.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

/// What a signal may take to show on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until all of these processes have ended.
pub(super) async fn have_ended(processes: &[String]) -> Result<()> {
    until(processes, "has ended", |state| {
        matches!(state, None | Some('Z' | 'X'))
    })
    .await
}

/// Waits until all of these processes stand still.
pub(super) async fn stand_still(processes: &[String]) -> Result<()> {
    until(processes, "stands still", |state| state == Some('T')).await
}

/// Waits until none of these processes stands still.
pub(super) async fn go_on(processes: &[String]) -> Result<()> {
    until(processes, "goes on", |state| state != Some('T')).await
}

async fn until(
    processes: &[String],
    what: &str,
    is_so: impl Fn(Option<char>) -> bool,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = processes.iter().find(|it| !is_so(state(it)));
        let Some(left) = left else { return Ok(()) };
        ensure!(
            begun.elapsed() < LIMIT,
            "the fault did not happen: process {left} never {what}, the kernel says {:?}",
            state(left)
        );
        sleep(LOOK_EVERY).await;
    }
}

/// The third field of its line: the second is a name in brackets, which may hold anything. None where there is no such
/// process.
fn state(process: &str) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = line.rsplit_once(')')?;
    rest.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn tell(what: &str, child: &Child) {
        let number = child.id().to_string();
        let told = Command::new("kill").args([what, &number]).status().unwrap();
        assert!(told.success());
    }

    #[tokio::test]
    async fn the_kernel_says_what_has_become_of_a_process() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let numbers = [child.id().to_string()];
        go_on(&numbers).await.unwrap();
        tell("-STOP", &child);
        stand_still(&numbers).await.unwrap();
        tell("-CONT", &child);
        go_on(&numbers).await.unwrap();
        child.kill().unwrap();
        have_ended(&numbers).await.unwrap();
        child.wait().unwrap();
        have_ended(&numbers).await.unwrap();
    }
}
