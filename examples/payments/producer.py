"""Sends payment events, every 20th of them corrupt: `producer.py [--bootstrap HOST:PORT]`."""

import argparse
import json
import time

from confluent_kafka import Producer

from events import TOPIC, create_topics

CORRUPT = (
    lambda event: b'{"payment_id": "' + event["payment_id"].encode() + b'", "amou',
    lambda event: json.dumps({k: v for k, v in event.items() if k != "currency"}).encode(),
    lambda event: json.dumps(event | {"amount": "-1.00"}).encode(),
    lambda event: bytes(range(128, 160)),
)


def payload(number):
    event = {
        "payment_id": f"p{number:06}",
        "account": f"a{number % 97:03}",
        "amount": f"{number % 500 + 1}.{number % 100:02}",
        "currency": "EUR",
    }
    if number % 20 == 7:
        return event, CORRUPT[number // 20 % len(CORRUPT)](event)
    return event, json.dumps(event).encode()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bootstrap", default="localhost:9092")
    options.add_argument("--count", type=int, default=1_000)
    options.add_argument("--rate", type=float, default=0, help="events a second, 0 for no limit")
    options = options.parse_args()

    create_topics(options.bootstrap)
    producer = Producer(
        {
            "bootstrap.servers": options.bootstrap,
            "enable.idempotence": True,  # acks=all, and no duplicate when a request is repeated
            "compression.type": "zstd",
            "linger.ms": 5,
        }
    )
    failed = []

    def delivered(error, _message):
        if error:
            failed.append(error)

    for number in range(options.count):
        event, value = payload(number)
        # One account's payments stay in order: they share a key, thus a partition.
        producer.produce(TOPIC, value, event["account"], on_delivery=delivered)
        producer.poll(1 / options.rate if options.rate else 0)
        if options.rate:
            time.sleep(1 / options.rate)
    producer.flush()
    if failed:
        raise SystemExit(f"{len(failed)} of {options.count} not delivered: {failed[0]}")
    print(f"{options.count} events in {TOPIC}")


if __name__ == "__main__":
    main()
