//! Where a rule is broken on purpose, and why. One table: who adds a row argues for it.

use super::Finding;

/// One granted exception.
pub(super) struct Exception {
    /// The rule, as the finding names it in brackets.
    pub(super) rule: &'static str,
    /// The file, or a folder with its closing `/`.
    pub(super) file: &'static str,
    /// What the finding must hold; empty: anything.
    pub(super) holds: &'static str,
    /// Why it is right there. For who reads the table.
    #[allow(dead_code, reason = "read by people")]
    pub(super) why: &'static str,
}

impl Exception {
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let in_place = finding.file == self.file
            || (self.file.ends_with('/') && finding.file.starts_with(self.file));
        finding.rule == self.rule && in_place && finding.what.contains(self.holds)
    }
}

const fn granted(
    rule: &'static str,
    file: &'static str,
    holds: &'static str,
    why: &'static str,
) -> Exception {
    Exception {
        rule,
        file,
        holds,
        why,
    }
}

/// All of them.
pub(super) const EXCEPTIONS: &[Exception] = &[
    granted(
        "layers",
        "operator/src/resources/owner.rs",
        "`kube::`",
        "the trait that our own type's apiVersion and kind come from; no client",
    ),
    granted(
        "layers",
        "operator/src/controller/",
        "`crate::wire`",
        "the two ends of the channel by which a lost connection wakes the loop; no word of Redis",
    ),
    granted(
        "layers",
        "operator/src/plugin/drill/fault.rs",
        ".create(",
        "the fault of a drill and the Job that ends it: an owner's, of which the operator is not to know",
    ),
    granted(
        "layers",
        "operator/src/plugin/drill/fault.rs",
        ".delete(",
        "the same two, and nothing without their label",
    ),
    granted(
        "words",
        "operator/src/api/owned.rs",
        "",
        "the names of redis.conf directives that owners must not set, old spellings too",
    ),
    granted(
        "words",
        "operator/src/api/spec.rs",
        "_replicas_path",
        "kube's arguments for the scale subresource: replicas is what Kubernetes scales",
    ),
    granted(
        "words",
        "operator/src/resources/config.rs",
        "-replica-",
        "the names of redis.conf directives that we set",
    ),
    granted(
        "words",
        "operator/src/resources/scripts/prestop.sh",
        "master*)",
        "the first word of ROLE's reply",
    ),
    granted(
        "words",
        "operator/src/resources/scripts/takeover.sh",
        "master",
        "words of INFO's reply",
    ),
    granted(
        "words",
        "operator/src/resources/scripts/takeover.sh",
        "role:slave",
        "words of INFO's reply",
    ),
    granted(
        "words",
        "operator/src/cli.rs",
        "replica",
        "a replica of the operator's own Deployment: Kubernetes' word, and no member",
    ),
    granted(
        "words",
        "operator/src/run.rs",
        "replica",
        "a replica of the operator's own Deployment: Kubernetes' word, and no member",
    ),
    granted(
        "words",
        "operator/src/server.rs",
        "replica",
        "a replica of the operator's own Deployment: Kubernetes' word, and no member",
    ),
    granted(
        "words",
        "operator/src/page/",
        "replica",
        "a replica of the operator's own Deployment: Kubernetes' word, and no member",
    ),
    granted(
        "machine path",
        "e2e/servers/fetch",
        "",
        "root is the folder below its own cache that packages are unpacked into",
    ),
];
