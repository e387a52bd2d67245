import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.common.config.ConfigDef;

/** Prints, for every config of Kafka, which of the candidate values it accepts (1) or refuses (0). */
public class Accepted {
    static final List<String> CANDIDATES = List.of(
        "", "  ", "-129", "-3", "-2", "-1", "0", "1", "2", "9", " 10 ", "17", "22", "100",
        "2147483647", "2147483648", "32767", "32768", "-2147483649", "9223372036854775807",
        "9223372036854775808", "0.3", "0.5", "0.7", "1.0", "1e3", "NaN", "5f", "+5", "0x10", "1_0",
        "-0", "true", "TRUE", "yes", " false ", "abc", "a,b", "a,a", "a,,b", "a,", ",", "a , b",
        "compact", "delete,compact", "Delete", "none", "null", "producer", "gzip", "CreateTime",
        "createtime", "es256", "ES256", "bidirectional", "broker", "broker,controller",
        "broker,broker", "*", "0:1", "0:1,1:2", "0:1,0:1", "0:x", "latest", "earliest",
        "by_duration:PT1H", "by_duration:x", "by_duration:-PT1S", "read_committed", "required",
        "REQUIRED", "PLAINTEXT", "plaintext", "SASL_SSL", "consumer", "classic,share", "INFO",
        "debug");

    static void run(String scope, ConfigDef configs) {
        for (var name : new TreeSet<>(configs.names())) {
            var key = configs.configKeys().get(name);
            var line = new StringBuilder();
            for (String candidate : CANDIDATES) {
                line.append(accepts(key, candidate) ? '1' : '0');
            }
            System.out.println(scope + "\t" + name + "\t" + line);
        }
    }

    static boolean accepts(ConfigDef.ConfigKey key, String candidate) {
        try {
            new ConfigDef().define(key).parse(Map.of(key.name, candidate));
            return true;
        } catch (RuntimeException refused) {
            return false;
        }
    }

    public static void main(String[] args) {
        String header = String.join("|", CANDIDATES).replace(" ", "_SPACE_");
        System.out.println("scope\tname\t" + header);
        run("broker", org.apache.kafka.server.config.AbstractKafkaConfig.CONFIG_DEF);
        run("topic", org.apache.kafka.storage.internals.log.LogConfig.configDefCopy());
        run("group", org.apache.kafka.coordinator.group.GroupConfig.CONFIG_DEF);
    }
}
