//! Directives: what is in force, compared with what is wanted, and `CONFIG SET`.
//!
//! A server writes values in its own way (`1gb` as 1073741824, `KEA` as `AKE`), so its text alone does
//! not tell whether it has what is wanted. What it made of a value is read back after it was set, and
//! kept as long as that process runs, as is what it said to a value that it did not take. Nothing is
//! lost with this memory but a `CONFIG SET` that changes nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{Cmd, ServerError, Value};

use super::error::{Unreadable, WireError};
use super::link::Connection;
use crate::model::{Deviation, RunId, Settings, Standing};

/// Of a server's words, so many characters are kept.
const WORDS_KEPT: usize = 240;

/// What came of telling one process.
#[derive(Default)]
pub(super) struct Tried(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    run: Option<RunId>,
    outcomes: BTreeMap<String, (String, Outcome)>,
}

#[derive(Clone)]
enum Outcome {
    /// It wrote it so.
    Taken(String),
    NeedsRestart,
    Refused(String),
}

impl Tried {
    /// What is kept of this run; of another one nothing is.
    fn memory(&self, run: &RunId) -> MutexGuard<'_, Memory> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.run.as_ref() != Some(run) {
            *memory = Memory {
                run: Some(run.clone()),
                ..Memory::default()
            };
        }
        memory
    }

    fn note(&self, run: &RunId, name: &str, value: &str, outcome: Outcome) {
        let entry = (value.to_owned(), outcome);
        self.memory(run).outcomes.insert(name.to_owned(), entry);
    }

    /// What differs.
    pub(super) fn deviations(
        &self,
        run: &RunId,
        wanted: &Settings,
        in_force: &Settings,
    ) -> Vec<Deviation> {
        let memory = self.memory(run);
        let differs = |(name, value): (&String, &String)| {
            let shown = in_force.get(name);
            let tried = memory.outcomes.get(name);
            let outcome = tried.filter(|(of, _)| of == value).map(|(_, it)| it);
            let standing = match outcome {
                _ if shown.is_some_and(|shown| is_same(value, shown)) => return None,
                Some(Outcome::Taken(form)) if Some(form) == shown => return None,
                Some(Outcome::NeedsRestart) => Standing::NeedsRestart,
                Some(Outcome::Refused(words)) => Standing::Refused(words.clone()),
                Some(Outcome::Taken(_)) | None => Standing::Untried,
            };
            Some(Deviation {
                name: name.clone(),
                in_force: shown.cloned(),
                standing,
            })
        };
        wanted.iter().filter_map(differs).collect()
    }
}

/// Whether a server's text means what is wanted, as far as the texts tell: capitals do not matter, and
/// units of memory are multiplied out.
fn is_same(wanted: &str, shown: &str) -> bool {
    wanted.eq_ignore_ascii_case(shown)
        || bytes(wanted).is_some_and(|bytes| shown.parse() == Ok(bytes))
}

/// A size as redis.conf has it.
fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit {
        "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The question for what is in force.
pub(super) fn question<'a>(names: impl IntoIterator<Item = &'a String>) -> Cmd {
    let mut cmd = redis::cmd("CONFIG");
    cmd.arg("GET");
    for name in names {
        cmd.arg(name);
    }
    cmd
}

/// Its answer: a directive that the server does not know is not in it.
pub(super) fn read(reply: Value) -> Result<Settings, Unreadable> {
    redis::from_redis_value(reply).map_err(|_| Unreadable::new("directives", "CONFIG GET"))
}

/// Sets all that the server takes, together. What it does not take is left out and noted.
pub(super) async fn configure(
    connection: &mut Connection,
    tried: &Tried,
    wanted: &Settings,
) -> Result<(), WireError> {
    let run = connection.run_id().clone();
    let mut left = wanted.clone();
    while !left.is_empty() {
        let Some(error) = set(connection, &left).await? else {
            break;
        };
        let says = error.details().unwrap_or_default();
        let Some(name) = blamed(says, &left) else {
            return Err(WireError::Declined(error));
        };
        let outcome = if says.contains("immutable config") {
            Outcome::NeedsRestart
        } else {
            Outcome::Refused(says.chars().take(WORDS_KEPT).collect())
        };
        if let Some(value) = left.remove(&name) {
            tried.note(&run, &name, &value, outcome);
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut pipeline = redis::pipe();
    pipeline.add_command(question(left.keys()));
    let reply = connection.exchange(&pipeline).await?.into_iter().next();
    let made = match reply {
        Some(Value::ServerError(error)) => return Err(WireError::Declined(error)),
        Some(reply) => read(reply)?,
        None => return Err(Unreadable::new("a reply", "").into()),
    };
    for (name, value) in &left {
        if let Some(form) = made.get(name) {
            tried.note(&run, name, value, Outcome::Taken(form.clone()));
        }
    }
    Ok(())
}

/// The server takes all or nothing.
async fn set(
    connection: &mut Connection,
    settings: &Settings,
) -> Result<Option<ServerError>, WireError> {
    let mut pipeline = redis::pipe();
    let cmd = pipeline.cmd("CONFIG").arg("SET");
    for (name, value) in settings {
        cmd.arg(name).arg(value);
    }
    let reply = connection.exchange(&pipeline).await?.into_iter().next();
    Ok(match reply {
        Some(Value::ServerError(error)) => Some(error),
        _ => None,
    })
}

/// The directive that the error is about: it stands in quotes. All servers from redis 7.0 to valkey 9.1
/// say so.
fn blamed(says: &str, among: &Settings) -> Option<String> {
    let mut quoted = says.split('\'').skip(1).step_by(2);
    quoted
        .find(|name| among.contains_key(*name))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_mean_the_same() {
        let table = [
            ("1gb", "1073741824", true),
            ("1G", "1000000000", true),
            ("100mb", "104857600", true),
            ("100mb", "104857601", false),
            ("YES", "yes", true),
            ("0", "0", true),
            ("", "", true),
            ("KEA", "AKE", false),
            ("5%", "5", false),
            ("99999999999999999999gb", "0", false),
        ];
        for (wanted, shown, expected) in table {
            assert_eq!(is_same(wanted, shown), expected, "{wanted} {shown}");
        }
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_a_process_said_is_known_until_another_one_runs_or_it_shows_otherwise() {
        let tried = Tried::default();
        let (one, other) = (RunId::from("one"), RunId::from("other"));
        let wanted = settings(&[("events", "KEA"), ("hz", "x"), ("tcp-backlog", "9")]);
        let shown = settings(&[("events", "AKE"), ("hz", "10"), ("tcp-backlog", "511")]);
        let standings = |run: &RunId, shown: &Settings| -> Vec<(String, Standing)> {
            let found = tried.deviations(run, &wanted, shown).into_iter();
            found.map(|it| (it.name, it.standing)).collect()
        };
        assert!(
            standings(&one, &shown)
                .iter()
                .all(|it| it.1 == Standing::Untried)
        );
        tried.note(&one, "events", "KEA", Outcome::Taken("AKE".to_owned()));
        tried.note(&one, "hz", "x", Outcome::Refused("no".to_owned()));
        tried.note(&one, "tcp-backlog", "9", Outcome::NeedsRestart);
        let expected = [
            ("hz".to_owned(), Standing::Refused("no".to_owned())),
            ("tcp-backlog".to_owned(), Standing::NeedsRestart),
        ];
        assert_eq!(standings(&one, &shown), expected);
        let drifted = settings(&[("events", "K"), ("hz", "10"), ("tcp-backlog", "9")]);
        assert_eq!(standings(&one, &drifted)[0].1, Standing::Untried);
        assert_eq!(standings(&other, &shown).len(), 3);
    }

    #[test]
    fn the_server_names_the_directive_that_it_does_not_take() {
        let among = settings(&[("hz", "11"), ("foo-bar", "1"), ("tcp-backlog", "1")]);
        let table = [
            (
                "CONFIG SET failed (possibly related to argument 'tcp-backlog') - can't set \
                 immutable config",
                Some("tcp-backlog"),
            ),
            (
                "Unknown option or number of arguments for CONFIG SET - 'foo-bar'",
                Some("foo-bar"),
            ),
            ("something else", None),
            ("about 'port'", None),
        ];
        for (says, expected) in table {
            assert_eq!(blamed(says, &among).as_deref(), expected);
        }
    }
}
