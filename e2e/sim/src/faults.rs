//! What goes wrong: drawn from the seed, done to the world, and undone in the end.

mod owner;
mod targets;

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;

use crate::promises::Cause;
use crate::redis::{Millis, ProcKey};
use crate::setup::pick;
use crate::world::World;
use crate::world::host::HostState;
use targets::{nth, processes, shard_of, zone_hosts};

/// What goes wrong. Numbers are drawn large and taken modulo what is there, so that a history can be
/// shortened without changing the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`pick` tells which one, everywhere")]
pub enum Fault {
    /// A process is killed; a leader's where `leader`.
    KillProcess { pick: usize, leader: bool },
    /// All followers are killed at once.
    KillFollowers,
    /// A whole shard is killed at once.
    KillShard { pick: usize },
    /// A third of the leaders is killed at once.
    KillLeaders,
    /// A host is off.
    HostOff { pick: usize },
    /// A host hangs.
    HostHangs { pick: usize },
    /// A zone is off.
    ZoneOff { pick: usize },
    /// A zone hangs.
    ZoneHangs { pick: usize },
    /// A zone is cut off.
    ZoneCut { pick: usize },
    /// All zones but one are cut off from Kubernetes, and hear each other.
    ZonesCut { pick: usize },
    /// All hosts lose their power; off until the end.
    PowerCut,
    /// A process hangs: a slow fork.
    Hang { pick: usize },
    /// A user deletes a pod.
    UserDeletes { pick: usize, leader: bool },
    /// A user deletes a pod by force.
    UserForces { pick: usize },
    /// A host is drained and stays cordoned.
    Drain { pick: usize },
    /// The operator reaches no member.
    OperatorCutOff { pick: usize },
    /// The operator is killed.
    OperatorKilled { pick: usize },
    /// Kubernetes answers slowly.
    ApiSlow,
    /// A zone has no room for new pods.
    ZoneFull { pick: usize },
    /// The owner wants more or fewer followers for a while.
    FollowersChange,
    /// The owner changes the image for good.
    Roll,
    /// The owner changes the image, and changes it back.
    RollBack,
    /// The owner writes an image that cannot be pulled or that ends at its start, and corrects it.
    BadImage { pick: usize },
    /// The owner changes directives, one of them to what no server takes, and then that one back.
    ConfigChange { pick: usize },
    /// The owner changes the clients' password, asks for new ones of our own users, or both.
    PasswordChange { pick: usize },
}

/// A fault, when it comes, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, after the faults' begin.
    pub at: Millis,
    /// For how long.
    pub lasts: Millis,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at as f64 / 1000.0, self.lasts as f64 / 1000.0);
        write!(f, "+{at:.3} s: {:?} for {lasts:.3} s", self.fault)
    }
}

/// Draws what goes wrong.
pub fn draw(rng: &mut StdRng) -> Vec<Event> {
    let count = *pick(rng, &[1, 1, 2, 2, 3, 4, 6]);
    let mut at = rng.random_range(0..3000);
    let mut events = Vec::new();
    for _ in 0..count {
        let lasts = *pick(rng, &[700, 3000, 8000, 30_000, 60_000]);
        let lasts = lasts + rng.random_range(0..lasts);
        let fault = one(rng);
        events.push(Event { at, lasts, fault });
        at += *pick(rng, &[0, 300, 3000, 15_000, 45_000]);
        at += rng.random_range(0..500);
    }
    events
}

fn one(rng: &mut StdRng) -> Fault {
    let number = rng.random_range(0..1_000_000);
    let leader = rng.random_bool(0.6);
    match rng.random_range(0..30) {
        0..=3 => Fault::KillProcess {
            pick: number,
            leader,
        },
        4 => Fault::KillFollowers,
        5 => Fault::KillShard { pick: number },
        6 => Fault::KillLeaders,
        7 | 8 => Fault::HostOff { pick: number },
        9 => Fault::HostHangs { pick: number },
        10..=12 => Fault::ZoneOff { pick: number },
        13 | 14 => Fault::ZoneHangs { pick: number },
        15..=17 if number % 4 == 0 => Fault::ZonesCut { pick: number },
        15..=17 => Fault::ZoneCut { pick: number },
        18 => Fault::PowerCut,
        19 | 20 => Fault::Hang { pick: number },
        21 | 22 => Fault::UserDeletes {
            pick: number,
            leader,
        },
        23 => Fault::UserForces { pick: number },
        24 => Fault::Drain { pick: number },
        25 => Fault::OperatorCutOff { pick: number },
        26 | 27 => Fault::OperatorKilled { pick: number },
        28 => Fault::ApiSlow,
        _ if leader => Fault::ZoneFull { pick: number },
        _ if number % 3 == 0 => Fault::ConfigChange { pick: number },
        _ if number % 3 == 1 => Fault::PasswordChange { pick: number },
        _ => Fault::FollowersChange,
    }
}

pub use owner::update;

impl Fault {
    /// One stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::KillProcess { leader: true, .. } => "a leader is killed",
            Self::KillProcess { leader: false, .. } => "a follower is killed",
            Self::KillFollowers => "all followers are killed",
            Self::KillShard { .. } => "a whole shard is killed",
            Self::KillLeaders => "a third of the leaders is killed",
            Self::HostOff { .. } => "a host is off",
            Self::HostHangs { .. } => "a host hangs",
            Self::ZoneOff { .. } => "a zone is off",
            Self::ZoneHangs { .. } => "a zone hangs",
            Self::ZoneCut { .. } => "a zone is cut off",
            Self::ZonesCut { .. } => "all zones but one are cut off",
            Self::PowerCut => "all hosts lose their power",
            Self::Hang { .. } => "a process hangs",
            Self::UserDeletes { .. } => "a user deletes a pod",
            Self::UserForces { .. } => "a user deletes a pod by force",
            Self::Drain { .. } => "a host is drained",
            Self::OperatorCutOff { .. } => "an operator is cut off",
            Self::OperatorKilled { .. } => "an operator is killed",
            Self::ApiSlow => "Kubernetes is slow",
            Self::ZoneFull { .. } => "a zone is full",
            Self::FollowersChange => "the owner changes followersPerLeader",
            Self::Roll => "the owner changes the image",
            Self::RollBack => "the owner changes the image and back",
            Self::BadImage { .. } => "the owner writes a bad image",
            Self::ConfigChange { .. } => "the owner changes config",
            Self::PasswordChange { .. } => "the owner changes passwords",
        }
    }

    /// All words, for the check that each was reached.
    pub const WORDS: [&'static str; 26] = [
        "a leader is killed",
        "a follower is killed",
        "all followers are killed",
        "a whole shard is killed",
        "a third of the leaders is killed",
        "a host is off",
        "a host hangs",
        "a zone is off",
        "a zone hangs",
        "a zone is cut off",
        "all zones but one are cut off",
        "all hosts lose their power",
        "a process hangs",
        "a user deletes a pod",
        "a user deletes a pod by force",
        "a host is drained",
        "an operator is cut off",
        "an operator is killed",
        "Kubernetes is slow",
        "a zone is full",
        "the owner changes followersPerLeader",
        "the owner changes config",
        "the owner changes passwords",
        "the owner changes the image",
        "the owner changes the image and back",
        "the owner writes a bad image",
    ];

    /// Begins. What the operator's task has to do with it is the history's.
    pub fn begin(self, world: &mut World, lasts: Millis) {
        world.promises.count(self.word());
        world.tell(&format!(
            "FAULT {self:?} for {:.1} s",
            lasts as f64 / 1000.0
        ));
        match self {
            Self::KillProcess { .. }
            | Self::KillFollowers
            | Self::KillShard { .. }
            | Self::KillLeaders => self.strike_processes(world),
            Self::HostOff { .. }
            | Self::HostHangs { .. }
            | Self::ZoneOff { .. }
            | Self::ZoneHangs { .. }
            | Self::ZoneCut { .. }
            | Self::ZonesCut { .. }
            | Self::PowerCut => self.strike_hosts(world),
            Self::Hang { pick } => {
                let keys = processes(world, None);
                let until = world.now + lasts.min(4000);
                for key in nth(&keys, pick) {
                    world.procs[key.0].hangs_until = until;
                }
            }
            Self::UserDeletes { pick, leader } => {
                let keys = processes(world, Some(leader));
                for key in nth(&keys, pick) {
                    let pod = world.proc(key).pod.clone();
                    world.ask_to_go(&pod, true);
                }
            }
            Self::UserForces { pick } => {
                let keys = processes(world, None);
                for key in nth(&keys, pick) {
                    let pod = world.proc(key).pod.clone();
                    world.remove_pod(&pod);
                    world.promises.note_unseen(key);
                }
            }
            Self::Drain { pick } => {
                let host = pick % world.hosts.len();
                world.hosts[host].is_cordoned = true;
                world.has_changed = true;
            }
            Self::OperatorCutOff { pick } => {
                let operator = pick % world.operators.len();
                world.operators[operator].is_cut_off = true;
            }
            Self::OperatorKilled { .. } => {}
            Self::ApiSlow => world.api_delay = 400,
            Self::ZoneFull { pick } => {
                let zone = pick % world.setup.zones;
                world.full_zones.insert(zone);
            }
            Self::FollowersChange => {
                let more = world.setup.followers + 1;
                let most = u32::try_from(world.setup.zones).unwrap_or(1) - 1;
                let wanted = if more <= most {
                    more
                } else {
                    world.setup.followers.saturating_sub(1)
                };
                world.edit(|spec| spec.followers_per_leader = wanted);
            }
            Self::Roll | Self::RollBack | Self::BadImage { .. } => owner::begin_update(self, world),
            Self::ConfigChange { pick } => owner::change_config(world, pick),
            Self::PasswordChange { pick } => owner::change_passwords(world, pick),
        }
    }

    fn strike_processes(self, world: &mut World) {
        match self {
            Self::KillProcess { pick, leader } => {
                let keys = processes(world, Some(leader));
                kill(world, nth(&keys, pick));
            }
            Self::KillFollowers => {
                let keys = processes(world, Some(false));
                kill(world, keys);
            }
            Self::KillShard { pick } => {
                let leaders = processes(world, Some(true));
                let keys: Vec<ProcKey> = nth(&leaders, pick)
                    .flat_map(|leader| shard_of(world, leader))
                    .collect();
                kill(world, keys);
            }
            Self::KillLeaders => {
                let leaders = processes(world, Some(true));
                let third = (leaders.len() / 3).max(1);
                kill(world, leaders.into_iter().take(third));
            }
            _ => {}
        }
    }

    fn strike_hosts(self, world: &mut World) {
        match self {
            Self::HostOff { pick } => {
                let host = pick % world.hosts.len();
                world.kill_host(host);
            }
            Self::HostHangs { pick } => {
                let host = pick % world.hosts.len();
                set_host(world, host, HostState::Paused);
            }
            Self::ZoneOff { pick } => {
                for host in zone_hosts(world, pick) {
                    world.kill_host(host);
                }
            }
            Self::ZoneHangs { pick } => {
                for host in zone_hosts(world, pick) {
                    set_host(world, host, HostState::Paused);
                }
            }
            Self::ZoneCut { pick } => {
                let zone = pick % world.setup.zones;
                world.net.cut_zones.insert(zone);
            }
            Self::ZonesCut { pick } => {
                let stays = pick % world.setup.zones;
                let others = (0..world.setup.zones).filter(|zone| *zone != stays);
                world.net.cut_zones.extend(others);
                world.net.cut_together = true;
            }
            Self::PowerCut => {
                for host in 0..world.hosts.len() {
                    world.kill_host(host);
                }
            }
            _ => {}
        }
    }

    /// While it lasts.
    pub fn go_on(self, world: &mut World) {
        if let Self::Drain { pick } = self {
            evict_one(world, pick % world.hosts.len());
        }
    }

    /// Ends.
    pub fn end(self, world: &mut World) {
        match self {
            Self::HostOff { pick } | Self::HostHangs { pick } => {
                let host = pick % world.hosts.len();
                set_host(world, host, HostState::Up);
            }
            Self::ZoneOff { pick } | Self::ZoneHangs { pick } => {
                for host in zone_hosts(world, pick) {
                    set_host(world, host, HostState::Up);
                }
            }
            Self::ZoneCut { pick } => {
                let zone = pick % world.setup.zones;
                world.net.cut_zones.remove(&zone);
            }
            Self::ZonesCut { .. } => {
                world.net.cut_zones.clear();
                world.net.cut_together = false;
            }
            Self::PowerCut => {
                for host in 0..world.hosts.len() {
                    set_host(world, host, HostState::Up);
                }
            }
            Self::Drain { pick } => {
                let host = pick % world.hosts.len();
                world.hosts[host].is_cordoned = false;
                world.has_changed = true;
            }
            Self::OperatorCutOff { pick } => {
                let operator = pick % world.operators.len();
                world.operators[operator].is_cut_off = false;
            }
            Self::ApiSlow => world.api_delay = 0,
            Self::ZoneFull { pick } => {
                let zone = pick % world.setup.zones;
                world.full_zones.remove(&zone);
            }
            Self::FollowersChange => {
                let wanted = world.setup.followers;
                world.edit(|spec| spec.followers_per_leader = wanted);
            }
            Self::RollBack | Self::BadImage { .. } => {
                let image = owner::good_image(world.setup.image_version);
                world.edit(|spec| spec.image = image);
            }
            Self::ConfigChange { .. } => {
                world.edit(|spec| {
                    spec.config.insert("hz".to_owned(), "30".to_owned());
                });
            }
            _ => return,
        }
        world.tell(&format!("{self:?} is over"));
    }
}

/// Nothing is wrong any more.
pub fn end_all(world: &mut World) {
    for host in 0..world.hosts.len() {
        set_host(world, host, HostState::Up);
        world.hosts[host].is_cordoned = false;
    }
    world.net = crate::world::host::Net::default();
    world.full_zones.clear();
    world.api_delay = 0;
    world.setup.flaky_percent = world.setup.flaky_percent.min(2);
    for operator in &mut world.operators {
        operator.is_cut_off = false;
    }
    let wanted = world.setup.followers;
    if world.resource.spec.followers_per_leader != wanted {
        world.edit(|spec| spec.followers_per_leader = wanted);
    }
    let image = owner::good_image(world.setup.image_version);
    if world.resource.spec.image != image {
        world.edit(|spec| spec.image = image);
    }
    world.has_changed = true;
    world.tell("all faults are over");
}

fn set_host(world: &mut World, host: usize, state: HostState) {
    world.hosts[host].state = state;
}

fn kill(world: &mut World, keys: impl IntoIterator<Item = ProcKey>) {
    for key in keys {
        let pod = world.proc(key).pod.clone();
        world.tell(&format!("{pod} is killed"));
        // its kubelet notices within a second
        let due = world.now + world.rng.random_range(50..1000);
        if let Some(pod) = world.pods.get_mut(&pod) {
            pod.due = due;
        }
        world.end_process(key, Cause::Fault);
    }
}

/// As the eviction API does: only while all other members of the shard are ready.
fn evict_one(world: &mut World, host: usize) {
    let on_host = |pod: &crate::world::kube::Pod| pod.host.map(usize::from) == Some(host);
    let evictable = world.pods.iter().find(|(name, pod)| {
        let mut others = world.pods.iter();
        on_host(pod)
            && pod.asked_to_go.is_none()
            && others.all(|(other, it)| {
                it.view.shard != pod.view.shard
                    || other == *name
                    || it.view.gate_is_open && it.asked_to_go.is_none()
            })
    });
    if let Some(name) = evictable.map(|(name, _)| name.clone()) {
        world.tell(&format!("{name} is evicted"));
        world.ask_to_go(&name, true);
    }
}
