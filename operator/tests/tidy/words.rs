//! Which words stand where: one name for a thing, nothing that only one machine knows, no pauses.

use super::Finding;
use super::tree::{File, Tree};

/// Redis' words for the roles. In code we say leader and follower.
const OTHERS_WORDS: &[&str] = &[
    "master",
    "masters",
    "slave",
    "slaves",
    "primary",
    "primaries",
    "replica",
    "replicas",
];

/// The one module that speaks Redis' language.
const WIRE: &str = "operator/src/wire/";

/// leader and follower, everywhere but on the wire. Code, comments and scripts of the two crates
/// that think; tests may quote a server's replies.
pub(super) fn roles_have_one_name(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = |file: &&File| {
        let is_ours =
            file.path.starts_with("operator/src/") || file.path.starts_with("placement/src/");
        is_ours && !file.is_test && !file.path.starts_with(WIRE)
    };
    for file in tree.files.iter().filter(ours) {
        for (line, text) in file.lines() {
            if let Some(word) = words(text).find(|word| OTHERS_WORDS.contains(&word.as_str())) {
                findings.push(Finding {
                    rule: "words",
                    file: file.path.clone(),
                    line,
                    what: text.trim().to_owned(),
                    cure: format!(
                        "`{word}` is Redis' word and lives in wire: say leader or follower"
                    ),
                });
            }
        }
    }
    findings
}

/// The words of a line in lower case: `ReplicaOf_x` has replica, of and x.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        let begins = !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase());
        if begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphabetic(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// What only `plan` decides and only `act` and `wire` carry out.
const MEMBERS_AFFAIRS: &[&str] = &[
    "MemberCommand",
    "FailoverMode",
    "SlotSet",
    "SlotRange",
    "ConfigEpoch",
    "placement::",
];

/// The loop puts the stages one behind the other and knows nothing of what they are about.
pub(super) fn commands_to_members_stay_below_the_loop(tree: &Tree) -> Vec<Finding> {
    let cure = "controller has no rule of the domain: decide in plan, do in act";
    below(
        tree,
        "operator/src/controller",
        "domain",
        MEMBERS_AFFAIRS,
        cure,
    )
}

fn below(
    tree: &Tree,
    folder: &str,
    rule: &'static str,
    barred: &[&str],
    cure: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.code_below(folder) {
        for (line, code) in file.code_lines() {
            if let Some(word) = barred.iter().find(|word| code.contains(**word)) {
                findings.push(Finding {
                    rule,
                    file: file.path.clone(),
                    line,
                    what: format!("`{word}`"),
                    cure: cure.to_owned(),
                });
            }
        }
    }
    findings
}

/// Hosts of package registries; spelt so that they are not found here.
const PACKAGE_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("maven", ".org"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("snapshot.debian", ".org"),
    concat!("rubygems", ".org"),
];

/// Where packages come from is the machine's business: mirrors differ.
pub(super) fn nothing_names_a_package_host(tree: &Tree) -> Vec<Finding> {
    let cure = "use the package manager's client as the machine has set it up";
    // cargo writes its lock file itself
    let files = tree.files.iter().filter(|file| file.path != "Cargo.lock");
    let names = |line: &str| {
        PACKAGE_HOSTS
            .iter()
            .find(|host| line.contains(**host))
            .copied()
    };
    lines_with(files, "package host", names, cure)
}

/// Folders of one machine; spelt so that they are not found here.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// What is committed works in any folder of any machine.
pub(super) fn nothing_names_a_path_of_one_machine(tree: &Tree) -> Vec<Finding> {
    let cure = "take it from the repository's root, a variable or an argument";
    let names = |line: &str| {
        MACHINE_PATHS.iter().copied().find(|path| {
            line.match_indices(path).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-$}".contains(c))
            })
        })
    };
    lines_with(tree.files.iter(), "machine path", names, cure)
}

fn lines_with<'a>(
    files: impl Iterator<Item = &'a File>,
    rule: &'static str,
    names: impl Fn(&str) -> Option<&'static str>,
    cure: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (line, text) in file.lines() {
            if let Some(name) = names(text) {
                findings.push(Finding {
                    rule,
                    file: file.path.clone(),
                    line,
                    what: format!("`{name}`"),
                    cure: cure.to_owned(),
                });
            }
        }
    }
    findings
}

/// Stages of a round: one that sleeps holds up its RedisCluster.
const STAGES: &[&str] = &[
    "operator/src/controller",
    "operator/src/observe",
    "operator/src/plan",
    "operator/src/act",
    "operator/src/status",
    "operator/src/resources",
];

/// A round that has to wait ends, and says when to look again.
pub(super) fn no_round_sleeps(tree: &Tree) -> Vec<Finding> {
    let cure = "end the round: return a WaitingOn, or when to look again (controller/retry.rs)";
    STAGES
        .iter()
        .flat_map(|stage| {
            below(
                tree,
                stage,
                "sleep",
                &["sleep(", "::sleep", "sleep_until"],
                cure,
            )
        })
        .collect()
}

#[test]
fn words_are_found_in_names() {
    let found: Vec<String> = words("fn replicaOf_x(master: &Replication) // Slaves").collect();
    assert_eq!(
        found,
        [
            "fn",
            "replica",
            "of",
            "x",
            "master",
            "replication",
            "slaves"
        ]
    );
}
