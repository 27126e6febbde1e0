//! Slots key by key: `IMPORTING` at the target, `MIGRATING` at the source, `MIGRATE` until the source has
//! none, `NODE` at the target first (it takes a higher epoch and tells everybody), then at the source.
//!
//! `MIGRATE` blocks the source while the target takes the keys, so what clients feel is one batch: its size
//! follows what the last one took (REDIS-LAB section 9). A few slots are open together, which spares
//! messages and writes of nodes.conf.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::time::Instant;

use super::super::command::first_error;
use super::super::error::{Unreadable, WireError};
use super::ends::{Ends, set_slot};
use super::{Order, Standing};
use crate::model::{MemberId, Slot, SlotSet};

/// Slots that are open together, and how many where followers are waited for: that takes as long for one as
/// for many (10 to 20 ms a slot one by one, 3.6 to 6 with 16 side by side, 1.1 to 2 with 64; valkey 8.1.1).
const OPEN_MAX: u16 = 16;
const OPEN_MAX_WHERE_FOLLOWERS_ANSWER: u16 = 64;
/// How long a batch shall block its source: shrunk above the one, grown below the other.
const BATCH_LONG: Duration = Duration::from_millis(2);
const BATCH_SHORT: Duration = Duration::from_micros(1_400);
const BATCH_KEYS_FIRST: usize = 40;
const BATCH_KEYS_MAX: usize = 400;
/// How long the target may keep its source waiting: this long clients of the source wait with it when a
/// host is lost.
const MIGRATE_LIMIT: Duration = Duration::from_millis(500);
/// The same for a single key that did not make it in that time, by a target that answers: a big one.
const BIG_KEY_LIMIT: Duration = Duration::from_secs(5);

/// Moves what the order says for as long as it stands.
pub(super) async fn move_slots(ends: &mut Ends, standing: &Standing) -> Result<(), WireError> {
    let most = if ends.source.waits_for_followers() {
        OPEN_MAX_WHERE_FOLLOWERS_ANSWER
    } else {
        OPEN_MAX
    };
    let mut done = SlotSet::empty();
    let mut batch = BATCH_KEYS_FIRST;
    let mut is_first = true;
    while let Some(order) = standing.now() {
        let wanted = order.slots.difference(&done);
        let next = if is_first || !order.begins {
            begun_or_next(ends, &order, &wanted, &mut done).await?
        } else {
            wanted
        };
        let next = next.first(most);
        is_first = false;
        if next.is_empty() {
            return Ok(());
        }
        let slots: Vec<Slot> = next.iter().collect();
        open(ends, &slots).await?;
        if !carry(ends, standing, &slots, &mut batch).await? {
            return Ok(()); // out of time, in the middle: whoever goes on reads what is open
        }
        close(ends, &slots).await?;
        done = done.union(&next);
    }
    Ok(())
}

/// What is to be opened: of the slots that have not arrived the lowest, where more may be begun, else those
/// that are open or in two halves. Marks die with their process, keys do not.
async fn begun_or_next(
    ends: &mut Ends,
    order: &Order,
    wanted: &SlotSet,
    done: &mut SlotSet,
) -> Result<SlotSet, WireError> {
    let (here, there) = (ends.source.holding().await?, ends.target.holding().await?);
    let open = here.open.union(&there.open);
    let arrived = wanted
        .intersection(&there.owned)
        .difference(&here.owned)
        .difference(&open);
    *done = done.union(&arrived);
    let wanted = wanted.difference(&arrived);
    let mut begun = wanted.intersection(&open.union(&there.owned));
    let closed: Vec<Slot> = wanted.difference(&begun).iter().collect();
    if !order.begins || begun.is_empty() {
        let counts = ends.target.counts(&closed).await?;
        let halves = closed.iter().zip(counts).filter(|(_, keys)| *keys > 0);
        begun = begun.union(&halves.map(|(slot, _)| *slot).collect());
    }
    if !begun.is_empty() || !order.begins {
        return Ok(begun);
    }
    Ok(wanted)
}

/// Marks them, at the target first: clients are sent there from the source's mark on.
async fn open(ends: &mut Ends, slots: &[Slot]) -> Result<(), WireError> {
    let marks = |what: &str, id: &MemberId| -> Vec<Cmd> {
        let mark = |slot: &Slot| set_slot(*slot, what, Some(id));
        slots.iter().map(mark).collect()
    };
    let importing = marks("IMPORTING", &ends.source.id);
    let migrating = marks("MIGRATING", &ends.target.id);
    for (end, marks) in [(&mut ends.target, importing), (&mut ends.source, migrating)] {
        let replies = end.side_by_side(&marks).await?;
        let mut errors = replies.iter().filter_map(first_error);
        if let Some(error) = errors.find(|error| !is_owners_word(error)) {
            return Err(error);
        }
    }
    Ok(())
}

/// The target owns it already, or the source no more: it only has to be closed.
fn is_owners_word(error: &WireError) -> bool {
    let WireError::Declined(error) = error else {
        return false;
    };
    error.details().is_some_and(|words| {
        words.starts_with("I'm already the owner") || words.starts_with("I'm not the owner")
    })
}

/// Moves all keys of these slots; false where time ran out.
async fn carry(
    ends: &mut Ends,
    standing: &Standing,
    slots: &[Slot],
    batch: &mut usize,
) -> Result<bool, WireError> {
    let mut limit = MIGRATE_LIMIT;
    loop {
        let counts = ends.source.counts(slots).await?;
        let filled = slots.iter().zip(counts).filter(|(_, keys)| *keys > 0);
        let filled: Vec<Slot> = filled.map(|(slot, _)| *slot).collect();
        let Some(first) = filled.first() else {
            return Ok(true);
        };
        let mut rest = filled.iter().skip(1);
        let mut slot = *first;
        let mut keys = keys_of(ends, slot, *batch).await?;
        loop {
            if standing.now().is_none() {
                return Ok(false);
            }
            let is_last_of_slot = keys.len() < *batch;
            let next = if is_last_of_slot {
                rest.next()
            } else {
                Some(&slot)
            };
            if keys.is_empty() && next.is_none() {
                break;
            }
            let started = Instant::now();
            let mut pipeline = redis::pipe();
            if !keys.is_empty() {
                pipeline.add_command(migrate(ends, &keys, limit));
            }
            if let Some(next) = next {
                pipeline.add_command(get_keys(*next, *batch));
            }
            let replies = ends.source.exchange(&pipeline).await?;
            let (moved, count) = (!keys.is_empty(), keys.len());
            if let Some(error) = replies.iter().find_map(first_error) {
                limit = after_error(ends, error, count, limit).await?;
                *batch = 1;
                break; // what is left is counted anew
            }
            if moved {
                *batch = resized(*batch, count, started.elapsed());
            }
            let Some(next) = next else { break };
            slot = *next;
            keys = names(replies)?;
        }
    }
}

async fn keys_of(ends: &mut Ends, slot: Slot, batch: usize) -> Result<Vec<Vec<u8>>, WireError> {
    let mut pipeline = Pipeline::new();
    pipeline.add_command(get_keys(slot, batch));
    names(ends.source.ask(&pipeline).await?)
}

fn get_keys(slot: Slot, batch: usize) -> Cmd {
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("GETKEYSINSLOT").arg(slot.number()).arg(batch);
    cmd
}

/// The keys in the last reply.
fn names(mut replies: Vec<Value>) -> Result<Vec<Vec<u8>>, WireError> {
    let reply = replies.pop().unwrap_or(Value::Nil);
    redis::from_redis_value(reply).map_err(|_| Unreadable::new("keys", "GETKEYSINSLOT").into())
}

/// `REPLACE`: a source that was taken over may have keys again that had moved already, and what clients
/// wrote to it since counts.
fn migrate(ends: &Ends, keys: &[Vec<u8>], limit: Duration) -> Cmd {
    let (user, password) = ends.target.login();
    let address = ends.target.member.address;
    let mut cmd = redis::cmd("MIGRATE");
    cmd.arg(address.ip.to_string()).arg(address.port);
    cmd.arg("").arg(0).arg(limit.as_millis() as usize);
    cmd.arg("REPLACE").arg("AUTH2").arg(user).arg(password);
    cmd.arg("KEYS").arg(keys);
    cmd
}

fn resized(batch: usize, moved: usize, took: Duration) -> usize {
    if took > BATCH_LONG {
        (moved * 2 / 3).max(1)
    } else if took < BATCH_SHORT && moved >= batch {
        (batch * 5 / 4 + 1).min(BATCH_KEYS_MAX)
    } else {
        batch
    }
}

/// How long the next batch may take, where it is worth another try: one of fewer keys, and then a single
/// big one that a target which answers needs more time for.
async fn after_error(
    ends: &mut Ends,
    error: WireError,
    count: usize,
    limit: Duration,
) -> Result<Duration, WireError> {
    let is_late = matches!(&error, WireError::Declined(it) if it.code() == "IOERR");
    if !is_late || limit == BIG_KEY_LIMIT {
        return Err(error);
    }
    ends.target.ask(redis::pipe().cmd("PING")).await?;
    Ok(if count > 1 { limit } else { BIG_KEY_LIMIT })
}

/// Gives them to the target, once the source has no key of them and leads still.
async fn close(ends: &mut Ends, slots: &[Slot]) -> Result<(), WireError> {
    let id = &ends.target.id;
    let own = |slot: &Slot| set_slot(*slot, "NODE", Some(id));
    let words: Vec<Cmd> = slots.iter().map(own).collect();
    for end in [&mut ends.target, &mut ends.source] {
        let replies = end.side_by_side(&words).await?;
        if let Some(error) = replies.iter().find_map(first_error) {
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_what_the_last_one_took() {
        let micros = Duration::from_micros;
        assert_eq!(resized(100, 100, micros(1_000)), 126, "there is room");
        assert_eq!(
            resized(100, 40, micros(500)),
            100,
            "the slot's last few tell nothing"
        );
        assert_eq!(resized(100, 100, micros(1_700)), 100);
        assert_eq!(resized(100, 100, micros(4_000)), 66);
        assert_eq!(resized(1, 1, micros(900_000)), 1, "a big key");
        assert_eq!(resized(400, 400, micros(100)), BATCH_KEYS_MAX);
    }
}
