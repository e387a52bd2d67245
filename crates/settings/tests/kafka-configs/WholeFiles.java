import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Properties;
import scala.jdk.javaapi.CollectionConverters;

/** Fills in what Kafka says to each file of a scenario: refused, or accepted and what it advertises. */
public class WholeFiles {
    public static void main(String[] args) throws Exception {
        for (String scenario : Files.readString(Path.of(args[0])).split("\n\n")) {
            String file = scenario.substring(0, scenario.indexOf("----\n"));
            var properties = new Properties();
            properties.load(new StringReader(file));
            System.out.print(file + "----\n" + answer(properties).strip() + "\n\n");
        }
    }

    static String answer(Properties properties) {
        try {
            var config = kafka.server.KafkaConfig.fromProps(properties, false);
            var told = new ArrayList<String>();
            for (var endpoint :
                    CollectionConverters.asJava(config.effectiveAdvertisedBrokerListeners())) {
                told.add(endpoint.listener() + "/" + endpoint.securityProtocol() + "://"
                        + endpoint.host() + ":" + endpoint.port());
            }
            return "accepted " + String.join(" ", told);
        } catch (Exception refused) {
            return "refused";
        }
    }
}
