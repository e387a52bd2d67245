//! The binary: the first word, or the name it was called by, picks the applet.
//! Not here: what an applet does, nor anything that a test would want to call.

fn main() {
    println!("ottla {}", env!("CARGO_PKG_VERSION"));
}
