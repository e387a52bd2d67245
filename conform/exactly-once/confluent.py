"""The worker of confluent-kafka (librdkafka); suite.py says what it does."""

import sys

from confluent_kafka import Consumer, KafkaException, Producer

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


def main():
    what, bootstrap, prefix, *topics = sys.argv[1:]
    getattr(Workshop(bootstrap, prefix), what)(*topics)


if __name__ == "__main__":
    main()
