"""aiokafka behind the calls of suite.py; its event loop runs on a thread of its own."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata

from suite import Record

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine, seconds=30):
    async def limited():
        return await asyncio.wait_for(coroutine, seconds)

    return asyncio.run_coroutine_threadsafe(limited(), LOOP).result()


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        wait(self._start())

    async def _start(self):
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await self.admin.start()

    def create(self, topic, partitions):
        answer = wait(self.admin.create_topics([NewTopic(topic, partitions, 1)]))
        for _, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)

    def delete(self, topic):
        wait(self.admin.delete_topics([topic]))

    def topics(self):
        names = wait(self.admin.list_topics())
        return {t["topic"]: len(t["partitions"]) for t in wait(self.admin.describe_topics(names))}

    def offset_of(self, group, topic, partition):
        found = wait(self.admin.list_consumer_group_offsets(group))
        return found[TopicPartition(topic, partition)].offset

    def producer(self, acks="all", codec=None):
        return Producer(self.bootstrap, acks, codec)

    def consumer(self, group=None):
        return Consumer(self, group)


class Producer:
    def __init__(self, bootstrap, acks, codec):
        wait(self._start(bootstrap, acks, codec))

    async def _start(self, bootstrap, acks, codec):
        self.inner = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks=acks,
            compression_type=codec,
            enable_idempotence=acks == "all",
            linger_ms=20,
        )
        await self.inner.start()

    async def _send(self, topic, records):
        sent = [
            await self.inner.send(topic, r.value, r.key, r.partition, r.timestamp, r.headers)
            for r in records
        ]
        await self.inner.flush()
        return [getattr(await s, "offset", None) for s in sent]

    def send(self, topic, records):
        return wait(self._send(topic, records))

    def close(self):
        wait(self.inner.stop())


class Consumer:
    def __init__(self, driver, group):
        self.driver, self.group = driver, group
        wait(self._start(driver.bootstrap, group))

    async def _start(self, bootstrap, group):
        self.inner = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=500,
            metadata_max_age_ms=2_000,
        )
        await self.inner.start()

    async def _call(self, function, *arguments):
        return function(*arguments)

    def subscribe(self, topic):
        wait(self._call(self.inner.subscribe, [topic]))

    def assign(self, topic, partition):
        wait(self._call(self.inner.assign, [TopicPartition(topic, partition)]))

    def assigned(self):
        return self.inner.assignment()

    def poll(self):
        polled = wait(self.inner.getmany(timeout_ms=200)).values()
        return [
            Record(r.partition, r.offset, r.key, r.value, list(r.headers), r.timestamp)
            for records in polled
            for r in records
        ]

    def commit(self, topic=None, partition=None, offset=None, metadata=""):
        at = {TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata)}
        wait(self.inner.commit(at if topic else None))

    def committed(self, topic, partition):
        at = TopicPartition(topic, partition)
        found = wait(self.driver.admin.list_consumer_group_offsets(self.group))[at]
        equal = wait(self.inner.committed(at)) == found.offset
        return (found.offset if equal else None), found.metadata

    def seek(self, topic, partition, offset):
        wait(self._call(self.inner.seek, TopicPartition(topic, partition), offset))

    def bounds(self, topic, partition):
        at = TopicPartition(topic, partition)
        first = wait(self.inner.beginning_offsets([at]))[at]
        return first, wait(self.inner.end_offsets([at]))[at]

    def offset_for_time(self, topic, partition, timestamp):
        at = TopicPartition(topic, partition)
        return wait(self.inner.offsets_for_times({at: timestamp}))[at].offset

    def close(self):
        wait(self.inner.stop())
