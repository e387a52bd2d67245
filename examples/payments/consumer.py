"""Handles payment events so that none is lost: `consumer.py [--bootstrap HOST:PORT]`.

A transient failure is tried again after 1, 2 and 4 seconds. What is corrupt, or still fails then,
goes to the dead-letter topic with the reason, the stack trace and where it came from. Offsets are
committed only after that, so a crash repeats a few events and skips none.
"""

import argparse
import json
import sys
import time
import traceback

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from events import DEAD_LETTERS, TOPIC, Corrupt, Transient, create_topics, parse

DELAYS = (1, 2, 4)


class Bank:
    """Stands for the service that moves the money; some payments make it stumble."""

    def __init__(self, ledger):
        self.ledger = open(ledger, "a", buffering=1)
        self.tries = {}

    def charge(self, event):
        payment = event["payment_id"]
        tries = self.tries[payment] = self.tries.get(payment, 0) + 1
        stumbles = {"p000100": 1, "p000400": 3, "p000700": 99}.get(payment, 0)
        if tries <= stumbles:
            raise Transient(f"the bank does not answer (try {tries})")
        self.ledger.write(json.dumps(event) + "\n")


def charge(bank, event):
    for delay in (*DELAYS, None):
        try:
            return bank.charge(event)
        except Transient as error:
            if delay is None:
                raise
            print(f"{event['payment_id']}: {error}; again in {delay} s", file=sys.stderr)
            time.sleep(delay)


def bury(producer, message, error):
    """To the dead-letter topic, with everything that someone needs who looks into it."""
    producer.produce(
        DEAD_LETTERS,
        message.value(),
        message.key(),
        headers={
            "dlq.reason": f"{type(error).__name__}: {error}",
            "dlq.stacktrace": "".join(traceback.format_exception(error)),
            "dlq.original.topic": message.topic(),
            "dlq.original.partition": str(message.partition()),
            "dlq.original.offset": str(message.offset()),
        },
    )


def handle(messages, bank, producer):
    for message in messages:
        try:
            charge(bank, parse(message.value()))
        except (Corrupt, Transient) as error:
            bury(producer, message, error)
    while messages and producer.flush(10):
        print("waiting for the dead-letter topic", file=sys.stderr)


def commit(consumer):
    """Whether all that was handled is committed, or is another member's to handle again."""
    try:
        consumer.commit(asynchronous=False)
        return True
    except KafkaException as error:
        print(f"not committed: {error}", file=sys.stderr)
        return error.args[0].code() == KafkaError._NO_OFFSET


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bootstrap", default="localhost:9092")
    options.add_argument("--group", default="payments")
    options.add_argument("--ledger", default="ledger.jsonl", help="where charges are written")
    options = options.parse_args()

    create_topics(options.bootstrap)
    bank = Bank(options.ledger)
    # Without a limit in time: a dead letter is never dropped, the commit waits for it.
    producer = Producer(
        {
            "bootstrap.servers": options.bootstrap,
            "enable.idempotence": True,
            "message.timeout.ms": 0,
            "reconnect.backoff.max.ms": 1_000,
        }
    )
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
            "reconnect.backoff.max.ms": 1_000,
        }
    )
    consumer.subscribe([TOPIC])
    uncommitted = False
    try:
        while True:
            messages = [m for m in consumer.consume(50, 0.5) if not m.error()]
            handle(messages, bank, producer)
            uncommitted = uncommitted or bool(messages)
            uncommitted = uncommitted and not commit(consumer)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
