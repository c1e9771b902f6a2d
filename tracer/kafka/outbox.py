"""Sending to Kafka: each key's messages in order, nothing lost or sent twice while brokers are away.

What the brokers have not acknowledged in time stays in the client, and is recognised by identity when the sender gives
the same tuples again: it is waited for, not sent a second time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamgauge.tracer.kafka.client import Cluster
from streamgauge.tracer.transport import LogError, oversize

Outgoing = tuple[str, str, bytes]
_Number = tuple[int, int]  # a message's identity, which its letter keeps alive, and how often it was there before
_SLICE: Final = 0.1


@dataclass
class _Letter:
    """A message that was handed to the client, and what became of it."""

    message: Outgoing
    is_done: bool = False
    error: KafkaError | None = None


class Outbox:
    """The producer of a process. One thread at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self.producer: Producer | None = None
        self._cluster = cluster
        self._letters: dict[_Number, _Letter] = {}

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Returns when every replica in sync has them all. An empty value is a tombstone. Raises LogError."""
        if not messages:
            return
        self._check_sizes(messages)
        if self.producer is None:
            with self._cluster.faults_of(messages[0][0]):
                self.producer = self._cluster.producer()
        letters = self._post(self.producer, messages)
        deadline = time.monotonic() + self._cluster.patience
        while not all(letter.is_done for letter in letters) and time.monotonic() < deadline:
            self.producer.poll(_SLICE)
        self._settle(letters)

    def drop(self) -> None:
        """Let go of what is not acknowledged, so that none of it arrives later; what has arrived is remembered."""
        producer, self.producer = self.producer, None
        self._forget_failed()
        if producer is not None:
            producer.purge()
            producer.flush(0)

    def close(self) -> None:
        """Wait for what was handed over, but not long, and let go of it."""
        producer, self.producer, self._letters = self.producer, None, {}
        if producer is not None:
            producer.flush(self._cluster.patience)
            producer.purge()

    def _check_sizes(self, messages: Sequence[Outgoing]) -> None:
        most = self._cluster.most_bytes
        for topic, key, value in messages:
            if text := oversize(topic, key, value, most):
                raise LogError(text, retryable=False)

    def _post(self, producer: Producer, messages: Sequence[Outgoing]) -> list[_Letter]:
        """Hand to the client what it does not have yet."""
        numbers = _numbers(messages)
        if not any(number in self._letters for number in numbers):  # a new batch: nobody asks for the last one
            self._letters = {number: letter for number, letter in self._letters.items() if not letter.is_done}
        for number, message in zip(numbers, messages):
            letter = self._letters.get(number)
            if letter is None or letter.error is not None:
                self._letters[number] = self._posted(producer, message)
        return [self._letters[number] for number in numbers]

    def _posted(self, producer: Producer, message: Outgoing) -> _Letter:
        topic, key, value = message
        letter = _Letter(message)
        name, told = self._cluster.topic(topic), partial(_deliver, letter)
        try:
            producer.produce(name, value or None, key.encode(), on_delivery=told)
        except KafkaException as error:
            letter.error, letter.is_done = error.args[0], True
        except BufferError:
            producer.poll(0)
            text = f"{self._cluster.name}: the client's queue is full{self._cluster.why}"
            raise LogError(text, retryable=True) from None
        return letter

    def _settle(self, letters: Sequence[_Letter]) -> None:
        """Forget what has arrived, or raise; what arrived of a batch that did not is still remembered."""
        failed = {letter.message[0]: letter.error for letter in letters if letter.error is not None}
        if any(error.fatal() or error.code() == KafkaError._FATAL for error in failed.values()):
            # this producer will never send again, a new one does
            self.producer = None
            self._forget_failed()
        faults = [self._cluster.fault(topic, error) for topic, error in failed.items()]
        if faults:
            raise min(faults, key=lambda fault: fault.retryable)  # a final one first: the sender then leaves it out
        waiting = sum(not letter.is_done for letter in letters)
        if waiting:
            text = f"{self._cluster.name} has not acknowledged {waiting} of {len(letters)} messages"
            text += f" in {self._cluster.patience:g} s{self._cluster.why}; they wait"
            raise LogError(text, retryable=True)
        for number in _numbers([letter.message for letter in letters]):
            self._letters.pop(number, None)
        self._cluster.trouble = ""

    def _forget_failed(self) -> None:
        """Remember only what has arrived."""
        arrived = {number: letter for number, letter in self._letters.items() if letter.is_done and not letter.error}
        self._letters = arrived


def _numbers(messages: Sequence[Outgoing]) -> list[_Number]:
    counts: Counter[int] = Counter()
    numbers = []
    for message in messages:
        numbers.append((id(message), counts[id(message)]))
        counts[id(message)] += 1
    return numbers


def _deliver(letter: _Letter, error: KafkaError | None, message: Message) -> None:
    letter.error, letter.is_done = error, True
