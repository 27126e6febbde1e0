//! `kubectl zoneward completion SHELL`.

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{Answer, Cli};

/// The completions of the program, for this shell.
pub(super) fn completion(shell: Shell) -> anyhow::Result<Answer> {
    let mut script = Vec::new();
    let mut command = Cli::command().bin_name("kubectl-zoneward");
    generate(shell, &mut command, "kubectl-zoneward", &mut script);
    let text = String::from_utf8(script).context("failed to write the completions")?;
    Ok(Answer {
        text,
        is_good: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in Shell::value_variants() {
            let text = completion(*shell).unwrap().text;
            for command in Cli::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell}: {command}");
            }
        }
    }
}
