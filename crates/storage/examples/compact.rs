//! How fast a log is compacted, for a comparison with Apache Kafka's cleaner on the same folder.
//!
//! `cargo run --release -p ottla-storage --example compact -- write DIR MIB CODEC` leaves DIR/t-0
//! with records of 100 bytes under 200,000 keys in batches of 16 KiB; `-- clean DIR` compacts it
//! and says how long that took. `conform/cleaning/Speed.java` does the same with Kafka's classes.
//! Measured on a busy machine with 512 MiB: 6.0 to 11.8 CPU-seconds without a codec, 6.1 to 14.0
//! with LZ4, ottla to Kafka 4.3.1.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_env::Env;
use ottla_records::{BatchBuilder, BatchSettings, Codec};
use ottla_storage::{Cleaning, DirsOpening, LogConfig, LogDirs, MetaProperties, Origin, Progress};
use ottla_wire::{
    BrokerEpoch, BrokerId, DirectoryId, LeaderEpoch, PartitionIndex, Timestamp, TopicId, Uuid,
};

const KEYS: u64 = 200_000;
const BATCH_BYTES: usize = 16 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = PathBuf::from(args.get(1).ok_or("usage: compact write|clean DIR [MIB CODEC]")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let env = Env::real(runtime.handle().clone());
    let config = LogConfig {
        segment_bytes: 8 << 20,
        cleanup_compact: true,
        cleanup_delete: false,
        min_cleanable_dirty_ratio: 0.0,
        ..LogConfig::default()
    };
    if args[0] == "write" {
        let mib: u64 = args.get(2).ok_or("how many MiB?")?.parse()?;
        let codec =
            Codec::ALL.into_iter().find(|codec| Some(codec.name()) == args.get(3).map(|s| &**s));
        write(&env, &path, config, mib << 20, codec.ok_or("which codec?")?)
    } else {
        clean(&env, &path, config)
    }
}

fn open(env: &Env, path: &Path, config: LogConfig) -> Result<LogDirs, Box<dyn Error>> {
    let opening = DirsOpening {
        paths: vec![path.to_owned()],
        metadata_path: path.to_owned(),
        node_id: BrokerId(1),
        connections_max: usize::MAX,
    };
    let dirs = LogDirs::open(env, &opening)?;
    let (now, config) = (Timestamp(env.now_ms()), Arc::new(config));
    for found in dirs.find(now, 0)? {
        dirs.load(&found, Arc::clone(&config), now)?;
    }
    dirs.loaded();
    dirs.create(TopicId(Uuid([1; 16])), "t", PartitionIndex(0), None, config, now)?;
    Ok(dirs)
}

fn write(
    env: &Env,
    path: &Path,
    config: LogConfig,
    bytes: u64,
    codec: Codec,
) -> Result<(), Box<dyn Error>> {
    env.disk().create_dir_all(path)?;
    let meta = MetaProperties {
        cluster_id: Some("4L6g3nShT-eMCtK--X86sw".to_owned()),
        node_id: Some(BrokerId(1)),
        directory_id: Some(DirectoryId(Uuid([7; 16]))),
    };
    meta.write(env.disk(), path)?;
    let dirs = open(env, path, config)?;
    let log = dirs.get(TopicId(Uuid([1; 16])), PartitionIndex(0)).ok_or("no log")?;
    let (mut random, mut written) = (1_u64, 0);
    while written < bytes {
        let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
        while builder.uncompressed_len() < BATCH_BYTES {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = format!("key-{:010}", (random >> 33) % KEYS);
            let value = format!("{random:020}{:080}", random >> 7);
            let now = Timestamp(env.now_ms());
            builder.append(now, Some(key.as_bytes()), Some(value.as_bytes()), &[])?;
        }
        written += builder.uncompressed_len() as u64;
        let origin = Origin::Leader { epoch: LeaderEpoch(0), now: Timestamp(env.now_ms()) };
        log.append(&builder.build()?, origin)?;
    }
    log.set_high_watermark(log.end());
    dirs.close(BrokerEpoch(1));
    Ok(())
}

fn clean(env: &Env, path: &Path, config: LogConfig) -> Result<(), Box<dyn Error>> {
    let dirs = open(env, path, config)?;
    let log = dirs.get(TopicId(Uuid([1; 16])), PartitionIndex(0)).ok_or("no log")?;
    log.set_high_watermark(log.end());
    let cleaning =
        Cleaning { key_bytes: 128 << 20, load_factor: 0.9, io_bytes: 512 << 10, cleaners: 1 };
    let (before, begin) = (log.size(), env.monotonic());
    let mut pass =
        dirs.next_to_clean(&cleaning, Timestamp(env.now_ms())).ok_or("nothing to compact")?;
    while let Progress::More { .. } = dirs.clean(&mut pass) {}
    let seconds = (env.monotonic() - begin).as_secs_f64();
    println!("{before} bytes became {} in {seconds:.2} s", log.size());
    dirs.close(BrokerEpoch(1));
    Ok(())
}
