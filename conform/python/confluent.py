"""confluent-kafka (librdkafka) behind the calls of suite.py."""

from confluent_kafka import Consumer as RdConsumer
from confluent_kafka import Producer as RdProducer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from suite import Record


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = {"bootstrap.servers": bootstrap}
        self.admin = AdminClient(dict(self.bootstrap))

    def create(self, topic, partitions):
        for done in self.admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            done.result()

    def delete(self, topic):
        for done in self.admin.delete_topics([topic]).values():
            done.result()

    def topics(self):
        found = self.admin.list_topics(timeout=10).topics
        return {name: len(topic.partitions) for name, topic in found.items()}

    def offset_of(self, group, topic, partition):
        # Not list_consumer_group_offsets: it crashes the process when the broker has just gone.
        consumer = Consumer(self.bootstrap, group)
        try:
            return consumer.committed(topic, partition)[0]
        finally:
            consumer.close()

    def producer(self, acks="all", codec=None):
        return Producer(self.bootstrap, acks, codec)

    def consumer(self, group=None):
        return Consumer(self.bootstrap, group)


class Producer:
    def __init__(self, bootstrap, acks, codec):
        self.inner = RdProducer(
            bootstrap
            | {
                "acks": acks,
                "enable.idempotence": acks == "all",
                "compression.type": codec or "none",
                "linger.ms": 20,
                "reconnect.backoff.max.ms": 1_000,
            }
        )

    def send(self, topic, records):
        offsets = []

        def delivered(error, message):
            offsets.append(error or message.offset())

        for r in records:
            stamp = {"timestamp": r.timestamp} if r.timestamp else {}
            self.inner.produce(
                topic,
                r.value,
                r.key,
                partition=r.partition,
                headers=r.headers,
                on_delivery=delivered,
                **stamp,
            )
        assert self.inner.flush(30) == 0, "not flushed"
        return offsets

    def close(self):
        self.inner.flush(5)


class Consumer:
    def __init__(self, bootstrap, group):
        self.inner = RdConsumer(
            bootstrap
            | {
                "group.id": group or "no-group",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 500,
                "topic.metadata.refresh.interval.ms": 2_000,
                "reconnect.backoff.max.ms": 1_000,
            }
        )

    def subscribe(self, topic):
        self.inner.subscribe([topic])

    def assign(self, topic, partition):
        self.inner.assign([TopicPartition(topic, partition, 0)])

    def assigned(self):
        return self.inner.assignment()

    def poll(self):
        found = []
        for m in self.inner.consume(500, 0.2):
            if m.error():
                continue  # a broker that is away; the client tells of it and goes on
            headers = m.headers() or []
            found.append(
                Record(m.partition(), m.offset(), m.key(), m.value(), headers, m.timestamp()[1])
            )
        return found

    def commit(self, topic=None, partition=None, offset=None, metadata=""):
        if topic:
            at = TopicPartition(topic, partition, offset, metadata)
            self.inner.commit(offsets=[at], asynchronous=False)
        else:
            self.inner.commit(asynchronous=False)

    def committed(self, topic, partition):
        found = self.inner.committed([TopicPartition(topic, partition)], timeout=10)[0]
        return found.offset, found.metadata

    def seek(self, topic, partition, offset):
        self.inner.assign([TopicPartition(topic, partition, offset)])

    def bounds(self, topic, partition):
        return self.inner.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)

    def offset_for_time(self, topic, partition, timestamp):
        at = TopicPartition(topic, partition, timestamp)
        return self.inner.offsets_for_times([at], timeout=10)[0].offset

    def close(self):
        self.inner.close()
