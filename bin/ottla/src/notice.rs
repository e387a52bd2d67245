//! The word of a node that it serves, as services tell it to systemd: a datagram to the socket
//! whose path the variable `NOTIFY_SOCKET` holds (sd_notify(3)).
//!
//! Not here: when a node serves. Must hold: whoever waits also hears of the end of a node that
//! never served.

use std::path::Path;

/// The variable that holds the path of the socket.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";

#[cfg(unix)]
pub(crate) use unix::Notice;

/// Tells whoever started this process that its node serves, if they want to know.
pub(crate) fn tell() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = send(Path::new(&path), READY) {
        let path = path.display();
        tracing::warn!(%path, %error, "nobody hears at NOTIFY_SOCKET that the node serves");
    }
}

#[cfg(unix)]
fn send(path: &Path, word: &[u8]) -> std::io::Result<()> {
    std::os::unix::net::UnixDatagram::unbound()?.send_to(word, path).map(drop)
}

#[cfg(not(unix))]
fn send(_: &Path, _: &[u8]) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
mod unix {
    use std::hash::{BuildHasher, RandomState};
    use std::io;
    use std::os::unix::net::UnixDatagram;
    use std::path::{Path, PathBuf};
    use std::process::Child;

    use super::{ENDED, READY, send};

    /// A socket of this process that another one tells its word to.
    pub(crate) struct Notice {
        socket: UnixDatagram,
        path: PathBuf,
    }

    impl Notice {
        /// Listens under a name that nobody else has.
        pub(crate) fn listen() -> io::Result<Notice> {
            let name = format!("ottla-{:016x}.ready", RandomState::new().hash_one(READY));
            let path = std::env::temp_dir().join(name);
            Ok(Notice { socket: UnixDatagram::bind(&path)?, path })
        }

        /// Where it listens.
        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        /// Waits until the node of this process serves, or has ended; answers whether it serves.
        pub(crate) fn serves(self, mut child: Child) -> io::Result<bool> {
            let path = self.path.clone();
            #[expect(clippy::disallowed_methods, reason = "no node runs here, and no simulator")]
            std::thread::spawn(move || {
                // A process that cannot be waited for has ended too, as far as can be known.
                let _ = child.wait();
                // Once the node serves, nobody listens any more.
                let _ = send(&path, ENDED);
            });
            let mut word = [0; 64];
            loop {
                let len = self.socket.recv(&mut word)?;
                let mut lines = word[..len].split(|byte| *byte == b'\n');
                match lines.find(|line| [READY, ENDED].contains(line)) {
                    Some(line) => return Ok(line == READY),
                    None => continue,
                }
            }
        }
    }

    impl Drop for Notice {
        #[expect(
            clippy::disallowed_methods,
            reason = "a socket of this machine, on no node's disk"
        )]
        fn drop(&mut self) {
            // It may have been cleared away by whoever clears such folders.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Waiting for a word is not possible here: a process counts as serving once it runs.
#[cfg(not(unix))]
pub(crate) struct Notice;

#[cfg(not(unix))]
impl Notice {
    pub(crate) fn listen() -> std::io::Result<Notice> {
        Ok(Notice)
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new("")
    }

    pub(crate) fn serves(self, _: std::process::Child) -> std::io::Result<bool> {
        Ok(true)
    }
}

/// What a service says when it serves.
const READY: &[u8] = b"READY=1";
/// What is said in the place of one that has ended.
#[cfg(unix)]
const ENDED: &[u8] = b"X_ENDED=1";
