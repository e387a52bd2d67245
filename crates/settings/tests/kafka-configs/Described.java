import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;

/** Changes some configs of a running node, then prints what it describes. */
public class Described {
    static Admin admin;

    static void set(ConfigResource resource, String name, String value) throws Exception {
        var op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
    }

    static void print(ConfigResource resource) throws Exception {
        var options = new DescribeConfigsOptions().includeSynonyms(true);
        var config = admin.describeConfigs(List.of(resource), options).all().get().get(resource);
        var entries = new ArrayList<>(config.entries());
        entries.sort(Comparator.comparing(ConfigEntry::name));
        for (ConfigEntry entry : entries) {
            var line = new StringBuilder(resource.type() + "/" + resource.name());
            line.append("\t").append(entry.name()).append("\t").append(entry.value());
            line.append("\t").append(entry.source()).append("\t").append(entry.type());
            line.append(entry.isSensitive() ? "\tsensitive" : "\tshown");
            line.append(entry.isReadOnly() ? "\tread-only" : "\tdynamic").append("\t");
            for (var synonym : entry.synonyms()) {
                line.append("|").append(synonym.name()).append("=").append(synonym.value());
                line.append(" ").append(synonym.source());
            }
            System.out.println(line);
        }
    }

    public static void main(String[] args) throws Exception {
        admin = Admin.create(Map.of("bootstrap.servers", args[0]));
        var broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        var brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, "t");
        var group = new ConfigResource(ConfigResource.Type.GROUP, "g");
        var overrides = Map.of("retention.ms", "5", "cleanup.policy", " compact , delete ",
                "min.cleanable.dirty.ratio", "1");
        var created = new NewTopic("t", Optional.of(1), Optional.empty()).configs(overrides);
        admin.createTopics(List.of(created)).all().get();
        set(brokers, "log.retention.ms", "7000000");
        set(brokers, "log.segment.bytes", "2000000");
        set(brokers, "leader.replication.throttled.rate", "1000");
        set(broker, "log.segment.bytes", "3000000");
        set(broker, "listener.name.plaintext.max.connections", "60");
        set(group, "consumer.session.timeout.ms", "50000");
        Thread.sleep(2000);
        for (var resource : List.of(broker, brokers, topic, group)) {
            print(resource);
        }
        admin.close();
    }
}
