//! Volumes: grows them with the spec, and tells of disks that take no more.

use super::census::Round;
use super::{Deed, Draft, WaitingReason};

/// Asks for larger volumes where the spec wants them, and says which could not be had.
pub(super) fn grow(round: &Round<'_>, draft: &mut Draft) {
    let Some(storage) = &round.desired.storage else {
        return;
    };
    for volume in round.seen.volumes.iter().filter(|it| !it.is_leaving) {
        let is_smaller = match (bytes(&volume.size), bytes(&storage.size)) {
            (Some(has), Some(wanted)) => has < wanted,
            _ => false, // what cannot be compared is left as it is
        };
        if is_smaller {
            let deed = Deed::GrowVolume {
                volume: volume.name.clone(),
                uid: volume.uid.clone(),
                size: storage.size.clone(),
            };
            draft.act(deed, format!("it has {}", volume.size));
        }
        if let Some(why) = &volume.resize_trouble {
            draft.wait(
                WaitingReason::VolumeResize,
                format!(
                    "volume {} is not made larger: {why}. See whether its StorageClass allows it \
                     (allowVolumeExpansion) and the storage has room",
                    volume.name
                ),
            );
        }
    }
}

/// Says who cannot write to its disk. The server goes on, refuses its clients' writes (MISCONF), tries
/// again by itself and takes them again when it can: there is nothing to start anew.
pub(super) fn report(round: &Round<'_>, draft: &mut Draft) {
    for (member, answer) in round.census.living() {
        let what = match (answer.disk.append_fails, answer.disk.snapshot_fails) {
            (true, _) => "append to its file",
            (false, true) => "write its snapshot",
            (false, false) => continue,
        };
        let cure = match &round.desired.storage {
            Some(_) => "grow spec.storage.size where its volume is full",
            None => "look at its host's disk",
        };
        draft.wait(
            WaitingReason::DiskTrouble,
            format!(
                "{} cannot {what}, and refuses writes of clients while it leads: {cure}, or delete keys. It \
                 goes on by itself",
                member.name()
            ),
        );
    }
}

/// A size as Kubernetes writes it, in bytes.
fn bytes(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let whole = whole.parse::<u128>().ok()?.checked_mul(*factor)?;
    let part = if part.is_empty() {
        0
    } else {
        part.parse::<u128>().ok()?.checked_mul(*factor)?
    };
    whole.checked_add(part / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_in_bytes() {
        let table = [
            ("1Gi", Some(1 << 30)),
            ("1024Mi", Some(1 << 30)),
            ("1.5Gi", Some(3 << 29)),
            ("1G", Some(1_000_000_000)),
            ("500", Some(500)),
            ("10k", Some(10_000)),
            ("", None),
            ("x", None),
            ("1Xi", None),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
