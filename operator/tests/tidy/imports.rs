//! Who may use what. The layers of ARCHITECTURE.md, as tables.

use super::Finding;
use super::tree::{File, Tree};

/// A module of the operator.
struct Layer {
    name: &'static str,
    /// The modules of ours that it may name; none listed: any.
    uses: &'static [&'static str],
    /// What must not stand in its code, and what to do instead.
    bars: &'static [(&'static str, &'static str)],
}

const ACTS: &str = "only act writes: put a Deed into the plan";
const READS: &str = "only observe reads: add what is needed to the Observation";
const PAUSES: &str = "the plugin writes spec.paused, the wish on a pod and a drill's two objects: let the operator decide the rest";
const CLIENT: &str = "reach Kubernetes through ports::ObjectApi";
const REDIS: &str = "reach Redis through ports::RedisAdmin; its words live in wire";
const SHOWS: &str = "the page only shows: take it from status or rounds";
const KUBERNETES: &str = "wire knows Redis alone: take what is needed as an argument";

/// Every module folder of the operator. What stands at the top (lease, metrics, run, …) puts
/// these together and is barred only below.
const LAYERS: &[Layer] = &[
    Layer {
        name: "model",
        uses: &["api", "model"],
        bars: &[
            ("kube::", CLIENT),
            ("k8s_openapi", CLIENT),
            ("redis::", REDIS),
        ],
    },
    Layer {
        name: "api",
        uses: &["api", "model"],
        bars: &[
            ("kube::Client", CLIENT),
            ("kube::Api", CLIENT),
            ("kube::api", CLIENT),
            ("kube::runtime", CLIENT),
            ("redis::", REDIS),
        ],
    },
    Layer {
        name: "plan",
        uses: &["api", "model", "plan", "resources"],
        bars: &[
            ("kube::", CLIENT),
            ("k8s_openapi", CLIENT),
            ("redis::", REDIS),
        ],
    },
    Layer {
        name: "resources",
        uses: &["api", "model", "plan", "resources"],
        bars: &[("kube::", CLIENT), ("redis::", REDIS)],
    },
    Layer {
        name: "status",
        uses: &["api", "model", "plan", "resources", "status"],
        bars: &[("kube::", CLIENT), ("redis::", REDIS)],
    },
    Layer {
        name: "observe",
        uses: &[
            "api",
            "api_call",
            "model",
            "observe",
            "plan",
            "ports",
            "resources",
            "telemetry",
        ],
        bars: &[
            (".create(", ACTS),
            (".patch(", ACTS),
            (".patch_status(", ACTS),
            (".patch_metadata(", ACTS),
            (".replace(", ACTS),
            (".replace_status(", ACTS),
            (".delete(", ACTS),
            (".delete_collection(", ACTS),
            (".evict(", ACTS),
            (".command(", ACTS),
            ("redis::", REDIS),
        ],
    },
    Layer {
        name: "act",
        uses: &[
            "act",
            "api",
            "api_call",
            "lease",
            "model",
            "observe",
            "plan",
            "ports",
            "resources",
        ],
        bars: &[
            (".list(", READS),
            (".list_metadata(", READS),
            (".watch(", READS),
            (".ask(", READS),
            ("redis::", REDIS),
        ],
    },
    Layer {
        name: "wire",
        uses: &["model", "plan", "ports", "wire"],
        bars: &[("kube::", KUBERNETES), ("k8s_openapi", KUBERNETES)],
    },
    Layer {
        name: "controller",
        uses: &[],
        bars: &[("redis::", REDIS), ("crate::wire", REDIS)],
    },
    Layer {
        name: "page",
        uses: &[
            "api", "model", "observe", "page", "ports", "rounds", "status",
        ],
        bars: &[
            ("kube::", CLIENT),
            ("redis::", REDIS),
            ("ObjectApi", SHOWS),
            ("RedisAdmin", SHOWS),
        ],
    },
    Layer {
        name: "lease",
        uses: &["api_call", "lease", "overdue", "ports", "telemetry"],
        bars: &[("redis::", REDIS)],
    },
    Layer {
        name: "plugin",
        uses: &[
            "api",
            "cli",
            "lease",
            "model",
            "plan",
            "plugin",
            "resources",
            "rounds",
            "status",
            "telemetry",
        ],
        bars: &[
            (".create(", PAUSES),
            (".patch_status(", PAUSES),
            (".delete(", PAUSES),
            (".evict(", PAUSES),
            ("redis::", REDIS),
            ("crate::wire", REDIS),
        ],
    },
    Layer {
        name: "ports",
        uses: &["api", "model", "plan", "ports"],
        bars: &[
            ("kube::", CLIENT),
            ("k8s_openapi", CLIENT),
            ("redis::", REDIS),
        ],
    },
];

fn files_of<'a>(tree: &'a Tree, module: &str) -> impl Iterator<Item = &'a File> + use<'a> {
    let (folder, file) = (
        format!("operator/src/{module}/"),
        format!("operator/src/{module}.rs"),
    );
    tree.code_below("operator/src/")
        .filter(move |f| f.path.starts_with(&folder) || f.path == file)
}

/// Each layer names only the layers below it.
pub(super) fn modules_keep_to_their_layer(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in LAYERS {
        let mut files = files_of(tree, layer.name).peekable();
        assert!(
            files.peek().is_some(),
            "operator/src/{} is gone: correct LAYERS in operator/tests/tidy/imports.rs",
            layer.name
        );
        for file in files {
            for (line, used) in ours_named_in(&file.code) {
                if !layer.uses.is_empty() && !layer.uses.contains(&used.as_str()) {
                    findings.push(Finding {
                        rule: "layers",
                        file: file.path.clone(),
                        line,
                        what: format!("{} names crate::{used}", layer.name),
                        cure: format!(
                            "dependencies point one way: {} may name only {}",
                            layer.name,
                            layer.uses.join(", ")
                        ),
                    });
                }
            }
            findings.extend(barred("layers", file, layer.bars));
        }
    }
    findings
}

/// The modules that `crate::x` and `crate::{x, y::…}` name, with their lines.
fn ours_named_in(code: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + path.len()..];
        let word = |text: &str| -> String {
            text.trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut expects_name = true;
            for (offset, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => expects_name = true,
                    c if expects_name && c.is_alphabetic() => {
                        named.push((line, word(&group[offset..])));
                        expects_name = false;
                    }
                    _ => {}
                }
            }
        } else {
            named.push((line, word(rest)));
        }
    }
    // an item of the crate's root (a type or a macro) is no module
    named.retain(|(_, name)| name.starts_with(|c: char| c.is_lowercase()));
    named
}

/// Places where barred text stands. A name must begin and, where it ends in a letter, end there.
fn barred(rule: &'static str, file: &File, bars: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, code) in file.code_lines() {
        for (bar, cure) in bars {
            if stands_in(code, bar) {
                findings.push(Finding {
                    rule,
                    file: file.path.clone(),
                    line,
                    what: format!("`{bar}`"),
                    cure: (*cure).to_owned(),
                });
            }
        }
    }
    findings
}

fn stands_in(code: &str, bar: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(bar).any(|(at, _)| {
        let begins = !bar.starts_with(is_word)
            || !code[..at].ends_with(|c: char| is_word(c) || c == ':')
            || code[..at].ends_with("::");
        let ends = !bar.ends_with(is_word) || !code[at + bar.len()..].starts_with(is_word);
        begins && ends
    })
}

const PURE: &[&str] = &[
    "operator/src/model/",
    "operator/src/page/render/",
    "operator/src/page/words.rs",
    "operator/src/plan/",
    "operator/src/resources/",
    "operator/src/status/",
    "placement/src/",
];

/// What a pure module must not have, and why.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "a pure module waits for nothing: return a value"),
    ("async", "a pure module waits for nothing: return a value"),
    (".await", "a pure module waits for nothing: return a value"),
    ("futures", "a pure module waits for nothing: return a value"),
    ("SystemTime", "take the time as an argument"),
    ("Instant", "take the time as an argument"),
    ("Timestamp::now", "take the time as an argument"),
    (
        "rand",
        "the same input must give the same output: derive it from the input",
    ),
    ("HashMap", "its order differs from run to run: use BTreeMap"),
    ("HashSet", "its order differs from run to run: use BTreeSet"),
    (
        "tracing",
        "say it in the result: a WaitingOn, an Action's why, a condition",
    ),
    ("std::env", "take it as an argument"),
    ("std::fs", "take its content as an argument"),
    ("std::process", "a pure module starts nothing"),
    ("std::thread", "a pure module starts nothing"),
    ("static mut", "a pure module remembers nothing"),
    ("thread_local", "a pure module remembers nothing"),
    ("OnceLock", "a pure module remembers nothing"),
    ("Mutex", "a pure module shares nothing"),
];

/// Kubernetes' types that a pure module other than `resources` may name.
const PLAIN_TYPES: &[&str] = &[
    "use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;",
    "use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};",
];

/// Same input, same output, no effect (promise I12).
pub(super) fn pure_modules_are_pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in PURE {
        for file in tree.code_below(folder) {
            findings.extend(barred("pure", file, IMPURE));
        }
    }
    for file in tree.code_below("operator/src/status/") {
        for (line, code) in file.code_lines() {
            if code.contains("k8s_openapi") && !PLAIN_TYPES.contains(&code.trim()) {
                findings.push(Finding {
                    rule: "pure",
                    file: file.path.clone(),
                    line,
                    what: code.trim().to_owned(),
                    cure: "status may use Kubernetes' Condition and Time, nothing else of it"
                        .to_owned(),
                });
            }
        }
    }
    findings
}

const PLACEMENT_NEEDS: &[&str] = &["petgraph", "serde", "thiserror"];
const PLACEMENT_MANIFEST: &str = "placement/Cargo.toml";

/// The solver is a library for anybody: it brings nothing along.
pub(super) fn placement_depends_on_little(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.file(PLACEMENT_MANIFEST).unwrap();
    let mut section = "";
    let mut findings = Vec::new();
    for (number, line) in manifest.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let is_foreign =
            section == "[dependencies]" && !name.is_empty() && !PLACEMENT_NEEDS.contains(&name);
        if is_foreign && !name.starts_with('#') {
            findings.push(Finding {
                rule: "placement",
                file: PLACEMENT_MANIFEST.to_owned(),
                line: number,
                what: format!("placement depends on {name}"),
                cure: format!("placement may use std, {}", PLACEMENT_NEEDS.join(", ")),
            });
        }
    }
    findings
}

#[test]
fn names_are_found_whole() {
    assert!(stands_in("use rand::random;", "rand"));
    assert!(!stands_in("let operand = 1;", "rand"));
    assert!(!stands_in("let random = 1;", "rand"));
    assert!(stands_in("use tokio::sync;", "tokio"));
    assert!(stands_in("kube::Client::x()", "kube::"));
    assert!(!stands_in("placement_kube::x()", "kube::"));
    let named = ours_named_in("use crate::{api, plan::{Plan, x}, wire};\ncrate::model::Y");
    assert_eq!(
        named,
        [(1, "api"), (1, "plan"), (1, "wire"), (2, "model")].map(|(l, n)| (l, n.to_owned()))
    );
}
