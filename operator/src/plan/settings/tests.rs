//! Values, and who is to be started again for them. Whole changes are told in `tests/story`.

use super::*;
use crate::model::MemberName;
use crate::plan::census::Census;
use crate::plan::testing::{answer_of, desired, formed};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn config(pairs: &[(&str, &str)]) -> Desired {
    let mut desired = desired(3, 1);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    desired.config = pairs.iter().map(owned).collect();
    desired
}

#[test]
fn the_owners_word_stands_over_ours_unless_it_was_refused() {
    let mut record = Record::default();
    let desired = config(&[("loglevel", "debug"), ("hz", "x"), ("save-to", "\"\"")]);
    let wanted = wanted_settings(&desired, &record);
    assert_eq!(wanted["loglevel"], "debug");
    assert_eq!(wanted["hz"], "x");
    assert_eq!(wanted["save-to"], "");
    assert_eq!(wanted["appendonly"], "no");
    let refused = |name: &str, value: &str| RefusedSetting {
        name: name.to_owned(),
        value: value.to_owned(),
        words: "no".to_owned(),
    };
    record.settings.refused = vec![refused("hz", "x"), refused("loglevel", "other")];
    let wanted = wanted_settings(&desired, &record);
    assert_eq!(wanted["loglevel"], "debug", "another value was refused");
    assert_eq!(wanted.get("hz"), None, "nothing to go back to");
    record.settings.originals.push(Original {
        name: "hz".to_owned(),
        value: "10".to_owned(),
    });
    assert_eq!(wanted_settings(&desired, &record)["hz"], "10");
    settle(&mut record.settings, "hz", "20", at(0));
    assert_eq!(wanted_settings(&desired, &record)["hz"], "20");
}

#[test]
fn a_process_that_started_after_the_change_is_not_started_again() {
    let desired = config(&[("tcp-backlog", "0600")]);
    let table = [(100, false), (169, false), (171, true), (1000, true)];
    for (uptime, expected) in table {
        let mut seen = formed();
        settle(&mut seen.record.settings, "tcp-backlog", "0600", at(800));
        let answer = answer_of(&mut seen, "c-0-1");
        answer.uptime_seconds = uptime;
        answer.deviations.push(Deviation {
            name: "tcp-backlog".to_owned(),
            in_force: Some("600".to_owned()),
            standing: Standing::NeedsRestart,
        });
        let record = seen.record.clone();
        let census = Census::new(&desired, &seen, &record);
        let round = Round {
            desired: &desired,
            seen: &seen,
            census: &census,
            record: &record,
            now: at(1000),
        };
        let name = MemberName::from("c-0-1");
        let member = census.members().find(|it| it.name() == &name).unwrap();
        assert_eq!(
            !needs_restart(&round, member).is_empty(),
            expected,
            "{uptime}"
        );
    }
}
