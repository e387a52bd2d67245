"""Every input counts once: `suite.py <client> <worker command...> <bootstrap>`.

A worker is a program in some language that consumes, transforms and produces in transactions:

    <command> atomic <bootstrap> <prefix> <topic>        writes what `atomic` below expects
    <command> fenced <bootstrap> <prefix> <topic>        prints `fenced` when its first producer is
    <command> transform <bootstrap> <prefix> <from> <to> forever: from -> to, with a `!` behind
    <command> append <bootstrap> <prefix> <topic> <lists> <slot> <writer> <file>  forever: appends
    <command> move <bootstrap> <prefix> <from> <to> <slot>  forever: from -> to, as it is
    <command> look <bootstrap> <prefix> <topic> <lists> <file>  forever: reads what is committed

These may end whenever they like and are started again. Here they are killed (-9) at random moments,
and so is the broker; in the end the committed output holds each committed input once, and what
`append` and `look` have noted in their files (crates/histories/src/lines.rs says how) is judged by
the program in JUDGE. SEED repeats the moments of a history. Prints the lines of the contract in
../README.md.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
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
# Of histories: who works, who is killed how often, and how much the lists grow in between.
LISTS = 3
HISTORY_VICTIMS = ["writer-1", "writer-2", "mover-1", "mover-2", "reader", "broker", "broker"]
HISTORY_KILLS = 10
GROWTH = (20, 90)


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
        self.partitions, self.ends, self.got, self.places = partitions, set(), [], []
        self.inner.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])

    def poll(self):
        for message in self.inner.consume(500, 0.05):
            if not message.error():
                key = (message.key() or b"").decode()
                self.got.append((key, message.value().decode()))
                self.places.append((message.partition(), message.offset()))
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


class History:
    """Writers, movers and a reader of one client, each killed and begun anew."""

    def __init__(self, suite, client):
        self.seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
        self.random, self.suite = random.Random(self.seed), suite
        self.folder = tempfile.mkdtemp(prefix="history-")
        self.lists, self.moved = (suite.topic(name, LISTS) for name in ("lists", "moved"))
        # KafkaJS commits offsets without the generation of its group, so that a mover which is no
        # member any more is fenced by its transactional id alone: there is one.
        # And its readers step into one aborted transaction with each record, so that they let records
        # through where several are open when they begin to read (filterAbortedMessages.js): there is
        # one writer.
        slots = [1] if client == "kafkajs" else [1, 2]
        self.lives, self.running = Counter(), {}
        self.done, self.moved_on = 0, time.monotonic()
        for name in [f"{kind}-{slot}" for kind in ("writer", "mover") for slot in slots]:
            self.begin(name)
        self.begin("reader")

    def command(self, name):
        kind, _, slot = name.partition("-")
        life = self.lives[name]
        if kind == "writer":
            # Each life is a writer of its own, under the transactional id of the last one.
            note = os.path.join(self.folder, f"{name}-{life}")
            number = str(int(slot) * 1_000 + life)
            return self.suite.worker("append", self.lists, str(LISTS), slot, number, note)
        if kind == "reader":
            note = os.path.join(self.folder, f"{name}-{life}")
            return self.suite.worker("look", self.lists, str(LISTS), note)
        return self.suite.worker("move", self.lists, self.moved, slot)

    def begin(self, name):
        self.lives[name] += 1
        self.running[name] = subprocess.Popen(
            self.command(name), stdin=subprocess.DEVNULL, stdout=sys.stderr
        )

    def kill(self, name):
        self.running[name].kill()
        self.running[name].wait()

    def tend(self, done):
        if done != self.done:
            self.done, self.moved_on = done, time.monotonic()
        # librdkafka waits in send_offsets_to_transaction for ever, whatever time it is given, now and
        # then when a broker has been killed.
        if time.monotonic() > self.moved_on + HANGS_AFTER:
            print("nothing moves: everybody begins anew", file=sys.stderr)
            self.moved_on = time.monotonic()
            for name in self.running:
                self.kill(name)
        for name, process in self.running.items():
            if process.poll() is not None:
                self.begin(name)
        return done

    def end(self, kind=""):
        for name in [name for name in self.running if name.startswith(kind)]:
            self.kill(name)
            del self.running[name]

    def note(self, word, topic):
        """Notes the whole of a topic for the judge; gives how much that is."""
        reader = Reader(self.suite.bootstrap, topic, LISTS)
        reader.to_the_end()
        with open(os.path.join(self.folder, word), "w") as file:
            for value, (part, offset) in zip(reader.values(), reader.places):
                file.write(json.dumps({word: value, "list": part, "offset": offset}) + "\n")
        return len(reader.got)

    def judge(self):
        files = [os.path.join(self.folder, name) for name in sorted(os.listdir(self.folder))]
        judged = subprocess.run(
            [os.environ["JUDGE"], *files], stdout=subprocess.PIPE, text=True, check=False
        )
        print(f"seed {self.seed}: {judged.stdout}", file=sys.stderr)
        assert judged.returncode == 0, f"SEED={self.seed} {self.folder}: {judged.stdout[:500]}"


class Suite:
    def __init__(self, client, command, bootstrap):
        self.client, self.command, self.bootstrap = client, command, bootstrap
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

    def histories(self):
        """Nothing is lost, doubled, reordered, dirty or torn in what transactions have left."""
        history = History(self, self.client)
        print("histories: SEED", history.seed, file=sys.stderr)
        progress = Reader(self.bootstrap, history.lists, LISTS)
        try:
            for _ in range(HISTORY_KILLS):
                victim = history.random.choice(HISTORY_VICTIMS)
                wanted = progress.poll() + history.random.randrange(*GROWTH)
                until(
                    f"{wanted} elements, then {victim} is killed",
                    lambda: history.tend(progress.poll()) >= wanted,
                )
                print(f"{victim} is killed at {wanted} elements", file=sys.stderr)
                if victim == "broker":
                    print("@restart", flush=True)
                    sys.stdin.readline()
                elif victim in history.running:
                    history.kill(victim)
            history.end("writer")
            for slot in (1, 2):
                # What they have left open ends when somebody begins under their id.
                left = {"transactional.id": f"{self.prefix}-append-{slot}"}
                ends = Producer({"bootstrap.servers": self.bootstrap} | left)
                insist(ends.init_transactions)
            history.end("reader")
            every = history.note("holds", history.lists)
            moved = Reader(self.bootstrap, history.moved, LISTS)
            until(f"{every} are moved", lambda: history.tend(moved.poll()) >= every)
        finally:
            history.end()
        history.note("moved", history.moved)
        history.judge()

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
    if "JUDGE" in os.environ:
        features["histories"] = suite.histories
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
