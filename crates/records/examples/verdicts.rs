//! Makes batches for Kafka's own log to judge, and compares its verdicts with ours.
//!
//! `verdicts cases [COUNT SEED]` prints the committed cases, or COUNT random ones;
//! `verdicts check` reads the lines that come back from Verdicts.java. See tests/golden/README.md.

#[path = "../tests/verdicts/judge.rs"]
mod judge;

use std::io::{BufRead, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use ottla_records::{BatchBuilder, BatchSettings, Codec, Producer, codec};
use ottla_wire::{ProducerEpoch, ProducerId, Timestamp};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["cases"] => print_cases(named_cases()),
        ["cases", count, seed] => {
            let mut random = Random(seed.parse().expect("SEED is a number"));
            let count: usize = count.parse().expect("COUNT is a number");
            print_cases((0..count).map(|n| random_case(n, &mut random)));
        }
        ["check"] => check(),
        _ => eprintln!("usage: verdicts cases [COUNT SEED] | check"),
    }
}

fn check() {
    let (mut lines, mut differences) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        lines += 1;
        if let Err(difference) = judge::judge(&line.expect("a line of text")) {
            differences += 1;
            println!("{difference}");
        }
    }
    println!("{lines} verdicts, {differences} differences");
}

fn print_cases(cases: impl IntoIterator<Item = Case>) {
    let mut out = std::io::stdout().lock();
    for Case { name, version, configs, records } in cases {
        let records = judge::hex(&records);
        writeln!(out, "{name}\t{version}\t{NOW}\t{configs}\t{records}").expect("stdout is open");
    }
}

struct Case {
    name: String,
    version: i16,
    configs: &'static str,
    records: Vec<u8>,
}

/// The committed cases: each rule of a produce once for each codec that matters to it.
fn named_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for codec in Codec::ALL {
        for configs in CONFIGS {
            cases.push(case(format!("plain {}", codec.name()), configs, batch(codec, 4, 0)));
        }
        for (what, patch) in PATCHES {
            let name = format!("{what} {}", codec.name());
            for configs in ["", "message.timestamp.type=LogAppendTime"] {
                cases.push(case(name.clone(), configs, patched(batch(codec, 3, 0), patch)));
            }
        }
        cases.push(case(format!("keyless {}", codec.name()), CONFIGS[2], batch(codec, 8, 3)));
        for configs in [CONFIGS[0], CONFIGS[2], CONFIGS[4]] {
            let records = mixed_times(codec);
            cases.push(case(format!("mixed times {}", codec.name()), configs, records));
        }
        cases.extend(damaged(codec));
    }
    cases.extend(framing());
    cases.extend(forms());
    cases
}

/// Records that are not what they say, under a right checksum.
fn damaged(codec: Codec) -> Vec<Case> {
    RECORDS
        .iter()
        .flat_map(|(what, bytes)| {
            ["", "compression.type=gzip"].map(|configs| {
                let compressed = codec::compress(codec, codec.default_level(), bytes);
                let mut records = batch(codec, 1, 0);
                records.truncate(HEADER_LEN);
                records.extend(compressed.expect("the default level is a level"));
                case(format!("{what} {}", codec.name()), configs, sealed(records))
            })
        })
        .collect()
}

/// What surrounds a batch, and damage to what is compressed.
fn framing() -> Vec<Case> {
    let mut cases = Vec::new();
    let plain = batch(Codec::None, 2, 0);
    for (what, records) in [
        ("nothing", vec![]),
        ("a cut batch", plain[..plain.len() - 1].to_vec()),
        ("two batches", [plain.clone(), plain.clone()].concat()),
        ("a batch and a cut one", [&plain[..], &plain[..70]].concat()),
        ("a batch and noise", [&plain[..], &[0xff; 20]].concat()),
        ("wrong crc", patched_unsealed(plain.clone(), &[(61, 9)])),
        ("magic 1", patched_unsealed(plain.clone(), &[(16, 1)])),
        ("magic 3", patched_unsealed(plain.clone(), &[(16, 3)])),
        ("length 20", patched_unsealed(plain.clone(), &[(11, 20)])),
        ("length 5", patched_unsealed(plain, &[(11, 5)])),
    ] {
        cases.push(case(what.into(), "", records));
    }
    let zstd = batch(Codec::Zstd, 2, 0);
    cases.push(Case { version: 6, ..case("zstd before version 7".into(), "", zstd) });
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let whole = batch(codec, 40, 0);
        for (what, cut) in [("all", whole.len() - 61), ("half", 40), ("some", 3), ("a byte", 1)] {
            let cut = sealed(whole[..whole.len() - cut].to_vec());
            cases.push(case(format!("{} without {what}", codec.name()), "", cut));
        }
        for at in [0, 2, 3, 5, 7, 15, 18, 30, 45] {
            let mut flipped = whole.clone();
            flipped[HEADER_LEN + at] ^= 0x10;
            cases.push(case(format!("{} flipped at {at}", codec.name()), "", sealed(flipped)));
        }
        let trailing = sealed([&whole[..], b"trailing bytes after it"].concat());
        cases.push(case(format!("{} with a tail", codec.name()), "", trailing));
    }
    cases
}

/// Forms of compressed data that Kafka's own producers do not write.
fn forms() -> Vec<Case> {
    let records = batch(Codec::None, 40, 0)[HEADER_LEN..].to_vec();
    let halves = records.split_at(records.len() / 2);
    let both = |codec: Codec| {
        let level = codec.default_level();
        let compressed = |part| codec::compress(codec, level, part).expect("a level");
        [compressed(halves.0), compressed(halves.1)].concat()
    };
    let lz4 = |frame: FrameInfo| {
        let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
        encoder.write_all(&records).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    };
    let independent = || FrameInfo::new().block_mode(BlockMode::Independent);
    let forms = [
        (
            "raw snappy",
            Codec::Snappy,
            snap::raw::Encoder::new().compress_vec(&records).expect("fits"),
        ),
        ("two snappy streams", Codec::Snappy, both(Codec::Snappy)),
        ("two gzip members", Codec::Gzip, both(Codec::Gzip)),
        ("two zstd frames", Codec::Zstd, both(Codec::Zstd)),
        ("two lz4 frames", Codec::Lz4, both(Codec::Lz4)),
        ("linked lz4 blocks", Codec::Lz4, lz4(FrameInfo::new().block_mode(BlockMode::Linked))),
        ("lz4 block checksums", Codec::Lz4, lz4(independent().block_checksums(true))),
        ("lz4 content checksum", Codec::Lz4, lz4(independent().content_checksum(true))),
        ("lz4 content size", Codec::Lz4, lz4(independent().content_size(Some(length(&records))))),
        ("lz4 blocks of 4 MiB", Codec::Lz4, lz4(independent().block_size(BlockSize::Max4MB))),
        ("snappy called gzip", Codec::Gzip, both(Codec::Snappy)),
    ];
    let case = |(name, codec, compressed): (&str, Codec, Vec<u8>)| {
        let mut records = batch(codec, 40, 0);
        records.truncate(HEADER_LEN);
        records.extend(compressed);
        case(name.into(), "", sealed(records))
    };
    forms.map(case).into()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length in memory fits 64 bits")
}

fn random_case(n: usize, random: &mut Random) -> Case {
    let codec = Codec::ALL[random.below(5)];
    let configs = CONFIGS[random.below(CONFIGS.len())];
    let count = 1 + i32::try_from(random.below(60)).expect("below 60");
    let every = i32::try_from(random.below(6)).expect("below 6");
    let mut records = match random.below(3) {
        0 => mixed_times(codec),
        _ => batch(codec, count, every),
    };
    for _ in 0..random.below(4) {
        let body = random.below(4) > 0;
        let at = if body { 61 + random.below(records.len() - 61) } else { 21 + random.below(40) };
        records[at] = match random.below(4) {
            0 => records[at] ^ (1 << random.below(8)),
            1 => 0,
            2 => 0xff,
            _ => records[at].wrapping_add(1),
        };
    }
    if random.below(8) == 0 {
        records.truncate(61 + random.below(records.len() - 61));
    }
    if random.below(12) == 0 {
        records.extend((0..random.below(30)).map(|n| b'a' + u8::try_from(n % 26).expect("small")));
    }
    case(format!("random {n} {}", codec.name()), configs, sealed(records))
}

fn case(name: String, configs: &'static str, records: Vec<u8>) -> Case {
    Case { name, version: 13, configs, records }
}

/// `count` records; those at multiples of `keyless`, if not 0, have no key.
fn batch(codec: Codec, count: i32, keyless: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
    for n in 0..count {
        let key = format!("key {n}");
        let key = (keyless == 0 || n % keyless != 0).then_some(key.as_bytes());
        let headers = [("trace".into(), Some(vec![7; 3].into())), ("none".into(), None)];
        let headers = if n % 2 == 0 { &headers[..] } else { &[] };
        let value = format!("the value of record {n}");
        let value = (n % 5 != 4).then_some(value.as_bytes());
        builder.append(Timestamp(NOW - 100 + i64::from(n)), key, value, headers).expect("it fits");
    }
    builder.build().expect("it fits").to_vec()
}

/// Records in wild order of time, one without a timestamp, one far away.
fn mixed_times(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
    for time in [NOW - 5, NOW + 5, -1, NOW - 4_000_000_000, NOW + 7_200_000, NOW] {
        builder.append(Timestamp(time), Some(b"key"), None, &[]).expect("it fits");
    }
    let producer = Producer { id: ProducerId(4), epoch: ProducerEpoch(0), base_sequence: 0 };
    builder.set_producer(Some(producer));
    builder.build().expect("it fits").to_vec()
}

fn patched(records: Vec<u8>, patch: &[(usize, u8)]) -> Vec<u8> {
    sealed(patched_unsealed(records, patch))
}

fn patched_unsealed(mut records: Vec<u8>, patch: &[(usize, u8)]) -> Vec<u8> {
    for (at, byte) in patch {
        records[*at] = *byte;
    }
    records
}

/// Sets length and checksum to what they must be.
fn sealed(mut records: Vec<u8>) -> Vec<u8> {
    let len = u32::try_from(records.len() - 12).expect("it is small");
    records[8..12].copy_from_slice(&len.to_be_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &records[21..]);
    records[17..21].copy_from_slice(&u32::try_from(crc).expect("32 bits").to_be_bytes());
    records
}

/// Xorshift: the same cases for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }
}

const NOW: i64 = 1_900_000_000_000;
const HEADER_LEN: usize = 61;

const CONFIGS: [&str; 11] = [
    "",
    "message.timestamp.type=LogAppendTime",
    "cleanup.policy=compact",
    "message.timestamp.before.max.ms=50",
    "message.timestamp.before.max.ms=60000,message.timestamp.after.max.ms=60000",
    "compression.type=gzip",
    "compression.type=snappy",
    "compression.type=lz4,message.timestamp.type=LogAppendTime",
    "compression.type=zstd",
    "compression.type=uncompressed",
    "max.message.bytes=200",
];

/// Bytes of the header to change, by offset.
const PATCHES: [(&str, &[(usize, u8)]); 19] = [
    ("base offset 1", &[(7, 1)]),
    ("control", &[(22, 0x20)]),
    ("append time", &[(22, 0x08)]),
    (
        "append time and no timestamp",
        &[
            (22, 0x08),
            (35, 255),
            (36, 255),
            (37, 255),
            (38, 255),
            (39, 255),
            (40, 255),
            (41, 255),
            (42, 255),
        ],
    ),
    ("transactional", &[(22, 0x10)]),
    ("delete horizon", &[(22, 0x40)]),
    ("unused attributes", &[(21, 0x12), (22, 0x80)]),
    ("codec 5", &[(22, 0x05)]),
    ("codec 7", &[(22, 0x07)]),
    ("another codec", &[(22, 0x02)]),
    ("max timestamp too low", &[(42, 0)]),
    ("max timestamp too high", &[(37, 9)]),
    ("count 0", &[(60, 0)]),
    ("count -1", &[(57, 255), (58, 255), (59, 255), (60, 255)]),
    ("count 2", &[(60, 2)]),
    ("count and offsets 2", &[(60, 2), (26, 1)]),
    ("count and offsets 4", &[(60, 4), (26, 3)]),
    ("negative offsets", &[(23, 255)]),
    (
        "producer without sequence",
        &[(43, 0), (44, 0), (45, 0), (46, 0), (47, 0), (48, 0), (49, 0), (50, 9), (51, 0), (52, 0)],
    ),
];

/// One record of which something is wrong.
const RECORDS: [(&str, &[u8]); 16] = [
    ("right record", &[14, 0, 0, 0, 2, b'k', 1, 0]),
    ("offset delta 5", &[14, 0, 0, 10, 2, b'k', 1, 0]),
    ("record attributes", &[14, 9, 0, 0, 2, b'k', 1, 0]),
    ("no record", &[]),
    ("too short a length", &[12, 0, 0, 0, 2, b'k', 1, 0]),
    ("too long a length", &[16, 0, 0, 0, 2, b'k', 1, 0]),
    ("too long a length, bytes there", &[16, 0, 0, 0, 2, b'k', 1, 0, 0]),
    ("negative length", &[13, 0, 0, 0, 2, b'k', 1, 0]),
    ("endless length", &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    ("key too long", &[14, 0, 0, 0, 20, b'k', 1, 0]),
    ("value too long", &[14, 0, 0, 0, 2, b'k', 20, 0]),
    ("key -2", &[12, 0, 0, 0, 3, 1, 0]),
    ("negative headers", &[14, 0, 0, 0, 2, b'k', 1, 1]),
    ("headers missing", &[14, 0, 0, 0, 2, b'k', 1, 4]),
    ("null header key", &[18, 0, 0, 0, 2, b'k', 1, 2, 1, 1]),
    (
        "endless timestamp",
        &[34, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 2, b'k', 1, 0],
    ),
];
