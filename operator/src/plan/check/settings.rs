//! What may be set on a member.

use super::{Action, Refusal, refuse};
use crate::api::owned_directive;
use crate::model::{Desired, Settings};
use crate::resources;

/// I5: directives that the cluster relies on are ours, with our values.
pub(super) fn kept(desired: &Desired, action: &Action, settings: &Settings) -> Option<Refusal> {
    let ours = resources::kept_settings(desired);
    let is_broken = |(name, value): (&String, &String)| {
        owned_directive(name).is_some() && ours.get(name) != Some(value)
    };
    let message = "a directive that the cluster relies on is set otherwise";
    let mut settings = settings.iter();
    settings
        .any(is_broken)
        .then(|| refuse("I5", action, message))
}
