// Prints every config of Apache Kafka's clients with its default, a tab between.
//   java -cp 'LIBS/*' Configs.java > configs.tsv
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

public class Configs {
    public static void main(String[] words) {
        print("producer", ProducerConfig.configDef());
        print("consumer", ConsumerConfig.configDef());
        print("admin", AdminClientConfig.configDef());
    }

    private static void print(String kind, ConfigDef configs) {
        for (ConfigDef.ConfigKey key : new TreeMap<>(configs.configKeys()).values()) {
            System.out.println(kind + "\t" + key.name + "\t" + shown(key.defaultValue));
        }
    }

    private static String shown(Object value) {
        if (value == null || value == ConfigDef.NO_DEFAULT_VALUE) return "";
        if (value instanceof Class<?> type) return type.getSimpleName();
        if (value instanceof List<?> list) {
            return list.stream().map(Configs::shown).collect(Collectors.joining(","));
        }
        return value.toString();
    }
}
