//! The binary: the first word, or the name it was called by, picks the applet.

fn main() {
    println!("ottla {}", env!("CARGO_PKG_VERSION"));
}
