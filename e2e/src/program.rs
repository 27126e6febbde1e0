//! Runs a program, with a time limit.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs it to its end, however that is. `input` is its standard input.
pub async fn run(command: &mut Command, input: &str, limit: Duration) -> Result<Outcome> {
    let words = words(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {words}"))?;
    let stdin = child.stdin.take();
    let all = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input closes it; its end tells why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = timeout(limit, all)
        .await
        .with_context(|| format!("{words}: not done within {limit:?}"))?
        .with_context(|| format!("failed to run {words}"))?;
    Ok(Outcome {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs it and gives its standard output; an error with its standard error where it fails.
pub async fn text(command: &mut Command, input: &str, limit: Duration) -> Result<String> {
    let outcome = run(command, input, limit).await?;
    if !outcome.status.success() {
        let said = match outcome.err.trim() {
            "" => outcome.out.trim(),
            err => err,
        };
        bail!("{}: {said} ({})", words(command), outcome.status);
    }
    Ok(outcome.out)
}

fn words(command: &Command) -> String {
    let command = command.as_std();
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out() {
        let told = text(&mut Command::new("cat"), "hello", LIMIT).await;
        assert_eq!(told.unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_failure_tells_what_was_run_and_why() {
        let mut command = Command::new("sh");
        let error = text(command.args(["-c", "echo no >&2; exit 3"]), "", LIMIT).await;
        assert_eq!(
            error.unwrap_err().to_string(),
            "sh -c echo no >&2; exit 3: no (exit status: 3)"
        );
    }

    #[tokio::test]
    async fn a_hanging_program_is_given_up() {
        let mut command = Command::new("sleep");
        let outcome = run(command.arg("9"), "", Duration::from_millis(50)).await;
        assert!(outcome.is_err());
    }
}
