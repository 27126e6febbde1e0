//! Logs, and errors as one line.

use std::error::Error;
use std::fmt::Write;

use kube::core::Status;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Starts logging to standard error. A later call changes nothing.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let result = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    result.map_err(|error| anyhow::anyhow!(error))
}

/// An error with all its causes, in one line. The Display of ours never repeats the cause, so the
/// chain is printed here, once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let answer = answer(cause);
        let line = answer.map_or_else(|| cause.to_string(), words);
        // kube's errors do repeat theirs.
        if text.is_empty() {
            text = line;
        } else if !text.contains(&line) {
            let _ = write!(text, ": {line}");
        }
        next = cause.source().filter(|_| answer.is_none());
    }
    text
}

/// The API server's answer, where this is one.
fn answer<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    match error.downcast_ref::<kube::Error>()? {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

/// What the API server says for people: its message names the object and the field. kube prints the
/// whole answer behind it once more, as Rust has it.
fn words(answer: &Status) -> String {
    if answer.message.is_empty() {
        format!("the API server answered {} {}", answer.code, answer.reason)
    } else {
        answer.message.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to eat")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_names_each_cause_once() {
        let error = Outer(std::io::Error::other("no spoon"));
        assert_eq!(chain(&error), "failed to eat: no spoon");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("failed to create Pod cache-0-1")]
    struct Refused(#[source] kube::Error);

    #[test]
    fn an_answer_of_the_api_server_is_told_in_its_own_words() {
        let refused = |message: &str| {
            let status = Status::failure(message, "Invalid").with_code(422);
            chain(&Refused(kube::Error::Api(status.boxed())))
        };
        let message = "Pod \"cache-0-1\" is invalid: spec.containers[0].image: Required value";
        assert_eq!(
            refused(message),
            format!("failed to create Pod cache-0-1: {message}")
        );
        assert_eq!(
            refused(""),
            "failed to create Pod cache-0-1: the API server answered 422 Invalid"
        );
    }
}
