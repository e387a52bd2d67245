// Bytes that are metrics in the form of OTLP, and bytes that nearly are: what the protobuf classes
// within Apache Kafka's clients take of them. One file, run as it stands:
//     java -cp 'target/conform/java/libs/*' conform/golden/Metrics.java >crates/broker/src/telemetry/otlp.tsv

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.kafka.shaded.com.google.protobuf.ByteString;
import org.apache.kafka.shaded.com.google.protobuf.InvalidProtocolBufferException;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.AnyValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.ArrayValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.InstrumentationScope;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.KeyValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.KeyValueList;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Exemplar;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ExponentialHistogram;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Gauge;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Histogram;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.HistogramDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Metric;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.MetricsData;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.NumberDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ResourceMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ScopeMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Sum;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Summary;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.SummaryDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.resource.v1.Resource;

public final class Metrics {
    private static final int CASES = 300;

    public static void main(String[] args) {
        List<byte[]> seeds = seeds();
        seeds.forEach(Metrics::print);
        Random random = new Random(714);
        for (int i = 0; i < CASES; i++) {
            print(changed(seeds.get(random.nextInt(seeds.size())), random));
        }
    }

    private static void print(byte[] bytes) {
        boolean taken = true;
        try {
            MetricsData.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            taken = false;
        }
        System.out.println((taken ? "taken" : "refused") + "\t" + HexFormat.of().formatHex(bytes));
    }

    /** One to three bytes are others, away, or more. */
    private static byte[] changed(byte[] seed, Random random) {
        byte[] bytes = seed.clone();
        for (int i = random.nextInt(2); i >= 0 && bytes.length > 0; i--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 3, 4, 5 -> bytes[at] = (byte) random.nextInt(256);
                case 6 -> bytes = java.util.Arrays.copyOf(bytes, at);
                default -> {
                    byte[] more = new byte[bytes.length + 1];
                    System.arraycopy(bytes, 0, more, 0, at);
                    more[at] = (byte) random.nextInt(256);
                    System.arraycopy(bytes, at, more, at + 1, bytes.length - at);
                    bytes = more;
                }
            }
        }
        return bytes;
    }

    private static List<byte[]> seeds() {
        AnyValue text = AnyValue.newBuilder().setStringValue("é").build();
        KeyValue plain = KeyValue.newBuilder().setKey("k").setValue(text).build();
        KeyValue nested = KeyValue.newBuilder().setKey("n").setValue(AnyValue.newBuilder()
            .setKvlistValue(KeyValueList.newBuilder().addValues(KeyValue.newBuilder().setKey("a")
                .setValue(AnyValue.newBuilder().setArrayValue(
                    ArrayValue.newBuilder().addValues(text))))))
            .build();
        Exemplar exemplar = Exemplar.newBuilder().setAsDouble(1).addFilteredAttributes(plain)
            .setSpanId(ByteString.copyFrom(new byte[] {(byte) 255})).build();
        NumberDataPoint number = NumberDataPoint.newBuilder().setAsInt(5).addAttributes(plain)
            .addExemplars(exemplar).setTimeUnixNano(7).build();
        List<byte[]> seeds = new ArrayList<>();
        for (Metric.Builder metric : List.of(
                Metric.newBuilder().setGauge(Gauge.newBuilder().addDataPoints(number)),
                Metric.newBuilder().setSum(Sum.newBuilder().addDataPoints(number).setIsMonotonic(true)
                    .setAggregationTemporalityValue(2)),
                Metric.newBuilder().setHistogram(Histogram.newBuilder().addDataPoints(
                    HistogramDataPoint.newBuilder().addBucketCounts(1).addBucketCounts(2)
                        .addExplicitBounds(0.5).addAttributes(nested).setSum(3))),
                Metric.newBuilder().setExponentialHistogram(ExponentialHistogram.newBuilder()
                    .addDataPoints(ExponentialHistogramDataPoint.newBuilder().setScale(-3)
                        .setPositive(ExponentialHistogramDataPoint.Buckets.newBuilder().setOffset(-1)
                            .addBucketCounts(300).addBucketCounts(1)))),
                Metric.newBuilder().setSummary(Summary.newBuilder().addDataPoints(
                    SummaryDataPoint.newBuilder().addAttributes(plain).addQuantileValues(
                        SummaryDataPoint.ValueAtQuantile.newBuilder().setQuantile(0.9).setValue(1)))))) {
            seeds.add(MetricsData.newBuilder().addResourceMetrics(ResourceMetrics.newBuilder()
                .setResource(Resource.newBuilder().addAttributes(nested).setDroppedAttributesCount(1))
                .setSchemaUrl("u")
                .addScopeMetrics(ScopeMetrics.newBuilder().setSchemaUrl("s")
                    .setScope(InstrumentationScope.newBuilder().setName("n").setVersion("v"))
                    .addMetrics(metric.setName("größe").setUnit("s").setDescription("d"))))
                .build().toByteArray());
        }
        return seeds;
    }
}
