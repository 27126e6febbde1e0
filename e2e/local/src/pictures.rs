//! The page through the loss of a zone, seen with a real browser: what its DOM says, and pictures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use zoneward_operator::page;

use crate::browser::{Browser, Scheme};
use crate::servers::Server;
use crate::testbed::{Settings, Testbed};

/// What a busy machine may take for anything.
const LONG: Duration = Duration::from_secs(60);
/// A desk, and a hand.
const SIZES: [(&str, (u32, u32)); 2] = [("", (1280, 960)), ("-small", (390, 844))];

/// What was seen.
#[derive(Debug)]
pub struct Pictures {
    /// The pictures that were written.
    pub files: Vec<PathBuf>,
    /// What the browser complained of.
    pub complaints: Vec<String>,
}

/// Builds a cluster, loses zone a and gets it back; looks at the page before, during and after. Pictures
/// go to `folder`, if there is one.
pub async fn pictures(server: Server, folder: Option<&Path>) -> Result<Pictures> {
    let mut settings = Settings::new(server, 3, 1);
    settings.pace.not_ready_after = Duration::from_secs(2);
    let testbed = Testbed::whole(settings).await?;
    let (address, _serving) = serve(&testbed).await?;
    let mut browser = Browser::start(testbed.home()).await?;
    let mut files = Vec::new();

    let page = format!("{address}/clusters/{}", testbed.kubernetes.key());
    browser.show_as(SIZES[0].1, Scheme::Light).await?;
    browser.open(&page).await?;
    // gone, should the page load itself again: what follows must reach it alive
    browser.worth("window.wasHere = true").await?;
    until_zone(&mut browser, "a", "may be lost").await?;
    until_text(&mut browser, "#verdict", "Any one zone may be lost now").await?;
    take(&mut browser, folder, "before", &mut files).await?;

    testbed.silence_zone("a")?;
    until_zone(&mut browser, "a", "lost").await?;
    until_text(&mut browser, "#verdict", "Zone a is lost").await?;
    until_text(&mut browser, "#map td.lost .member.bad", "silent").await?;
    take(&mut browser, folder, "during", &mut files).await?;

    testbed.end_silence()?;
    until_zone(&mut browser, "a", "may be lost").await?;
    testbed.until_whole(LONG).await?;
    until_text(
        &mut browser,
        "#verdict.good",
        "Any one zone may be lost now",
    )
    .await?;
    until_text(&mut browser, "#timeline", "ZoneOutage=False").await?;
    take(&mut browser, folder, "after", &mut files).await?;
    let was_here = browser.worth("window.wasHere").await?;
    ensure!(was_here == true, "the page has loaded itself again");

    see_the_rest(&mut browser, &address).await?;
    Ok(Pictures {
        files,
        complaints: browser.complaints().to_vec(),
    })
}

/// The list names the cluster; the runbook has a reason's entry; and without scripts a page says the
/// same, and loads itself again.
async fn see_the_rest(browser: &mut Browser, address: &str) -> Result<()> {
    browser.open(address).await?;
    until_text(browser, "#clusters tbody th a", "local/cart").await?;
    until_text(browser, "#light", "live").await?;
    let entry = format!("{address}/runbook#membersilent");
    browser.open(&entry).await?;
    until_text(browser, ":target", "MemberSilent").await?;

    browser.forbid_scripts().await?;
    browser.open(address).await?;
    until_text(browser, "#light", "loads itself again").await?;
    let seen = browser
        .worth("document.querySelector('#asof').innerText")
        .await?;
    let is_newer = |it: &Value| it.is_string() && *it != seen;
    let text = "document.querySelector('#asof')?.innerText";
    browser
        .until("the page loads itself again", text, LONG, is_newer)
        .await
}

async fn serve(testbed: &Testbed) -> Result<(String, DropGuard)> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.context("listen for the browser")?;
    let address = listener.local_addr().context("read the page's address")?;
    let shutdown = CancellationToken::new();
    let routes = page::routes(testbed.page(shutdown.clone()));
    let ended = shutdown.clone().cancelled_owned();
    let server = axum::serve(listener, routes).with_graceful_shutdown(ended);
    // an error would show as a page that cannot be opened
    tokio::spawn(async move { server.await });
    Ok((format!("http://{address}"), shutdown.drop_guard()))
}

/// Waits until the page's column of this zone says this.
async fn until_zone(browser: &mut Browser, zone: &str, verdict: &str) -> Result<()> {
    let expression = format!(
        "[...document.querySelectorAll('#map th.zone')]\
         .find(it => it.querySelector('.name').textContent.endsWith(' {zone}'))\
         ?.querySelector('.mark').lastChild.textContent"
    );
    let what = format!("zone {zone} is shown as: {verdict}");
    browser
        .until(&what, &expression, LONG, |it| it == verdict)
        .await
}

/// Waits until the first such element has this in it.
async fn until_text(browser: &mut Browser, selector: &str, text: &str) -> Result<()> {
    let expression = format!("document.querySelector('{selector}')?.innerText");
    let holds = |it: &Value| it.as_str().is_some_and(|it| it.contains(text));
    let what = format!("{selector} says {text:?}");
    browser.until(&what, &expression, LONG, holds).await
}

/// A picture in each size and scheme.
async fn take(
    browser: &mut Browser,
    folder: Option<&Path>,
    when: &str,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let Some(folder) = folder else {
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    browser.worth("window.scrollTo(0, 0)").await?;
    for (size_name, size) in SIZES {
        for (scheme_name, scheme) in [("", Scheme::Light), ("-dark", Scheme::Dark)] {
            browser.show_as(size, scheme).await?;
            let picture = browser.picture().await?;
            let path = folder.join(format!("page-{when}{size_name}{scheme_name}.png"));
            fs::write(&path, picture).with_context(|| format!("write {}", path.display()))?;
            files.push(path);
        }
    }
    browser.show_as(SIZES[0].1, Scheme::Light).await
}
