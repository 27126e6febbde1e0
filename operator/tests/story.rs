//! Stories of the loop: plan, check and status against a small world, fault by fault. Each ends
//! where the promises hold again and nothing is left to do.

#![cfg(test)]

#[path = "story/scene.rs"]
mod scene;
#[path = "story/world/mod.rs"]
mod world;

#[path = "story/blindness.rs"]
mod blindness;
#[path = "story/bodies.rs"]
mod bodies;
#[path = "story/configuration.rs"]
mod configuration;
#[path = "story/failover.rs"]
mod failover;
#[path = "story/forming.rs"]
mod forming;
#[path = "story/loss.rs"]
mod loss;
#[path = "story/passwords.rs"]
mod passwords;
#[path = "story/repair.rs"]
mod repair;
#[path = "story/roll.rs"]
mod roll;
#[path = "story/scaling.rs"]
mod scaling;
#[path = "story/spec.rs"]
mod spec;
#[path = "story/storage.rs"]
mod storage;
#[path = "story/takeover.rs"]
mod takeover;
#[path = "story/wishes.rs"]
mod wishes;
#[path = "story/zones.rs"]
mod zones;
