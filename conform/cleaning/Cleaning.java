// What Apache Kafka's log cleaner makes of random logs: the logs before, and what is left after
// each pass, for crates/storage/tests/storage/kafka_cleaner.rs.
//
//   java -cp '<jars of Apache Kafka>/*' Cleaning.java OUT HISTORIES
//
// From the twenty-fourth history on Kafka itself says from where to where a pass goes, with one of
// these in turn: a least lag, a log start that is raised between passes, `compact,delete` with a
// limit of bytes, keys and values that are larger than a buffer. OUT gets a folder `logs` with one partition per history, as it was before any pass, and
// `cleaned.txt`. A history is random, but the same for its number each time, save for the clock.

import java.io.File;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public class Cleaning {
    static final int RETENTION_MS = 60_000;
    /** The first so many histories are only compacted, from where this program says. */
    static final int SIMPLE = 24;
    static final int LAG_MS = 96_000;
    static final CompressionType[] CODECS = {
        CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4,
        CompressionType.ZSTD};

    final Random random;
    final boolean plain;
    final Rule rule;
    final UnifiedLog log;
    final PrintWriter out;
    final Map<Long, Integer> sequences = new TreeMap<>();
    final Map<Long, Short> epochs = new TreeMap<>();
    final Set<Long> open = new TreeSet<>();
    final KafkaScheduler scheduler;
    long clock;
    int counter;

    /** What is asked of a history besides compaction. */
    enum Rule { SIMPLE, LAG, START, DELETE, LARGE }

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        Files.createDirectories(out.resolve("logs"));
        try (PrintWriter text = new PrintWriter(out.resolve("cleaned.txt").toFile())) {
            for (int number = 0; number < Integer.parseInt(args[1]); number++) {
                new Cleaning(number, out, text).run(number, out);
            }
        }
        System.exit(0);
    }

    Cleaning(int number, Path dir, PrintWriter out) throws Exception {
        random = new Random(number);
        this.out = out;
        plain = number % 3 == 0;
        rule = number < SIMPLE ? Rule.SIMPLE : Rule.values()[1 + number % 4];
        clock = System.currentTimeMillis() - 100_000;
        File folder = dir.resolve("work/history-" + number).toFile();
        folder.mkdirs();
        Map<String, Object> configs = new HashMap<>();
        configs.put("cleanup.policy", rule == Rule.DELETE ? "compact,delete" : "compact");
        configs.put("min.compaction.lag.ms", rule == Rule.LAG ? LAG_MS : 0);
        configs.put("retention.ms", -1);
        configs.put("retention.bytes", retentionBytes());
        configs.put("internal.segment.bytes", segmentBytes());
        configs.put("segment.index.bytes", 8192);
        configs.put("index.interval.bytes", 200);
        configs.put("delete.retention.ms", RETENTION_MS);
        if (number % 5 == 4) configs.put("message.timestamp.type", "LogAppendTime");
        scheduler = new KafkaScheduler(1);
        scheduler.startup();
        log = UnifiedLog.create(folder, new LogConfig(configs), 0, 0, scheduler,
            new BrokerTopicStats(), Time.SYSTEM, 60_000,
            new ProducerStateManagerConfig(Integer.MAX_VALUE, false), 600_000,
            new LogDirFailureChannel(1), true, Optional.empty());
    }

    int segmentBytes() {
        return plain && rule != Rule.LARGE ? 3000 : 1 << 20;
    }

    /** Less than what a history comes to. */
    long retentionBytes() {
        return rule == Rule.DELETE ? 2_500 : -1;
    }

    void run(int number, Path dir) throws Exception {
        int slots = random.nextBoolean() ? 10_000 : 16 + random.nextInt(20);
        int steps = 30 + random.nextInt(50);
        for (int step = 0; step < steps; step++) step();
        for (long id : new ArrayList<>(open)) {
            if (random.nextInt(4) > 0) end(id);
        }
        log.roll();
        append(data(false, -1));
        log.flush(true);
        copy(log.dir().toPath(), dir.resolve("logs/history-" + number));
        out.printf("history %d slots=%d segment=%d retention=%d lag=%d bytes=%d%n", number, slots,
            segmentBytes(), RETENTION_MS, rule == Rule.LAG ? LAG_MS : 0, retentionBytes());
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(slots * 24), 1 << 16, 1 << 20, 0.9,
            new Throttler(1e12, 1000, "t", "b", Time.SYSTEM), Time.SYSTEM, partition -> { });
        long dirty = 0, now = System.currentTimeMillis();
        for (int pass = 0; pass < 4; pass++) {
            List<LogSegment> segments = log.logSegments();
            long active = log.activeSegment().baseOffset();
            long mark = pass == 3 ? log.logEndOffset()
                : dirty + 1 + (long) (random.nextDouble() * (active - dirty + 10));
            log.updateHighWatermark(Math.min(mark, log.logEndOffset()));
            if (rule == Rule.START) {
                long start = log.logStartOffset();
                start += (long) (random.nextDouble() * (log.highWatermark() - start) / 2);
                log.maybeIncrementLogStartOffset(start, LogStartOffsetIncrementReason.ClientRecordDeletion);
            }
            if (rule == Rule.START || rule == Rule.DELETE) log.deleteOldSegments();
            long uncleanable = Math.min(log.lastStableOffset(), active);
            if (rule != Rule.SIMPLE) {
                long[] reach = reach(pass == 0 ? Optional.empty() : Optional.of(dirty), now);
                dirty = reach[0];
                uncleanable = reach[1];
            }
            LogToClean toClean = new LogToClean(log, dirty, uncleanable, true);
            out.printf("pass hw=%d now=%d start=%d dirty=%d end=%d bytes=%d%n",
                log.highWatermark(), now, log.logStartOffset(), dirty,
                toClean.firstUncleanableOffset(), toClean.cleanableBytes());
            if (toClean.cleanableBytes() > 0) {
                dirty = cleaner.doClean(toClean, now).getKey();
                out.printf("cleaned %d%n", dirty);
            } else {
                out.println("idle");
            }
            dump();
            now += RETENTION_MS / 2 + random.nextInt(RETENTION_MS);
        }
        log.close();
        scheduler.shutdown();
    }

    /** From where to where Kafka lets a pass go; how it finds that is not for everybody to call. */
    long[] reach(Optional<Long> checkpoint, long now) throws Exception {
        var find = LogCleanerManager.class.getDeclaredMethod("cleanableOffsets",
            UnifiedLog.class, Optional.class, long.class);
        find.setAccessible(true);
        Object found = find.invoke(null, log, checkpoint, now);
        long[] reach = new long[2];
        String[] names = {"firstDirtyOffset", "firstUncleanableDirtyOffset"};
        for (int at = 0; at < names.length; at++) {
            var field = found.getClass().getDeclaredMethod(names[at]);
            field.setAccessible(true);
            reach[at] = (long) field.invoke(found);
        }
        return reach;
    }

    void step() throws Exception {
        clock += random.nextInt(200);
        int pick = random.nextInt(100);
        if (pick < 35) {
            append(data(false, -1));
        } else if (pick < 55) {
            append(data(false, 1 + random.nextInt(2)));
        } else if (pick < 72) {
            long id = 10 + random.nextInt(3);
            append(data(true, id));
            open.add(id);
        } else if (pick < 86 && !open.isEmpty()) {
            end(open.iterator().next());
        } else if (pick < 89) {
            end(10 + random.nextInt(3));
        } else {
            log.roll();
        }
    }

    void end(long id) throws Exception {
        open.remove(id);
        short epoch = epochs.getOrDefault(id, (short) 0);
        // Transactions of version 2 end with the next epoch.
        boolean bumps = random.nextInt(3) == 0;
        if (bumps) {
            epoch++;
            epochs.put(id, epoch);
            sequences.remove(id);
        }
        ControlRecordType type = random.nextBoolean() ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
        MemoryRecords marker = MemoryRecords.withEndTransactionMarker(
            0, clock, 0, id, epoch, new EndTransactionMarker(type, 3));
        log.appendAsLeader(marker, 5, AppendOrigin.COORDINATOR, RequestLocal.noCaching(),
            VerificationGuard.SENTINEL, (short) (bumps ? 2 : 1));
    }

    void append(MemoryRecords records) throws Exception {
        log.appendAsLeader(records, 5);
    }

    MemoryRecords data(boolean transactional, long id) {
        CompressionType codec = plain ? CompressionType.NONE : CODECS[random.nextInt(CODECS.length)];
        int count = 1 + random.nextInt(6);
        short epoch = id < 0 ? -1 : epochs.getOrDefault(id, (short) 0);
        int sequence = id < 0 ? -1 : sequences.getOrDefault(id, 0);
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16),
            RecordBatch.CURRENT_MAGIC_VALUE, Compression.of(codec).build(),
            TimestampType.CREATE_TIME, 0L, RecordBatch.NO_TIMESTAMP, id, epoch, sequence,
            transactional, -1);
        for (int at = 0; at < count; at++) {
            int key = random.nextInt(14);
            byte[] value = random.nextInt(6) == 0 ? null
                : ("v" + counter++ + "x".repeat(random.nextInt(rule == Rule.LARGE ? 4_000 : 40))).getBytes(StandardCharsets.UTF_8);
            Header[] headers = switch (random.nextInt(4)) {
                case 0 -> new Header[] {new RecordHeader("null", (byte[]) null)};
                case 1 -> new Header[] {new RecordHeader("a", new byte[] {1, 2}), new RecordHeader("", new byte[0])};
                default -> new Header[0];
            };
            String name = rule == Rule.LARGE ? "key-".repeat(100 * key) + key : "key-" + key;
            byte[] bytes = key == 0 ? new byte[0] : name.getBytes(StandardCharsets.UTF_8);
            builder.append(clock + random.nextInt(400) - 200, bytes, value, headers);
        }
        if (id >= 0) sequences.put(id, sequence + count);
        return builder.build();
    }

    void dump() throws Exception {
        for (LogSegment segment : log.logSegments()) {
            out.printf("segment %d%n", segment.baseOffset());
            for (RecordBatch batch : segment.log().batches()) {
                out.printf("batch %d..%d epoch=%d codec=%s type=%s%s%s horizon=%d max=%d producer=%d/%d/%d count=%d%s%n",
                    batch.baseOffset(), batch.lastOffset(), batch.partitionLeaderEpoch(),
                    batch.compressionType().name, batch.timestampType(),
                    batch.isTransactional() ? " transactional" : "", batch.isControlBatch() ? " control" : "",
                    batch.deleteHorizonMs().orElse(-1), batch.maxTimestamp(), batch.producerId(),
                    batch.producerEpoch(), batch.baseSequence(), batch.countOrNull(),
                    batch.compressionType() == CompressionType.NONE ? " crc=" + batch.checksum() : "");
                for (org.apache.kafka.common.record.internal.Record record : batch) {
                    String headers = Arrays.stream(record.headers())
                        .map(header -> header.key() + "=" + hex(header.value() == null ? null : ByteBuffer.wrap(header.value())))
                        .collect(Collectors.joining(","));
                    out.printf("record %d %d %s %s [%s]%n", record.offset(), record.timestamp(),
                        hex(record.key()), hex(record.value()), headers);
                }
            }
            for (AbortedTxn aborted : segment.txnIndex().allAbortedTxns()) {
                out.printf("aborted %d %d..%d stable=%d%n", aborted.producerId(), aborted.firstOffset(),
                    aborted.lastOffset(), aborted.lastStableOffset());
            }
            if (plain && segment != log.activeSegment()) {
                OffsetIndex index = segment.offsetIndex();
                for (int at = 0; at < index.entries(); at++) {
                    out.printf("index %d %d%n", index.entry(at).offset(), index.entry(at).position());
                }
                for (int at = 0; at < segment.timeIndex().entries(); at++) {
                    TimestampOffset entry = segment.timeIndex().entry(at);
                    out.printf("time %d %d%n", entry.timestamp(), entry.offset());
                }
            }
        }
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return "'" + HexFormat.of().formatHex(copy) + "'";
    }

    static void copy(Path from, Path to) throws Exception {
        Files.createDirectories(to);
        try (var files = Files.list(from)) {
            for (Path file : (Iterable<Path>) files::iterator) Files.copy(file, to.resolve(file.getFileName()));
        }
    }
}
