// Asks nodes the questions of scripts and prints each answer as a line of JSON:
// `Diff (<script>.txt... <address>)...`. Their form stands in ../../../../diff/README.md.
// Fields that a version lacks are left out of its request, so that one question serves them all.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

public final class Diff {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ANSWER_WITHIN_MS = 4_000;
    /** How long `until` goes on, and how long it rests between two questions. */
    private static final int UNTIL_MS_MAX = 20_000;
    private static final int UNTIL_REST_MS = 50;
    private static final int ELEMENTS_MAX = 1_000;
    /** `name: Api v1-3 {json} -> variable=path ...` */
    private static final Pattern QUESTION = Pattern.compile(
        "(?<name>\\S+): +(?<api>\\w+)( +v(?<min>\\d+)(-(?<max>\\d+))?)? +(?<body>.*?)( -> (?<keep>.*))?");

    private final String host;
    private final int port;
    private final Map<String, String> kept = new HashMap<>();
    private final Map<ApiKeys, ApiVersionsResponseData.ApiVersion> announced = new HashMap<>();
    private Socket socket;
    private int correlation;

    private Diff(String bootstrap) {
        int colon = bootstrap.lastIndexOf(':');
        this.host = bootstrap.substring(0, colon);
        this.port = Integer.parseInt(bootstrap.substring(colon + 1));
    }

    public static void main(String[] args) throws Exception {
        List<String> scripts = new ArrayList<>();
        for (String arg : args) {
            if (arg.endsWith(".txt")) {
                scripts.add(arg);
            } else {
                new Diff(arg).run(scripts);
                scripts.clear();
            }
        }
    }

    private void run(List<String> scripts) throws Exception {
        ask(ApiKeys.API_VERSIONS, (short) 3, new ApiVersionsRequestData()
            .setClientSoftwareName("diff").setClientSoftwareVersion("1"), announced);
        for (String script : scripts) {
            for (String question : questions(Path.of(script))) {
                Matcher match = QUESTION.matcher(question);
                if (!match.matches()) {
                    throw new IllegalArgumentException("cannot understand: " + question);
                }
                run(match);
            }
        }
    }

    /** The script's lines; an indented line goes on with the one before it. */
    private static List<String> questions(Path script) throws IOException {
        List<String> found = new ArrayList<>();
        for (String line : Files.readAllLines(script)) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (line.startsWith(" ")) {
                found.add(found.remove(found.size() - 1) + " " + line.strip());
            } else {
                found.add(line.strip());
            }
        }
        return found;
    }

    private void run(Matcher question) throws Exception {
        String name = question.group("name");
        if (question.group("api").equals("Raw")) {
            print(name, -1, raw(question.group("body")));
            return;
        }
        if (question.group("api").equals("Wait")) {
            Thread.sleep(Long.parseLong(question.group("body")));
            return;
        }
        ApiKeys api = api(question.group("api"));
        ApiVersionsResponseData.ApiVersion range = announced.get(api);
        if (range == null) {
            print(name, -1, new TextNode("not announced"));
            return;
        }
        int min = Math.max(range.minVersion(), api.oldestVersion());
        int max = Math.min(range.maxVersion(), api.latestVersion());
        if (question.group("min") != null) {
            min = Math.max(min, Integer.parseInt(question.group("min")));
            String last = question.group("max");
            max = Math.min(max, Integer.parseInt(last == null ? question.group("min") : last));
        }
        if (name.equals("until")) {
            until(question, api, (short) min);
            return;
        }
        for (int version = min; version <= max; version++) {
            JsonNode body = repeated(JSON.readTree(fill(question.group("body"), version)));
            ApiMessage request = api.messageType.newRequest();
            Filler.fill(request, body, (short) version);
            JsonNode answer = ask(api, (short) version, request, null);
            keep(question.group("keep"), answer);
            print(name, version, answer);
        }
    }

    /** Asks until the answer holds what is wanted of it; what then differs is told by others. */
    private void until(Matcher question, ApiKeys api, short version) throws Exception {
        String[] wanted = question.group("keep").split("=", 2);
        for (int waited = 0; waited < UNTIL_MS_MAX; waited += UNTIL_REST_MS) {
            ApiMessage request = api.messageType.newRequest();
            Filler.fill(request, JSON.readTree(fill(question.group("body"), version)), version);
            if (ask(api, version, request, null).at(wanted[1]).asText().equals(wanted[0])) {
                return;
            }
            Thread.sleep(UNTIL_REST_MS);
        }
    }

    private static ApiKeys api(String name) {
        for (ApiKeys api : ApiKeys.values()) {
            if (api.name.equals(name)) {
                return api;
            }
        }
        throw new IllegalArgumentException("no API " + name);
    }

    /** `$name` is what an earlier answer held, `{v}` the version that is asked. */
    private String fill(String text, int version) {
        String filled = text.replace("{v}", Integer.toString(version));
        for (Map.Entry<String, String> one : kept.entrySet()) {
            filled = filled.replace("$" + one.getKey(), one.getValue());
        }
        return filled;
    }

    private void keep(String wanted, JsonNode answer) {
        for (String one : wanted == null ? new String[0] : wanted.split(" ")) {
            JsonNode found = answer.at(one.substring(one.indexOf('=') + 1));
            kept.put(one.substring(0, one.indexOf('=')), found.asText());
        }
    }

    private void print(String name, int version, JsonNode answer) {
        ObjectNode line = JSON.createObjectNode();
        line.put("question", name).put("version", version);
        line.set("answer", shortened(anonymous(answer)));
        System.out.println(line);
    }

    /** `{"times": n, "each": ...}` in an array stands for n elements, `{i}` in them for their number;
        `{"times": n, "text": ...}` is that text n times. */
    private static JsonNode repeated(JsonNode node) throws IOException {
        if (node instanceof ObjectNode object && object.has("times") && object.has("text")) {
            return new TextNode(object.get("text").asText().repeat(object.get("times").asInt()));
        } else if (node instanceof ObjectNode object) {
            for (Map.Entry<String, JsonNode> field : object.properties()) {
                field.setValue(repeated(field.getValue()));
            }
        } else if (node instanceof ArrayNode array) {
            ArrayNode all = JSON.createArrayNode();
            for (JsonNode one : array) {
                int times = one.has("each") ? one.get("times").asInt() : 0;
                String each = times > 0 ? one.get("each").toString() : "";
                for (int i = 0; i < times; i++) {
                    all.add(JSON.readTree(each.replace("{i}", Integer.toString(i))));
                }
                if (times == 0) {
                    all.add(repeated(one));
                }
            }
            return all;
        }
        return node;
    }

    /** Long arrays are told by how many elements they have, and how many with each error. */
    private static JsonNode shortened(JsonNode node) {
        if (node instanceof ArrayNode array && array.size() > ELEMENTS_MAX) {
            ObjectNode told = JSON.createObjectNode().put("elements", array.size());
            Map<String, Integer> errors = new TreeMap<>();
            for (JsonNode one : array) {
                List<String> codes = one.findValuesAsText("errorCode");
                errors.merge(codes.isEmpty() ? "none" : codes.get(0), 1, Integer::sum);
            }
            errors.forEach((code, count) -> told.put("error " + code, count));
            return told;
        } else if (node instanceof ObjectNode object) {
            for (Map.Entry<String, JsonNode> field : object.properties()) {
                field.setValue(shortened(field.getValue()));
            }
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                array.set(i, shortened(array.get(i)));
            }
        }
        return node;
    }

    /** What was kept is another value on every broker: its name stands for it. */
    private JsonNode anonymous(JsonNode node) {
        if (node.isTextual()) {
            for (Map.Entry<String, String> one : kept.entrySet()) {
                if (one.getValue().equals(node.textValue()) && !one.getValue().isEmpty()) {
                    return new TextNode("$" + one.getKey());
                }
            }
        } else if (node instanceof ObjectNode object) {
            object.fieldNames().forEachRemaining(f -> object.set(f, anonymous(object.get(f))));
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                array.set(i, anonymous(array.get(i)));
            }
        }
        return node;
    }

    private JsonNode ask(ApiKeys api, short version, ApiMessage request,
            Map<ApiKeys, ApiVersionsResponseData.ApiVersion> into) throws Exception {
        RequestHeaderData header = new RequestHeaderData().setRequestApiKey(api.id)
            .setRequestApiVersion(version).setCorrelationId(++correlation).setClientId("diff");
        byte[] frame = join(bytes(header, api.requestHeaderVersion(version)), bytes(request, version));
        ByteBuffer answer;
        try {
            answer = exchange(frame, !isSilent(request));
        } catch (SocketTimeoutException e) {
            close();
            return new TextNode("no answer");
        } catch (IOException e) {
            close();
            return new TextNode("closed");
        }
        if (answer == null) {
            return new TextNode("none is given");
        }
        var readable = new ByteBufferAccessor(answer);
        ResponseHeaderData head = new ResponseHeaderData(readable, api.responseHeaderVersion(version));
        if (head.correlationId() != correlation) {
            return new TextNode("correlation id " + head.correlationId());
        }
        ApiMessage response = api.messageType.newResponse();
        response.read(readable, version);
        if (into != null) {
            ((ApiVersionsResponseData) response).apiKeys().forEach(one -> {
                if (ApiKeys.hasId(one.apiKey())) {
                    into.put(ApiKeys.forId(one.apiKey()), one);
                }
            });
        }
        JsonNode json = json(response, version);
        if (answer.hasRemaining() && json instanceof ObjectNode object) {
            object.put("bytes left", answer.remaining());
        }
        return json;
    }

    /** acks=0 has no answer. */
    private static boolean isSilent(ApiMessage request) {
        return request instanceof org.apache.kafka.common.message.ProduceRequestData p && p.acks() == 0;
    }

    private static JsonNode json(ApiMessage response, short version) throws Exception {
        JsonNode json = (JsonNode) Class.forName(response.getClass().getName() + "JsonConverter")
            .getMethod("write", response.getClass(), short.class).invoke(null, response, version);
        if (response instanceof FetchResponseData fetch) {
            for (int t = 0; t < fetch.responses().size(); t++) {
                var partitions = fetch.responses().get(t).partitions();
                for (int p = 0; p < partitions.size(); p++) {
                    ((ObjectNode) json.at("/responses/" + t + "/partitions/" + p))
                        .put("records", hex(partitions.get(p).records()));
                }
            }
        }
        return json;
    }

    private static String hex(BaseRecords records) {
        if (records == null) {
            return null;
        }
        ByteBuffer buffer = ((MemoryRecords) records).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    private static byte[] bytes(Message message, short version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private static byte[] join(byte[] head, byte[] body) {
        return ByteBuffer.allocate(4 + head.length + body.length)
            .putInt(head.length + body.length).put(head).put(body).array();
    }

    private ByteBuffer exchange(byte[] frame, boolean isAnswered) throws IOException {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(ANSWER_WITHIN_MS);
        }
        socket.getOutputStream().write(frame);
        if (!isAnswered) {
            return null;
        }
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[in.readInt()];
        in.readFully(answer);
        return ByteBuffer.wrap(answer);
    }

    /** Bytes as they stand, on a connection of their own; words in quotes are text. */
    private JsonNode raw(String body) throws IOException {
        close();
        try {
            byte[] sent = new byte[0];
            for (String word : body.split(" +")) {
                byte[] more = word.startsWith("'") ? word.substring(1).getBytes(StandardCharsets.UTF_8)
                    : HexFormat.of().parseHex(word);
                sent = ByteBuffer.allocate(sent.length + more.length).put(sent).put(more).array();
            }
            ByteBuffer answer = exchange(sent, true);
            return new TextNode(HexFormat.of().formatHex(answer.array()));
        } catch (SocketTimeoutException e) {
            return new TextNode("no answer");
        } catch (IOException e) {
            return new TextNode("closed");
        } finally {
            close();
        }
    }

    private void close() {
        try {
            if (socket != null) {
                socket.close();
            }
        } catch (IOException e) {
            // It is gone either way.
        }
        socket = null;
    }
}
