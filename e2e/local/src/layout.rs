//! The files of one pod, and the commands that its container runs: the very scripts and redis.conf
//! that the operator put into the ConfigMap, moved below a directory of the pod's own.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use zoneward_operator::resources::labels::{
    FILE_PRE_STOP, FILE_START, PATH_CONFIG, PATH_DATA, PATH_RUN, PATH_SECRET,
};

use crate::process::Process;
use crate::servers::Server;

/// What the scripts use, and the cached servers' wrappers.
const TOOLS: [&str; 12] = [
    "sh",
    "sed",
    "sha256sum",
    "cut",
    "cat",
    "mv",
    "sync",
    "sleep",
    "timeout",
    "dirname",
    "readlink",
    "basename",
];

/// A directory with the programs that an image would have: one server and not whatever else this
/// machine has installed.
pub(crate) fn link_programs(server: &Server, into: &Path) -> Result<()> {
    let link = |program: PathBuf, name: &str| {
        symlink(program, into.join(name)).with_context(|| format!("link program {name}"))
    };
    make(into)?;
    for name in [server.name, server.cli] {
        link(server.programs.join(name), name)?;
    }
    for tool in TOOLS {
        let places = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let program = places.into_iter().find(|program| program.exists());
        link(
            program.with_context(|| format!("find program {tool}"))?,
            tool,
        )?;
    }
    Ok(())
}

/// Where a pod's files are.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The pod's own.
    pub(crate) directory: PathBuf,
    /// Its data: a volume's directory, or one below its own.
    pub(crate) data: PathBuf,
    /// See [`link_programs`].
    pub(crate) programs: PathBuf,
    /// Its address.
    pub(crate) ip: Ipv4Addr,
    /// How long the preStop hook may hold it.
    pub(crate) hold_seconds: String,
}

impl Layout {
    /// Writes the files of ConfigMap and Secret.
    pub(crate) fn write(
        &self,
        config: &BTreeMap<String, String>,
        secret: &BTreeMap<String, String>,
    ) -> Result<()> {
        for folder in ["config", "secret", "run"] {
            make(&self.directory.join(folder))?;
        }
        make(&self.data)?;
        for (name, text) in config {
            self.write_file("config", name, &self.moved(text))?;
        }
        for (name, text) in secret {
            self.write_file("secret", name, text)?;
        }
        Ok(())
    }

    /// Starts the container's command.
    pub(crate) fn start(&self, group: i32) -> Result<Process> {
        let path = self.directory.join("log");
        let log = fs::File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("open {}", path.display()))?;
        let mut command = self.script(FILE_START);
        let errors = log.try_clone();
        command
            .stdout(log)
            .stderr(errors.with_context(|| format!("open {}", path.display()))?);
        Process::start(&mut command, group)
    }

    /// Starts the preStop hook.
    pub(crate) fn pre_stop(&self, group: i32) -> Result<Process> {
        let mut command = self.script(FILE_PRE_STOP);
        command.env("ZONEWARD_HOLD_SECONDS", &self.hold_seconds);
        Process::start(&mut command, group)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join("sh"));
        command
            .arg(self.directory.join("config").join(name))
            .env_clear()
            .env("PATH", &self.programs)
            .env("POD_IP", self.ip.to_string());
        command
    }

    /// The text with its paths below our directories, and on our own address instead of all: many
    /// members share this machine, and the source address is what the bus learns of a peer.
    fn moved(&self, text: &str) -> String {
        let below = |folder: &str| self.directory.join(folder).display().to_string();
        let (ip, data) = (self.ip, self.data.display());
        text.replace("bind * -::*", &format!("bind {ip}\nbind-source-addr {ip}"))
            .replace(PATH_SECRET, &below("secret"))
            .replace(PATH_CONFIG, &below("config"))
            .replace(PATH_RUN, &below("run"))
            .replace(&format!("={PATH_DATA}"), &format!("={data}"))
            .replace(&format!(" {PATH_DATA}"), &format!(" {data}"))
    }

    fn write_file(&self, folder: &str, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(folder).join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}
