//! What the owner changes.

use rand::Rng;
use rand::rngs::StdRng;

use super::Fault;
use crate::redis::settings::BAD;
use crate::world::World;

impl Fault {
    /// Whether it is no fault at all: what an owner may do at any time, at the price of no write.
    pub fn is_update(self) -> bool {
        matches!(self, Self::Roll | Self::RollBack | Self::BadImage { .. })
    }
}

/// Draws an update of the image.
pub fn update(rng: &mut StdRng) -> Fault {
    match rng.random_range(0..5) {
        0 | 1 => Fault::Roll,
        2 | 3 => Fault::RollBack,
        _ => Fault::BadImage {
            pick: rng.random_range(0..1_000_000),
        },
    }
}

/// The image is changed.
pub(super) fn begin_update(fault: Fault, world: &mut World) {
    let version = world.setup.image_version;
    let image = match fault {
        Fault::Roll => {
            world.setup.image_version = version + 1;
            good_image(version + 1)
        }
        Fault::RollBack => good_image(version + 100),
        Fault::BadImage { pick } => {
            let bad = if pick % 2 == 0 {
                "redis:missing"
            } else {
                "redis:broken"
            };
            bad.to_owned()
        }
        _ => return,
    };
    world.edit(|spec| spec.image = image);
}

/// Images that start are told apart by number.
pub(super) fn good_image(version: u32) -> String {
    if version == 0 {
        "redis:8".to_owned()
    } else {
        format!("redis:8.{version}")
    }
}

pub(super) fn change_config(world: &mut World, pick: usize) {
    let value = if pick.is_multiple_of(4) { "50" } else { BAD };
    let pairs = [("maxmemory", pick.to_string()), ("hz", value.to_owned())];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
    world.edit(|spec| spec.config = pairs.into());
}

pub(super) fn change_passwords(world: &mut World, pick: usize) {
    if !pick.is_multiple_of(4) {
        world.client_password += 1;
    }
    if !pick.is_multiple_of(3) {
        world.edit(|spec| spec.auth.rotate_internal = Some(pick.to_string()));
    }
    world.edit(|spec| spec.auth.rotation_grace_seconds = pick as u64 % 40);
}
