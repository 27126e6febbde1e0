//! Goal: anybody can ask the solver a what-if and a program can read the answer. Method: the real
//! program, each exit status and each format.

#![cfg(test)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// Zone `a` is back after an outage.
const RETURNED: &str = r#"{
 "zones": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
 "shards": 3, "membersPerShard": 2, "mode": "rebalance",
 "current": [
  {"shard": 0, "members": [{"zone": "b"}, {"zone": "c"}], "leader": "b"},
  {"shard": 1, "members": [{"zone": "b"}, {"zone": "c"}], "leader": "b"},
  {"shard": 2, "members": [{"zone": "c"}, {"zone": "b"}], "leader": "c"}]}"#;
/// Each shard needs a member in `b`, which has room for fewer.
const NO_ROOM: &str = r#"{"zones": [{"name": "a"}, {"name": "b", "capacity": 2}], "shards": 3, "membersPerShard": 2}"#;

/// Runs `zoneward place` on a problem that comes by standard input.
fn place(problem: &str, options: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_zoneward"))
        .args(["place", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(problem.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

/// What it prints, when it ends with `status` and has nothing to complain of.
fn printed(problem: &str, options: &[&str], status: i32) -> String {
    let output = place(problem, options);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), complaint.as_str()),
        (Some(status), "")
    );
    String::from_utf8(output.stdout).unwrap()
}

fn read_json(problem: &str, options: &[&str], status: i32) -> Value {
    serde_json::from_str(&printed(problem, options, status)).unwrap()
}

/// What it complains of, when there is no answer.
fn refused(problem: &str) -> String {
    let output = place(problem, &["-o", "json"]);
    assert_eq!(output.status.code(), Some(2), "{problem}");
    assert!(output.stdout.is_empty(), "{problem}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_answer_has_the_documented_format() {
    let answer = read_json(RETURNED, &["-o", "json"], 0);
    let wanted = json!({
        "optimal": true,
        "score": {
            "zoneViolations": 0, "leadersOverQuota": 0, "dataMoves": 2,
            "memberImbalance": 0, "secondOrderImbalance": 0, "switchovers": 0
        },
        "shards": [
            {"shard": 0, "leader": "a", "followers": ["c"]},
            {"shard": 1, "leader": "b", "followers": ["a"]},
            {"shard": 2, "leader": "c", "followers": ["b"]}
        ]
    });
    assert_eq!(answer, wanted);
}

#[test]
fn yaml_says_the_same_as_json() {
    for (problem, status) in [(RETURNED, 0), (NO_ROOM, 1)] {
        let text = printed(problem, &["-o", "yaml", "--explain"], status);
        let yaml: Value = serde_saphyr::from_str(&text).unwrap();
        let json = read_json(problem, &["-o", "json", "--explain"], status);
        assert_eq!(yaml, json);
    }
}

#[test]
fn the_table_has_zones_as_columns_and_marks_leaders() {
    let wanted = "\
SHARD     a        b        c
0         leader   -        1
1         1        leader   -
2         -        1        leader
leaders   1        1        1
members   2        2        2

optimal: zoneViolations 0, leadersOverQuota 0, dataMoves 2, memberImbalance 0, \
secondOrderImbalance 0, switchovers 0
";
    assert_eq!(printed(RETURNED, &[], 0), wanted);
    assert_eq!(printed(RETURNED, &["-o", "table"], 0), wanted);
}

#[test]
fn the_table_shows_members_that_share_a_zone_and_zones_that_are_closed() {
    let problem = r#"{"zones": [{"name": "a"}, {"name": "b", "state": "gone"},
        {"name": "c", "state": "cordoned"}],
        "shards": 1, "membersPerShard": 3, "whenUnsatisfiable": "ScheduleAnyway"}"#;
    let table = printed(problem, &[], 0);
    let rows: Vec<&str> = table.lines().take(2).collect();
    assert_eq!(
        rows,
        [
            "SHARD     a            b (gone)   c (cordoned)",
            "0         leader,1,2   -          -"
        ]
    );
}

#[test]
fn explain_tells_of_each_member_and_of_the_moves() {
    let table = printed(RETURNED, &["--explain"], 0);
    assert!(
        table.contains("\nshard 0 leader in a: new here: "),
        "{table}"
    );
    assert!(
        table.ends_with(
            "\nmoves: 5
shard 0: add a member in a
shard 0: switch over from b to a
shard 0: remove the member in b
shard 1: add a member in a
shard 1: remove the member in c
"
        ),
        "{table}"
    );
    let answer = read_json(RETURNED, &["-o", "json", "--explain"], 0);
    assert_eq!(answer["explanations"].as_array().unwrap().len(), 6);
    assert_eq!(
        answer["moves"][1],
        json!({"shard": 0, "step": "switchover", "from": "b", "to": "a"})
    );
}

#[test]
fn without_a_solution_the_reasons_are_the_answer() {
    let answer = read_json(NO_ROOM, &["-o", "json"], 1);
    let message = "b has room for 2 members, 3 are needed: add room for 1, lower \
                   followersPerLeader to 0, or set whenUnsatisfiable to ScheduleAnyway";
    let wanted = json!({"infeasible": [{"reason": "NotEnoughRoom", "message": message}]});
    assert_eq!(answer, wanted);
    assert_eq!(
        printed(NO_ROOM, &[], 1),
        format!("NotEnoughRoom: {message}\n")
    );
}

#[test]
fn a_malformed_problem_is_answered_with_the_path_of_the_wrong_field() {
    let with = |more: &str| format!(r#"{{"shards": 1, "membersPerShard": 1, {more}}}"#);
    let cases = [
        (
            r#""zones": [{"name": "a", "state": "x"}]"#,
            "zones[0].state",
        ),
        (
            r#""zones": [{"name": "a"}, {"name": "b", "sate": "x"}]"#,
            "zones[1].sate",
        ),
        (r#""zones": [{"state": "open"}]"#, "zones[0].name"),
        (
            r#""zones": [{"name": "a", "capacity": -1}]"#,
            "zones[0].capacity",
        ),
        (
            r#""zones": [{"name": "a"}, {"name": "a"}]"#,
            "zones[1].name",
        ),
        (r#""zones": []"#, "zones"),
        (r#""mode": "repair""#, "zones"),
        (r#""zones": [{"name": "a"}], "mode": "fast""#, "mode"),
        (r#""zones": [{"name": "a"}], "shards": 2"#, "shards"),
        (r#""zones": [{"name": "a"}], "shard": 1"#, "shard"),
        (
            r#""zones": [{"name": "a"}], "current": [{"shard": 0, "members": [{"zone": "b"}]}]"#,
            "current[0].members[0].zone",
        ),
        (
            r#""zones": [{"name": "a"}], "current": [{"shard": 0, "members": [], "leader": "a"}]"#,
            "current[0].leader",
        ),
        (
            r#""zones": [{"name": "a"}], "current": [{"shard": 0, "members": [{"zone": "a", "hasData": 1}]}]"#,
            "current[0].members[0].hasData",
        ),
    ];
    for (more, path) in cases {
        let complaint = refused(&with(more));
        let start = format!("Error: malformed problem at {path}: ");
        assert!(complaint.starts_with(&start), "{more}: {complaint}");
    }
}

#[test]
fn what_is_no_json_is_answered_with_its_place() {
    for (problem, place) in [
        ("{\"zones\":\n ?}", "line 2 column 2"),
        ("", "line 1 column 0"),
    ] {
        let complaint = refused(problem);
        assert!(
            complaint.starts_with("Error: malformed problem"),
            "{complaint}"
        );
        assert!(complaint.contains(place), "{complaint}");
    }
    let complaint = refused(&format!("{NO_ROOM} more"));
    assert!(complaint.contains("trailing characters"), "{complaint}");
}

#[test]
fn a_problem_can_stand_in_a_file() {
    let run = |file: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_zoneward"));
        program
            .args(["place", file, "-o", "json"])
            .output()
            .unwrap()
    };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("placement-problem.json");
    std::fs::write(&file, RETURNED).unwrap();
    let output = run(file.to_str().unwrap());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, place(RETURNED, &["-o", "json"]).stdout);

    let output = run("no-such-file.json");
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("failed to read no-such-file.json"),
        "{complaint}"
    );
}

/// Each command of the user documentation, behind `$ `, prints what stands below it.
#[test]
fn the_documented_commands_print_what_is_documented() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(manifest.join("../docs/placement.md")).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("placement-documents");
    std::fs::create_dir_all(&folder).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_zoneward")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for block in text.split("```").skip(1).step_by(2) {
        for command in block.split("\n$ ").skip(1) {
            let end = if command.contains("<<'END'") {
                command.find("\nEND").unwrap() + "\nEND".len()
            } else {
                command.find('\n').unwrap()
            };
            let (command, wanted) = command.split_at(end);
            let output = Command::new("sh")
                .args(["-c", &format!("exec 2>&1\n{command}\n")])
                .current_dir(&folder)
                .env("PATH", &path)
                .output()
                .unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed.trim(), wanted.trim(), "{command}");
            count += 1;
        }
    }
    assert!(count >= 7, "the commands were not found");
}
