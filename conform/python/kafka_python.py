"""kafka-python behind the calls of suite.py."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import NewTopic

from suite import Record


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, reconnect_backoff_max_ms=1_000
        )

    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)])

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def topics(self):
        names = self.admin.list_topics()
        return {t["name"]: len(t["partitions"]) for t in self.admin.describe_topics(names)}

    def offset_of(self, group, topic, partition):
        found = self.admin.list_group_offsets(group)[group]
        return found[TopicPartition(topic, partition)].offset

    def producer(self, acks="all", codec=None):
        return Producer(self.bootstrap, acks, codec)

    def consumer(self, group=None):
        return Consumer(self.bootstrap, group)


class Producer:
    def __init__(self, bootstrap, acks, codec):
        self.inner = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks=acks,
            compression_type=codec,
            enable_idempotence=acks == "all",
            linger_ms=20,
            reconnect_backoff_max_ms=1_000,
        )

    def send(self, topic, records):
        sent = [
            self.inner.send(topic, r.value, r.key, r.headers, r.partition, r.timestamp)
            for r in records
        ]
        self.inner.flush(30)
        return [s.get(30).offset for s in sent]

    def close(self):
        self.inner.close()


class Consumer:
    def __init__(self, bootstrap, group):
        self.inner = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=500,
            reconnect_backoff_max_ms=1_000,
        )

    def subscribe(self, topic):
        self.inner.subscribe([topic])

    def assign(self, topic, partition):
        self.inner.assign([TopicPartition(topic, partition)])

    def assigned(self):
        return self.inner.assignment()

    def poll(self):
        polled = self.inner.poll(200).values()
        return [
            Record(r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
            for records in polled
            for r in records
        ]

    def commit(self, topic=None, partition=None, offset=None, metadata=""):
        at = {TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata, -1)}
        self.inner.commit(at if topic else None)

    def committed(self, topic, partition):
        found = self.inner.committed(TopicPartition(topic, partition), metadata=True)
        return found.offset, found.metadata

    def seek(self, topic, partition, offset):
        self.inner.seek(TopicPartition(topic, partition), offset)

    def bounds(self, topic, partition):
        at = TopicPartition(topic, partition)
        return self.inner.beginning_offsets([at])[at], self.inner.end_offsets([at])[at]

    def offset_for_time(self, topic, partition, timestamp):
        at = TopicPartition(topic, partition)
        return self.inner.offsets_for_times({at: timestamp})[at].offset

    def close(self):
        self.inner.close()
