import java.io.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.ScheduledFuture;
import java.util.function.Supplier;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.util.Scheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Asks Apache Kafka's own log what it does with a batch. Reads lines of
 * `name TAB version TAB now TAB topic configs (a=b,c=d) TAB hex of the partition's records` and prints
 * the line again with the verdict behind it:
 * `ok TAB first offset TAB hex of the batch in the log` or
 * `refused TAB error code TAB index:message|index:message TAB message`.
 */
public class Verdicts {
    static long now;
    static final Time TIME = new Time() {
        public long milliseconds() { return now; }
        public long nanoseconds() { return now * 1_000_000; }
        public void sleep(long ms) { }
        public void waitObject(Object o, Supplier<Boolean> s, long d) { }
    };
    static final Scheduler NEVER = new Scheduler() {
        public void startup() { }
        public void shutdown() { }
        public ScheduledFuture<?> schedule(String n, Runnable r, long d, long p) { return null; }
        public void resizeThreadPool(int n) { }
    };
    static final Map<String, UnifiedLog> LOGS = new HashMap<>();

    static UnifiedLog log(String configs) throws IOException {
        UnifiedLog log = LOGS.get(configs);
        if (log != null) return log;
        Map<String, String> map = new HashMap<>();
        for (String pair : configs.split(",")) {
            String[] kv = pair.split("=", 2);
            if (kv.length == 2) map.put(kv[0], kv[1]);
        }
        File dir = new File(Files.createTempDirectory(Path.of("/dev/shm"), "verdicts").toFile(), "topic-0");
        dir.mkdirs();
        log = UnifiedLog.create(dir, new LogConfig(map), 0, 0, NEVER, new BrokerTopicStats(false), TIME,
            60_000, new ProducerStateManagerConfig(86_400_000, false), 60_000, new LogDirFailureChannel(1),
            true, Optional.empty());
        LOGS.put(configs, log);
        return log;
    }

    static byte[] unhex(String s) { return HexFormat.of().parseHex(s); }

    static String clean(String s) { return s == null ? "" : s.replaceAll("[\\t\\r\\n]", " "); }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16));
        boolean trace = args.length > 0;
        String line;
        while ((line = in.readLine()) != null) {
            String[] f = line.split("\t", -1);
            now = Long.parseLong(f[2]);
            UnifiedLog log = log(f[3]);
            String verdict;
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(unhex(f[4])));
            try {
                ProduceRequest.validateRecords(Short.parseShort(f[1]), records);
                LogAppendInfo info = log.appendAsLeader(records, 7, AppendOrigin.CLIENT, RequestLocal.noCaching(),
                    VerificationGuard.SENTINEL, (short) 2);
                FileRecords stored = log.activeSegment().log();
                int from = 0, size = 0;
                for (FileLogInputStream.FileChannelRecordBatch b : stored.batches())
                    if (b.baseOffset() == info.firstOffset()) { from = b.position(); size = b.sizeInBytes(); }
                ByteBuffer bytes = ByteBuffer.allocate(size);
                stored.readInto(bytes, from);
                verdict = "ok\t" + info.firstOffset() + "\t" + HexFormat.of().formatHex(bytes.array(), 0, size);
                log.truncateFullyAndStartAt(info.lastOffset() + 1, Optional.empty());
            } catch (Throwable t) {
                Throwable cause = t;
                List<ProduceResponse.RecordError> errors = List.of();
                if (t instanceof RecordValidationException) {
                    cause = ((RecordValidationException) t).invalidException();
                    errors = ((RecordValidationException) t).recordErrors();
                }
                StringJoiner list = new StringJoiner("|");
                for (ProduceResponse.RecordError e : errors) list.add(e.batchIndex + ":" + clean(e.message));
                verdict = "refused\t" + Errors.forException(cause).code() + "\t" + list + "\t"
                    + clean(cause.getClass().getSimpleName() + ": " + cause.getMessage());
                if (trace) t.printStackTrace();
            }
            out.println(line + "\t" + verdict);
            out.flush();
        }
    }
}
