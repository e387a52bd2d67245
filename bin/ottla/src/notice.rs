//! The word of a node that it serves, as services tell it to systemd: a datagram to the socket
//! whose address the variable `NOTIFY_SOCKET` holds (sd_notify(3)).
//!
//! Not here: when a node serves. Must hold: whoever waits also hears of the end of a node that
//! never served.

/// The variable that holds the address of the socket: a path, or `@` and an abstract name.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";

#[cfg(unix)]
pub(crate) use unix::Notice;

/// Tells whoever started this process that its node serves, if they want to know.
pub(crate) fn tell() {
    let Some(address) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = send(&address, READY) {
        let address = address.display();
        tracing::warn!(%address, %error, "nobody hears at NOTIFY_SOCKET that the node serves");
    }
}

#[cfg(unix)]
fn send(address: &std::ffi::OsStr, word: &[u8]) -> std::io::Result<()> {
    let address = unix::address(address)?;
    std::os::unix::net::UnixDatagram::unbound()?.send_to_addr(word, &address).map(drop)
}

#[cfg(not(unix))]
fn send(_: &std::ffi::OsStr, _: &[u8]) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
mod unix {
    use std::ffi::{OsStr, OsString};
    use std::hash::{BuildHasher, RandomState};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::process::Child;

    use super::{ENDED, READY, send};

    /// A socket of this process that another one tells its word to.
    pub(crate) struct Notice {
        socket: UnixDatagram,
        address: OsString,
    }

    /// What the variable's text stands for.
    pub(super) fn address(text: &OsStr) -> io::Result<SocketAddr> {
        match text.as_bytes().strip_prefix(b"@") {
            #[cfg(target_os = "linux")]
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                SocketAddr::from_abstract_name(name)
            }
            _ => SocketAddr::from_pathname(text),
        }
    }

    /// An address that nobody else has: no file where the system can do without, since the folder
    /// for such may be missing, or its path be longer than an address may be.
    fn own_address() -> OsString {
        let name = format!("ottla-{:016x}.ready", RandomState::new().hash_one(READY));
        match cfg!(target_os = "linux") {
            true => format!("@{name}").into(),
            false => std::env::temp_dir().join(name).into(),
        }
    }

    impl Notice {
        /// Listens at an address of its own.
        pub(crate) fn listen() -> io::Result<Notice> {
            let text = own_address();
            Ok(Notice { socket: UnixDatagram::bind_addr(&address(&text)?)?, address: text })
        }

        /// Where it listens.
        pub(crate) fn address(&self) -> &OsStr {
            &self.address
        }

        /// Waits until the node of this process serves, or has ended; answers whether it serves.
        pub(crate) fn serves(self, mut child: Child) -> io::Result<bool> {
            let address = self.address.clone();
            #[expect(clippy::disallowed_methods, reason = "no node runs here, and no simulator")]
            std::thread::spawn(move || {
                // A process that cannot be waited for has ended too, as far as can be known.
                let _ = child.wait();
                // Once the node serves, nobody listens any more.
                let _ = send(&address, ENDED);
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
            if !self.address.as_bytes().starts_with(b"@") {
                // It may have been cleared away by whoever clears such folders.
                let _ = std::fs::remove_file(&self.address);
            }
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

    pub(crate) fn address(&self) -> &std::ffi::OsStr {
        std::ffi::OsStr::new("")
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
