// What the official Java consumers must show of classic groups beyond two members of a suite: `Groups
// <bootstrap>`. Its lines are the contract in ../README.md; the broker has group.max.size=4.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupMaxSizeReachedException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Groups extends Story {
    private static final int SECONDS_PER_FEATURE = 90;
    private static final int SIZE_MAX = 4;

    private Groups(String bootstrap) {
        super(bootstrap, "groups-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        Groups suite = new Groups(args[0]);
        run("cooperative", SECONDS_PER_FEATURE, suite::cooperative);
        run("static", SECONDS_PER_FEATURE, suite::remembered);
        run("size", SECONDS_PER_FEATURE, suite::size);
        run("stable", SECONDS_PER_FEATURE, suite::stable);
        run("live-admin", SECONDS_PER_FEATURE, suite::liveAdmin);
        System.exit(0);
    }

    /** A member, and what it was told of its partitions. */
    private final class Member implements AutoCloseable, ConsumerRebalanceListener {
        final KafkaConsumer<String, String> consumer;
        final List<TopicPartition> revoked = new ArrayList<>();
        final List<TopicPartition> lost = new ArrayList<>();
        int rebalances = 0;

        Member(String topic, String group, Map<String, Object> how) {
            Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
            config.put("group.id", prefix + "-" + group);
            config.put("session.timeout.ms", 20_000);
            config.putAll(how);
            consumer = new KafkaConsumer<>(config);
            consumer.subscribe(List.of(topic), this);
        }

        Set<TopicPartition> poll() {
            consumer.poll(Duration.ofMillis(50));
            return new HashSet<>(consumer.assignment());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            revoked.addAll(partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            lost.addAll(partitions);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            rebalances++;
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    /** Who makes room for a new member gives up only what the new one gets, and keeps the rest throughout. */
    private void cooperative() throws Exception {
        String topic = topic("cooperative", 4);
        Map<String, Object> how = Map.of("partition.assignment.strategy",
            List.of(CooperativeStickyAssignor.class.getName()));
        try (var first = new Member(topic, "cooperative", how)) {
            until("one owns all", () -> first.poll().size() == 4);
            var before = first.poll();
            try (var second = new Member(topic, "cooperative", how)) {
                until("each owns half", () -> first.poll().size() == 2 & second.poll().size() == 2);
                equal("given up", new HashSet<>(first.revoked), second.poll());
                equal("given up once", first.revoked.size(), 2);
                var kept = new HashSet<>(before);
                kept.removeAll(first.revoked);
                equal("kept", first.poll(), kept);
                equal("the new one gave up", second.revoked, List.of());
            }
            until("the one that stays owns all", () -> first.poll().size() == 4);
            equal("given up", first.revoked.size(), 2);
            equal("lost", first.lost, List.of());
        }
    }

    /** A static member that is replaced has its partitions again in the same generation; nobody else notices. */
    private void remembered() throws Exception {
        String topic = topic("static", 2);
        Map<String, Object> one = Map.of("group.instance.id", "one");
        Map<String, Object> two = Map.of("group.instance.id", "two");
        try (var second = new Member(topic, "static", two)) {
            var first = new Member(topic, "static", one);
            until("each owns one", () -> first.poll().size() == 1 & second.poll().size() == 1);
            var owned = first.poll();
            int generation = first.consumer.groupMetadata().generationId();
            String member = first.consumer.groupMetadata().memberId();
            int rebalances = second.rebalances;
            first.close();
            try (var again = new Member(topic, "static", one)) {
                until("it is there again", () -> {
                    second.poll();
                    return !again.poll().isEmpty();
                });
                equal("its partitions", again.poll(), owned);
                equal("generation", again.consumer.groupMetadata().generationId(), generation);
                equal("the id is new", again.consumer.groupMetadata().memberId().equals(member), false);
                second.poll();
                equal("rebalances of the other", second.rebalances, rebalances);
                equal("the other gave up", second.lost, List.of());
            }
        }
    }

    /** A group takes group.max.size members; one more is refused, and the others go on. */
    private void size() throws Exception {
        String topic = topic("size", SIZE_MAX);
        var members = new ArrayList<Member>();
        try {
            for (int i = 0; i < SIZE_MAX; i++) {
                members.add(new Member(topic, "size", Map.of()));
            }
            until("each owns one", () -> members.stream().filter(it -> it.poll().size() == 1).count() == SIZE_MAX);
            try (var refused = new Member(topic, "size", Map.of())) {
                until("one more is refused", () -> {
                    members.forEach(Member::poll);
                    try {
                        equal("what it owns", refused.poll(), Set.of());
                        return false;
                    } catch (GroupMaxSizeReachedException e) {
                        return true;
                    }
                });
            }
            for (var member : members) {
                equal("what the others own", member.poll().size(), 1);
            }
        } finally {
            members.forEach(Member::close);
        }
    }

    /** Offsets of an open transaction are waited for by who asks for stable ones, and not by who does not. */
    private void stable() throws Exception {
        String topic = topic("stable", 1);
        var at = new TopicPartition(topic, 0);
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        config.put("transactional.id", prefix + "-stable");
        try (var producer = new KafkaProducer<String, String>(config);
                var member = new Member(topic, "stable", Map.of("isolation.level", "read_committed"))) {
            producer.initTransactions();
            until("it owns all", () -> member.poll().size() == 1);
            member.consumer.commitSync(Map.of(at, new OffsetAndMetadata(3)));
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(7)), member.consumer.groupMetadata());
            var of = Set.of(at);
            var shown = admin.listConsumerGroupOffsets(prefix + "-stable").partitionsToOffsetAndMetadata().get();
            equal("what stood before", shown.get(at).offset(), 3L);
            try {
                member.consumer.committed(of, Duration.ofSeconds(1));
                throw new AssertionError("an offset that is not stable is told");
            } catch (TimeoutException e) {
                producer.commitTransaction();
            }
            equal("what is stable then", member.consumer.committed(of).get(at).offset(), 7L);
        }
    }

    /** What administrators may do to a group with members, and what not. */
    private void liveAdmin() throws Exception {
        String topic = topic("live", 1);
        var at = new TopicPartition(topic, 0);
        String group = prefix + "-live";
        try (var member = new Member(topic, "live", Map.of("group.instance.id", "one"))) {
            until("it owns all", () -> member.poll().size() == 1);
            member.consumer.commitSync(Map.of(at, new OffsetAndMetadata(5)));
            refused("deletion", admin.deleteConsumerGroups(List.of(group)).all(), GroupNotEmptyException.class);
            refused("deletion of offsets", admin.deleteConsumerGroupOffsets(group, Set.of(at)).partitionResult(at),
                GroupSubscribedToTopicException.class);
            refused("change of offsets", admin.alterConsumerGroupOffsets(group,
                Map.of(at, new OffsetAndMetadata(1))).partitionResult(at), UnknownMemberIdException.class);
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            equal("state", described.groupState().toString(), "Stable");
            equal("assignor", described.partitionAssignor(), new RangeAssignor().name());
            equal("members", described.members().stream().map(it -> it.groupInstanceId().get()).toList(),
                List.of("one"));
            var unknown = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("nobody")));
            refused("removal of nobody",
                admin.removeMembersFromConsumerGroup(group, unknown).memberResult(new MemberToRemove("nobody")),
                UnknownMemberIdException.class);
            var one = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")));
            admin.removeMembersFromConsumerGroup(group, one).all().get();
            until("it hears that it was removed", () -> {
                member.poll();
                return !member.lost.isEmpty();
            });
            until("it is in the group again", () -> member.poll().size() == 1);
            equal("the offset stays", member.consumer.committed(Set.of(at)).get(at).offset(), 5L);
        }
        admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get();
        admin.alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(1))).all().get();
        admin.deleteConsumerGroupOffsets(group, Set.of(at)).all().get();
        equal("offsets", admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), Map.of());
        admin.deleteConsumerGroups(List.of(group)).all().get();
        equal("the group is gone", admin.listGroups().all().get().stream()
            .anyMatch(listed -> listed.groupId().equals(group)), false);
    }

    private static void refused(String what, KafkaFuture<?> done, Class<?> why) throws Exception {
        try {
            done.get();
            throw new AssertionError(what + " was not refused");
        } catch (ExecutionException e) {
            equal(what, e.getCause().getClass(), why);
        }
    }
}
