"""What every Python client must show, told once: `suite.py <driver> <bootstrap>`.

A driver (kafka_python.py, confluent.py, aio.py) is a class `Driver` with the few calls used here;
nothing in this file knows a client. Prints the lines of the contract in ../README.md.
"""

import importlib
import os
import signal
import sys
import time
import traceback
from collections import namedtuple

Record = namedtuple("Record", "partition offset key value headers timestamp")
CODECS = ["gzip", "snappy", "lz4", "zstd"]
SECONDS_PER_FEATURE = 60


def record(value, key=b"k", partition=0, headers=(), timestamp=None):
    return Record(partition, None, key, value, list(headers), timestamp)


def values(count, start=0):
    return [record(b"v%d" % i) for i in range(start, start + count)]


def until(what, condition, seconds=30):
    """Calls `condition` until it is true; every condition polls, so this does not spin."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
    raise AssertionError(f"not within {seconds} s: {what}")


def eventually(what, condition):
    """The same where the client may fail for a while, as after a restart."""

    def tolerant():
        try:
            return condition()
        except Exception as error:
            print("again:", repr(error), file=sys.stderr)
            time.sleep(0.2)

    until(what, tolerant)


def equal(what, got, want):
    assert got == want, f"{what}: got {str(got)[:300]}, want {str(want)[:300]}"


class Suite:
    def __init__(self, driver, prefix):
        self.driver, self.prefix = driver, prefix

    def topic(self, name, partitions=1):
        topic = f"{self.prefix}-{name}"
        self.driver.create(topic, partitions)
        return topic

    def send(self, topic, records, **how):
        producer = self.driver.producer(**how)
        try:
            return producer.send(topic, records)
        finally:
            producer.close()

    def read(self, topic, count):
        """The first `count` records of partition 0, without a group."""
        consumer = self.driver.consumer()
        try:
            consumer.assign(topic, 0)
            consumer.seek(topic, 0, 0)
            return self.poll(consumer, count)
        finally:
            consumer.close()

    def poll(self, consumer, count):
        got = []
        until(f"{count} records", lambda: got.extend(consumer.poll()) or len(got) >= count)
        return got

    def topics(self):
        topic = self.topic("topics", 3)
        equal("partitions", until("the topic", lambda: self.driver.topics().get(topic)), 3)
        try:
            self.driver.create(topic, 1)
        except Exception as error:
            assert "exist" in (str(error) + type(error).__name__).lower(), repr(error)
        else:
            raise AssertionError("created a topic twice")
        self.driver.delete(topic)
        until("the topic is gone", lambda: topic not in self.driver.topics())

    def acks(self, acks):
        topic = self.topic(f"acks{acks}")
        offsets = self.send(topic, values(20), acks=acks)
        if acks != 0:
            equal("offsets", offsets, list(range(20)))
        equal("values", [r.value for r in self.read(topic, 20)], [r.value for r in values(20)])

    def codec(self, codec):
        topic = self.topic(codec)
        sent = [record(b"%d-" % i + b"abc" * 400) for i in range(50)] + [record(os.urandom(3000))]
        self.send(topic, sent, codec=codec)
        equal("values", [r.value for r in self.read(topic, 51)], [r.value for r in sent])

    def headers(self):
        topic = self.topic("headers")
        headers = [("a", b"1"), ("b", b""), ("a", b"2"), ("\u00e9", bytes(range(256)))]
        self.send(topic, [record(b"v", headers=headers)])
        equal("headers", list(self.read(topic, 1)[0].headers), headers)

    def nullkeys(self):
        topic = self.topic("nullkeys")
        self.send(topic, [record(b"null", key=None), record(b"empty", key=b"")])
        equal("keys", [r.key for r in self.read(topic, 2)], [None, b""])

    def tombstones(self):
        topic = self.topic("tombstones")
        self.send(topic, [record(None), record(b"")])
        equal("values", [r.value for r in self.read(topic, 2)], [None, b""])

    def group(self):
        topic = self.topic("group", 2)
        group = f"{self.prefix}-group"
        first, second = self.driver.consumer(group), None
        got = []

        def owned(*want):
            for member in filter(None, (first, second)):
                got.extend(member.poll())
            return [len(m.assigned()) for m in (first, second) if m] == list(want)

        try:
            first.subscribe(topic)
            until("one member owns both partitions", lambda: owned(2))
            second = self.driver.consumer(group)
            second.subscribe(topic)
            until("two members own one partition each", lambda: owned(1, 1))
            sent = [record(b"p%d-%d" % (p, i), partition=p) for i in range(20) for p in (0, 1)]
            self.send(topic, sent)
            until("both read all", lambda: owned(1, 1) and len(got) >= 40)
            equal("values", sorted(r.value for r in got), sorted(r.value for r in sent))
            first.commit()
            second.commit()
            second.close()
            second = None
            until("the one that stays owns both", lambda: owned(2))
            self.send(topic, [record(b"late0", partition=0), record(b"late1", partition=1)])
            until("it reads both", lambda: owned(2) and len(got) >= 42)
            equal("late values", sorted(r.value for r in got[40:]), [b"late0", b"late1"])
        finally:
            for member in filter(None, (first, second)):
                member.close()

    def commit(self):
        topic = self.topic("commit")
        group = f"{self.prefix}-commit"
        self.send(topic, values(30))
        consumer = self.driver.consumer(group)
        consumer.subscribe(topic)
        self.poll(consumer, 30)
        consumer.commit(topic, 0, 12, "twelve")
        equal("committed", consumer.committed(topic, 0), (12, "twelve"))
        consumer.close()
        consumer = self.driver.consumer(group)
        consumer.subscribe(topic)
        equal("goes on at", self.poll(consumer, 18)[0].offset, 12)
        consumer.close()

    def seek(self):
        topic = self.topic("seek")
        base = int(time.time() * 1000) - 100_000
        self.send(topic, [record(b"v%d" % i, timestamp=base + i * 1000) for i in range(20)])
        consumer = self.driver.consumer()
        consumer.assign(topic, 0)
        for offset in (7, 0, 19):
            consumer.seek(topic, 0, offset)
            equal("offset after seek", self.poll(consumer, 1)[0].offset, offset)
        equal("bounds", consumer.bounds(topic, 0), (0, 20))
        equal("offset for time", consumer.offset_for_time(topic, 0, base + 6_500), 7)
        consumer.close()

    def restart(self):
        """Producer and consumer outlive the broker; what was committed before is still there."""
        topic = self.topic("restart")
        group = f"{self.prefix}-restart"
        producer, consumer = self.driver.producer(), self.driver.consumer(group)
        producer.send(topic, values(50))
        consumer.subscribe(topic)
        got = self.poll(consumer, 50)
        consumer.commit(topic, 0, 20, "")
        print("@restart", flush=True)
        sys.stdin.readline()
        eventually("the offset", lambda: self.driver.offset_of(group, topic, 0) == 20)
        equal("offsets", producer.send(topic, values(50, start=50)), list(range(50, 100)))
        wanted = {r.value for r in values(100)}
        until("all values", lambda: got.extend(consumer.poll()) or {r.value for r in got} >= wanted)
        eventually("the commit", lambda: self.commit_all(consumer, topic))
        consumer.close()
        producer.close()
        equal("log", [r.value for r in self.read(topic, 100)], [r.value for r in values(100)])


    def commit_all(self, consumer, topic):
        """A restart may outlast the session: then the client rejoins while it polls."""
        consumer.poll()
        consumer.commit(topic, 0, 100, "")
        return consumer.committed(topic, 0)[0] == 100


def run(feature, body, *arguments):
    def expired(*_):
        raise TimeoutError(f"not within {SECONDS_PER_FEATURE} s")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS_PER_FEATURE)
    try:
        body(*arguments)
        print("ok", feature, flush=True)
    except Exception as error:
        traceback.print_exc()
        print("FAIL", feature, " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
    finally:
        signal.alarm(0)


def main():
    name, bootstrap = sys.argv[1:3]
    driver = importlib.import_module(name).Driver(bootstrap)
    suite = Suite(driver, f"{name}-{int(time.time())}")
    run("topics", suite.topics)
    for acks in (0, 1, "all"):
        run(f"acks-{acks}", suite.acks, acks)
    for codec in CODECS:
        run(codec, suite.codec, codec)
    for feature in "headers nullkeys tombstones group commit seek restart".split():
        run(feature, getattr(suite, feature))


if __name__ == "__main__":
    main()
