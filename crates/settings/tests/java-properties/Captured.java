import java.io.StringReader;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;

/** Prints random properties files of few characters, and what java.util.Properties reads of each. */
public class Captured {
    static String hex(String text) {
        var hex = new StringBuilder();
        text.chars().forEach(unit -> hex.append(String.format("%04x", unit)));
        return hex.toString();
    }

    public static void main(String[] args) {
        var random = new Random(7);
        String letters = "ab=: \\\\\\\\\n\n\r\t\f#!u00e9tnfr";
        for (int count = 0; count < 400; count++) {
            var file = new StringBuilder();
            int length = 1 + random.nextInt(24);
            for (int at = 0; at < length; at++) {
                file.append(letters.charAt(random.nextInt(letters.length())));
            }
            String read;
            try {
                var properties = new Properties();
                properties.load(new StringReader(file.toString()));
                var line = new StringBuilder();
                new TreeMap<>(properties).forEach((key, value) ->
                        line.append(" ").append(hex((String) key)).append("=").append(hex((String) value)));
                read = line.toString();
            } catch (Exception refused) {
                read = " refused";
            }
            System.out.println(hex(file.toString()) + read);
        }
    }
}
