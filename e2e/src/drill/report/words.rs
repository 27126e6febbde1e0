//! Figures in words: durations, counts, levels. Pure.

use super::Judged;
use super::figures::ClientSaw;
use super::times::Time;
use crate::drill::measured::Level;

/// What they were played on, and what that is.
pub(super) fn place(drills: &[Judged]) -> (&'static str, &'static str) {
    let mut settings = drills.iter().filter_map(|it| it.outcome.setting.as_ref());
    if settings.any(|it| !it.testbed.is_empty()) {
        (
            "the local testbed",
            "no Kubernetes: the operator's loop with real servers on loopback, and with the objects in memory",
        )
    } else {
        (
            "a real Kubernetes",
            "kind: its hosts are containers of one machine, in three zones",
        )
    }
}

/// Seconds: two digits after the point, from ten on one.
pub(super) fn duration(seconds: f64) -> String {
    if seconds.abs() < 9.995 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// A moment, to the tenth of a second.
pub(super) fn moment(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// A number with a comma at each thousand.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// A time until something held.
pub(super) fn time(time: Time) -> String {
    match time {
        Time::Unknown => "–".to_owned(),
        Time::Held => "held".to_owned(),
        Time::After(seconds) => moment(seconds),
        Time::NotReached => "not reached".to_owned(),
    }
}

/// What a normal client saw: its slowest operation, and how many ended with an error.
pub(super) fn client(saw: Option<&ClientSaw>) -> String {
    let Some(saw) = saw else {
        return "–".to_owned();
    };
    let errors = match saw.errors {
        0 => "no error".to_owned(),
        1 => "1 error".to_owned(),
        more => format!("{} errors", count(more)),
    };
    format!("{}, {errors}", duration(saw.slowest))
}

/// A level, as the head of a column.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Unserved => "not served",
        Level::Served => "served",
        Level::Redundant => "redundant",
        Level::ZoneSafe => "zone-safe",
        Level::Balanced => "balanced",
    }
}

/// A text of at most so many characters; what is cut off is told by an ellipsis.
pub(super) fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_with_as_many_digits_as_they_deserve() {
        let told = [0.0, 0.104, 9.99, 9.996, 61.25].map(duration);
        assert_eq!(told, ["0.00 s", "0.10 s", "9.99 s", "10.0 s", "61.2 s"]);
        let told = [0, 999, 1000, 25223, 1_234_567].map(count);
        assert_eq!(told, ["0", "999", "1,000", "25,223", "1,234,567"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("zürich", 6), "zürich");
        assert_eq!(cut("zürich", 3), "zü…");
    }
}
