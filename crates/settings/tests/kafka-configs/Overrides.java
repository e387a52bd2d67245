import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.coordinator.group.GroupCoordinatorConfig;
import org.apache.kafka.coordinator.group.modern.share.ShareGroupConfig;
import org.apache.kafka.storage.internals.log.LogConfig;

/** Says of each line's overrides of a topic or group whether Kafka takes them. */
public class Overrides {
    static final Map<String, String> NODE = Map.of("process.roles", "broker", "node.id", "1",
            "controller.listener.names", "CONTROLLER", "listeners", "PLAINTEXT://host:9092",
            "controller.quorum.bootstrap.servers", "host:9093");

    static void judge(String scope, Map<String, String> overrides) {
        var config = kafka.server.KafkaConfig.fromProps(properties(NODE), false);
        if (scope.equals("group")) {
            GroupConfig.validate(overrides, new GroupCoordinatorConfig(config), new ShareGroupConfig(config));
        } else {
            LogConfig.validate(Map.of(), overrides, config.extractLogConfigMap(), scope.equals("remote"));
        }
    }

    static java.util.Properties properties(Map<String, String> pairs) {
        var properties = new java.util.Properties();
        properties.putAll(pairs);
        return properties;
    }

    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String asked = line.split(" -> ")[0];
            var overrides = new HashMap<String, String>();
            for (String pair : asked.substring(asked.indexOf(' ') + 1).split(" ")) {
                overrides.put(pair.split("=", 2)[0], pair.split("=", 2)[1]);
            }
            String answer = "accepted";
            try {
                judge(asked.split(" ")[0], overrides);
            } catch (Exception refused) {
                answer = "refused";
                System.err.println(asked + " | " + refused.getMessage());
            }
            System.out.println(asked + " -> " + answer);
        }
    }
}
