//! Writes one partition's folder, for Apache Kafka's own tools to judge.
//!
//! `cargo run -p ottla-storage --example write_folder -- DIR` leaves DIR/orders-0 with rolled
//! segments, every codec, an idempotent producer, committed and aborted transactions, closed in
//! order; `-- DIR crash` leaves it as a kill does. What Kafka says of it: tests/fixtures/README.md.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ottla_env::Env;
use ottla_records::{BatchBuilder, BatchSettings, Codec, Producer};
use ottla_storage::{Directory, Log, LogConfig, Opening, Origin};
use ottla_wire::{
    DirectoryId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, Uuid,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: write_folder DIR [crash]")?);
    let crash = args.next().is_some();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let env = Env::real(runtime.handle().clone());
    let directory = Directory::new(env.disk().clone(), path, DirectoryId::default());
    let now = Timestamp(env.now_ms());
    let log = Log::open(Opening {
        path: directory.path().join("orders-0"),
        directory,
        name: "orders-0".to_owned(),
        config: Arc::new(LogConfig { segment_bytes: 1 << 20, ..LogConfig::default() }),
        clean: true,
        start: Offset(0),
        recovery_point: Offset(0),
        high_watermark: Offset(0),
        now,
        random: env.random_u64(),
    })?;
    log.assign_topic_id(TopicId(Uuid(*b"ottla-write-fold")))?;
    let mut sequence = 0;
    for round in 0..400 {
        let epoch = LeaderEpoch(round / 150);
        let now = now + i64::from(round) * 10;
        let codec = Codec::ALL[usize::try_from(round)? % Codec::ALL.len()];
        let lead = Origin::Leader { epoch, now };
        let settings = BatchSettings::compressed(codec);
        log.append(&records(settings, now, 20)?, lead)?;
        let producer = Some(Producer {
            id: ProducerId(1000),
            epoch: ProducerEpoch(0),
            base_sequence: sequence,
        });
        let idempotent = BatchSettings { producer, ..settings };
        log.append(&records(idempotent, now, 10)?, lead)?;
        sequence += 10;
        transact(&log, epoch, now, round)?;
    }
    log.set_high_watermark(log.end());
    if crash {
        log.sync()?;
        println!("killed with {} records", log.end());
        return Ok(());
    }
    log.close()?;
    log.sync()?;
    println!("closed with {} records", log.end());
    Ok(())
}

/// One transaction of a producer whose epoch grows with each; every third is taken back.
fn transact(
    log: &Log,
    epoch: LeaderEpoch,
    now: Timestamp,
    round: i32,
) -> Result<(), Box<dyn Error>> {
    let settings = |base_sequence, is_control| -> Result<BatchSettings, Box<dyn Error>> {
        Ok(BatchSettings {
            producer: Some(Producer {
                id: ProducerId(2000),
                epoch: ProducerEpoch(i16::try_from(round)?),
                base_sequence,
            }),
            is_transactional: true,
            is_control,
            ..BatchSettings::default()
        })
    };
    log.append(&records(settings(0, false)?, now, 3)?, Origin::Leader { epoch, now })?;
    let mut marker = BatchBuilder::new(settings(-1, true)?);
    let kind = u8::from(round % 3 != 0);
    marker.append(now, Some(&[0, 0, 0, kind]), Some(&[0, 0, 0, 0, 0, 7]), &[]).map_err(text)?;
    let marker = marker.build().map_err(text)?;
    log.append(&marker, Origin::Coordinator { epoch, now })?;
    Ok(())
}

fn records(settings: BatchSettings, now: Timestamp, count: u32) -> Result<Bytes, Box<dyn Error>> {
    let mut builder = BatchBuilder::new(settings);
    for n in 0..count {
        let value = format!("value {n} ").repeat(30);
        builder.append(now, Some(&n.to_be_bytes()), Some(value.as_bytes()), &[]).map_err(text)?;
    }
    Ok(builder.build().map_err(text)?)
}

fn text(error: ottla_records::builder::BuildError) -> String {
    format!("{error:?}")
}
