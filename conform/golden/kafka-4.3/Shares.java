// Prints what Apache Kafka's assignor of share groups gives to generated groups, one case a line:
// topic=partitions[-how many have no state yet],...;member/subscribed/had/given,...
// The cases of a pair are one group: the second begins with what the first was given.
// Of the release that the assignor is judged by: java -cp 'kafka_2.13-4.3.1/libs/*' Shares.java
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.SimpleAssignor;
import org.apache.kafka.coordinator.group.modern.*;

public class Shares {
  static long seed;
  static int roll(int sides) {
    seed ^= seed << 13; seed ^= seed >>> 7; seed ^= seed << 17;
    return (int) Long.remainderUnsigned(seed, sides);
  }
  static String places(Map<Uuid, Set<Integer>> partitions) {
    TreeMap<Long, TreeSet<Integer>> sorted = new TreeMap<>();
    partitions.forEach((t, p) -> { if (!p.isEmpty()) sorted.put(t.getLeastSignificantBits(), new TreeSet<>(p)); });
    StringJoiner all = new StringJoiner(" ");
    sorted.forEach((t, ps) -> ps.forEach(p -> all.add(t + ":" + p)));
    return all.toString();
  }
  public static void main(String[] args) {
    for (int c = 1; c <= 250; c++) {
      seed = 0x9e3779b97f4a7c15L * c;
      boolean mixed = roll(2) == 0;
      int topics = 1 + roll(4), members = 1 + roll(10);
      Map<Uuid, Integer> counts = new TreeMap<>();
      Map<Uuid, Integer> late = new TreeMap<>();
      for (int t = 1; t <= topics; t++) {
        Uuid id = new Uuid(0, t);
        counts.put(id, 1 + roll(roll(2) == 0 ? 3 : 10));
        late.put(id, roll(4) == 0 ? roll(counts.get(id) + 1) : 0);
      }
      Map<String, Set<Uuid>> wants = new TreeMap<>();
      for (int m = 0; m < members + 4; m++) {
        Set<Uuid> wanted = new TreeSet<>();
        for (Uuid t : counts.keySet()) if (!mixed || roll(3) > 0) wanted.add(t);
        wants.put("m" + (char) ('a' + (m * 7) % 26), wanted);
      }
      List<String> ids = new ArrayList<>(wants.keySet());
      Map<String, Map<Uuid, Set<Integer>>> had = new HashMap<>();
      for (int round = 0; round < 2; round++) {
        List<String> now = round == 0 ? ids.subList(0, members) : ids.subList(roll(3), ids.size() - roll(3));
        // In the second round every partition has its state.
        Map<Uuid, Set<Integer>> assignable = new HashMap<>();
        StringJoiner sizes = new StringJoiner(",");
        for (Uuid t : counts.keySet()) {
          int without = round == 0 ? late.get(t) : 0;
          Set<Integer> all = new HashSet<>();
          for (int p = 0; p < counts.get(t) - without; p++) all.add(p);
          assignable.put(t, all);
          sizes.add(t.getLeastSignificantBits() + "=" + counts.get(t) + (without > 0 ? "-" + without : ""));
        }
        Map<String, MemberSubscriptionAndAssignmentImpl> spec = new LinkedHashMap<>();
        Set<Set<Uuid>> kinds = new HashSet<>();
        for (String id : now) {
          kinds.add(wants.get(id));
          spec.put(id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(), Optional.empty(),
              wants.get(id), new Assignment(had.getOrDefault(id, Map.of()))));
        }
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
          public int numPartitions(Uuid t) { return counts.getOrDefault(t, -1); }
          public Set<String> racksForPartition(Uuid t, int p) { return Set.of(); }
        };
        GroupAssignment result = new SimpleAssignor().assign(new GroupSpecImpl(spec,
            kinds.size() == 1 ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS,
            Map.of(), Optional.of(assignable)), describer);
        StringJoiner told = new StringJoiner(",");
        Map<String, Map<Uuid, Set<Integer>>> given = new HashMap<>();
        for (String id : now) {
          StringJoiner w = new StringJoiner("+");
          for (Uuid t : wants.get(id)) w.add("" + t.getLeastSignificantBits());
          Map<Uuid, Set<Integer>> got = result.members().containsKey(id) ? result.members().get(id).partitions() : Map.of();
          given.put(id, got);
          told.add(id + "/" + w + "/" + places(had.getOrDefault(id, Map.of())) + "/" + places(got));
        }
        System.out.println(sizes + ";" + told);
        had = given;
      }
    }
  }
}
