// Prints what Apache Kafka's server-side assignors give to generated groups, one case a line:
// assignor;topic=partitions,...;member[@instance]=topics=had,...;result
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

public class Assign {
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
    for (int c = 1; c <= 200; c++) {
      seed = 0x9e3779b97f4a7c15L * c;
      String name = c % 2 == 0 ? "range" : "uniform";
      ConsumerGroupPartitionAssignor assignor = c % 2 == 0 ? new RangeAssignor() : new UniformAssignor();
      boolean mixed = roll(2) == 0;
      int topics = 1 + roll(5), members = 1 + roll(8);
      Map<Uuid, Integer> counts = new TreeMap<>();
      for (int t = 1; t <= topics; t++) counts.put(new Uuid(0, t), 1 + roll(12));
      // First some members, then others: what the first had is what the second are given.
      Map<String, Set<Uuid>> wants = new TreeMap<>();
      Map<String, String> instances = new HashMap<>();
      for (int m = 0; m < members + 3; m++) {
        Set<Uuid> wanted = new TreeSet<>();
        for (Uuid t : counts.keySet()) if (!mixed || roll(3) > 0) wanted.add(t);
        String id = "m" + (char) ('a' + (m * 7) % 26);
        if (roll(4) == 0) instances.put(id, "i" + (char) ('z' - m));
        wants.put(id, wanted);
      }
      List<String> ids = new ArrayList<>(wants.keySet());
      Map<String, Map<Uuid, Set<Integer>>> had = new HashMap<>();
      for (int round = 0; round < 2; round++) {
        List<String> now = round == 0 ? ids.subList(0, members) : ids.subList(1 + roll(2), ids.size());
        Map<String, MemberSubscriptionAndAssignmentImpl> spec = new HashMap<>();
        Map<Uuid, Map<Integer, String>> inverted = new HashMap<>();
        Set<Set<Uuid>> kinds = new HashSet<>();
        for (String id : now) {
          Map<Uuid, Set<Integer>> mine = had.getOrDefault(id, Map.of());
          mine.forEach((t, ps) -> ps.forEach(p -> inverted.computeIfAbsent(t, k -> new HashMap<>()).put(p, id)));
          kinds.add(wants.get(id));
          spec.put(id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(),
              Optional.ofNullable(instances.get(id)), wants.get(id), new Assignment(mine)));
        }
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
          public int numPartitions(Uuid t) { return counts.getOrDefault(t, -1); }
          public Set<String> racksForPartition(Uuid t, int p) { return Set.of(); }
        };
        GroupAssignment result = assignor.assign(new GroupSpecImpl(spec,
            kinds.size() == 1 ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS, inverted), describer);
        StringBuilder line = new StringBuilder(name).append(';');
        StringJoiner ts = new StringJoiner(",");
        counts.forEach((t, n) -> ts.add(t.getLeastSignificantBits() + "=" + n));
        line.append(ts).append(';');
        StringJoiner ms = new StringJoiner(",");
        for (String id : now) {
          StringJoiner w = new StringJoiner("+");
          for (Uuid t : wants.get(id)) w.add("" + t.getLeastSignificantBits());
          Map<Uuid, Set<Integer>> got = result.members().containsKey(id) ? result.members().get(id).partitions() : Map.of();
          ms.add(id + "@" + instances.getOrDefault(id, "") + "/" + w + "/" + places(had.getOrDefault(id, Map.of())) + "/" + places(got));
        }
        System.out.println(line.append(ms));
        had.clear();
        result.members().forEach((id, m) -> had.put(id, new HashMap<>(m.partitions())));
      }
    }
  }
}
