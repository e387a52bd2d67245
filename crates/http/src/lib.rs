//! A small HTTP server for pages about a node, over `env`, with a limit on everything.
//!
//! One exchange per connection: a request without a body that counts, a page, the end. hyper reads
//! and writes HTTP; here are the sockets, the limits and what is answered when there is no page.
//! Start at [`Server`]; what is on a page is said by [`Pages`].
//!
//! Not here: TLS, logins, bodies of requests; whoever needs those asks for more than pages.
//! Must hold: a client that is slow, silent or hostile holds one of [`CONNECTIONS_MAX`] places for
//! [`EXCHANGE_MAX`] at most, and never more than [`HEAD_BYTES_MAX`] of memory for what it sent.
//!
//! ```
//! use ottla_http::{Page, PageFuture, Pages};
//!
//! struct Greeting;
//!
//! impl Pages for Greeting {
//!     fn page<'a>(&'a self, path: &'a str, _accept: &'a str) -> PageFuture<'a> {
//!         let page = (path == "/hello").then(|| Page::text("hello\n".to_owned()));
//!         Box::pin(std::future::ready(page))
//!     }
//! }
//! let page = ottla_sim::World::new(1).run(async |_| Greeting.page("/hello", "").await);
//! assert_eq!(page.map(|page| page.status), Some(200));
//! ```

mod io;
mod server;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use server::Server;

/// The most that a request's line and headers may take together, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How many headers a request may have.
pub const HEADERS_MAX: usize = 64;
/// How many connections are served at a time; others wait until one of them ends.
pub const CONNECTIONS_MAX: usize = 128;
/// How long an exchange may take, from the connection to the end of its answer.
pub const EXCHANGE_MAX: Duration = Duration::from_secs(5);

/// What a server shows.
pub trait Pages: Send + Sync + 'static {
    /// The page at `path`, if there is one; `accept` is what the asker says it takes.
    fn page<'a>(&'a self, path: &'a str, accept: &'a str) -> PageFuture<'a>;
}

/// A page that may have to wait for what is on it.
pub type PageFuture<'a> = Pin<Box<dyn Future<Output = Option<Page>> + Send + 'a>>;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 200, or why not.
    pub status: u16,
    /// What the body is, as HTTP calls it.
    pub content_type: &'static str,
    /// What it says.
    pub body: String,
}

impl Page {
    /// A page of plain text.
    pub fn text(body: String) -> Page {
        Page { status: 200, content_type: "text/plain; charset=utf-8", body }
    }

    /// Data as JSON.
    pub fn json(status: u16, body: String) -> Page {
        Page { status, content_type: "application/json", body }
    }
}
