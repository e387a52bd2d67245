// A record batch from a description, right or wrong in one place:
// {"count": 3, "codec": "gzip", "key": "k", "value": "v", "time": 1700000000000, "producer": 7, "epoch": 0,
//  "sequence": 0, "transactional": true, "control": true, "wrong": "crc"}; an array is several batches.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;

final class Batch {
    private static final int LENGTH_AT = 8;
    private static final int MAGIC_AT = 16;
    private static final int CRC_AT = 17;
    private static final int ATTRIBUTES_AT = 21;
    private static final int LAST_DELTA_AT = 23;
    private static final int COUNT_AT = 57;
    private static final long FIRST_TIME = 1_700_000_000_000L;

    static MemoryRecords records(JsonNode json) {
        ByteBuffer all = ByteBuffer.allocate(4 << 20);
        if (json.isArray()) {
            json.forEach(one -> all.put(batch(one)));
        } else {
            all.put(batch(json));
        }
        all.flip();
        return MemoryRecords.readableRecords(all);
    }

    private static ByteBuffer batch(JsonNode json) {
        int count = json.path("count").asInt(1);
        Compression codec = Compression.of(json.path("codec").asText("none")).build();
        boolean control = json.path("control").asBoolean();
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), (byte) 2, codec,
            TimestampType.CREATE_TIME, 0, -1, json.path("producer").asLong(-1),
            (short) json.path("epoch").asInt(-1), json.path("sequence").asInt(-1),
            json.path("transactional").asBoolean(), control, -1);
        for (int i = 0; i < count; i++) {
            byte[] value = bytes(json.path("value").asText("value") + "-" + i);
            if (control) {
                builder.appendEndTxnMarker(FIRST_TIME, new org.apache.kafka.common.record.internal.EndTransactionMarker(
                    org.apache.kafka.common.record.internal.ControlRecordType.COMMIT, 0));
            } else {
                builder.append(json.path("time").asLong(FIRST_TIME) + i * 1000L,
                    json.has("key") ? bytes(json.get("key").asText()) : null, value);
            }
        }
        ByteBuffer built = builder.build().buffer().duplicate();
        ByteBuffer own = ByteBuffer.allocate(built.remaining());
        own.put(built).flip();
        damage(own, json.path("wrong").asText("nothing"));
        return own;
    }

    private static void damage(ByteBuffer batch, String how) {
        switch (how) {
            case "nothing" -> { }
            case "crc" -> batch.put(batch.limit() - 1, (byte) (batch.get(batch.limit() - 1) ^ 1));
            case "magic" -> batch.put(MAGIC_AT, (byte) 1);
            case "magic-3" -> batch.put(MAGIC_AT, (byte) 3);
            case "length" -> batch.putInt(LENGTH_AT, batch.getInt(LENGTH_AT) + 7);
            case "short" -> batch.putInt(LENGTH_AT, 20);
            case "cut" -> batch.limit(batch.limit() - 3);
            case "count" -> sealed(batch.putInt(COUNT_AT, batch.getInt(COUNT_AT) + 1));
            case "no-count" -> sealed(batch.putInt(COUNT_AT, 0));
            case "last-delta" -> sealed(batch.putInt(LAST_DELTA_AT, batch.getInt(LAST_DELTA_AT) + 1));
            case "codec" -> sealed(batch.putShort(ATTRIBUTES_AT, (short) (batch.getShort(ATTRIBUTES_AT) | 7)));
            case "append-time" ->
                sealed(batch.putShort(ATTRIBUTES_AT, (short) (batch.getShort(ATTRIBUTES_AT) | 8)));
            case "base-offset" -> batch.putLong(0, 55);
            default -> throw new IllegalArgumentException("no damage " + how);
        }
    }

    /** The checksum is right again, so that only what was changed is wrong. */
    private static void sealed(ByteBuffer batch) {
        CRC32C crc = new CRC32C();
        crc.update(batch.array(), ATTRIBUTES_AT, batch.limit() - ATTRIBUTES_AT);
        batch.putInt(CRC_AT, (int) crc.getValue());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
