//! What a pod was made from: one digest of all that the spec decides about it and that cannot be
//! changed on a pod that lives.
//!
//! Of the spec's fields, not of the rendered pod: an operator that renders pods in another form
//! must not replace every member of every cluster for that.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::api::PodTemplate;
use crate::model::{Desired, PodFingerprint};

/// Raised to have all members replaced by an upgrade of the operator, on purpose.
const VERSION: u32 = 1;
/// Digits that are kept: enough to tell an owner's specs apart.
const DIGITS: usize = 16;

/// What counts. A field that is added later is left out while it has its default
/// (`skip_serializing_if`), or the upgrade that brings it would replace every member.
///
/// Not in it: `nodeTimeoutMillis`, which is set at run time (the grace period of a living pod stays
/// as it was), and `zones`, by which members are moved one by one.
#[derive(Serialize)]
struct Inputs<'a> {
    version: u32,
    image: &'a str,
    pod: &'a PodTemplate,
}

/// The digest of what a pod made now is made from.
pub fn fingerprint(desired: &Desired) -> PodFingerprint {
    let inputs = Inputs {
        version: VERSION,
        image: &desired.image,
        pod: &desired.pod,
    };
    // Cannot fail: all keys are texts. Maps are sorted, so equal specs are equal texts.
    let text = serde_json::to_string(&inputs).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let mut digits = String::new();
    for byte in digest.iter().take(DIGITS / 2) {
        let _ = write!(digits, "{byte:02x}"); // a String takes all
    }
    PodFingerprint::new(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::desired;

    #[test]
    fn it_follows_image_and_pod_and_nothing_else() {
        type Change = fn(&mut Desired);
        let plain = desired(3, 1);
        let table: [(bool, Change); 6] = [
            (true, |it| it.image = "redis:9".to_owned()),
            (true, |it| {
                it.pod.node_selector = [("disk".to_owned(), "ssd".to_owned())].into();
            }),
            (true, |it| {
                it.pod.priority_class_name = Some("high".to_owned());
            }),
            (false, |it| it.leaders = 5),
            (false, |it| it.node_timeout_millis = 15_000),
            (false, |it| it.zones.allowed = vec!["a".to_owned()]),
        ];
        for (index, (differs, change)) in table.into_iter().enumerate() {
            let mut other = plain.clone();
            change(&mut other);
            let is_other = fingerprint(&other) != fingerprint(&plain);
            assert_eq!(is_other, differs, "row {index}");
        }
    }

    /// A change of this text replaces every member of every cluster: it is made on purpose, or not.
    #[test]
    fn it_stays_from_version_to_version() {
        assert_eq!(fingerprint(&desired(3, 1)).as_str(), "f6f81320edd1caf7");
    }
}
