//! `kubectl zoneward`: what a RedisCluster is like, what the operator would do, why nothing happens.
//!
//! It reads, and writes three things: `spec.paused`, on pods the wish that one leads, and the two objects of a
//! drill, which it takes away again. What is decided is decided by `plan`, what is told by
//! `status`; here it is fetched and drawn. A file for each command: what is asked of the API server, then a
//! pure function from the answer to the text.

mod activity;
mod args;
mod completion;
mod drill;
mod explain;
mod member;
mod page;
mod pause;
mod plan;
mod reach;
mod runbook;
mod status;
mod switchover;
#[cfg(test)]
mod testing;
mod verdict;
mod world;
mod zones;

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use terminal::Paint;

pub use args::{Cli, Command, Output, Target};
pub use drill::DrillArgs;
pub use explain::{Finding, findings};
use page::Page;
use reach::Reach;
pub use verdict::{Verdict, verdict};

/// The exit code of an error.
pub const ERROR: u8 = 1;
/// The exit code where the answer is no.
const NO: u8 = 3;

/// What came of a question.
#[derive(Debug)]
pub struct Answer {
    /// To be printed.
    pub text: String,
    is_good: bool,
}

impl Answer {
    /// What the program ends with.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_good {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NO)
        }
    }
}

/// Asks what the command line says.
pub async fn run(cli: Cli, paint: Paint) -> anyhow::Result<Answer> {
    let Cli {
        target,
        output,
        command,
    } = cli;
    let to = To { output, paint };
    if let Command::Completion { shell } = command {
        return completion::completion(shell);
    }
    let reach = Reach::connect(&target).await?;
    match command {
        Command::Status {
            name: Some(name), ..
        } => status::one(&reach, &name, to).await,
        Command::Status { all_namespaces, .. } => status::all(&reach, all_namespaces, to).await,
        Command::Zones { name } => zones::zones(&reach, &name, to).await,
        Command::Plan { name, file } => plan::plan(&reach, &name, file.as_deref(), to).await,
        Command::Explain { name, pod: None } => explain::explain(&reach, &name, to).await,
        Command::Explain {
            name,
            pod: Some(pod),
        } => member::explain(&reach, &name, &pod, to).await,
        Command::Pause { name } => pause::set(&reach, &name, true, to).await,
        Command::Resume { name } => pause::set(&reach, &name, false, to).await,
        Command::Switchover {
            pod,
            release,
            no_wait,
            timeout,
        } => {
            let wait = (!no_wait).then_some(timeout);
            let wish = switchover::Wish { pod, release, wait };
            switchover::switchover(&reach, &wish, to).await
        }
        Command::Drill(args) => drill::drill(&reach, &args, to).await,
        Command::Completion { shell } => completion::completion(shell),
    }
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug)]
struct To {
    output: Output,
    paint: Paint,
}

impl To {
    /// The answer, as text or as JSON.
    fn answer<T: Serialize>(
        self,
        view: &T,
        is_good: bool,
        draw: impl FnOnce(&T, &mut Page),
    ) -> anyhow::Result<Answer> {
        let text = match self.output {
            Output::Json => json(view)?,
            Output::Table => {
                let mut page = Page::new(self.paint);
                draw(view, &mut page);
                page.text()
            }
        };
        Ok(Answer { text, is_good })
    }
}

/// JSON that may go to a terminal: what controls it is escaped, also where JSON itself would let it through.
fn json(view: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(view).context("failed to write JSON")?;
    let escaped = text.chars().map(|c| {
        let is_harmless = c == '\n' || terminal::clean(c.encode_utf8(&mut [0; 4])) == c.to_string();
        if is_harmless {
            c.to_string()
        } else {
            format!("\\u{:04x}", u32::from(c))
        }
    });
    Ok(escaped.collect::<String>() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_control_the_terminal_and_says_the_same() {
        let view = "a\u{1b}[31m\u{9b}2J\u{202e}b\u{7f}\nc";
        let text = json(&view).unwrap();
        assert_eq!(text, "\"a\\u001b[31m\\u009b2J\\u202eb\\u007f\\nc\"\n");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), view);
    }
}
