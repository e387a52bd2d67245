// Writes the bytes of every generated message of Apache Kafka in every valid version, one file per
// kind, one line per case: `Name version case hex`. Values are a function of the field's place, so
// that two runs write the same files. Cases (each only where its bytes differ from those above it):
//   default  a new object
//   full     every field of the version set, arrays of two, tagged fields included
//   nulls    full, but nullable strings, bytes, records and ids null
//   absent   full, but nullable arrays and structs null
//   unknown  full, and every flexible struct carries two tagged fields that nobody knows
// json.txt holds what Kafka's own JSON converter makes of the full cases: `Name version json`
// (Streams is built without that converter).

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

public final class Golden {
    enum Case { DEFAULT, FULL, NULLS, ABSENT, UNKNOWN }

    private static final int FIRST_UNKNOWN_TAG = 9_000;
    private final Case which;
    private int count;

    private Golden(Case which) {
        this.which = which;
    }

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        Files.createDirectories(out);
        Map<String, StringBuilder> files = new TreeMap<>();
        StringBuilder json = new StringBuilder();
        int cases = 0;
        for (Class<?> type : new TreeMap<>(messageClasses()).values()) {
            StringBuilder lines = files.computeIfAbsent(kind(type), k -> new StringBuilder());
            Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
            int first = type.getField("LOWEST_SUPPORTED_VERSION").getShort(null);
            int last = type.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
            for (int version = first; version <= last; version++) {
                Set<String> seen = new LinkedHashSet<>();
                for (Case which : Case.values()) {
                    Message message = (Message) type.getConstructor().newInstance();
                    if (which != Case.DEFAULT) {
                        new Golden(which).fill(message, schemas[version]);
                    }
                    String hex = hex(message, (short) version);
                    if (seen.add(hex)) {
                        lines.append(String.format("%s %d %s %s%n", name(type), version,
                            which.name().toLowerCase(), hex.isEmpty() ? "-" : hex));
                        cases++;
                    }
                    if (which == Case.FULL && !type.getName().contains(".streams.")) {
                        json.append(String.format("%s %d %s%n", name(type), version,
                            json(type, message, (short) version)));
                    }
                }
            }
        }
        for (Map.Entry<String, StringBuilder> file : files.entrySet()) {
            Files.writeString(out.resolve(file.getKey() + ".txt"), file.getValue());
        }
        Files.writeString(out.resolve("json.txt"), json);
        System.out.println(cases + " cases in " + out);
    }

    /** Every top-level generated message in Kafka's own jars, by its name. */
    private static Map<String, Class<?>> messageClasses() throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        for (String entry : System.getProperty("java.class.path").split(":")) {
            String jar = Path.of(entry).getFileName().toString();
            if (!jar.startsWith("kafka") || !jar.endsWith(".jar")) {
                continue;
            }
            try (FileSystem zip = FileSystems.newFileSystem(URI.create("jar:file:" + entry), Map.of());
                 Stream<Path> walk = Files.walk(zip.getPath("/"))) {
                for (Path path : (Iterable<Path>) walk::iterator) {
                    String file = path.toString();
                    if (!file.matches("[^$]*/(message|metadata|generated)/[^/$]*\\.class")) {
                        continue;
                    }
                    String name = file.substring(1, file.length() - ".class".length());
                    Class<?> type = Class.forName(name.replace('/', '.'));
                    if (Message.class.isAssignableFrom(type) && !type.isInterface()) {
                        found.put(name(type), type);
                    }
                }
            }
        }
        return found;
    }

    /** The message's name in its definition: the classes of some kinds add `Data` to it. */
    private static String name(Class<?> type) {
        return type.getSimpleName().replaceAll("(Request|Response|Header)Data$", "$1");
    }

    private static String kind(Class<?> type) {
        String name = name(type);
        if (name.endsWith("Request")) return "requests";
        if (name.endsWith("Response")) return "responses";
        String room = type.getPackageName();
        if (room.contains(".common.metadata")) return "metadata";
        if (room.contains(".coordinator.")) return "coordinators";
        return "others";
    }

    private static String hex(Message message, short version) {
        return HexFormat.of().formatHex(bytes(message, version));
    }

    private static byte[] bytes(Message message, short version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private static Object json(Class<?> type, Message message, short version) throws Exception {
        return Class.forName(type.getName() + "JsonConverter")
            .getMethod("write", type, short.class).invoke(null, message, version);
    }

    private void fill(Message struct, Schema schema) throws Exception {
        for (BoundField field : schema.fields()) {
            if (!(field.def.type instanceof TaggedFields tagged)) {
                set(struct, field.def.name, field.def.type);
                continue;
            }
            for (var known : tagged.fields().values()) {
                set(struct, known.name, known.type);
            }
            if (which == Case.UNKNOWN) {
                for (int tag = FIRST_UNKNOWN_TAG; tag < FIRST_UNKNOWN_TAG + 2; tag++) {
                    struct.unknownTaggedFields().add(new RawTaggedField(tag, text("tag")));
                }
            }
        }
    }

    private void set(Message struct, String name, Type type) throws Exception {
        Field field = javaField(struct.getClass(), name);
        boolean container = type.isArray() || type instanceof Schema;
        if (type.isNullable() && which == (container ? Case.ABSENT : Case.NULLS)) {
            field.set(struct, null);
        } else if (type.isArray()) {
            field.set(struct, array(field, type.arrayElementType().orElseThrow()));
        } else {
            field.set(struct, value(field.getType(), field.get(struct), name, type));
        }
    }

    @SuppressWarnings("unchecked")
    private Object array(Field field, Type element) throws Exception {
        boolean keyed = !field.getType().equals(List.class);
        Collection<Object> list = keyed
            ? (Collection<Object>) field.getType().getConstructor().newInstance() : new ArrayList<>();
        var generic = keyed ? field.getType().getGenericSuperclass() : field.getGenericType();
        Class<?> java = (Class<?>) ((ParameterizedType) generic).getActualTypeArguments()[0];
        list.add(value(java, null, field.getName(), element));
        list.add(value(java, null, field.getName(), element));
        return list;
    }

    /** The next value for a field of this class; `old` is its default. */
    private Object value(Class<?> java, Object old, String name, Type type) throws Exception {
        int n = ++count;
        if (type instanceof Schema schema) {
            Message inner = (Message) java.getConstructor().newInstance();
            fill(inner, schema);
            return inner;
        }
        return switch (type.toString()) {
            case "BOOLEAN" -> old == null || !(Boolean) old;
            case "INT8" -> (byte) (n % 120 + 2);
            case "INT16" -> (short) (n + 0x0102);
            case "UINT16" -> n + 0xC102;
            case "INT32" -> n + 0x01020304;
            case "UINT32" -> n + 0xC1020304L;
            case "INT64" -> n + 0x0102030405060708L;
            case "FLOAT64" -> n + 0.25;
            case "UUID" -> new Uuid(0x1112131415161718L + n, 0x2122232425262728L + n);
            case "STRING", "COMPACT_STRING", "NULLABLE_STRING", "COMPACT_NULLABLE_STRING" ->
                name + "-\u00e9-" + n;
            case "BYTES", "COMPACT_BYTES", "NULLABLE_BYTES", "COMPACT_NULLABLE_BYTES" ->
                java.equals(ByteBuffer.class) ? ByteBuffer.wrap(text(name)) : text(name);
            case "RECORDS", "COMPACT_RECORDS", "NULLABLE_RECORDS", "COMPACT_NULLABLE_RECORDS" ->
                MemoryRecords.withRecords(Compression.NONE,
                    new SimpleRecord(1_700_000_000_000L + n, text("key"), text("value")));
            default -> throw new IOException("no value for type " + type + " of " + name);
        };
    }

    private byte[] text(String prefix) {
        return (prefix + "=" + ++count).getBytes(StandardCharsets.UTF_8);
    }

    /** Schemas say `topic_id` where the class says `topicId`. */
    private static Field javaField(Class<?> type, String schemaName) throws Exception {
        String wanted = schemaName.replace("_", "");
        for (Field field : type.getDeclaredFields()) {
            if (field.getName().equalsIgnoreCase(wanted) && !Modifier.isStatic(field.getModifiers())) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new NoSuchFieldException(type.getName() + "." + schemaName);
    }
}
