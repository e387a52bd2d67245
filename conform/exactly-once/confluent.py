"""The worker of confluent-kafka (librdkafka); suite.py says what it does."""

import json
import random
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

SECONDS = 30


class Workshop:
    def __init__(self, bootstrap, prefix):
        self.bootstrap, self.prefix = {"bootstrap.servers": bootstrap}, prefix

    def producer(self, name):
        config = {"transactional.id": f"{self.prefix}-{name}", "transaction.timeout.ms": 20_000}
        made = Producer(self.bootstrap | config | {"reconnect.backoff.max.ms": 500})
        made.init_transactions(SECONDS)
        return made

    def atomic(self, topic):
        producer = self.producer("atomic")
        for i in range(20):
            producer.begin_transaction()
            producer.produce(topic, f"a{i}", partition=0)
            producer.produce(topic, f"b{i}", partition=1)
            producer.flush(SECONDS)
            (producer.abort_transaction if i % 3 == 0 else producer.commit_transaction)(SECONDS)

    def fenced(self, topic):
        first = self.producer("fenced")
        first.begin_transaction()
        first.produce(topic, "late")
        first.flush(SECONDS)
        second = self.producer("fenced")
        second.begin_transaction()
        second.produce(topic, "good")
        second.commit_transaction(SECONDS)
        try:
            first.commit_transaction(SECONDS)
        except KafkaException as error:
            if error.args[0].fatal():
                print("fenced")

    def transform(self, source, target):
        # First the producer: that ends what a killed worker has left open.
        producer = self.producer("transform")
        consumer = Consumer(
            self.bootstrap
            | {
                "group.id": f"{self.prefix}-transform",
                "group.instance.id": "only",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 500,
                "reconnect.backoff.max.ms": 500,
            }
        )
        consumer.subscribe([source])
        while True:
            polled = consumer.consume(20, 0.2)
            if any(one.error() and one.error().fatal() for one in polled):
                sys.exit("begins anew")
            records = [one for one in polled if not one.error()]
            if not records:
                continue
            producer.begin_transaction()
            for one in records:
                value = one.value().decode() + "!"
                producer.produce(target, value, one.key(), partition=one.partition())
            offsets, me = consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction(offsets, me, SECONDS)
            producer.commit_transaction(SECONDS)

    def append(self, topic, lists, slot, writer, path):
        """Transactions of one to four elements each, some of which are aborted."""
        note = Notes(path)
        producer = self.producer(f"append-{slot}")
        transaction = 0
        while True:
            name = f"{writer}.{transaction}"
            producer.begin_transaction()
            for place in range(random.randrange(1, 5)):
                element = f"{name}.{place}"
                at = random.randrange(int(lists))
                note(append=element, list=at)
                producer.produce(topic, element, partition=at)
                if random.random() < 0.5:
                    producer.flush(SECONDS)
                if random.random() < 0.1:
                    time.sleep(random.random())
            commits = random.random() < 0.75
            if commits:
                note(ends=name, how="asked")
                commits = self.commit(producer)
            if not commits:
                producer.abort_transaction(SECONDS)
            note(ends=name, how="committed" if commits else "aborted")
            transaction += 1

    def commit(self, producer):
        """Whether it is committed; else it is to be aborted."""
        while True:
            try:
                producer.commit_transaction(SECONDS)
                return True
            except KafkaException as error:
                if error.args[0].txn_requires_abort():
                    return False
                if not error.args[0].retriable():
                    raise

    def look(self, topic, lists, path):
        """What is committed, from the beginning on again and again."""
        note = Notes(path)
        while True:
            config = {"group.id": "looks on", "isolation.level": "read_committed"}
            more = {"enable.auto.commit": False, "reconnect.backoff.max.ms": 500}
            consumer = Consumer(self.bootstrap | config | more)
            consumer.assign([TopicPartition(topic, at, OFFSET_BEGINNING) for at in range(int(lists))])
            for _ in range(random.randrange(10, 60)):
                for one in consumer.consume(500, 0.2):
                    if not one.error():
                        element = one.value().decode()
                        note(read=element, list=one.partition(), offset=one.offset())
            consumer.close()

    def move(self, source, target, slot):
        """One of several members, each with the producer of its slot."""
        producer = self.producer(f"move-{slot}")
        consumer = Consumer(
            self.bootstrap
            | {
                "group.id": f"{self.prefix}-move",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 500,
                "reconnect.backoff.max.ms": 500,
            }
        )
        records = []
        # What was read of partitions that go is somebody else's from here on.
        forget = lambda *_: records.clear()
        consumer.subscribe([source], on_revoke=forget, on_lost=forget)
        while True:
            one = consumer.poll(0.2)
            while one is not None and len(records) < 20:
                if not one.error():
                    records.append(one)
                elif one.error().fatal():
                    sys.exit("begins anew")
                one = consumer.poll(0)
            if one is not None and not one.error():
                records.append(one)
            if not records:
                continue
            producer.begin_transaction()
            for one in records:
                producer.produce(target, one.value(), partition=one.partition())
            ends = {one.partition(): one.offset() + 1 for one in records}
            offsets = [TopicPartition(source, part, end) for part, end in ends.items()]
            me = consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction(offsets, me, SECONDS)
            producer.commit_transaction(SECONDS)
            records.clear()


class Notes:
    """Lines of JSON, each of which is in the file before the next thing is done."""

    def __init__(self, path):
        self.file = open(path, "a")

    def __call__(self, **line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def main():
    what, bootstrap, prefix, *topics = sys.argv[1:]
    getattr(Workshop(bootstrap, prefix), what)(*topics)


if __name__ == "__main__":
    main()
