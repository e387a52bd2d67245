// How fast Apache Kafka's cleaner compacts a partition's folder, which crates/storage/examples/compact.rs
// wrote:
//
//   java -cp '<jars of Apache Kafka>/*' Speed.java DIR/t-0

import java.io.File;
import java.lang.management.ManagementFactory;
import java.util.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public class Speed {
    public static void main(String[] args) throws Exception {
        Map<String, Object> configs = new HashMap<>();
        configs.put("cleanup.policy", "compact");
        configs.put("segment.bytes", 8 << 20);
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        UnifiedLog log = UnifiedLog.create(new File(args[0]), new LogConfig(configs), 0, 0, scheduler,
            new BrokerTopicStats(), Time.SYSTEM, 60_000, new ProducerStateManagerConfig(Integer.MAX_VALUE, false),
            600_000, new LogDirFailureChannel(1), true, Optional.empty());
        log.updateHighWatermark(log.logEndOffset());
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(128 << 20), 512 << 9, 1 << 20, 0.9,
            new Throttler(Double.MAX_VALUE, 300, "t", "b", Time.SYSTEM), Time.SYSTEM, partition -> { });
        long before = log.size(), begin = System.nanoTime();
        long cpu = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
        cleaner.doClean(new LogToClean(log, 0, log.activeSegment().baseOffset(), true), System.currentTimeMillis());
        long spent = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime() - cpu;
        System.out.printf("%d bytes became %d in %.2f s, %.2f s of CPU%n", before, log.size(),
            (System.nanoTime() - begin) / 1e9, spent / 1e9);
        System.exit(0);
    }
}
