//! Which servers there are to test with.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: [&str; 2] = ["valkey-server", "redis-server"];

/// A server, and a name of its own for this test.
pub struct Server {
    /// Its directory of programs.
    pub programs: PathBuf,
    /// `redis-server` or `valkey-server`.
    pub name: &'static str,
    /// Where this test keeps its files.
    pub home: PathBuf,
    /// Sets the addresses of its members apart from those of all other tests.
    pub net: u8,
}

/// Runs the check with each server, side by side: they mostly wait.
pub fn each_server(test: &str, check: impl Fn(&Server) + Sync) {
    let found = found();
    assert!(
        !found.is_empty(),
        "no redis-server or valkey-server found: run e2e/servers/fetch (or install one)"
    );
    // Tests of one run must not share an address either.
    let test_net = test.bytes().fold(0_u8, u8::wrapping_add).wrapping_mul(8);
    std::thread::scope(|scope| {
        for (index, (programs, name)) in (0_u8..).zip(&found) {
            let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("{test}-{index}-{}", std::process::id()));
            let server = Server {
                programs: programs.clone(),
                name,
                home,
                net: test_net.wrapping_add(index),
            };
            let check = &check;
            scope.spawn(move || {
                println!("{test}: {}", server.programs.display());
                check(&server);
                let _ = fs::remove_dir_all(&server.home);
            });
        }
    });
}

fn found() -> Vec<(PathBuf, &'static str)> {
    let cached = fs::read_dir(cache()).into_iter().flatten().flatten();
    let cached: Vec<_> = cached
        .filter_map(|entry| server_in(&entry.path().join("bin")))
        .collect();
    if !cached.is_empty() {
        return cached;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .find_map(|programs| server_in(&programs))
        .into_iter()
        .collect()
}

fn cache() -> PathBuf {
    if let Some(servers) = env::var_os("ZONEWARD_SERVERS") {
        return servers.into();
    }
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let caches = env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from);
    let ours = env::var_os("ZONEWARD_CACHE").map_or(caches.join("zoneward"), PathBuf::from);
    ours.join("servers")
}

fn server_in(programs: &Path) -> Option<(PathBuf, &'static str)> {
    let name = NAMES
        .into_iter()
        .find(|name| programs.join(name).is_file())?;
    Some((programs.to_owned(), name))
}
