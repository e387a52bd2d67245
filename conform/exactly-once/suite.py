"""Every input counts once: `suite.py <client> <worker command...> <bootstrap>`.

A worker is a program in some language that consumes, transforms and produces in transactions:

    <command> atomic <bootstrap> <prefix> <topic>        writes what `atomic` below expects
    <command> fenced <bootstrap> <prefix> <topic>        prints `fenced` when its first producer is
    <command> transform <bootstrap> <prefix> <from> <to> forever: from -> to, with a `!` behind

`transform` may end whenever it likes and is started again. Here it is killed (-9) at random moments,
and so is the broker; in the end the committed output holds each committed input once. Prints the
lines of the contract in ../README.md.
"""

import os
import random
import subprocess
import sys
import time
import traceback
from collections import Counter

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
PER_KILL = 400
KILLS = ["worker", "broker", "worker", "both", "broker", "worker"]
KEYS = 7
SECONDS = 150
HANGS_AFTER = 45


def until(what, condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def equal(what, got, wanted):
    """Both are texts, in any order."""
    got, wanted = Counter(got), Counter(wanted)
    if got != wanted:
        lost, more = list((wanted - got).elements()), list((got - wanted).elements())
        why = f"{len(lost)} are missing {lost[:5]}, {len(more)} are too many {more[:5]}"
        raise AssertionError(f"{what}: {why}")


def insist(call):
    """Calls until it succeeds: a broker that has just come back may not be ready."""

    def once():
        try:
            call(30)
            return True
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            return False

    until(call.__name__, once)


class Reader:
    """Committed records of a topic, from its beginning on."""

    def __init__(self, bootstrap, topic, partitions=PARTITIONS, isolation="read_committed"):
        self.inner = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "judge",
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self.partitions, self.ends, self.got = partitions, set(), []
        self.inner.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])

    def poll(self):
        for message in self.inner.consume(500, 0.05):
            if not message.error():
                key = (message.key() or b"").decode()
                self.got.append((key, message.value().decode()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                self.ends.add(message.partition())
        return len(self.got)

    def values(self):
        return [value for _, value in self.got]

    def to_the_end(self):
        until("the end of the topic", lambda: self.poll() and len(self.ends) == self.partitions)
        self.inner.close()
        return self.got


class Worker:
    """One worker's process; a next one when it ends, or hangs as librdkafka does now and then."""

    def __init__(self, command):
        self.command, self.process = command, None
        self.done, self.moved = 0, time.monotonic()

    def tend(self, done):
        """`done` is how far it has come."""
        if done > self.done:
            self.done, self.moved = done, time.monotonic()
        if time.monotonic() > self.moved + HANGS_AFTER:
            print("the worker hangs", file=sys.stderr)
            self.kill()
        if self.process is None or self.process.poll() is not None:
            self.moved = time.monotonic()
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        return done

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class Suite:
    def __init__(self, client, command, bootstrap):
        self.command, self.bootstrap = command, bootstrap
        self.prefix = f"once-{client}-{int(time.time())}"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, name, partitions):
        topic = f"{self.prefix}-{name}"
        for done in self.admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            done.result()
        return topic

    def worker(self, *words):
        return [*self.command, words[0], self.bootstrap, self.prefix, *words[1:]]

    def atomic(self):
        """Both partitions of a transaction are read when it is committed, never when aborted."""
        topic = self.topic("atomic", 2)
        subprocess.run(self.worker("atomic", topic), check=True, timeout=120, stdout=sys.stderr)
        kept = [f"{letter}{i}" for i in range(20) if i % 3 != 0 for letter in "ab"]
        reader = Reader(self.bootstrap, topic, 2)
        reader.to_the_end()
        equal("committed", reader.values(), kept)
        every = Reader(self.bootstrap, topic, 2, "read_uncommitted")
        equal("all", [len(every.to_the_end())], [40])

    def fenced(self):
        """A second producer of an id ends what the first has open, and the first hears of it."""
        topic = self.topic("fenced", 1)
        worker = self.worker("fenced", topic)
        said = subprocess.run(worker, check=True, timeout=120, stdout=subprocess.PIPE, text=True)
        equal("it says", said.stdout.split(), ["fenced"])
        reader = Reader(self.bootstrap, topic, 1)
        reader.to_the_end()
        equal("committed", reader.values(), ["good"])

    def fill(self, topic, start, count):
        """Inputs, and beside them what is aborted and must never be read."""
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "transactional.id": f"{self.prefix}-fill"}
        )
        insist(producer.init_transactions)
        for commits in (False, True):
            producer.begin_transaction()
            for number in range(start, start + count):
                value = f"v{number}" if commits else "aborted"
                key = number % KEYS
                producer.produce(topic, value, f"k{key}", partition=key % PARTITIONS)
                producer.poll(0)
            insist(producer.commit_transaction if commits else producer.abort_transaction)

    def exactly_once(self):
        """Consume, transform, produce: each input counts once, whoever is killed."""
        source, target = self.topic("from", PARTITIONS), self.topic("to", PARTITIONS)
        self.counts = self.topic("to-counts", PARTITIONS)
        worker = Worker(self.worker("transform", source, target))
        progress = Reader(self.bootstrap, target)
        try:
            for number, victim in enumerate(KILLS):
                done = number * PER_KILL
                self.fill(source, done, PER_KILL)
                moment = done + random.randrange(1, PER_KILL // 2)
                until(
                    f"{moment} outputs, then the {victim} is killed",
                    lambda: worker.tend(progress.poll()) >= moment,
                )
                if victim != "broker":
                    worker.kill()
                if victim != "worker":
                    print("@restart", flush=True)
                    sys.stdin.readline()
            every = PER_KILL * len(KILLS)
            until(f"{every} outputs", lambda: worker.tend(progress.poll()) >= every)
        finally:
            worker.kill()
        final = Reader(self.bootstrap, target)
        final.to_the_end()
        equal("outputs", final.values(), [f"v{number}!" for number in range(every)])

    def word_counts(self):
        """What a worker with a state counted in the same transactions; exactly_once ran before."""
        last = dict(Reader(self.bootstrap, self.counts).to_the_end())
        every = PER_KILL * len(KILLS)
        wanted = Counter(f"k{number % KEYS}" for number in range(every))
        equal("counts", last.items(), ((key, str(count)) for key, count in wanted.items()))


def main():
    client, *command, bootstrap = sys.argv[1:]
    suite = Suite(client, command, bootstrap)
    if client == "streams":
        features = {"exactly-once": suite.exactly_once, "counts": suite.word_counts}
    elif client == "java":
        features = {"exactly-once": suite.exactly_once}
    else:
        features = {
            "atomic": suite.atomic,
            "fenced": suite.fenced,
            "exactly-once": suite.exactly_once,
        }
    for feature, body in features.items():
        try:
            body()
            print("ok", feature, flush=True)
        except Exception as error:
            traceback.print_exc()
            why = " ".join(f"{type(error).__name__}: {error}".split())
            print("FAIL", feature, why, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
