//! A real Prometheus that scrapes one operator and knows the chart's rules. It ends with the value.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zoneward_operator::metrics::Metrics;

/// How often it is asked whether something holds by now.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Prometheus {
    _process: Child,
    scraped: JoinHandle<()>,
    home: PathBuf,
    port: u16,
}

impl Prometheus {
    /// Starts it over these figures, and waits until it answers.
    pub(super) async fn start(program: &Path, metrics: Metrics) -> Result<Self> {
        let home = std::env::temp_dir().join(format!("zoneward-prometheus-{}", std::process::id()));
        fs::create_dir_all(&home).context("make a folder for Prometheus")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let target = listener.local_addr()?;
        let figures = move || async move {
            let text = metrics.render();
            text.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
        };
        let app = Router::new().route("/metrics", get(figures));
        let scraped = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/zoneward/rules");
        let rules = rules.display();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{rules}/*.yaml']\n\
             scrape_configs:\n\
             - job_name: zoneward\n  honor_labels: true\n  static_configs:\n  \
             - {{targets: ['{target}'], labels: {{namespace: zoneward-system}}}}\n"
        );
        fs::write(home.join("prometheus.yaml"), config)?;
        let port = free_port().await?;
        let log = fs::File::create(home.join("log"))?;
        let process = Command::new(program)
            .arg(format!(
                "--config.file={}",
                home.join("prometheus.yaml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                home.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start Prometheus")?;
        let own = Self {
            _process: process,
            scraped,
            home,
            port,
        };
        let started = own.until_some("up == 1", Duration::from_secs(40)).await;
        let log = || fs::read_to_string(own.home.join("log")).unwrap_or_default();
        started.with_context(|| format!("Prometheus does not scrape: {}", log()))?;
        Ok(own)
    }

    /// The series that a query finds now.
    pub(super) async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let mut answer = self.get(&path).await?;
        if answer["status"] != "success" {
            bail!("{query}: {}", answer["error"]);
        }
        match answer["data"]["result"].take() {
            Value::Array(series) => Ok(series),
            other => bail!("{query}: {other} is no list of series"),
        }
    }

    /// Waits until a query finds something.
    pub(super) async fn until_some(&self, query: &str, limit: Duration) -> Result<()> {
        self.until(query, limit, |series| !series.is_empty()).await
    }

    /// Waits until a query finds nothing.
    pub(super) async fn until_none(&self, query: &str, limit: Duration) -> Result<()> {
        self.until(query, limit, <[Value]>::is_empty).await
    }

    async fn until(
        &self,
        query: &str,
        limit: Duration,
        is_so: impl Fn(&[Value]) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            let found = self.query(query).await;
            if found.as_ref().is_ok_and(|series| is_so(series)) {
                return Ok(());
            }
            // what is not understood will not be later; one that starts may not listen yet
            let is_refused = found
                .as_ref()
                .is_err_and(|it| it.to_string().contains("parse error"));
            if start.elapsed() > limit || is_refused {
                bail!("not within {limit:?}: {query}: {:?}", found?);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Each rule's name and expression, once all were evaluated without an error.
    pub(super) async fn rules(&self) -> Result<Vec<(String, String)>> {
        let start = Instant::now();
        loop {
            let answer = self.get("/api/v1/rules").await?;
            let groups = answer["data"]["groups"].as_array().into_iter().flatten();
            let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
            let rules: Vec<&Value> = rules.collect();
            let ill = rules.iter().find(|rule| rule["health"] != "ok");
            let Some(ill) = ill.filter(|_| !rules.is_empty()) else {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let told = rules
                    .iter()
                    .map(|it| (text(&it["name"]), text(&it["query"])));
                return Ok(told.collect());
            };
            if start.elapsed() > Duration::from_secs(20) {
                bail!(
                    "rule {} is {}: {}",
                    ill["name"],
                    ill["health"],
                    ill["lastError"]
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// HTTP/1.0, so that the answer ends with the connection.
    async fn get(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("read an answer")?;
        serde_json::from_str(body).with_context(|| format!("read {body}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.scraped.abort();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// One that nobody listens on now.
async fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
}

fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
    bytes.collect()
}
