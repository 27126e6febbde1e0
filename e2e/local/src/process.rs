//! Processes that end with the testbed, whatever ends it.
//!
//! Only processes that this testbed started are ever signalled: while a [`Process`] is not reaped its
//! number is no other's, and the group is led by the guard, which is reaped last.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

/// Waits for the end of the testbed, then ends its group.
pub(crate) struct Guard {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Guard {
    /// A group that ends with this value, and also where nothing is dropped: after a panic that
    /// aborts, or when the testbed itself is killed. The directory goes with it.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "read -r _; rm -rf -- \"$1\" 2>/dev/null; kill -KILL 0",
                "sh",
            ])
            .arg(directory)
            .process_group(0)
            .stdin(Stdio::piped());
        let mut child = command.spawn().context("start the guard of the servers")?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin })
    }

    /// The group's number.
    pub(crate) fn group(&self) -> Result<i32> {
        i32::try_from(self.child.id()).context("read the guard's process number")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// A process of the group.
pub(crate) struct Process {
    child: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command, group: i32) -> Result<Self> {
        let child = command
            .process_group(group)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            status: None,
        })
    }

    /// How it ended; none while it runs.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// `kill -9`; content where it has ended.
    pub(crate) fn kill(&mut self) {
        // fails only where it is reaped
        let _ = self.child.kill();
    }

    /// The same, and waits for the end.
    pub(crate) fn finish(&mut self) {
        self.kill();
        if self.status.is_none() {
            self.status = self.child.wait().ok();
        }
    }

    /// Its number, while it is surely its own.
    pub(crate) fn number(&mut self) -> Option<String> {
        self.end().is_none().then(|| self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Signals that have no method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGSTOP: the host that hangs.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
    /// SIGTERM: what a kubelet sends first.
    Terminate,
}

/// Sends it to all of them, as nearly at once as can be.
pub(crate) fn signal<'a>(
    signal: Signal,
    processes: impl IntoIterator<Item = &'a mut Process>,
) -> Result<()> {
    let numbers: Vec<String> = processes.into_iter().filter_map(Process::number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let name = match signal {
        Signal::Stop => "-STOP",
        Signal::Continue => "-CONT",
        Signal::Terminate => "-TERM",
    };
    let status = Command::new("kill").arg(name).args(&numbers).status();
    let status = status.with_context(|| format!("send {signal:?} to servers"))?;
    ensure!(status.success(), "send {signal:?} to servers: {status}");
    Ok(())
}
