"""One consumer of one topic that keeps one state a key: reads, feeds, sends what comes out, commits both in one go.

Guarantee: the committed offsets and state belong together and are never ahead of what was sent, so after `kill -9`
the same outputs are sent again (receivers drop them by number) and none is missing. A record on which an operator fails
goes to the dead letters and its key goes on as if it had not been there.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from streamgauge.pipelines.engines.keeping import Keeping
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire.dead_letters import dead_letter, deliver
from streamgauge.pipelines.wire.offsets import Offsets, after
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer.transport import Message

_SHARE: Final = 30.0  # commits take at most one part in so many of the time
_log = logging.getLogger(__name__)


class Keyed(Protocol):
    """What lives behind one key: an operator, a combiner, the pager."""

    def on_records(self, records: list[bytes]) -> list[Output]:
        """Take records in their order, give what is to be sent."""
        ...

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        ...

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` described."""
        ...


class Route(NamedTuple):
    """Where a message goes: a key, or none; and what is sent right after its own outputs."""

    key: str | None
    after: tuple[Output, ...] = ()


class KeyedConsumer:
    """Feeds one topic to the states behind its keys. `step` is called again and again, by one thread.

    Args:
        bus: the log.
        name: whose offsets and state these are.
        topic: the one input.
        route: the key of a message; called once for each, in order.
        make: a new state for a key. Raises Unfit for one that nothing configured wants: what is kept of it is parked.
        every: least seconds between commits of the state, longer where one takes long; a restart re-reads this much.
        batch: messages read at once.
        wall: wall time, seconds: since when a state is parked.
    """

    def __init__(
        self, bus: Bus, name: str, topic: str, route: Callable[[Message], Route], make: Callable[[str], Keyed],
        *, every: float = 5.0, batch: int = 200, wall: Callable[[], float] = time.time,
    ) -> None:
        self.states: dict[str, Keyed] = {}
        self._keeping = Keeping(bus, name, make, wall)
        self.parking = self._keeping.parking
        self.name, self.topic, self.bus = name, topic, bus
        self._route, self._make = route, make
        self._every, self._batch = every, batch
        self._pause = every
        self._careful_until: dict[str, int] = {}  # up to these offsets records are fed one by one: an operator failed
        self.load()

    def load(self) -> None:
        """Go back to what was committed."""
        offsets, self.states = self._keeping.load()
        self._reading = Offsets(self.bus, (self.topic,), offsets)  # up to here all that was caused is sent
        self._taken: Mapping[str, list[Message]] = {}  # fed already, but not all that they caused is sent
        self._unsent: list[Output] = []
        self._is_ahead = self.parking.is_news  # whether more is done than is committed
        self._commit_time = time.monotonic()

    @property
    def state_bytes(self) -> int:
        """Bytes of state that were committed last."""
        return self._keeping.size

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait to be sent. Any thread may ask."""
        return sum(len(output.value) for output in self._unsent)

    @property
    def done(self) -> int:
        """Messages of all logs up to which everything that they caused is sent."""
        return sum(self._reading.offsets.values())

    def lag(self, bus: Bus) -> int:
        """Messages not yet done, asked of a bus of the caller's."""
        return self._reading.lag(bus)

    def step(self) -> int:
        """Read, feed and send one batch; how many messages. What could not be sent is kept for the next call."""
        batches = self._taken or self._reading.next(self._batch)
        if batches and not self._taken:
            self._take(batches)
        if self._unsent:
            deliver(self.bus, self._unsent)
        self._reading.advance(self._taken)
        self._is_ahead = self._is_ahead or bool(self._taken)
        self._taken = {}
        if self._is_ahead and time.monotonic() - self._commit_time >= self._pause:
            self.commit()
        return _count(batches)

    def commit(self) -> None:
        """Store offsets and state together; not while something is unsent."""
        if self._taken or not self._is_ahead:
            return
        started = time.monotonic()
        self._keeping.commit(self.states, self._reading.offsets)
        self._is_ahead, self._commit_time = False, time.monotonic()
        self._pause = max(self._every, _SHARE * (self._commit_time - started))

    def forget(self, name: str) -> None:
        """Let a parked state go, for ever."""
        del self.parking.kept[name]
        self._is_ahead = True

    def adopt(self, name: str, key: str, take: Callable[[Keyed, bytes], None]) -> None:
        """Let the state of a key begin with what a parked one has learnt; `take` does that."""
        state = self._make(key)
        take(state, self.parking.kept[name].state)
        self.states[key] = state
        self.forget(name)

    def _take(self, batches: Mapping[str, list[Message]]) -> None:
        careful = any(batch[0].offset < self._careful_until.get(log, 0) for log, batch in batches.items())
        messages = (message for batch in batches.values() for message in batch)
        try:
            self._unsent = self._feed(messages, self._feed_one if careful else self._feed_run)
        except Exception:
            if careful:
                raise
            _log.exception("%s: an operator failed; its last records are read again one by one", self.name)
            self._careful_until |= after(batches)
            self.load()
            return
        self._taken = batches
        if careful:
            self._commit_time = -math.inf  # at once: the next failure goes back to here, not to before this one

    def _feed(
        self, messages: Iterable[Message], feed: Callable[[str, list[Message]], list[Output]]
    ) -> list[Output]:
        """Feed each key its messages in order; keys in the order of their first message."""
        sent: list[Output] = []
        waiting: dict[str, list[Message]] = {}
        for message in messages:
            route = self._route(message)
            if route.key is not None:
                waiting.setdefault(route.key, []).append(message)
            if route.after:
                if route.key is not None:
                    sent += feed(route.key, waiting.pop(route.key))
                sent += route.after
        for key, run in waiting.items():
            sent += feed(key, run)
        return sent

    def _feed_run(self, key: str, run: list[Message]) -> list[Output]:
        return self._state(key).on_records([message.value for message in run])

    def _feed_one(self, key: str, run: list[Message]) -> list[Output]:
        sent: list[Output] = []
        for message in run:
            before = self._state(key).snapshot()
            try:
                sent += self._state(key).on_records([message.value])
            except Exception as error:
                _log.exception("%s: record %d of %s fails, sent to the dead letters", self.name, message.offset, key)
                self.states[key] = self._make(key)
                self.states[key].restore(before)
                sent.append(dead_letter(message, "operator failed", f"{type(error).__name__}: {error}"))
        return sent

    def _state(self, key: str) -> Keyed:
        if key not in self.states:
            self.states[key] = self._make(key)
        return self.states[key]


def _count(batches: Mapping[str, list[Message]]) -> int:
    return sum(len(messages) for messages in batches.values())
