import java.nio.ByteBuffer;
import java.nio.file.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

/** Writes message sets of magic 0 and 1, plain and compressed, one after another. */
public class Legacy {
    public static void main(String[] args) throws Exception {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        long offset = 10;
        for (byte magic = 0; magic < 2; magic++)
            for (Compression c : new Compression[] {Compression.NONE, Compression.gzip().build()}) {
                MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 12), magic, c, TimestampType.CREATE_TIME, offset);
                for (int i = 0; i < 3; i++)
                    b.append(1_900_000_000_000L + i, ("key " + i).getBytes(), ("value " + i).getBytes());
                all.put(b.build().buffer());
                offset += 3;
            }
        all.flip();
        byte[] bytes = new byte[all.remaining()];
        all.get(bytes);
        Files.write(Path.of(args[0]), bytes);
    }
}
