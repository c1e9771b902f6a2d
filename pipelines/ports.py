"""All I/O on one screen: the bus, the store and the notifiers, as Protocols that adapters implement.

StoreBusy     the store is locked or full for now; the writer keeps the batch and tries again
NotifyError   a notification was not delivered; `retryable` says whether trying again can help
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from streamgauge.anomaly.types import Anomaly, Decision, Notification, Score
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, PointColumns, Profiles
from streamgauge.tracer.transport import Message


@runtime_checkable
class Holds(Protocol):
    """What keeps bytes in memory that it tells of: a bus that reads ahead, a store that remembers what it wrote."""

    @property
    def held_bytes(self) -> int:
        """About. Any thread may ask."""
        ...


class Bus(Protocol):
    """The log: `streamgauge.tracer.local.log.LocalLog` by default, Kafka when there are brokers.

    A topic is one log or several, each with an order and offsets of its own; all messages of a key lie in one of them.
    """

    def logs(self, topic: str) -> Sequence[str]:
        """The names of a topic's logs, which `read`, `end` and offsets are about."""
        ...

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value) in order, durable against `kill -9` when it returns.

        All or nothing on one machine. Brokers may have taken the first ones of each log when it raises: the sender
        sends all again, and receivers drop what they have.
        """
        ...

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on (the first one not yet read), those that are there."""
        ...

    def end(self, log: str) -> int:
        """The offset that the next message of the log will have."""
        ...

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """By log of a topic: the offset of the oldest message that is still there, and `end`; equal if empty."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait until somebody appended to a log that is read, at most `timeout` seconds; False if nothing came."""
        ...

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic (`control`, `status`, `catalogue`)."""
        ...

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Store a consumer's next offsets, its state and rows of it if given, in one transaction.

        Rows go by key and name; None takes one away, and those that are not named stay as they are.
        """
        ...

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """The rows of one key that `commit` stored, by name."""
        ...

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What `commit` stored last for this consumer."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


Stored = PointColumns | Profiles | Score | Anomaly | Change | Counters | DeadLetter | Decision | Notification


class StoreBusy(Exception):
    """The store is locked or full for now."""


class Store(Protocol):
    """The time-series store: SQLite by default, InfluxDB for those who have one.

    Writes are idempotent; an older revision never overwrites a newer one.
    """

    @property
    def identity(self) -> str:
        """What tells this store from another one under the same name; empty where that cannot be told."""
        ...

    def write(self, records: Iterable[Stored]) -> None:
        """Write all, in one transaction. Raises StoreBusy when the caller should keep them and try again."""
        ...

    def health(self) -> dict[str, Any]:
        """What `waiting` lines it still has to send on, and what it refused: JSON-ready; {} if it sends nothing on."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class Query(Protocol):
    """What the HTTP surface, the page and the command line read: times in seconds since the epoch, JSON-ready."""

    def jobs(self) -> list[dict[str, Any]]:
        """Every job with its last scores, state and sparkline."""
        ...

    def scores(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """Score lines in [start, end), all domains, oldest first."""
        ...

    def breakdown(self, job: str, at: float | None = None) -> dict[str, Any] | None:
        """The scores at a time (None: the last) with all their parts."""
        ...

    def series(self, job: str, match: Mapping[str, str], limit: int = 1000) -> list[dict[str, Any]]:
        """The series whose labels equal `match`."""
        ...

    def points(self, series: int, start: float, end: float, buckets: int = 500) -> dict[str, Any]:
        """One series from the coarsest rollup that has `buckets` buckets in the range."""
        ...

    def changed(
        self, job: str, start: float, end: float, limit: int = 50, *, before: tuple[float, float] | None = None
    ) -> list[dict[str, Any]]:
        """The series that changed most in the range against `before`, and whether each has an anomaly.

        `before` is the range of the same length before it, unless it is given.
        """
        ...

    def anomalies(self, job: str, start: float, end: float, limit: int = 1000) -> list[dict[str, Any]]:
        """Episodes that touch the range."""
        ...

    def incidents(self, job: str | None, start: float, end: float, limit: int = 200) -> list[dict[str, Any]]:
        """Root notifications with what they suppress, newest first."""
        ...

    def incident(self, notification: str) -> dict[str, Any] | None:
        """One of them with its audit trail."""
        ...

    def decided(self, job: str, start: float, end: float, limit: int = 5000) -> list[dict[str, Any]]:
        """What was decided and told in [start, end), oldest first, one flat row each, for an audit."""
        ...

    def silenced(self, job: str, limit: int = 200) -> list[dict[str, Any]]:
        """Alerts that a silence holds back now, newest first, each with its reason."""
        ...

    def changes(self, job: str, start: float, end: float) -> list[dict[str, Any]]:
        """What belongs on a time axis beside anomalies."""
        ...

    def profiles(self, job: str, worker: str, start: float, end: float) -> list[dict[str, Any]]:
        """Merged summaries of the closed windows in the range."""
        ...

    def counters(self, job: str) -> dict[str, Any]:
        """What became of a job's records so far."""
        ...

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last records that could not be used, newest first."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class NotifyError(Exception):
    """A notification was not delivered; `patience` says for how many seconds a retryable one is tried again."""

    def __init__(self, message: str, *, retryable: bool, patience: float = math.inf) -> None:
        super().__init__(message)
        self.retryable, self.patience = retryable, patience


class Notifier(Protocol):
    """Tells a person, or what tells persons: console, webhook, chat, mail, Alertmanager, PagerDuty."""

    name: str

    def notify(self, notification: Notification) -> None:
        """Deliver one notification. Raises NotifyError."""
        ...
