"""Clients of one Kafka cluster: made with our settings over the user's, their faults told as LogError.

On confluent-kafka, and not kafka-python: measured on the same topic, that costs 9 to 40 times the CPU a message (20 on
our records) and its constructor blocks 30 s where the broker is dead; this one is back in 0.03 s. `tracer.kafka` and
`pipelines.adapters.kafka` alone import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
except ImportError as missing:
    raise ImportError("Kafka needs confluent-kafka: pip install 'streamgauge[kafka]'") from missing

from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError, client_settings
from streamgauge.tracer.transport import LogError

QUIET: Final = {"log_level": 0, "reconnect.backoff.max.ms": 2_000}  # faults are told by LogError
MOST_BYTES: Final = 1_000_000  # of a message, below the brokers' own default; the tracer cuts its own at 512 kB
PRODUCER: Final = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "queue.buffering.max.kbytes": 65_536,
    "message.max.bytes": MOST_BYTES,
    "message.timeout.ms": 0,  # none: the sender's own buffer is what overflows, and counts
    "topic.metadata.propagation.max.ms": 1_000,  # a missing topic is told after this
}
PROMISED: Final = {
    "acks": "all",
    "enable.idempotence": True,  # a retry keeps the order
    "partitioner": "murmur2_random",  # where Java's client, Flink and aiokafka put a key
}
CONSUMER: Final = {
    "group.id": "streamgauge-unnamed",  # the client requires one; nobody joins or commits under it
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 1_000,  # a new message ends the wait, so an idle worker asks seldom
}
REFILL: Final = {"fetch.queue.backoff.ms": 20}  # for backlogs: by default a full queue is filled again after a second
MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
_DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_FINAL: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD, KafkaError.TOPIC_EXCEPTION, KafkaError.POLICY_VIOLATION, KafkaError._INVALID_ARG,
    }
)  # fmt: skip
_DISPENSABLE: Final = "tensors"  # where this topic is missing or forbidden, the others do not wait for it


class Cluster:
    """Brokers, and how clients of theirs are made.

    Args:
        given: where they are and how to speak to them.
        patience: seconds that a call may wait for them.

    Raises SettingsError for settings that no client can be made with.
    """

    def __init__(self, given: KafkaSettings, patience: float) -> None:
        self.given, self.patience = given, patience
        self.name = f"Kafka at {given.bootstrap}"
        self.trouble = ""  # what a client last complained of
        try:
            self.producer()
        except KafkaException as error:
            raise SettingsError(f"Kafka's client takes no such settings: {error.args[0].str()}") from None

    @property
    def why(self) -> str:
        """What a client last complained of, for the end of a message."""
        return f" ({self.trouble})" if self.trouble else ""

    def topic(self, topic: str) -> str:
        """The name of one of our topics on the brokers."""
        return self.given.prefix + topic

    def producer(self) -> Producer:
        """A new producer; connects in the background. Not to be used in another process."""
        return Producer(self._settings({**PRODUCER, **self._named()}, PROMISED))

    def consumer(self) -> Consumer:
        """A new consumer for `assign`; connects in the background. Not to be used in another process."""
        return Consumer(self._settings({**CONSUMER, **self._named()}, {}))

    @property
    def most_bytes(self) -> int:
        """What a message may have at most."""
        return int(self.given.settings.get("message.max.bytes", MOST_BYTES))

    def partitions(self, client: Consumer, topic: str) -> list[int]:
        """The partitions of one of our topics. Raises KafkaException."""
        name = self.topic(topic)
        try:
            known = client.list_topics(name, timeout=self.patience).topics[name]
        except KafkaException:
            if not client.assignment():  # else it could swallow a message
                client.poll(0)  # hears what the client complains of
            raise
        if known.error is not None:
            raise KafkaException(known.error)
        return sorted(known.partitions)

    @contextmanager
    def faults_of(self, topic: str) -> Iterator[None]:
        """Faults of the client leave as LogError."""
        try:
            yield
        except KafkaException as error:
            raise self.fault(topic, error.args[0]) from error
        except SettingsError as error:  # a secret's file that has gone since the start
            raise LogError(str(error), retryable=True) from error

    def fault(self, topic: str, error: KafkaError) -> LogError:
        """What an error of the client means for one of our topics, with the remedy."""
        code, name = error.code(), self.topic(topic)
        is_denied = code in _DENIED
        if code in MISSING:
            text = f"{self.name} has no topic {name!r}; make it with `streamgauge topics --create`"
        elif is_denied:
            text = f"{self.name} forbids topic {name!r}: {error.str()}; grant this user Read, Write and Describe"
        elif code in _FINAL:
            text = f"{self.name} refused a message for topic {name!r}: {error.str()}"
        else:
            text = f"{self.name}, topic {name!r}: {error.str()}{self.why}"
        is_left_out = topic == _DISPENSABLE and (code in MISSING or is_denied)
        return LogError(text, retryable=code not in _FINAL and not is_left_out)

    def _named(self) -> dict[str, Any]:
        return {**QUIET, "error_cb": self.complain}

    def _settings(self, under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
        return {**under, **client_settings(self.given), **over}

    def complain(self, error: KafkaError) -> None:
        """Remember what a client complains of: its error callback. That all are down says less than why."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.trouble = error.str()
        elif not self.trouble:  # also where each of them hangs up on us, which the client does not tell
            protocol = self.given.settings.get("security.protocol", "PLAINTEXT")
            self.trouble = f"{error.str()}, or speak another security.protocol than {protocol}"
