//! A real Chromium, driven by its DevTools protocol over a pair of pipes: no port that somebody else
//! may have, no WebSocket, and it ends when the pipes do.
//!
//! It visits nothing but what this testbed serves.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::process::Guard;

/// How long one command may take on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);
/// How often it is looked whether the page says something by now.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How Debian and others name it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As paper.
    Light,
    /// As the night.
    Dark,
}

/// A browser with one tab. All of it ends with the value.
pub(crate) struct Browser {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    complaints: Vec<String>,
    _guard: Guard,
}

/// What stands at this place; null where nothing does.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

/// Whether there is one on this machine.
pub fn is_chromium_there() -> bool {
    program().is_some()
}

fn program() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let found = |name: &str| {
        let mut folders = env::split_paths(&folders);
        folders.find_map(|folder| Some(folder.join(name)).filter(|it| it.is_file()))
    };
    NAMES.into_iter().find_map(found)
}

impl Browser {
    /// Starts it with a profile of its own below this folder.
    pub(crate) async fn start(home: &Path) -> Result<Self> {
        let program = program().context("find chromium: install the Debian package chromium")?;
        let profile = home.join("chromium");
        std::fs::create_dir_all(&profile).with_context(|| format!("make {}", profile.display()))?;
        let guard = Guard::start(&profile)?;
        // it reads commands on descriptor 3 and answers on 4
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1",
                "sh",
            ])
            .arg(program)
            .args([
                "--headless",
                "--remote-debugging-pipe",
                // containers let nobody make namespaces; it visits our own page only
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .process_group(guard.group()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("start chromium")?;
        let input = child.stdin.take().context("write to chromium")?;
        let output = child.stdout.take().context("read from chromium")?;
        let mut browser = Self {
            _child: child,
            input,
            output: BufReader::new(output),
            session: None,
            last: 0,
            complaints: Vec::new(),
            _guard: guard,
        };
        browser.open_tab().await?;
        Ok(browser)
    }

    async fn open_tab(&mut self) -> Result<()> {
        let made = self.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let target = at(&made.await?, "/targetId").clone();
        let parameters = json!({ "targetId": target, "flatten": true });
        let attached = self.ask("Target.attachToTarget", parameters).await?;
        let session = at(&attached, "/sessionId")
            .as_str()
            .context("attach to a tab")?;
        self.session = Some(session.to_owned());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.ask(domain, json!({})).await?;
        }
        Ok(())
    }

    /// What the browser complained of: errors of the script, and what the page's policy forbade.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The window's size, and light or dark.
    pub(crate) async fn show_as(&mut self, size: (u32, u32), scheme: Scheme) -> Result<()> {
        let (width, height) = size;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        let media = json!({ "features": features });
        self.ask("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// From the next page on none may run a script.
    pub(crate) async fn forbid_scripts(&mut self) -> Result<()> {
        let forbidden = json!({ "value": true });
        self.ask("Emulation.setScriptExecutionDisabled", forbidden)
            .await?;
        Ok(())
    }

    /// Opens a page.
    pub(crate) async fn open(&mut self, address: &str) -> Result<()> {
        let opened = self.ask("Page.navigate", json!({ "url": address })).await?;
        let error = at(&opened, "/errorText");
        ensure!(error.is_null(), "open {address}: {error}");
        self.until(
            "the page is there",
            "document.readyState",
            Duration::from_secs(30),
            |it| it == "complete",
        )
        .await
    }

    /// What an expression is worth there.
    pub(crate) async fn worth(&mut self, expression: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", parameters).await?;
        let failure = at(&answer, "/exceptionDetails");
        ensure!(failure.is_null(), "evaluate {expression}: {failure}");
        Ok(at(&answer, "/result/value").clone())
    }

    /// Waits until an expression is worth what is wanted.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        expression: &str,
        limit: Duration,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            let worth = self.worth(expression).await?;
            if is_wanted(&worth) {
                return Ok(());
            }
            if start.elapsed() > limit {
                bail!("not within {limit:?}: {what}: {expression} is {worth}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// A picture of what is in the window, as PNG.
    pub(crate) async fn picture(&mut self) -> Result<Vec<u8>> {
        let shot = self
            .ask("Page.captureScreenshot", json!({ "format": "png" }))
            .await?;
        let text = at(&shot, "/data").as_str().context("read the picture")?;
        let base64 = base64::engine::general_purpose::STANDARD;
        base64.decode(text).context("decode the picture")
    }

    /// One command and its result.
    async fn ask(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if let (Some(session), Some(fields)) = (&self.session, command.as_object_mut()) {
            fields.insert("sessionId".to_owned(), json!(session));
        }
        let text = command.to_string() + "\0";
        let written = self.input.write_all(text.as_bytes()).await;
        written.with_context(|| format!("ask chromium for {method}"))?;
        let answered = timeout(ANSWER_LIMIT, self.answer()).await;
        let answer = answered
            .with_context(|| format!("no answer to {method} within {ANSWER_LIMIT:?}"))?
            .with_context(|| format!("ask chromium for {method}"))?;
        let error = at(&answer, "/error");
        ensure!(error.is_null(), "ask chromium for {method}: {error}");
        Ok(at(&answer, "/result").clone())
    }

    /// The answer to the last command; what else it tells is heard on the way.
    async fn answer(&mut self) -> Result<Value> {
        loop {
            let mut bytes = Vec::new();
            self.output
                .read_until(0, &mut bytes)
                .await
                .context("read")?;
            let Some((0, text)) = bytes.split_last() else {
                bail!("chromium has ended");
            };
            let message: Value = serde_json::from_slice(text).context("read an answer")?;
            if at(&message, "/id") == self.last {
                return Ok(message);
            }
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &Value) {
        let parameters = at(message, "/params");
        let complaint = match at(message, "/method").as_str() {
            Some("Log.entryAdded") if at(parameters, "/entry/level") == "error" => {
                at(parameters, "/entry/text")
            }
            Some("Runtime.exceptionThrown") => at(parameters, "/exceptionDetails"),
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}
