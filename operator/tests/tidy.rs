//! The rules of the house, read off the tree: who may import what, how long things may be, which
//! words stand where, and that the documents tell what is.
//!
//! Goal: a rule that only review keeps is a rule that is broken. Each finding says what to do.
//! What breaks a rule on purpose stands in one table with its reason, `tidy/exceptions.rs`.

#![cfg(test)]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/exceptions.rs"]
mod exceptions;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use std::fmt;
use std::sync::LazyLock;

use exceptions::EXCEPTIONS;
use tree::Tree;

/// A place that breaks a rule, and what to do about it.
#[derive(Debug)]
struct Finding {
    /// The rule, as the table of exceptions names it.
    rule: &'static str,
    /// The file, from the top of the repository.
    file: String,
    /// The line, from 1; 0 for the file as a whole.
    line: usize,
    /// What is there.
    what: String,
    /// What to do.
    cure: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule, file, line, ..
        } = self;
        write!(
            f,
            "{file}:{line}: {} [{rule}]\n    {}",
            self.what, self.cure
        )
    }
}

static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

/// A rule reads the tree and tells what breaks it.
type Rule = fn(&Tree) -> Vec<Finding>;

/// All of them, so that an exception that nothing needs any more is found.
const RULES: &[Rule] = &[
    imports::modules_keep_to_their_layer,
    imports::pure_modules_are_pure,
    imports::placement_depends_on_little,
    shape::files_are_short,
    shape::functions_are_short,
    shape::modules_say_what_they_are,
    shape::nothing_is_left_half_done,
    words::roles_have_one_name,
    words::commands_to_members_stay_below_the_loop,
    words::nothing_names_a_package_host,
    words::nothing_names_a_path_of_one_machine,
    words::no_round_sleeps,
    documents::every_reason_has_a_runbook_entry,
    documents::every_runbook_entry_has_a_reason,
    documents::every_field_is_described,
    documents::links_lead_somewhere,
    documents::commands_exist,
    documents::the_chart_has_the_generated_resource,
];

/// Runs one rule, exceptions granted.
fn check(rule: Rule) {
    let findings: Vec<String> = rule(&TREE)
        .iter()
        .filter(|finding| !EXCEPTIONS.iter().any(|granted| granted.covers(finding)))
        .map(ToString::to_string)
        .collect();
    assert!(
        findings.is_empty(),
        "{} finding(s):\n{}\nWhere a rule must be broken, operator/tests/tidy/exceptions.rs takes \
         the place and the reason.",
        findings.len(),
        findings.join("\n")
    );
}

#[test]
fn modules_keep_to_their_layer() {
    check(imports::modules_keep_to_their_layer);
}

#[test]
fn pure_modules_are_pure() {
    check(imports::pure_modules_are_pure);
}

#[test]
fn placement_depends_on_little() {
    check(imports::placement_depends_on_little);
}

#[test]
fn files_are_short() {
    check(shape::files_are_short);
}

#[test]
fn functions_are_short() {
    check(shape::functions_are_short);
}

#[test]
fn modules_say_what_they_are() {
    check(shape::modules_say_what_they_are);
}

#[test]
fn nothing_is_left_half_done() {
    check(shape::nothing_is_left_half_done);
}

#[test]
fn roles_have_one_name() {
    check(words::roles_have_one_name);
}

#[test]
fn commands_to_members_stay_below_the_loop() {
    check(words::commands_to_members_stay_below_the_loop);
}

#[test]
fn nothing_names_a_package_host() {
    check(words::nothing_names_a_package_host);
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    check(words::nothing_names_a_path_of_one_machine);
}

#[test]
fn no_round_sleeps() {
    check(words::no_round_sleeps);
}

#[test]
fn every_reason_has_a_runbook_entry() {
    check(documents::every_reason_has_a_runbook_entry);
}

#[test]
fn every_runbook_entry_has_a_reason() {
    check(documents::every_runbook_entry_has_a_reason);
}

#[test]
fn every_field_is_described() {
    check(documents::every_field_is_described);
}

#[test]
fn links_lead_somewhere() {
    check(documents::links_lead_somewhere);
}

#[test]
fn commands_exist() {
    check(documents::commands_exist);
}

#[test]
fn the_chart_has_the_generated_resource() {
    check(documents::the_chart_has_the_generated_resource);
}

/// An exception outlives its cause unless somebody looks.
#[test]
fn exceptions_are_needed() {
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&TREE)).collect();
    let stale: Vec<String> = EXCEPTIONS
        .iter()
        .filter(|granted| !findings.iter().any(|finding| granted.covers(finding)))
        .map(|granted| format!("{} in {}: {:?}", granted.rule, granted.file, granted.holds))
        .collect();
    assert!(
        stale.is_empty(),
        "nothing needs these exceptions any more, take them out of \
         operator/tests/tidy/exceptions.rs:\n{}",
        stale.join("\n")
    );
}
