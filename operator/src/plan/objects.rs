//! The objects that all members share: Secrets, ConfigMap, Services, PodDisruptionBudgets.

use super::census::Round;
use super::{Deed, Draft, WaitingReason, certificate, settings};
use crate::resources;

/// Makes what is missing and mends what has drifted. Whether members can be made: their Secrets
/// are there.
pub(super) fn keep_objects(round: &Round<'_>, draft: &mut Draft) -> bool {
    let desired = settings::with_settled(round.desired, &draft.record);
    for manifest in resources::shared_objects(&desired) {
        let seen =
            round.seen.objects.iter().find(|object| {
                object.kind == manifest.kind.as_str() && object.name == manifest.name
            });
        let why = match seen {
            None => "it is missing",
            Some(object) if resources::drift(&manifest.body, &object.body) => "it has drifted",
            Some(_) => continue,
        };
        draft.act(Deed::Apply(manifest), why);
    }
    keep_secrets(round, draft)
}

fn keep_secrets(round: &Round<'_>, draft: &mut Draft) -> bool {
    let secrets = &round.seen.secrets;
    let has_members = !round.seen.pods.is_empty() || !round.record.members.is_empty();
    let generation = round.seen.record.passwords.generation;
    // a change of passwords begins by making them: the former ones let us in still
    let begins = round.seen.record.passwords.is_rotating && secrets.former_is_present;
    if !secrets.internal_is_present && has_members && !begins {
        // new passwords would lock us out of the members that run with the old ones
        let (name, _) = resources::internal_secret(round.desired, generation);
        draft.wait(
            WaitingReason::SecretMissing,
            format!(
                "Secret {name} is gone, and with it the passwords that the members know the operator \
                 by: restore it from a backup, or move the data to a new RedisCluster. The members \
                 go on as they are"
            ),
        );
    } else if !secrets.internal_is_present {
        let (name, keys) = resources::internal_secret(round.desired, generation);
        draft.act(
            Deed::CreateSecret { name, keys },
            "our own users need passwords",
        );
    }
    if !clients_can_be_let_in(round) {
        match (
            resources::client_secret(round.desired),
            &round.desired.auth.secret_name,
        ) {
            (Some((name, keys)), _) if !secrets.client_is_present => {
                draft.act(Deed::CreateSecret { name, keys }, "clients need a password");
            }
            (_, name) => {
                let name = name
                    .clone()
                    .unwrap_or_else(|| format!("{}-auth", round.desired.key.name));
                let what = if secrets.client_is_present {
                    "has no usable key `password`: add one that is not empty and is one line"
                } else {
                    "does not exist: create it with the key `password`, or remove \
                     spec.auth.secretName"
                };
                draft.wait(
                    WaitingReason::SecretMissing,
                    format!("Secret {name} {what}"),
                );
            }
        }
    }
    // a cluster that was whole is repaired without it; only its new members stay closed
    let are_ours_known = secrets.internal_is_present || begins;
    let can_be_read = certificate::is_there(round, draft) || round.record.formed;
    are_ours_known && can_be_read && (clients_can_be_let_in(round) || round.record.formed)
}

/// Whether it is known what clients log in with.
pub(super) fn clients_can_be_let_in(round: &Round<'_>) -> bool {
    let secrets = &round.seen.secrets;
    !round.desired.auth.enabled || (secrets.client_is_present && secrets.client_is_usable)
}
