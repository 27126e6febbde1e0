//! Which servers there are: what `make servers` put into the cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A server of some version.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name and version, such as `redis-8.0-8.0.2`.
    pub label: String,
    /// Its directory of programs.
    pub(crate) programs: PathBuf,
    /// `redis-server` or `valkey-server`.
    pub(crate) name: &'static str,
    /// `redis-cli` or `valkey-cli`.
    pub(crate) cli: &'static str,
}

/// All, by label.
pub fn servers() -> Vec<Server> {
    let mut found: Vec<Server> = fs::read_dir(cache())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| server_in(&entry.path()))
        .collect();
    found.sort_by(|a, b| a.label.cmp(&b.label));
    found
}

/// The one whose label begins like this: `redis-8`, `valkey-9`.
pub fn server(label: &str) -> Result<Server> {
    let found = servers().into_iter().find(|it| it.label.starts_with(label));
    found.with_context(|| format!("find server {label}: run `make servers`"))
}

/// A program of something else that was fetched: `prometheus`, `promtool`. None where it was not.
pub fn program(package: &str, name: &str) -> Option<PathBuf> {
    let fetched = fs::read_dir(cache()).into_iter().flatten().flatten();
    let is_of = |home: &fs::DirEntry| {
        let label = home.file_name();
        label.to_str().is_some_and(|it| it.starts_with(package))
    };
    let programs = fetched
        .filter(is_of)
        .map(|it| it.path().join("bin").join(name));
    programs.filter(|path| path.is_file()).max()
}

fn cache() -> PathBuf {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = || from("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = from("ZONEWARD_CACHE").map(PathBuf::from).or_else(|| {
        let caches = from("XDG_CACHE_HOME").map(PathBuf::from);
        Some(caches.or_else(home)?.join("zoneward"))
    });
    base.unwrap_or_default().join("servers")
}

fn server_in(home: &Path) -> Option<Server> {
    let programs = home.join("bin");
    let names = [
        ("valkey-server", "valkey-cli"),
        ("redis-server", "redis-cli"),
    ];
    let (name, cli) = names
        .into_iter()
        .find(|(name, _)| programs.join(name).is_file())?;
    Some(Server {
        label: home.file_name()?.to_str()?.to_owned(),
        programs,
        name,
        cli,
    })
}
