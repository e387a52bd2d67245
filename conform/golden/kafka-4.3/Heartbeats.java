// Plays scripts of heartbeats of streams groups to a live broker and prints its answers, in the words
// of crates/groups/src/streams/tests. One script a line on standard input; needs the topics t and u
// with two partitions each, an offsets topic, and on the broker
// group.streams.initial.rebalance.delay.ms=0, group.streams.assignment.interval.ms=0:
//   java -cp 'kafka_2.13-4.3.1/libs/*' Heartbeats.java PORT GROUP-PREFIX <scripts
import java.io.*; import java.net.*; import java.nio.*; import java.util.*; import org.apache.kafka.common.utils.*; import java.util.stream.*;
import org.apache.kafka.common.message.*; import org.apache.kafka.common.message.StreamsGroupHeartbeatRequestData.*;
import org.apache.kafka.common.protocol.*; import org.apache.kafka.common.requests.*;
public class Heartbeats {
  static DataInputStream in; static DataOutputStream out; static int corr;
  static ByteBuffer ask(ApiKeys key, short version, ApiMessage data, String client) throws Exception {
    RequestHeader header = new RequestHeader(key, version, client, ++corr);
    ByteBuffer h = RequestUtils.serialize(header.data(), header.headerVersion(), data, version);
    byte[] b = new byte[h.remaining()]; h.get(b);
    out.writeInt(b.length); out.write(b); out.flush();
    byte[] r = new byte[in.readInt()]; in.readFully(r);
    ByteBuffer buf = ByteBuffer.wrap(r);
    ResponseHeader.parse(buf, key.responseHeaderVersion(version));
    return buf;
  }
  static class Client { int epoch; String app = "plain"; TreeMap<String, TreeSet<Integer>> active = new TreeMap<>(), standby = new TreeMap<>(), givenA = new TreeMap<>(), givenS = new TreeMap<>(); int seen = -1; }
  static List<TaskIds> lists(Map<String, TreeSet<Integer>> m) { return m.entrySet().stream().map(e -> new TaskIds().setSubtopologyId(e.getKey()).setPartitions(new ArrayList<>(e.getValue()))).toList(); }
  static TreeMap<String, TreeSet<Integer>> copy(TreeMap<String, TreeSet<Integer>> m) { TreeMap<String, TreeSet<Integer>> c = new TreeMap<>(); m.forEach((k, v) -> c.put(k, new TreeSet<>(v))); return c; }
  static void join(TreeMap<String, TreeSet<Integer>> to, TreeMap<String, TreeSet<Integer>> from) { from.forEach((k, v) -> to.computeIfAbsent(k, x -> new TreeSet<>()).addAll(v)); }
  static String names(Map<String, TreeSet<Integer>> m) { return m.entrySet().stream().flatMap(e -> e.getValue().stream().map(p -> e.getKey() + ":" + p)).collect(Collectors.joining(" ")); }
  static TreeMap<String, TreeSet<Integer>> read(List<StreamsGroupHeartbeatResponseData.TaskIds> l) { TreeMap<String, TreeSet<Integer>> m = new TreeMap<>(); l.forEach(t -> { if (!t.partitions().isEmpty()) m.put(t.subtopologyId(), new TreeSet<>(t.partitions())); }); return m; }
  static Topology topology(String app, String pre) {
    int epoch = 0; if (app.contains("+")) { epoch = Integer.parseInt(app.substring(app.indexOf('+') + 1)); app = app.substring(0, app.indexOf('+')); }
    List<Subtopology> subs = switch (app) {
      case "plain" -> List.of(new Subtopology().setSubtopologyId("0").setSourceTopics(List.of("t")));
      case "count" -> List.of(new Subtopology().setSubtopologyId("0").setSourceTopics(List.of("t")).setRepartitionSinkTopics(List.of(pre + "count-r")),
        new Subtopology().setSubtopologyId("1").setRepartitionSourceTopics(List.of(new TopicInfo().setName(pre + "count-r"))).setStateChangelogTopics(List.of(new TopicInfo().setName(pre + "count-c").setTopicConfigs(List.of(new KeyValue().setKey("cleanup.policy").setValue("compact"))))));
      case "join" -> List.of(new Subtopology().setSubtopologyId("0").setSourceTopics(List.of("t", pre + "v")).setCopartitionGroups(List.of(new CopartitionGroup().setSourceTopics(List.of((short) 0, (short) 1)))));
      default -> throw new RuntimeException(app); };
    return new Topology().setEpoch(epoch).setSubtopologies(subs);
  }
  public static void main(String[] args) throws Exception {
    Socket s = new Socket("127.0.0.1", Integer.parseInt(args[0]));
    in = new DataInputStream(s.getInputStream()); out = new DataOutputStream(s.getOutputStream());
    String run = args[1]; int n = 0;
    for (String script : new BufferedReader(new InputStreamReader(System.in)).lines().toList()) {
      String g = run + (n++); Map<String, Client> clients = new TreeMap<>();
      System.out.println("== " + script);
      for (String line : script.split("\\|")) {
        List<String> plain = new ArrayList<>(); Map<String, String> keys = new HashMap<>();
        for (String w : line.trim().split("\\s+")) { int i = w.indexOf('='); if (i > 0) keys.put(w.substring(0, i), w.substring(i + 1)); else plain.add(w); }
        switch (plain.get(0)) {
          case "hb", "quit", "pause" -> {
            String name = plain.get(1); boolean keep = plain.contains("keep");
            Client c = clients.computeIfAbsent(name, x -> new Client());
            if (keys.containsKey("app")) c.app = keys.get("app");
            if (!keep) { c.active = copy(c.givenA); c.standby = copy(c.givenS); }
            int epoch = plain.get(0).equals("quit") ? -1 : plain.get(0).equals("pause") ? -2 : keys.containsKey("epoch") ? Integer.parseInt(keys.get("epoch")) : c.epoch;
            if (epoch == 0) { c.active.clear(); c.standby.clear(); }
            boolean joins = epoch == 0;
            TreeMap<String, TreeSet<Integer>> active = c.active;
            if (keys.containsKey("tasks")) { active = new TreeMap<>(); for (String t : keys.get("tasks").split(",")) active.computeIfAbsent(t.split(":")[0], x -> new TreeSet<>()).add(Integer.parseInt(t.split(":")[1])); }
            Topology top = topology(c.app, g);
            if (keys.containsKey("regex")) top.subtopologies().get(0).setSourceTopicRegex(List.of("x.*"));
            if (keys.containsKey("changelog")) top.subtopologies().get(0).setStateChangelogTopics(List.of(new TopicInfo().setName("c").setPartitions(Integer.parseInt(keys.get("changelog")))));
            int rebalance = keys.containsKey("rebalance") ? (keys.get("rebalance").endsWith("ms") ? Integer.parseInt(keys.get("rebalance").replace("ms", "")) : 1000 * Integer.parseInt(keys.get("rebalance").replace("s", ""))) : 60000;
            String gid = plain.contains("blank") ? " " : keys.containsKey("group") ? g + keys.get("group") : g;
            StreamsGroupHeartbeatRequestData q = new StreamsGroupHeartbeatRequestData().setGroupId(gid).setMemberId(name).setMemberEpoch(epoch).setEndpointInformationEpoch(c.seen)
              .setInstanceId(keys.get("static")).setRebalanceTimeoutMs(joins ? rebalance : -1).setTopology(joins ? top : null).setActiveTasks(lists(active)).setStandbyTasks(lists(c.standby)).setWarmupTasks(List.of())
              .setProcessId(joins ? keys.getOrDefault("process", name) : null).setClientTags(joins ? List.of() : null).setShutdownApplication(plain.contains("stop"));
            if (keys.containsKey("at")) q.setUserEndpoint(new Endpoint().setHost(keys.get("at").split(":")[0]).setPort(Integer.parseInt(keys.get("at").split(":")[1])));
            StreamsGroupHeartbeatResponseData r;
            do { r = new StreamsGroupHeartbeatResponseData(new ByteBufferAccessor(ask(ApiKeys.STREAMS_GROUP_HEARTBEAT, (short) 0, q, name)), (short) 0); if (List.of(14, 15, 16).contains((int) r.errorCode())) Thread.sleep(300); } while (List.of(14, 15, 16).contains((int) r.errorCode()));
            StringBuilder b = new StringBuilder(name + ": ");
            if (r.errorCode() != 0) { b.append(Errors.forCode(r.errorCode())).append(" ").append(r.errorMessage() == null ? "" : r.errorMessage());
              if (List.of(110, 25, 69).contains((int) r.errorCode())) { String app = c.app; c = new Client(); c.app = app; clients.put(name, c); } }
            else { b.append("epoch=").append(r.memberEpoch()); c.epoch = Math.max(0, r.memberEpoch());
              if (r.memberEpoch() < 0) clients.remove(name); else {
                if (r.activeTasks() != null) { c.givenA = read(r.activeTasks()); c.givenS = read(r.standbyTasks()); b.append(" active=[" + names(c.givenA) + "] standby=[" + names(c.givenS) + "]"); }
                if (keep) { join(c.active, c.givenA); join(c.standby, c.givenS); } else { c.active = copy(c.givenA); c.standby = copy(c.givenS); }
                c.seen = r.endpointInformationEpoch();
                if (r.status() != null && !r.status().isEmpty()) b.append(" status=[" + r.status().stream().map(x -> x.statusCode() + " " + x.statusDetail()).collect(Collectors.joining(", ")) + "]");
                if (r.partitionsByUserEndpoint() != null && !r.partitionsByUserEndpoint().isEmpty()) b.append(" at=" + r.endpointInformationEpoch() + " [" + r.partitionsByUserEndpoint().stream().map(e -> e.userEndpoint().host() + ":" + e.userEndpoint().port() + " " + e.activePartitions().stream().map(t -> t.topic() + t.partitions()).collect(Collectors.joining(" ")) + "/" + e.standbyPartitions().stream().map(t -> t.topic() + t.partitions()).collect(Collectors.joining(" "))).collect(Collectors.joining(", ")) + "]");
              } }
            System.out.println(b.toString().trim().replace(g + "v", "v").replace(g + "other", "other").replace(g, "g")); }
          case "describe" -> {
            StreamsGroupDescribeResponseData r = new StreamsGroupDescribeResponseData(new ByteBufferAccessor(ask(ApiKeys.STREAMS_GROUP_DESCRIBE, (short) 0, new StreamsGroupDescribeRequestData().setGroupIds(List.of(g)), "x")), (short) 0);
            var d = r.groups().get(0);
            if (d.errorCode() != 0) System.out.println((Errors.forCode(d.errorCode()) + " " + d.errorMessage()).replace(g, "g"));
            else { StringBuilder b = new StringBuilder(d.groupState() + " epoch=" + d.groupEpoch() + "/" + d.assignmentEpoch());
              b.append(d.members().stream().sorted(Comparator.comparing(m -> m.memberId())).map(m -> " " + m.memberId() + "@" + m.memberEpoch() + " " + both(m.assignment()) + " shall " + both(m.targetAssignment())).collect(Collectors.joining(",")));
              System.out.println(b); } }
          case "wait" -> Thread.sleep(Long.parseLong(plain.get(1)));
          default -> System.out.println("? " + line);
        }
      }
    }
  }
  static String both(StreamsGroupDescribeResponseData.Assignment a) {
    String st = a.standbyTasks().stream().flatMap(t -> t.partitions().stream().map(p -> t.subtopologyId() + ":" + p)).collect(Collectors.joining(" "));
    return "[" + a.activeTasks().stream().flatMap(t -> t.partitions().stream().map(p -> t.subtopologyId() + ":" + p)).collect(Collectors.joining(" ")) + (st.isEmpty() ? "" : " +" + st) + "]"; }
}
