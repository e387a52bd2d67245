// Prints what Apache Kafka's assignor of streams groups gives to generated groups, one case a line:
// standbys;subtopology=tasks[s],...;member@process/active had/standby had/active/standby,...
// The cases of a pair are one group: the second begins with what the first was given.
// Of the release that the assignor is judged by: java -cp 'kafka_2.13-4.3.1/libs/*' Tasks.java
import java.util.*;
import org.apache.kafka.coordinator.group.streams.assignor.*;

public class Tasks {
  static long seed;
  static int roll(int sides) {
    seed ^= seed << 13; seed ^= seed >>> 7; seed ^= seed << 17;
    return (int) Long.remainderUnsigned(seed, sides);
  }
  static String places(Map<String, Set<Integer>> tasks) {
    StringJoiner all = new StringJoiner(" ");
    new TreeMap<>(tasks).forEach((s, ps) -> new TreeSet<>(ps).forEach(p -> all.add(s + ":" + p)));
    return all.toString();
  }
  public static void main(String[] args) {
    for (int c = 1; c <= 200; c++) {
      seed = 0x9e3779b97f4a7c15L * c;
      int standbys = roll(3), parts = 1 + roll(4), members = 1 + roll(6), processes = 1 + roll(4);
      SortedMap<String, Integer> counts = new TreeMap<>();
      Set<String> stateful = new TreeSet<>();
      for (int s = 0; s < parts; s++) {
        counts.put("" + s, 1 + roll(7));
        if (roll(2) == 0) stateful.add("" + s);
      }
      TopologyDescriber describer = new TopologyDescriber() {
        public List<String> subtopologies() { return new ArrayList<>(counts.keySet()); }
        public int maxNumInputPartitions(String s) { return counts.get(s); }
        public boolean isStateful(String s) { return stateful.contains(s); }
      };
      Map<String, String> processOf = new TreeMap<>();
      for (int m = 0; m < members + 3; m++)
        processOf.put("m" + (char) ('a' + (m * 7) % 26), "p" + roll(processes));
      List<String> ids = new ArrayList<>(processOf.keySet());
      Map<String, MemberAssignment> had = new HashMap<>();
      for (int round = 0; round < 2; round++) {
        List<String> now = round == 0 ? ids.subList(0, members) : ids.subList(1 + roll(2), ids.size());
        Map<String, AssignmentMemberSpec> spec = new HashMap<>();
        for (String id : now) {
          MemberAssignment mine = had.getOrDefault(id, MemberAssignment.empty());
          spec.put(id, new AssignmentMemberSpec(Optional.empty(), Optional.empty(), mine.activeTasks(),
              mine.standbyTasks(), Map.of(), processOf.get(id), Map.of(), Map.of(), Map.of()));
        }
        GroupSpec group = new GroupSpecImpl(spec, Map.of("num.standby.replicas", "" + standbys));
        Map<String, MemberAssignment> given = new StickyTaskAssignor().assign(group, describer).members();
        StringJoiner told = new StringJoiner(",");
        for (String id : now) {
          MemberAssignment before = had.getOrDefault(id, MemberAssignment.empty()), after = given.get(id);
          told.add(id + "@" + processOf.get(id) + "/" + places(before.activeTasks()) + "/"
              + places(before.standbyTasks()) + "/" + places(after.activeTasks()) + "/"
              + places(after.standbyTasks()));
        }
        StringJoiner sizes = new StringJoiner(",");
        counts.forEach((s, n) -> sizes.add(s + "=" + n + (stateful.contains(s) ? "s" : "")));
        System.out.println(standbys + ";" + sizes + ";" + told);
        had = given;
      }
    }
  }
}
