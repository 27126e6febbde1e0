//! The rules of the resource that are too long for an attribute. The API server evaluates them: what
//! they refuse is never stored.

use kube::core::Rule;
use schemars::Schema;
use serde_json::json;

use super::owned::{OWNED_DIRECTIVES, OWNED_PREFIXES, OwnedDirective};

/// One rule for each directive that is ours, so that the answer names each that was written, and why:
/// a rule that lists names in its message costs more than the API server allows.
pub(crate) fn no_directive_is_owned(config: &mut Schema) {
    let message = |owned: &OwnedDirective, name: &str| {
        format!(
            "spec.config: Zoneward owns {name}: {}. Remove it",
            owned.reason
        )
    };
    let single = OWNED_DIRECTIVES.iter().map(|owned| {
        let rule = format!("!('{}' in self)", owned.name);
        json!({ "rule": rule, "message": message(owned, owned.name) })
    });
    let families = OWNED_PREFIXES.iter().map(|owned| {
        let rule = format!("!self.exists(name, name.startsWith('{}'))", owned.name);
        json!({ "rule": rule, "message": message(owned, &format!("{}*", owned.name)) })
    });
    let rules: Vec<_> = single.chain(families).collect();
    config.insert("x-kubernetes-validations".to_owned(), rules.into());
}

/// A transition: what is written may change as long as what is in force does not.
pub(crate) fn persistence_stays() -> Rule {
    let in_force = |spec: &str| {
        format!(
            "(has({spec}.persistence) ? {spec}.persistence : (has({spec}.storage) ? 'Aof' : 'None'))"
        )
    };
    let rule = format!("{} == {}", in_force("self"), in_force("oldSelf"));
    Rule::new(rule).message(
        "spec.persistence cannot be changed yet: make a new RedisCluster with the wanted persistence",
    )
}

/// A volume can be made larger while it is used, never smaller.
pub(crate) fn storage_only_grows() -> Rule {
    let rule = "!has(self.storage) || !has(oldSelf.storage) || \
                quantity(self.storage.size).compareTo(quantity(oldSelf.storage.size)) >= 0";
    Rule::new(rule).message(
        "spec.storage.size can only grow: volumes cannot be made smaller; make a new RedisCluster with \
         the wanted size",
    )
}

/// What a volume is made of is chosen when it is made.
pub(crate) fn storage_class_stays() -> Rule {
    let class = |spec: &str| {
        format!("(has({spec}.storage.storageClassName) ? {spec}.storage.storageClassName : '')")
    };
    let rule = format!(
        "has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || \
         (self.storage.retain == oldSelf.storage.retain && {} == {}))",
        class("self"),
        class("oldSelf")
    );
    Rule::new(rule).message(
        "spec.storage cannot be added or removed, nor its storageClassName or retain changed yet: make \
         a new RedisCluster with the wanted storage",
    )
}

/// The key of a label, as Kubernetes has it.
pub(crate) fn is_label_key() -> Rule {
    let name = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
    let part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let rule =
        format!("self.matches('^({part}([.]{part})*/)?{name}$') && self.indexOf('/') <= 253");
    Rule::new(rule).message(
        "spec.zones.topologyKey: write the key of a label that hosts carry, such as \
         topology.kubernetes.io/zone or example.com/hall",
    )
}

/// Values of a label, as Kubernetes has them, and none empty: no host's zone is called so.
pub(crate) fn are_label_values() -> Rule {
    let value = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
    Rule::new(format!("self.all(zone, zone.matches('^{value}$'))")).message(
        "spec.zones.allowed: write zones as the hosts' labels have them, such as eu-1a; leave \
         allowed out to allow all",
    )
}
