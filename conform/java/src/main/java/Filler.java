// Sets a message's fields from JSON; what the version lacks is left out, what the JSON lacks keeps
// its default. Bytes are text or "hex:...", records are described (see Batch).

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

final class Filler {
    static void fill(Message message, JsonNode json, short version) throws Exception {
        fill(message, json, ((Schema[]) message.getClass().getField("SCHEMAS").get(null))[version]);
    }

    private static void fill(Message struct, JsonNode json, Schema schema) throws Exception {
        Set<String> unknown = new HashSet<>();
        json.fieldNames().forEachRemaining(unknown::add);
        for (Field field : struct.getClass().getDeclaredFields()) {
            unknown.remove(field.getName());
        }
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException(struct.getClass() + " has no " + unknown);
        }
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (var known : tagged.fields().values()) {
                    set(struct, json, known.name, known.type);
                }
            } else {
                set(struct, json, bound.def.name, bound.def.type);
            }
        }
    }

    private static void set(Message struct, JsonNode json, String name, Type type) throws Exception {
        String wanted = name.replace("_", "");
        for (Field field : struct.getClass().getDeclaredFields()) {
            if (field.getName().equalsIgnoreCase(wanted) && json.has(field.getName())) {
                field.setAccessible(true);
                JsonNode value = json.get(field.getName());
                if (!value.isNull()) {
                    field.set(struct, type.isArray() ? array(field, value, type) : value(field.getType(), value, type));
                } else if (type.isNullable()) {
                    field.set(struct, null);
                }
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static Object array(Field field, JsonNode json, Type type) throws Exception {
        boolean keyed = !field.getType().equals(List.class);
        Collection<Object> list = keyed
            ? (Collection<Object>) field.getType().getConstructor().newInstance() : new ArrayList<>();
        var generic = keyed ? field.getType().getGenericSuperclass() : field.getGenericType();
        Class<?> java = (Class<?>) ((ParameterizedType) generic).getActualTypeArguments()[0];
        for (JsonNode one : json) {
            list.add(value(java, one, type.arrayElementType().orElseThrow()));
        }
        return list;
    }

    private static Object value(Class<?> java, JsonNode json, Type type) throws Exception {
        if (type instanceof Schema schema) {
            Message inner = (Message) java.getConstructor().newInstance();
            fill(inner, json, schema);
            return inner;
        }
        String kind = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
        return switch (kind) {
            case "BOOLEAN" -> json.asBoolean();
            case "INT8" -> (byte) json.asInt();
            case "INT16" -> (short) json.asInt();
            case "UINT16", "INT32" -> json.asInt();
            case "UINT32", "INT64" -> json.asLong();
            case "FLOAT64" -> json.asDouble();
            case "UUID" -> Uuid.fromString(json.asText());
            case "STRING" -> json.asText();
            case "BYTES" -> java.equals(ByteBuffer.class) ? ByteBuffer.wrap(bytes(json)) : bytes(json);
            case "RECORDS" -> Batch.records(json);
            default -> throw new IllegalArgumentException("no value of type " + type);
        };
    }

    private static byte[] bytes(JsonNode json) {
        String text = json.asText();
        return text.startsWith("hex:") ? HexFormat.of().parseHex(text.substring(4))
            : text.getBytes(StandardCharsets.UTF_8);
    }
}
