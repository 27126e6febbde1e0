//! The command line of a drill, and when it is meant.

use clap::Parser;

use super::*;
use crate::plugin::{Cli, Command};

fn args(line: &str) -> Result<DrillArgs, clap::Error> {
    let words = ["kubectl-zoneward", "drill"];
    let cli = Cli::try_parse_from(words.into_iter().chain(line.split(' ')))?;
    match cli.command {
        Command::Drill(args) => Ok(args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_run_by_a_slip() {
    let plain = args("cache zone-a").unwrap();
    assert!(!plain.run && !plain.even_if_it_hurts && !plain.restore);
    assert_eq!(plain.duration, Duration::from_secs(60));
    for wrong in [
        "cache",
        "cache zone-a --confirm cache",
        "cache zone-a --restore",
        "cache --restore --run",
        "cache zone-a --duration 0s",
        "cache zone-a --duration 601s",
        "cache zone-a --duration 1h",
        "cache zone-a --duration soon",
    ] {
        assert_eq!(args(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    for right in [
        "cache --restore",
        "cache zone-a --run --confirm cache",
        "cache zone-a --duration 10m",
    ] {
        args(right).unwrap();
    }
}

#[test]
fn the_name_has_to_be_typed() {
    let table = [
        ("cache", None),
        (" cache\n", None),
        ("cach", Some("cache was not typed")),
        ("", Some("cache was not typed")),
        ("yes", Some("cache was not typed")),
    ];
    for (typed, expected) in table {
        let mut args = args("cache zone-a --run").unwrap();
        args.confirm = Some(typed.to_owned());
        assert_eq!(confirm(&args, "zone-a").unwrap().as_deref(), expected);
    }
}
