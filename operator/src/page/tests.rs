//! The page over HTTP: headers, what is not there, and streams that are bounded and end.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::clock::SystemClock;

/// What a browser waits for at most.
const SOON: Duration = Duration::from_secs(5);

/// One RedisCluster in memory.
struct One(Arc<Guarded>);

impl Clusters for One {
    fn all(&self) -> Vec<Arc<Guarded>> {
        vec![Arc::clone(&self.0)]
    }

    fn one(&self, key: &ClusterKey) -> Option<Arc<Guarded>> {
        (*key == key_of(&self.0)).then(|| Arc::clone(&self.0))
    }

    fn unread(&self) -> Option<&'static str> {
        None
    }
}

/// A server of it, until the token is cancelled.
async fn serve() -> (
    std::net::SocketAddr,
    CancellationToken,
    tokio::task::JoinHandle<()>,
) {
    serve_for(Listeners::default()).await
}

async fn serve_for(
    listeners: Listeners,
) -> (
    std::net::SocketAddr,
    CancellationToken,
    tokio::task::JoinHandle<()>,
) {
    let shutdown = CancellationToken::new();
    let guarded = kube::core::DeserializeGuard(Ok(scenes::whole()));
    let mut page = Page::new(
        Arc::new(One(Arc::new(guarded))),
        Rounds::default(),
        Arc::new(SystemClock::start()),
        shutdown.clone(),
    );
    page.listeners = listeners;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ended = shutdown.clone().cancelled_owned();
    let server = tokio::spawn(async move {
        let served = axum::serve(listener, routes(page)).with_graceful_shutdown(ended);
        served.await.unwrap();
    });
    (address, shutdown, server)
}

async fn ask(address: std::net::SocketAddr, method: &str, path: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(request.as_bytes()).unwrap(), request.len());
    stream
}

/// What comes until this was in it, or until the end.
async fn until(stream: &TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut bytes = vec![0; 65536];
    while !text.contains(wanted) {
        let readable = timeout(SOON, stream.readable()).await;
        readable
            .unwrap_or_else(|_| panic!("no {wanted:?} in {text}"))
            .unwrap();
        match stream.try_read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&bytes[..count])),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    text
}

async fn answer(address: std::net::SocketAddr, method: &str, path: &str) -> String {
    let stream = ask(address, method, path).await;
    until(&stream, "\0").await
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_ours() {
    let (address, ..) = serve().await;
    let table = [
        ("GET", "/", "200 OK", "ns/cache"),
        (
            "GET",
            "/clusters/ns/cache",
            "200 OK",
            "Any one zone may be lost now",
        ),
        (
            "GET",
            "/clusters/ns/nobody",
            "404 Not Found",
            "There is no such RedisCluster",
        ),
        ("GET", "/runbook", "200 OK", "id=\"membersilent\""),
        ("GET", "/page/style.css", "200 OK", "prefers-color-scheme"),
        ("GET", "/page/script.js", "200 OK", "EventSource"),
        ("GET", "/page/icon.svg", "200 OK", "<svg"),
        ("POST", "/clusters/ns/cache", "405 Method Not Allowed", ""),
        ("DELETE", "/clusters/ns/cache", "405 Method Not Allowed", ""),
    ];
    for (method, path, status, words) in table {
        let answer = answer(address, method, path).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
        assert!(answer.contains(words), "{path}: {answer}");
        for (name, value) in HEADERS {
            assert!(
                answer.contains(&format!("{name}: {value}")),
                "{path}: {name}"
            );
        }
        assert!(!answer.contains("unsafe-inline"), "{path}");
    }
}

#[tokio::test]
async fn a_stream_sends_all_parts_first_and_then_what_changed() {
    let (address, ..) = serve().await;
    let stream = ask(address, "GET", "/clusters/ns/cache/events").await;
    let first = until(&stream, "id=\"asof\"").await;
    assert!(
        first.contains("data: <section class=\"good\" id=\"verdict\""),
        "{first}"
    );
    // the clock has moved, and nothing else
    let second = until(&stream, "id=\"asof\"").await;
    assert!(!second.contains("id=\"verdict\""), "{second}");
}

#[tokio::test]
async fn there_is_room_for_so_many_pages_and_again_when_one_is_closed() {
    let (address, ..) = serve().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        let stream = ask(address, "GET", "/events").await;
        until(&stream, "data: ").await;
        open.push(stream);
    }
    let refused = answer(address, "GET", "/events").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("retry-after: 10"), "{refused}");
    assert!(refused.contains("32 pages are open"), "{refused}");
    open.pop();
    let again = async {
        loop {
            let stream = ask(address, "GET", "/events").await;
            if until(&stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_after_a_time_and_gives_its_place_back_before_it_says_so() {
    let (address, ..) = serve_for(Listeners::lasting(Duration::from_secs(2))).await;
    let mut open = Vec::new();
    for _ in 0..32 {
        let stream = ask(address, "GET", "/events").await;
        until(&stream, "data: ").await;
        open.push(stream);
    }
    assert!(answer(address, "GET", "/events").await.contains(" 503 "));
    // nobody closes: each is told, and finds a place at once
    let mut again = Vec::new();
    for stream in &open {
        until(stream, "event: over\n").await;
        let next = ask(address, "GET", "/events").await;
        let text = until(&next, "data: ").await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        again.push(next);
    }
    for stream in &open {
        let rest = until(stream, "data: <").await;
        assert!(!rest.contains("data: <"), "it goes on: {rest}");
    }
}

#[tokio::test]
async fn an_open_page_does_not_hold_up_the_end() {
    let (address, shutdown, server) = serve().await;
    let stream = ask(address, "GET", "/clusters/ns/cache/events").await;
    until(&stream, "data: ").await;
    shutdown.cancel();
    timeout(Duration::from_secs(1), server)
        .await
        .unwrap()
        .unwrap();
}
