// Requests by Kafka's own classes over a socket of one's own: for what its clients would not send.

import java.io.DataInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.InitProducerIdRequestData;
import org.apache.kafka.common.message.InitProducerIdResponseData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

final class Raw implements AutoCloseable {
    private static final int TIMEOUT_MS = 30_000;

    private final Socket socket;
    private int correlation;

    Raw(String bootstrap) throws IOException {
        int colon = bootstrap.lastIndexOf(':');
        socket = new Socket(bootstrap.substring(0, colon), Integer.parseInt(bootstrap.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(TIMEOUT_MS);
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    <T extends ApiMessage> T ask(ApiKeys api, int version, ApiMessage request, T response) throws IOException {
        short at = (short) version;
        var header = new RequestHeaderData().setRequestApiKey(api.id).setRequestApiVersion(at)
            .setCorrelationId(++correlation).setClientId("raw");
        ByteBuffer head = bytes(header, api.requestHeaderVersion(at));
        ByteBuffer body = bytes(request, at);
        ByteBuffer frame = ByteBuffer.allocate(4 + head.remaining() + body.remaining());
        frame.putInt(head.remaining() + body.remaining()).put(head).put(body);
        socket.getOutputStream().write(frame.array());
        var in = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[in.readInt()];
        in.readFully(answer);
        var readable = new ByteBufferAccessor(ByteBuffer.wrap(answer));
        new ResponseHeaderData(readable, api.responseHeaderVersion(at));
        response.read(readable, at);
        return response;
    }

    private static ByteBuffer bytes(Message message, short version) {
        return MessageUtil.toByteBufferAccessor(message, version).buffer();
    }

    /** The producer of a transactional id, taken over from whoever has it. */
    InitProducerIdResponseData init(String id) throws IOException {
        var request = new InitProducerIdRequestData().setTransactionalId(id).setTransactionTimeoutMs(60_000);
        return ask(ApiKeys.INIT_PRODUCER_ID, 4, request, new InitProducerIdResponseData());
    }

    /** Writes a record of a transaction as clients before transactions v2 do, who would have added the
     * partition first; answers the error code. */
    short produce(String topic, String id, InitProducerIdResponseData who, long time, String value)
            throws IOException {
        var records = MemoryRecords.withTransactionalRecords(Compression.NONE, who.producerId(),
            who.producerEpoch(), 0, new SimpleRecord(time, null, value.getBytes()));
        var topics = new ProduceRequestData.TopicProduceDataCollection();
        topics.add(new ProduceRequestData.TopicProduceData().setName(topic).setPartitionData(java.util.List.of(
            new ProduceRequestData.PartitionProduceData().setIndex(0).setRecords(records))));
        var request = new ProduceRequestData().setTransactionalId(id).setAcks((short) -1)
            .setTimeoutMs(TIMEOUT_MS).setTopicData(topics);
        var response = ask(ApiKeys.PRODUCE, 9, request, new ProduceResponseData());
        return response.responses().iterator().next().partitionResponses().get(0).errorCode();
    }
}
