"""What both sides know of a payment event: the topics, the fields, and what makes one corrupt."""

import json
from decimal import Decimal, InvalidOperation

from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "payment-events"
DEAD_LETTERS = "payment-events-dlq"
FIELDS = ("payment_id", "account", "amount", "currency")


class Corrupt(Exception):
    """The payload is no payment and never will be."""


class Transient(Exception):
    """The bank did not answer this time; a later try may succeed."""


def parse(payload):
    try:
        event = json.loads(payload)
        missing = [field for field in FIELDS if field not in event]
        amount = Decimal(event.get("amount", "0"))
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise Corrupt(f"not a payment: {error}") from error
    if missing:
        raise Corrupt(f"missing {', '.join(missing)}")
    if amount <= 0:
        raise Corrupt(f"amount {amount} is not positive")
    return event


def create_topics(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [NewTopic(TOPIC, 3, 1), NewTopic(DEAD_LETTERS, 1, 1)]
    for topic, done in admin.create_topics(wanted).items():
        try:
            done.result()
        except Exception as error:
            if "TOPIC_ALREADY_EXISTS" not in str(error):
                raise SystemExit(f"cannot create {topic}: {error}") from error
