//! What can go wrong on the way to a member and back, and what that means to the two callers:
//! a [`SilenceReason`] for `ask`, an [`ErrorClass`] for `command`.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};
use thiserror::Error;

use crate::model::{RunId, SilenceReason};
use crate::ports::ErrorClass;

/// A reply that is not of the form that every supported server gives.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("failed to read {what} in {text:?}")]
pub(super) struct Unreadable {
    what: &'static str,
    text: String,
}

impl Unreadable {
    /// `what` was looked for in `text`, of which the beginning is kept.
    pub(super) fn new(what: &'static str, text: &str) -> Self {
        const KEPT_CHARS: usize = 120;
        Self {
            what,
            text: text.chars().take(KEPT_CHARS).collect(),
        }
    }
}

/// Why a question or a command failed.
#[derive(Debug, Error)]
pub(super) enum WireError {
    /// The Secret is not there, or lacks the key.
    #[error("failed to find the password of user {user}")]
    MissingPassword { user: &'static str },
    /// No connection came about.
    #[error("failed to connect")]
    Connect(#[source] RedisError),
    /// Somebody is there who does not speak TLS, or is not who it should be.
    #[error("failed to agree on TLS")]
    Sealing(#[source] std::io::Error),
    /// The connection broke.
    #[error("failed to exchange messages")]
    Exchange(#[source] RedisError),
    /// Silence.
    #[error("failed to get an answer within {0:?}")]
    TimedOut(Duration),
    /// The server answered with an error.
    #[error("failed by the server's word: {0}")]
    Declined(ServerError),
    /// Another process than the one that was meant answers at the address.
    #[error("failed to meet the run that was meant: this is {found}")]
    AnotherRun { found: RunId },
    /// What the command builds on is not so any more.
    #[error("failed a precondition: {0}")]
    Precondition(&'static str),
    /// A range of slots did not change hands, by the source's word.
    #[error("failed to move slots: {0}")]
    MoveFailed(String),
    /// The reply makes no sense.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl WireError {
    /// Whether nothing good is to be expected of the connection any more.
    pub(super) fn spoils_connection(&self) -> bool {
        matches!(
            self,
            Self::Connect(_)
                | Self::Sealing(_)
                | Self::Exchange(_)
                | Self::TimedOut(_)
                | Self::Unreadable(_)
        )
    }

    /// For the asker.
    pub(super) fn silence(&self) -> SilenceReason {
        match self {
            Self::TimedOut(_) => SilenceReason::Timeout,
            Self::Connect(error) | Self::Exchange(error) => silence_of(error),
            Self::MissingPassword { .. }
            | Self::Sealing(_)
            | Self::Declined(_)
            | Self::AnotherRun { .. }
            | Self::Precondition(_)
            | Self::MoveFailed(_)
            | Self::Unreadable(_) => SilenceReason::Unusable,
        }
    }

    /// For the commander.
    pub(super) fn class(&self) -> ErrorClass {
        match self {
            Self::MissingPassword { .. } | Self::TimedOut(_) | Self::MoveFailed(_) => {
                ErrorClass::Transient
            }
            Self::Sealing(_) => ErrorClass::Forbidden,
            // The login is part of connecting.
            Self::Connect(error) | Self::Exchange(error) => match error.code() {
                Some("WRONGPASS" | "NOAUTH" | "NOPERM") => ErrorClass::Forbidden,
                _ => ErrorClass::Transient,
            },
            Self::AnotherRun { .. } | Self::Precondition(_) => ErrorClass::Conflict,
            Self::Unreadable(_) => ErrorClass::Bug,
            Self::Declined(error) => class_of(error),
        }
    }
}

fn silence_of(error: &RedisError) -> SilenceReason {
    if error.is_connection_refusal() {
        SilenceReason::Refused
    } else if error.is_timeout() {
        SilenceReason::Timeout
    } else if error.kind() == ErrorKind::Io {
        SilenceReason::Unreachable
    } else {
        // It speaks, but not our language, or it does not know us.
        SilenceReason::Unusable
    }
}

/// What a server says when the world is not as the plan saw it. The texts are those of
/// redis 7.0 and 8.0 and of valkey 8.1 and 9.1 (which says "replica" where redis says "slave").
const MOVED_ON: &[&str] = &[
    "is already busy",
    "config epoch is already non-zero",
    "does not know any other node",
    "can only replicate a master",
    "can't replicate myself",
    "can't forget my master",
    "can't forget myself",
    "node must be empty and without assigned slots",
    "should send cluster failover to a",
    "master is down or failed",
    "primary is down or failed",
    "i'm a replica but my master is unknown",
    "you can use setslot only with",
];

/// What it says to a command that it does not have, or not in this form.
const NOT_UNDERSTOOD: &[&str] = &[
    "unknown command",
    "unknown subcommand",
    "wrong number of arguments",
    "error in acl setuser modifier",
    "syntax error",
];

fn class_of(error: &ServerError) -> ErrorClass {
    let says = error.details().unwrap_or_default().to_ascii_lowercase();
    let is_one_of = |texts: &[&str]| texts.iter().any(|text| says.contains(text));
    match (error.kind(), error.code()) {
        (Some(ServerErrorKind::NoPerm), _) | (_, "NOAUTH" | "WRONGPASS") => ErrorClass::Forbidden,
        _ if is_one_of(MOVED_ON) => ErrorClass::Conflict,
        _ if is_one_of(NOT_UNDERSTOOD) => ErrorClass::Bug,
        _ if says.contains("config set failed") => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    }
}
