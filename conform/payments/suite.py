"""Kills consumer and broker in the middle of examples/payments: `suite.py <bootstrap>`.

Shows that every event is charged or among the dead letters, none in neither, and that each dead
letter tells where it came from. Prints the lines of the contract in ../README.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"
sys.path.insert(0, str(EXAMPLE))

from events import DEAD_LETTERS, TOPIC, Corrupt, parse  # noqa: E402
from producer import payload  # noqa: E402

COUNT = 1_000
HEADERS = ("reason", "stacktrace", "original.topic", "original.partition", "original.offset")


class Run:
    def __init__(self, bootstrap, folder):
        self.bootstrap, self.folder = bootstrap, folder
        self.ledger = folder / "ledger.jsonl"

    def start(self, program, *options):
        command = [sys.executable, EXAMPLE / program, "--bootstrap", self.bootstrap, *options]
        return subprocess.Popen(command, stdout=sys.stderr)

    def consumer(self):
        return self.start("consumer.py", "--ledger", self.ledger)

    def charged(self):
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        # A killed consumer may leave half a line; the event is charged again.
        return [json.loads(line)["payment_id"] for line in lines if line.endswith("}")]

    def read(self, topic, partition):
        """Every record of a partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "judge"})
        try:
            at = TopicPartition(topic, partition, OFFSET_BEGINNING)
            end = consumer.get_watermark_offsets(at, timeout=10)[1]
            consumer.assign([at])
            found, limit = [], time.monotonic() + 30
            while len(found) < end and time.monotonic() < limit:
                found += [m for m in consumer.consume(500, 0.2) if not m.error()]
            return found
        finally:
            consumer.close()

    def committed(self):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "payments"})
        try:
            wanted = [TopicPartition(TOPIC, p) for p in range(3)]
            return [at.offset for at in consumer.committed(wanted, timeout=10)]
        except KafkaException:
            return []  # the broker has just come back
        finally:
            consumer.close()


def until(what, condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def play(run):
    """Producer and consumer; the consumer is killed, then the broker, then all comes to rest."""
    consumer = run.consumer()
    producer = run.start("producer.py", "--count", str(COUNT), "--rate", "150")
    try:
        until("200 charges", lambda: len(run.charged()) >= 200)
        consumer.kill()
        consumer.wait()
        consumer = run.consumer()
        until("400 charges", lambda: len(run.charged()) >= 400)
        print("@restart", flush=True)
        sys.stdin.readline()
        assert producer.wait(60) == 0, "the producer failed"
        until("all is committed", lambda: sum(run.committed()) == COUNT)
    finally:
        for process in (consumer, producer):
            process.terminate()
            process.wait()


def nothing_lost(run, sent, letters):
    values = [record.value() for record in sent.values()]
    wanted = [payload(number)[1] for number in range(COUNT)]
    assert sorted(values) == sorted(wanted), f"{len(values)} records in the topic"
    charged = set(run.charged())
    buried = {where for where, _ in letters}
    for where, record in sent.items():
        try:
            done = parse(record.value())["payment_id"] in charged
        except Corrupt:
            done = False
        assert done or where in buried, f"{where} is lost: {record.value()}"
        assert not (done and where in buried), f"{where} is charged and buried"


def dead_letters(run, sent, letters):
    corrupt = {f"p{n:06}" for n in range(COUNT) if n % 20 == 7} | {"p000700"}
    buried = {where: (letter, headers) for (where, headers), letter in letters.items()}
    assert len(buried) == len(corrupt), f"{len(buried)} buried, {len(corrupt)} wanted"
    for where, (letter, headers) in buried.items():
        assert letter.value() == sent[where].value(), f"{where}: another payload"
        reason, trace = headers[:2]
        assert reason.split(":")[0] in ("Corrupt", "Transient"), reason
        assert "Traceback" in trace and reason in trace, trace


def letters_of(records):
    found = {}
    for record in records:
        headers = {key: value.decode() for key, value in record.headers()}
        texts = tuple(headers[f"dlq.{name}"] for name in HEADERS)
        found[((texts[2], int(texts[3]), int(texts[4])), texts)] = record
    return found


def main():
    run = Run(sys.argv[1], Path(tempfile.mkdtemp(prefix="payments-")))
    features = {"nothing-lost": nothing_lost, "dead-letters": dead_letters}
    try:
        play(run)
        sent = {
            (TOPIC, record.partition(), record.offset()): record
            for partition in range(3)
            for record in run.read(TOPIC, partition)
        }
        letters = letters_of(run.read(DEAD_LETTERS, 0))
    except Exception as error:
        for feature in features:
            print("FAIL", feature, " ".join(str(error).split()), flush=True)
        raise
    for feature, judge in features.items():
        try:
            judge(run, sent, letters)
            print("ok", feature, flush=True)
        except AssertionError as error:
            print("FAIL", feature, " ".join(str(error).split()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
