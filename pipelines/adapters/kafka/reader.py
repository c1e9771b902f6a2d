"""Reading logs of Kafka ahead of their reader: one client, a buffer a log, and a jump where another offset is asked.

The brokers are told how far the reader is, in a group of its own, so that ordinary tools show its lag; nobody here
reads that. The client tells it: librdkafka's administration of groups aborts the process when a broker goes away.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Raw

from streamgauge.pipelines.adapters.kafka.logs import KafkaLogs, Place
from streamgauge.tracer.kafka.client import CONSUMER, QUIET, REFILL, Cluster
from streamgauge.tracer.kafka.follow import message_of
from streamgauge.tracer.kafka.settings import client_settings
from streamgauge.tracer.transport import LogError, Message

SETTINGS: Final[dict[str, Any]] = {
    **REFILL,
    "fetch.wait.max.ms": 100,  # a new message ends the wait; a jump to another offset waits this long at most
    "fetch.error.backoff.ms": 100,
    "queued.min.messages": 5_000,
    "queued.max.messages.kbytes": 16_384,
}
_AT_ONCE: Final = 100  # messages, of which each may have a megabyte
_TIMES: Final = 20
_ENOUGH: Final = 8 * 1024 * 1024  # bytes that wait in all buffers: more is taken only for a log that is waited for
_FULL: Final = 64 * 1024 * 1024  # bytes at which all logs but the one that is waited for are paused: a client takes
# a second to resume one, so this is the last resort
_TELL: Final = 2.0  # seconds between two tellings of offsets
_SLICE: Final = 0.1
_TICK: Final = 0.001  # what the client's clock counts in: less is no wait
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _View:
    """One log as it is read."""

    log: str
    place: Place
    asked: int  # the offset that was asked for last
    next: int  # the one of the next message that the reader gets
    buffer: deque[Message] = field(default_factory=deque)
    size: int = 0
    seen_end: int = 0  # where the broker said that nothing more comes
    fault: KafkaError | None = None
    is_paused: bool = False


class KafkaReader:
    """Reads any number of logs; one thread at a time. Every fault is a LogError."""

    def __init__(self, cluster: Cluster, logs: KafkaLogs) -> None:
        self.skipped = 0  # messages that retention took before they were read
        self._cluster, self._logs = cluster, logs
        self._consumer: Consumer | None = None
        self._views: dict[Place, _View] = {}
        self._came = self._told = 0  # messages that came so far; and when `wait` last returned
        self._group = ""
        self._noted: dict[str, int] = {}
        self._told_at = 0.0

    @property
    def held_bytes(self) -> int:
        """What is read ahead. Any thread may ask."""
        return sum(view.size for view in list(self._views.values()))

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages from `offset` on; it waits only for what `end` or `bounds` said to be there."""
        place = self._logs.place(log)
        if place is None:
            return []  # of a topic that is no more
        view = self._view(log, place, max(offset, 0))
        if not view.buffer and self._size() < _ENOUGH:
            self._take(0.0)
        self._await(view)
        found = [view.buffer.popleft() for _ in range(min(limit, len(view.buffer)))]
        if found:
            view.size -= sum(len(message.value) for message in found)
            view.next = view.asked = found[-1].offset + 1
            self._resume(view)
        return found

    def wait(self, timeout: float) -> bool:
        """Wait until something came for a log that was read, since the last `wait` returned."""
        if self._consumer is None:
            time.sleep(timeout)
            return False
        self._tell(_TELL)
        deadline = time.monotonic() + timeout
        while self._came == self._told and (left := deadline - time.monotonic()) >= _TICK:
            self._take(left)
        came, self._told = self._came > self._told, self._came
        return came

    def belongs_to(self, consumer: str) -> None:
        """Name the group `<prefix>streamgauge-<consumer>`; the first name holds."""
        self._group = self._group or f"{self._cluster.given.prefix}streamgauge-{consumer}"

    def note(self, offsets: Mapping[str, int]) -> None:
        """Let the brokers know what was committed; soon."""
        self._noted |= offsets
        self._tell(_TELL)

    def close(self) -> None:
        """Let go of the client; it is made again when something is read."""
        self._tell(0.0)
        consumer, self._consumer = self._consumer, None
        self._views.clear()
        if consumer is not None:
            consumer.close()

    def _tell(self, pause: float) -> None:
        if self._consumer is None or not self._noted or time.monotonic() < self._told_at + pause:
            return
        noted, self._noted, self._told_at = self._noted, {}, time.monotonic()
        places = [(place, offset) for log, offset in noted.items() if (place := self._logs.place(log)) is not None]
        offsets = [TopicPartition(self._cluster.topic(at.topic), at.partition, offset) for at, offset in places]
        with suppress(KafkaException):
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=True)

    def _view(self, log: str, place: Place, offset: int) -> _View:
        view = self._views.get(place)
        if view is None or view.log != log or offset not in (view.asked, view.next):
            view = self._open(log, place, offset)
        view.asked = offset
        return view

    def _open(self, log: str, place: Place, offset: int) -> _View:
        first, _ = self._logs.bounds(place.topic).get(log, (0, 0))
        if offset < first:
            self._skip(log, offset, first)
        return self._stand(_View(log, place, offset, max(offset, first)))

    def _stand(self, view: _View) -> _View:
        name = self._cluster.topic(view.place.topic)
        with self._cluster.faults_of(view.place.topic):
            if self._consumer is None:
                settings = {**QUIET, **client_settings(self._cluster.given), **CONSUMER, **SETTINGS}
                group = {"group.id": self._group} if self._group else {}
                self._consumer = Consumer({**settings, **group, "error_cb": self._cluster.complain})
            place = TopicPartition(name, view.place.partition, view.next)
            if any((one.topic, one.partition) == (name, place.partition) for one in self._consumer.assignment()):
                self._consumer.resume([place])  # a pause outlives the assignment, and nothing would ever come again
                self._consumer.incremental_unassign([place])
            self._consumer.incremental_assign([place])
        self._views[view.place] = view
        return view

    def _await(self, view: _View) -> None:
        deadline = time.monotonic() + self._cluster.patience
        while not view.buffer and max(view.next, view.seen_end) < self._logs.reached(view.log):
            if view.fault is not None:
                del self._views[view.place]  # the next read begins anew
                raise self._cluster.fault(view.place.topic, view.fault)
            if time.monotonic() > deadline:
                del self._views[view.place]
                text = f"{self._cluster.name} does not send {view.log} from {view.next} on{self._cluster.why}"
                raise LogError(text, retryable=True)
            self._take(_SLICE)

    def _take(self, timeout: float) -> None:
        """Put what has come into its buffers; `consume` alone would wait for the whole number."""
        if self._consumer is None or (first := self._consumer.poll(timeout)) is None:
            return
        self._sort([first])
        for _ in range(_TIMES):
            if self._size() >= _ENOUGH or not (raws := self._consumer.consume(_AT_ONCE, 0.0)):
                break
            self._sort(raws)
        if self._size() > _FULL:
            self._pause()

    def _sort(self, raws: Iterable[Raw]) -> None:
        prefix = len(self._cluster.given.prefix)
        for raw in raws:
            place = Place((raw.topic() or "")[prefix:], raw.partition() or 0)
            if place in self._views:
                self._keep(self._views[place], raw)

    def _size(self) -> int:
        return self.held_bytes

    def _keep(self, view: _View, raw: Raw) -> None:
        error, offset = raw.error(), raw.offset() or 0
        if error is None and offset >= view.next:
            message = message_of(view.place.topic, raw)
            view.buffer.append(message)
            view.size += len(message.value)
            self._came += 1
        elif error is not None and error.code() == KafkaError._PARTITION_EOF:
            view.seen_end = offset
        elif error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._out_of_range(view)
        elif error is not None:
            view.fault = error

    def _out_of_range(self, view: _View) -> None:
        """Go on from the oldest message that retention has left, or behind a log that has lost its end."""
        first, end = self._logs.bounds(view.place.topic).get(view.log, (0, 0))
        if view.next < first:
            self._skip(view.log, view.next, first)
        else:
            _log.error("%s ends at %d and was read up to %d: it lost its end on the brokers", view.log, end, view.next)
        at = first if view.next < first else end
        self._stand(_View(view.log, view.place, view.asked, at))

    def _skip(self, log: str, offset: int, first: int) -> None:
        if offset > 0:  # who begins at 0 begins with what there is
            self.skipped += first - offset
            _log.error("%s begins at %d: %d messages went by the brokers' retention before they were read",
                       log, first, first - offset)  # fmt: skip

    def _pause(self) -> None:
        """Let nothing come for the logs that have something already: who waits, waits for another one."""
        views = [view for view in self._views.values() if view.buffer and not view.is_paused]
        if views and self._consumer is not None:
            self._consumer.pause([self._partition(view) for view in views])
            for view in views:
                view.is_paused = True

    def _resume(self, view: _View) -> None:
        if view.is_paused and not view.buffer and self._consumer is not None:
            self._consumer.resume([self._partition(view)])
            view.is_paused = False

    def _partition(self, view: _View) -> TopicPartition:
        return TopicPartition(self._cluster.topic(view.place.topic), view.place.partition)
