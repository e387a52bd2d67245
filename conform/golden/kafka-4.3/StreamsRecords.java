// Prints records of streams groups in hex, one a line: name key value. Made and written by Apache
// Kafka 4.3.1's own classes: java -cp 'kafka_2.13-4.3.1/libs/*' StreamsRecords.java
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.message.StreamsGroupHeartbeatRequestData.*;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.generated.StreamsGroupMemberMetadataValue;
import org.apache.kafka.coordinator.group.streams.*;

public class StreamsRecords {
  static void print(String name, CoordinatorRecord record) {
    GroupCoordinatorRecordSerde serde = new GroupCoordinatorRecordSerde();
    byte[] value = serde.serializeValue(record);
    System.out.println(name + " " + hex(serde.serializeKey(record)) + " " + (value == null ? "-" : hex(value)));
  }
  static String hex(byte[] bytes) { return HexFormat.of().formatHex(bytes); }
  public static void main(String[] args) {
    String g = "words";
    TopicInfo changelog = new TopicInfo().setName("words-store-changelog").setReplicationFactor((short) 3)
        .setTopicConfigs(List.of(new KeyValue().setKey("cleanup.policy").setValue("compact"),
            new KeyValue().setKey("message.timestamp.type").setValue("CreateTime")));
    TopicInfo repartition = new TopicInfo().setName("words-by-word-repartition").setPartitions(4);
    Topology topology = new Topology().setEpoch(1).setSubtopologies(List.of(
        new Subtopology().setSubtopologyId("0").setSourceTopics(List.of("lines"))
            .setRepartitionSinkTopics(List.of("words-by-word-repartition")),
        new Subtopology().setSubtopologyId("1").setSourceTopics(List.of("stop-words"))
            .setRepartitionSourceTopics(List.of(repartition)).setStateChangelogTopics(List.of(changelog))
            .setCopartitionGroups(List.of(new CopartitionGroup().setSourceTopics(List.of((short) 0))
                .setRepartitionSourceTopics(List.of((short) 0))))));
    StreamsGroupMember member = StreamsGroupMember.Builder.withDefaults("m1").setRackId("r1")
        .setRebalanceTimeoutMs(45000).setClientId("words-1").setClientHost("/127.0.0.1")
        .setTopologyEpoch(1).setProcessId("b8f1a6d2-0000-4000-8000-000000000001")
        .setUserEndpoint(new StreamsGroupMemberMetadataValue.Endpoint().setHost("host").setPort(65000))
        .setClientTags(Map.of("zone", "a", "cluster", "k")).setState(MemberState.UNREVOKED_TASKS)
        .setMemberEpoch(7).setPreviousMemberEpoch(6)
        .setAssignedTasks(new TasksTupleWithEpochs(Map.of("0", Map.of(0, 3, 1, 7), "1", Map.of(2, 5)),
            Map.of("1", Set.of(0, 1)), Map.of("1", Set.of(3))))
        .setTasksPendingRevocation(new TasksTupleWithEpochs(Map.of("0", Map.of(3, 2)),
            Map.of("1", Set.of(2)), Map.of())).build();
    print("streams-topology", StreamsCoordinatorRecordHelpers.newStreamsGroupTopologyRecord(g, topology));
    print("streams-member", StreamsCoordinatorRecordHelpers.newStreamsGroupMemberRecord(g, member));
    print("streams-plain-member", StreamsCoordinatorRecordHelpers.newStreamsGroupMemberRecord(g,
        StreamsGroupMember.Builder.withDefaults("m2").build()));
    print("streams-epoch-not-ready", StreamsCoordinatorRecordHelpers.newStreamsGroupMetadataRecord(g, 2, 0, -1,
        Map.of("num.standby.replicas", "0")));
    print("streams-epoch", StreamsCoordinatorRecordHelpers.newStreamsGroupMetadataRecord(g, 8, -5412347890123L, 1,
        Map.of("num.standby.replicas", "1")));
    print("streams-target", StreamsCoordinatorRecordHelpers.newStreamsGroupTargetAssignmentRecord(g, "m1",
        new TasksTuple(Map.of("0", Set.of(0, 1), "1", Set.of(2)), Map.of("1", Set.of(0)), Map.of("1", Set.of(3)))));
    print("streams-target-epoch", StreamsCoordinatorRecordHelpers.newStreamsGroupTargetAssignmentMetadataRecord(g, 8,
        1795300000000L));
    print("streams-current", StreamsCoordinatorRecordHelpers.newStreamsGroupCurrentAssignmentRecord(g, member));
    print("streams-current-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupCurrentAssignmentTombstoneRecord(g, "m1"));
    print("streams-target-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupTargetAssignmentTombstoneRecord(g, "m1"));
    print("streams-member-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupMemberTombstoneRecord(g, "m1"));
    print("streams-target-epoch-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupTargetAssignmentMetadataTombstoneRecord(g));
    print("streams-epoch-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupEpochTombstoneRecord(g));
    print("streams-topology-gone", StreamsCoordinatorRecordHelpers.newStreamsGroupTopologyRecordTombstone(g));
  }
}
