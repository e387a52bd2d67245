"""What confluent-kafka (librdkafka) must show with group.protocol=consumer (KIP-848):
`consumers.py <bootstrap>`. Prints the lines of the contract in ../README.md.
"""

import sys
import time
import traceback

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
PREFIX = f"rd-consumers-{int(time.time() * 1000)}"


class Member:
    def __init__(self, group, topics):
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": f"{PREFIX}-{group}",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        self.inner = Consumer(config)
        self.inner.subscribe(topics)
        self.got = []

    def poll(self):
        message = self.inner.poll(0.05)
        if message is not None and message.error() is None:
            self.got.append(message.value())
        return len(self.inner.assignment())


def until(what, condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"not within 60 s: {what}"


def topic(name, partitions, count):
    full = f"{PREFIX}-{name}"
    # Kept in a variable: a client that is dropped takes its answers with it.
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for done in admin.create_topics([NewTopic(full, partitions, 1)]).values():
        done.result()
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for number in range(count):
        producer.produce(full, b"v%d" % number, partition=number % partitions)
    producer.flush()
    return full


def group():
    name = topic("group", 4, 40)
    first = Member("group", [name])
    until("one owns all", lambda: first.poll() == 4)
    until("it reads all", lambda: first.poll() == 4 and len(first.got) >= 40)
    first.inner.commit(asynchronous=False)
    second = Member("group", [name])
    until("each owns two", lambda: (first.poll(), second.poll()) == (2, 2))
    second.inner.close()
    until("one owns all again", lambda: first.poll() == 4)
    first.inner.close()
    assert len(first.got) == 40 and not second.got


def regex():
    topic("regex-a", 1, 1)
    member = Member("regex", [f"^{PREFIX}-regex-[ab]"])
    until("the topic is found", lambda: member.poll() == 1)
    topic("regex-b", 2, 2)
    until("the later topic is found", lambda: member.poll() == 3)
    until("all is read", lambda: member.poll() == 3 and len(member.got) >= 3)
    member.inner.close()


def main():
    for feature in (group, regex):
        try:
            feature()
            print(f"ok {feature.__name__}", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"FAIL {feature.__name__} {error!r}", flush=True)


main()
