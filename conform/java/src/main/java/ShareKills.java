// Four members of one share group, each a process of its own, that accept, release, reject, renew and
// forget records while they and the broker are killed: `ShareKills <bootstrap>`. Its lines are the
// contract in ../README.md. A member is `ShareKills member <bootstrap> <group> <topic> <seed>`; it says
// what it gets, what it is about to do with that, and what the broker has confirmed.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class ShareKills extends ShareStory {
    private static final int SECONDS = 600;
    private static final int MEMBERS = 4;
    private static final int RECORDS = 400;
    private static final int RESTARTS = 3;
    private static final int CLIENT_KILLS = 6;
    /** How often a record may be delivered. */
    private static final int LIMIT = 4;
    /** The shortest lock that a group may have. */
    private static final int LOCK_MS = 15_000;

    /** What members said of a record, by its partition and offset. */
    private static final class Life {
        /** The counts that it was delivered with. */
        final List<Integer> deliveries = new ArrayList<>();
        /** What members were about to do with it. */
        final Set<String> tried = new HashSet<>();
        /** It was confirmed that nobody gets it again: what was said, and in which delivery. */
        String confirmed = "";
        int confirmedCount = Integer.MAX_VALUE;
        /** All of it in the order in which it was heard, for whoever must find out. */
        final StringBuilder story = new StringBuilder();
    }

    private final Map<String, Life> lives = new TreeMap<>();
    private final List<Process> members = new ArrayList<>();
    private final List<Thread> readers = new ArrayList<>();
    /** What is in the dead-letter queue, by partition and offset: how often each, and why. */
    private final Map<String, List<String>> letters = new TreeMap<>();
    private String topic = "";
    private String group = "";

    private ShareKills(String bootstrap) {
        super(bootstrap, "share-kills-" + System.currentTimeMillis());
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("member")) {
            new ShareKills(args[1]).live(args[2], args[3], new Random(Long.parseLong(args[4])));
            System.exit(0);
        }
        ShareKills suite = new ShareKills(args[0]);
        run("nothing-lost", SECONDS, suite::nothingLost);
        run("counted", SECONDS, suite::counted);
        run("confirmed", SECONDS, suite::confirmed);
        System.exit(0);
    }

    /** Each record was accepted, rejected, or delivered as often as it may be; none is left. */
    private void nothingLost() throws Exception {
        var level = get(admin.describeFeatures().featureMetadata()).finalizedFeatures().get("share.version");
        if (level == null || level.maxVersionLevel() < 2) {
            var update = new FeatureUpdate((short) 2, FeatureUpdate.UpgradeType.UPGRADE);
            get(admin.updateFeatures(Map.of("share.version", update), new UpdateFeaturesOptions()).all());
        }
        topic = topic("records", 2);
        group = group("killed");
        String queue = "dlq." + topic;
        var made = new NewTopic(queue, 2, (short) 1)
            .configs(Map.of("errors.deadletterqueue.group.enable", "true"));
        get(admin.createTopics(List.of(made)).all());
        configure(group, "errors.deadletterqueue.topic.name", queue);
        configure(group, "share.delivery.count.limit", "" + LIMIT);
        configure(group, "share.record.lock.duration.ms", "" + LOCK_MS);
        send(topic, 0, RECORDS);
        long seed = System.nanoTime();
        System.err.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < MEMBERS; i++) {
            members.add(member(random.nextLong()));
        }
        int kills = 0;
        int restarts = 0;
        while (kills < CLIENT_KILLS || restarts < RESTARTS) {
            deliveries(delivered() + 10 + random.nextInt(60));
            if (restarts * CLIENT_KILLS < kills * RESTARTS) {
                restarts++;
                System.err.println(System.nanoTime() / 1_000_000 % 10_000_000 + ": the broker is killed");
                restart();
                System.err.println(System.nanoTime() / 1_000_000 % 10_000_000 + ": it is back");
            } else {
                kills++;
                int which = random.nextInt(MEMBERS);
                System.err.println(System.nanoTime() / 1_000_000 % 10_000_000 + ": "
                    + members.get(which).pid() + " is killed");
                members.get(which).destroyForcibly().waitFor();
                members.set(which, member(random.nextLong()));
            }
        }
        // Who is not killed any more sees to the rest.
        var of = Map.of(group, new ListShareGroupOffsetsSpec());
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(300);
        long lag = -1;
        while (lag != 0 && System.nanoTime() < end) {
            TimeUnit.MILLISECONDS.sleep(500);
            var offsets = get(admin.listShareGroupOffsets(of).all()).get(group).values();
            // Of a partition that nobody has read nothing is told.
            lag = (2L - offsets.size()) * RECORDS;
            for (var at : offsets) {
                lag += at.lag().orElse((long) RECORDS);
            }
        }
        for (Process member : members) {
            member.destroyForcibly().waitFor();
        }
        for (Thread reader : readers) {
            reader.join();
        }
        equal("lag", lag, 0L);
        readLetters(queue);
        List<String> lost = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            String at = i % 2 + ":" + i / 2;
            Life life = lives.get(at);
            boolean isAccepted = life != null && life.tried.contains("ACCEPT");
            if (!isAccepted && !letters.containsKey(at)) {
                lost.add(at);
            }
        }
        equal("lost", lost, List.of());
    }

    /** Nothing is delivered more often than it may be, but for what a killed broker had not noted. */
    private void counted() {
        equal("there is something to count", lives.size(), RECORDS);
        List<String> wrong = new ArrayList<>();
        lives.forEach((at, life) -> {
            boolean isOver = life.deliveries.stream().anyMatch(count -> count < 1 || count > LIMIT);
            // A killed broker may forget that it delivered, once for each time.
            boolean isRepeated = life.deliveries.stream().distinct().anyMatch(
                count -> life.deliveries.stream().filter(count::equals).count() > 1 + RESTARTS);
            if (isOver || isRepeated || life.deliveries.size() > LIMIT + RESTARTS) {
                wrong.add(at + " was delivered " + life.deliveries);
            }
        });
        letters.forEach((at, whys) -> {
            for (String why : whys) {
                boolean isRejected = why.endsWith("rejected by client.");
                boolean isMeant = isRejected
                    ? lives.get(at).tried.contains("REJECT")
                    : why.startsWith(LIMIT + " ");
                if (!isMeant) {
                    wrong.add(at + " is in the queue: " + why);
                }
            }
        });
        equal("wrong", wrong, List.of());
    }

    /** What the broker has confirmed holds through every kill: nobody gets such a record again. */
    private void confirmed() {
        List<String> wrong = new ArrayList<>();
        int count = 0;
        for (var entry : lives.entrySet()) {
            Life life = entry.getValue();
            count += life.confirmed.isEmpty() ? 0 : 1;
            // Whoever was slow may see an earlier delivery later.
            if (life.deliveries.stream().anyMatch(delivered -> delivered > life.confirmedCount)) {
                wrong.add(entry.getKey() + " came again after " + life.confirmed + ":" + life.story);
            }
            if (life.confirmed.equals("ACCEPT") && letters.containsKey(entry.getKey())) {
                wrong.add(entry.getKey() + " was accepted and is in the queue");
            }
        }
        equal("wrong", wrong, List.of());
        equal("something was confirmed", count > RECORDS / 4, true);
    }

    /** How often members got anything so far. */
    private int delivered() {
        synchronized (lives) {
            return lives.values().stream().mapToInt(life -> life.deliveries.size()).sum();
        }
    }

    /** Waits until it was so often, or the members have little left. */
    private void deliveries(int count) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (delivered() < count && System.nanoTime() < end) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private void readLetters(String queue) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var reader = new KafkaConsumer<String, String>(config)) {
            var places = List.of(new TopicPartition(queue, 0), new TopicPartition(queue, 1));
            reader.assign(places);
            reader.seekToBeginning(places);
            var ends = reader.endOffsets(places);
            until("all letters are read", () -> {
                for (ConsumerRecord<String, String> record : reader.poll(POLL)) {
                    Map<String, String> headers = new HashMap<>();
                    for (Header header : record.headers()) {
                        headers.put(header.key().replace("__dlq.errors.", ""),
                            new String(header.value(), StandardCharsets.UTF_8));
                    }
                    letters.computeIfAbsent(headers.get("partition") + ":" + headers.get("offset"),
                        at -> new ArrayList<>()).add(headers.get("delivery.count") + " " + headers.get("message"));
                }
                return places.stream().allMatch(at -> reader.position(at) >= ends.get(at));
            });
        }
    }

    /** Starts a member, and notes what it says. */
    private Process member(long seed) throws IOException {
        var process = new ProcessBuilder("java", "-Xmx96M", "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"), "ShareKills", "member",
            bootstrap, group, topic, "" + seed)
            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        var lines = new BufferedReader(new InputStreamReader(process.getInputStream()));
        Thread reader = new Thread(() -> {
            try {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    note(process.pid(), line.split(" "));
                }
            } catch (IOException e) {
                // It was killed.
            }
        });
        reader.start();
        readers.add(reader);
        return process;
    }

    /** `got 0:7 2`, `tries 0:7 ACCEPT`, `did 0:7/2 ACCEPT`. */
    private void note(long member, String[] words) {
        // The last line of a killed process may be cut.
        if (words.length != 3) {
            return;
        }
        synchronized (lives) {
            String[] place = words[1].split("/");
            Life life = lives.computeIfAbsent(place[0], at -> new Life());
            life.story.append(' ').append(System.nanoTime() / 1_000_000 % 10_000_000).append(':')
                .append(member).append(' ').append(words[0]).append(' ').append(words[2]);
            switch (words[0]) {
                case "got" -> life.deliveries.add(Integer.parseInt(words[2]));
                case "tries" -> life.tried.add(words[2]);
                case "did" -> {
                    int count = Integer.parseInt(place[1]);
                    // Whatever is said, and by whom, of a record that others are done with is taken.
                    if (life.deliveries.stream().allMatch(delivered -> delivered <= count)) {
                        life.confirmed = words[2];
                        life.confirmedCount = count;
                    }
                }
                default -> throw new IllegalStateException(String.join(" ", words));
            }
        }
    }

    /** A member at work, until it is killed. */
    private void live(String group, String topic, Random random) {
        try (var member = member(group, Map.of("max.poll.records", 10))) {
            member.subscribe(List.of(topic));
            // Those whose locks were renewed come with a later poll again.
            Set<String> renewed = new HashSet<>();
            while (true) {
                var records = member.poll(POLL);
                for (var record : records) {
                    if (!renewed.remove(at(record))) {
                        say("got", record, "" + count(record));
                    }
                }
                if (random.nextInt(60) == 0 && !records.isEmpty()) {
                    pause(LOCK_MS + 2_000);
                }
                Map<String, AcknowledgeType> said = new LinkedHashMap<>();
                for (var record : records) {
                    AcknowledgeType verdict = verdict(random.nextInt(100));
                    if (verdict == AcknowledgeType.RENEW) {
                        renewed.add(at(record));
                    }
                    say("tries", record, verdict.name());
                    member.acknowledge(record, verdict);
                    said.put(at(record) + "/" + count(record), verdict);
                }
                finish(member, said);
            }
        }
    }

    private static AcknowledgeType verdict(int chance) {
        if (chance < 55) {
            return AcknowledgeType.ACCEPT;
        }
        if (chance < 85) {
            return AcknowledgeType.RELEASE;
        }
        return chance < 92 ? AcknowledgeType.REJECT : AcknowledgeType.RENEW;
    }

    /** Commits, and says what is confirmed to be over. */
    private static void finish(
        KafkaShareConsumer<String, String> member, Map<String, AcknowledgeType> said) {
        if (said.isEmpty()) {
            return;
        }
        Set<Integer> refused = new TreeSet<>();
        Set<Integer> written = new TreeSet<>();
        member.commitSync(COMMIT).forEach(
            (of, why) -> (why.isPresent() ? refused : written).add(of.partition()));
        said.forEach((at, verdict) -> {
            int partition = Integer.parseInt(at.substring(0, at.indexOf(':')));
            boolean isOver = verdict == AcknowledgeType.ACCEPT || verdict == AcknowledgeType.REJECT;
            if (isOver && written.contains(partition) && !refused.contains(partition)) {
                System.out.println("did " + at + " " + verdict);
                System.out.flush();
            }
        });
    }

    private static int count(ConsumerRecord<String, String> record) {
        return record.deliveryCount().orElse((short) -1);
    }

    private static String at(ConsumerRecord<String, String> record) {
        return record.partition() + ":" + record.offset();
    }

    private static void say(String what, ConsumerRecord<String, String> record, String more) {
        System.out.println(what + " " + at(record) + " " + more);
        System.out.flush();
    }

    private static void pause(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
