"""How bytes leave and enter a process: the tracer's side of the log as a Protocol, and an in-memory log for tests.

A topic is a sequence of messages with offsets 0, 1, 2, ... A compacted topic keeps only the last value of each key; an
empty value (a tombstone) removes its key. `MemoryLog` offers all that `pipelines.ports.Bus` asks for, as does
`streamgauge.tracer.local.log.LocalLog`, which keeps the log on disk. Every fault of a log is a LogError.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

COMPACTED: Final = frozenset({"control", "status", "catalogue", "state"})
_OVERHEAD: Final = 128  # bytes that a message's form adds to key and value at most


class LogError(Exception):
    """A log could not be read or written; the message names it and the remedy, `retryable` says if waiting can help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Message(NamedTuple):
    """One record on a topic. `offset` grows within a topic (embedded log) or a partition (Kafka)."""

    topic: str
    key: str
    value: bytes
    offset: int
    partition: int = 0


def oversize(topic: str, key: str, value: bytes, most: int) -> str:
    """What is wrong with a message for a log whose messages have at most `most` bytes; empty if it fits.

    >>> oversize("scores", "ctr", b"0123", 100).partition(";")[0]
    "a message for topic 'scores' has 135 bytes, at most 100 are sent"
    """
    size = len(key.encode()) + len(value) + _OVERHEAD
    if size <= most:
        return ""
    remedy = "raise message.max.bytes in the settings and max.message.bytes of the topic"
    return f"a message for topic {topic!r} has {size} bytes, at most {most} are sent; {remedy}"


class Transport(Protocol):
    """What the tracer needs of a log: to send, and to follow the control topic. Every method may raise LogError."""

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value) in order, all or nothing, durable against `kill -9` when it returns."""
        ...

    def read(self, topic: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a topic from `offset` on, without waiting."""
        ...

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic (`control`, `status`, `catalogue`)."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class MemoryLog:
    """The whole log in memory, shared by the threads of one process.

    >>> log = MemoryLog()
    >>> log.send([("traces", "ctr", b"a"), ("traces", "ctr", b"b")])
    >>> [message.value for message in log.read("traces", 1, 10)]
    [b'b']
    >>> log.commit("engine", {"traces": 2}, b"state")
    >>> log.committed("engine")
    ({'traces': 2}, b'state')
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._appended = 0  # messages in all topics so far: what `wait` watches
        self._seen = threading.local()
        self._topics: dict[str, list[Message]] = {}
        self._committed: dict[str, tuple[dict[str, int], bytes | None]] = {}
        self._rows: dict[str, dict[tuple[str, str], bytes]] = {}

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value) in order, all or nothing."""
        copies = [(topic, key, bytes(value)) for topic, key, value in messages]
        with self._changed:
            for topic, key, value in copies:
                log = self._topics.setdefault(topic, [])
                log.append(Message(topic, key, value, len(log)))
            self._appended += len(copies)
            self._changed.notify_all()

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on; of a compacted one, the last of each key."""
        start = max(offset, 0)
        with self._changed:
            if log not in COMPACTED:
                return self._topics.get(log, [])[start : start + limit]
            last = {message.key: message for message in self._topics.get(log, [])}
        kept = sorted((message for message in last.values() if message.offset >= start), key=lambda m: m.offset)
        return kept[:limit]

    def logs(self, topic: str) -> Sequence[str]:
        """A topic is one log, under its own name."""
        return (topic,)

    def end(self, log: str) -> int:
        """The offset that the next message of the log will have."""
        with self._changed:
            return len(self._topics.get(log, []))

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """The offset of the oldest message, and `end`: memory forgets nothing."""
        return {topic: (0, self.end(topic))}

    def wait(self, timeout: float) -> bool:
        """Wait until something was appended since this thread's last `wait` returned, at most `timeout` seconds."""
        seen = getattr(self._seen, "appended", 0)
        with self._changed:
            came = self._changed.wait_for(lambda: self._appended > seen, timeout)
            self._seen.appended = self._appended
        return came

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic."""
        check_compacted(topic)
        with self._changed:
            last = {message.key: message.value for message in self._topics.get(topic, [])}
        return {key: last[key] for key in sorted(last) if last[key]}

    def value_of(self, topic: str, key: str) -> bytes | None:
        """The last value of one key of a compacted topic."""
        check_compacted(topic)
        with self._changed:
            messages = self._topics.get(topic, [])
            last = next((message.value for message in reversed(messages) if message.key == key), b"")
        return last or None

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Store a consumer's next offsets, its state and rows of it if given, together."""
        with self._changed:
            kept = {**self._rows.get(consumer, {}), **(rows or {})}
            self._rows[consumer] = {place: value for place, value in kept.items() if value is not None}
            old_offsets, old_state = self._committed.get(consumer, ({}, None))
            self._committed[consumer] = ({**old_offsets, **offsets}, old_state if state is None else bytes(state))

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What `commit` stored last for this consumer."""
        with self._changed:
            offsets, state = self._committed.get(consumer, ({}, None))
            return dict(offsets), state

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """The rows of one key that `commit` stored, by name."""
        with self._changed:
            return sorted((name, value) for (of, name), value in self._rows.get(consumer, {}).items() if of == key)

    def close(self) -> None:
        """Nothing to release: what was sent stays readable, as it does on a real log."""


def check_compacted(topic: str) -> None:
    """Raises LogError unless the topic keeps the last value of each key."""
    if topic not in COMPACTED:
        known = ", ".join(sorted(COMPACTED))
        raise LogError(f"topic {topic!r} is not compacted, so it has no latest values; {known} are", retryable=False)
