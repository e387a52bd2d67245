//! What a client of the server gets, in the simulated world: right, wrong, slow and too many.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::{Env, Stream};
use ottla_http::{
    CONNECTIONS_MAX, EXCHANGE_MAX, HEAD_BYTES_MAX, HEADERS_MAX, Page, PageFuture, Pages, Server,
};
use ottla_sim::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Book;

impl Pages for Book {
    fn page<'a>(&'a self, path: &'a str, accept: &'a str) -> PageFuture<'a> {
        let page = match path {
            "/one" => Some(Page::text("first page\n".to_owned())),
            "/accept" => Some(Page::text(accept.to_owned())),
            "/closed" => Some(Page::json(503, "{}".to_owned())),
            "/long" => Some(Page::text("x".repeat(3_000_000))),
            _ => None,
        };
        Box::pin(std::future::ready(page))
    }
}

async fn serve(env: &Env) -> Server {
    let listener = env.net().listen("0.0.0.0:80".parse().expect("an address")).await;
    Server::start(env, vec![listener.expect("the port is free")], Arc::new(Book))
}

async fn connect(env: &Env) -> Stream {
    env.net().connect("node-1", 80).await.expect("the server listens")
}

/// Everything that comes back for what is sent.
async fn said(env: &Env, sent: &[u8]) -> String {
    let mut stream = connect(env).await;
    // A server that has heard enough may close before it has all.
    let _ = stream.write_all(sent).await;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).expect("text")
}

/// Whether a request's answer begins and ends so.
fn check(sent: &str, begins: &str, ends: &str) {
    World::new(1).run(async |world: World| {
        let server = serve(&world.node(1)).await;
        let text = said(&world.node(2), sent.as_bytes()).await;
        let shown = &text[..text.len().min(500)];
        assert!(text.starts_with(begins) && text.ends_with(ends), "{sent}\n{shown}");
        server.stop().await;
    });
}

#[test]
fn a_page_is_answered_with_its_length_and_the_end_of_the_connection() {
    check("GET /one HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nfirst page\n");
    check("GET /one?a=b HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n", "\r\n\r\nfirst page\n");
    check("GET /closed HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 503 ", "\r\n\r\n{}");
    World::new(2).run(async |world: World| {
        let server = serve(&world.node(1)).await;
        let text = said(&world.node(2), b"GET /one HTTP/1.1\r\nhost: a\r\n\r\n").await;
        for header in ["content-length: 11\r\n", "connection: close\r\n", "no-store\r\n"] {
            assert!(text.contains(header), "{text}");
        }
        server.stop().await;
    });
}

#[test]
fn a_long_page_comes_whole() {
    World::new(3).run(async |world: World| {
        let server = serve(&world.node(1)).await;
        let text = said(&world.node(2), b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        assert_eq!(body.len(), 3_000_000);
        server.stop().await;
    });
}

#[test]
fn what_is_accepted_is_told_to_the_page() {
    let sent = "GET /accept HTTP/1.1\r\nhost: a\r\naccept: a/b;q=0.1\r\n\r\n";
    check(sent, "HTTP/1.1 200 OK\r\n", "\r\n\r\na/b;q=0.1");
}

#[test]
fn other_paths_and_methods_are_refused() {
    check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "Not Found\n");
    check("POST /two HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 ", "Not Found\n");
    let refused = "HTTP/1.1 405 Method Not Allowed\r\n";
    check("POST /one HTTP/1.1\r\nhost: a\r\n\r\n", refused, "Method Not Allowed\n");
    check("DELETE /one HTTP/1.1\r\nhost: a\r\n\r\n", refused, "Method Not Allowed\n");
    check("HEAD /one HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
}

#[test]
fn what_is_no_http_or_too_long_is_refused_at_once() {
    check("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "HTTP/1.1 400 ", "");
    let long = format!("GET /one HTTP/1.1\r\nhost: {}\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
    check(&long, "HTTP/1.1 431 ", "");
    let many = format!("GET /one HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
    check(&many, "HTTP/1.1 431 ", "");
}

#[test]
fn whoever_is_slow_is_cut_off_and_lets_the_next_one_in() {
    World::new(4).run(async |world: World| {
        let server = serve(&world.node(1)).await;
        let client = world.node(2);
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = connect(&client).await;
            stream.write_all(b"GET /one HTTP/1.1\r\n").await.expect("it is sent");
            silent.push(stream);
        }
        let begun = client.monotonic();
        let text = said(&client, b"GET /one HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(text.ends_with("first page\n"), "{text}");
        let waited = client.monotonic() - begun;
        assert!(waited <= EXCHANGE_MAX + Duration::from_secs(1), "{waited:?}");
        let mut rest = Vec::new();
        for mut stream in silent {
            let _ = stream.read_to_end(&mut rest).await;
        }
        assert!(rest.is_empty());
        server.stop().await;
    });
}

#[test]
fn nothing_listens_after_a_stop() {
    World::new(5).run(async |world: World| {
        let env = world.node(1);
        let server = serve(&env).await;
        let open = connect(&world.node(2)).await;
        server.stop().await;
        assert!(world.node(2).net().connect("node-1", 80).await.is_err());
        drop(open);
        serve(&env).await.stop().await;
    });
}
