//! The other world: everything that `ottla-env` promises, simulated in one thread from one seed.
//!
//! A [`World`] has its own executor (ready tasks run in an order drawn from the seed), virtual
//! clocks (time moves only when nothing is ready), a network with delays and partitions, and
//! disks that lose at a power cut what was not synced. The code of a node runs unchanged.
//!
//! Must hold: the same seed and program give the same trace. Outside of it, and not to be used
//! where order or bytes depend on them: iteration of `HashMap`s with the standard hasher,
//! `tokio::select!` without `biased;`, threads, and every clock but `env`'s.
//!
//! Start reading at world.rs for the words that tests use, then executor.rs.
//!
//! ```
//! use ottla_sim::World;
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let world = World::new(42);
//! world.run(async |world: World| {
//!     world.start(1, async |env: ottla_env::Env| {
//!         let listener = env.net().listen("0.0.0.0:9092".parse().unwrap()).await.unwrap();
//!         let (mut stream, _) = listener.accept().await.unwrap();
//!         stream.write_all(b"hello").await.unwrap();
//!     });
//!     let client = world.node(2);
//!     client.sleep(Duration::from_millis(1)).await;
//!     let mut stream = client.net().connect("node-1", 9092).await.unwrap();
//!     let mut text = String::new();
//!     stream.read_to_string(&mut text).await.unwrap();
//!     assert_eq!(text, "hello");
//! });
//! ```

mod disk;
mod executor;
mod file;
mod net;
mod node;
mod prng;
mod sockets;
mod trace;
mod tree;
mod world;

pub use disk::{Broken, Fault, Platter};
pub use world::World;
