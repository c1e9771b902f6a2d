"""The one store writer: every score, anomaly, alert and dead letter on the bus reaches the store, at least once.

Writes are idempotent, so offsets are committed after them: a crash between the two writes the same again. A store that
is busy keeps the batch waiting; nothing is skipped.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import msgspec

from anomaly.types import Ack, Decision, Notification, Silence, Unsuppress
from pipelines import outputs
from pipelines.asked import change_of
from pipelines.engines.keyed import dead_letter
from pipelines.outputs import DeadLetter
from pipelines.ports import Bus, Store, Stored
from tracer.transport import Message

TOPICS = ("scores", "anomalies", "alerts", "dead-letters")
STORED: dict[str, type[Any]] = outputs.KINDS | {
    kind.__name__.lower(): kind for kind in (Decision, Notification, Ack, Silence, Unsuppress)
}
_log = logging.getLogger(__name__)


class StoreWriter:
    """Moves what the topics say into the store. `step` is called again and again, by one thread."""

    def __init__(self, bus: Bus, store: Store, *, name: str = "writer", batch: int = 500) -> None:
        self._bus, self._store, self._name, self._batch = bus, store, name, batch
        committed, state = bus.committed(name)
        self.offsets = {topic: committed.get(topic, 0) for topic in TOPICS}
        self.dead: dict[str, int] = msgspec.msgpack.decode(state, type=dict[str, int]) if state else {}  # by reason

    def step(self) -> int:
        """Write one batch and commit; how many messages that were.

        Raises:
            StoreBusy: the store is locked or full for now; the same batch is read again by the next call.
        """
        batch = [self._bus.read(topic, self.offsets[topic], self._batch) for topic in TOPICS]
        messages = [message for topic in batch for message in topic]
        if not messages:
            return 0
        records, rejected = _sorted(messages)
        self._store.write(records)
        if rejected:
            self._reject(rejected)
        reasons = Counter(record.reason for record in records if isinstance(record, DeadLetter))
        dead = {reason: self.dead.get(reason, 0) + reasons[reason] for reason in sorted(self.dead.keys() | reasons)}
        offsets = self.offsets | {topic[-1].topic: topic[-1].offset + 1 for topic in batch if topic}
        self._bus.commit(self._name, offsets, msgspec.msgpack.encode(dead) if reasons else None)
        self.offsets, self.dead = offsets, dead
        return len(messages)

    def _reject(self, messages: list[Message]) -> None:
        _log.error("%d messages on %s cannot be read; see the dead letters", len(messages), messages[0].topic)
        why = ("unreadable output", "not written by this version")
        self._bus.send([dead_letter(message, *why) for message in messages if message.topic != "dead-letters"])


def stored_of(message: Message) -> Stored | None:
    """The record in a message, None if it is of a kind that the store does not keep. Raises ValueError for neither."""
    kind, _ = msgspec.msgpack.decode(message.value, type=tuple[str, msgspec.Raw])
    if kind not in STORED:
        return None
    record = outputs.decode(message.value, STORED)
    stored: Stored = change_of(record) if isinstance(record, Ack | Silence | Unsuppress) else record
    return stored


def _sorted(messages: list[Message]) -> tuple[list[Stored], list[Message]]:
    """What the store keeps of the messages, and those that cannot be read."""
    records: list[Stored] = []
    rejected: list[Message] = []
    for message in messages:
        try:
            record = stored_of(message)
        except ValueError:
            rejected.append(message)
        else:
            if record is not None:
                records.append(record)
    return records, rejected
