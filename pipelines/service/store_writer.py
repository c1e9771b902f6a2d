"""The one store writer: every score, anomaly, alert and dead letter on the bus reaches the store, at least once.

Writes are idempotent, so offsets are committed after them: a crash between the two writes the same again. A store that
is busy keeps the batch waiting; nothing is skipped.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import msgspec

from streamgauge.pipelines.paging.stored import stored_of
from streamgauge.pipelines.ports import Bus, Store, Stored
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.offsets import Offsets, after
from streamgauge.pipelines.wire.outputs import DeadLetter
from streamgauge.tracer.transport import Message

TOPICS = ("scores", "anomalies", "alerts", "dead-letters")
_UNFIT = (ValueError, TypeError, LookupError, OverflowError)  # of a record; a store's own faults are none of these
_REMEMBERED = 4_096  # dead letters: what is sent again after a crash
_log = logging.getLogger(__name__)


class _Counted(msgspec.Struct, array_like=True):
    version: int
    dead: dict[str, int]
    recent: list[str]  # identities
    store: str = ""  # the identity of the store that was written to


class StoreWriter:
    """Moves what the topics say into the store. `step` is called again and again, by one thread.

    `passed` is told every record that is in the store, once by this process.
    """

    def __init__(
        self, bus: Bus, store: Store, *, name: str = "writer", batch: int = 2000,
        passed: Callable[[Stored], None] = lambda record: None,
    ) -> None:  # fmt: skip
        self._bus, self._store, self._name, self._batch, self._passed = bus, store, name, batch, passed
        committed, state = bus.committed(name)
        self._reading = Offsets(bus, TOPICS, committed)
        self._counted = _counted(state) if state else _Counted(states.written("writer"), {}, [])
        self.replaced = 0  # stores that took another's place, while this process ran or before it

    def step(self) -> int:
        """Write one batch and commit; how many messages that were.

        Raises:
            StoreBusy: the store is locked or full for now; the same batch is read again by the next call.
        """
        batches = self._reading.next(self._batch)
        messages = [message for batch in batches.values() for message in batch]
        if not messages:
            return 0
        kept, rejected = _sorted(messages)
        rejected += self._write(kept)
        if rejected:
            self._reject(rejected)
        letters = [record for _, record in kept if isinstance(record, DeadLetter)]
        is_other = self._look()
        counted = self._count(letters)
        state = msgspec.msgpack.encode(counted) if letters or is_other else None
        self._bus.commit(self._name, after(batches), state)
        self._reading.advance(batches)
        self._counted = counted
        for _, record in kept:
            self._passed(record)
        return len(messages)

    def lag(self, bus: Bus) -> int:
        """Messages not yet written, asked of a bus of the caller's."""
        return self._reading.lag(bus)

    @property
    def dead(self) -> dict[str, int]:
        """Dead letters by reason; one that comes again within a while counts once."""
        return self._counted.dead

    def _look(self) -> bool:
        """Whether the store is not the one that was written to before; another one is told."""
        identity, was = self._store.identity, self._counted.store
        if identity == was:
            return False
        if was:
            self.replaced += 1
            _log.error(
                "the store is not the one that was written to before: it was deleted or replaced; what it held is gone"
                " from the page, baselines go on; stop the pipeline and put a copy back if there is one"
            )  # fmt: skip
        self._counted = msgspec.structs.replace(self._counted, store=identity)
        return True

    def _count(self, letters: list[DeadLetter]) -> _Counted:
        if not letters:
            return self._counted
        known = set(self._counted.recent)
        new = {letter.identity: letter.reason for letter in letters if letter.identity not in known}
        dead = Counter(self._counted.dead) + Counter(new.values())
        recent = [*self._counted.recent, *new][-_REMEMBERED:]
        return _Counted(states.written("writer"), dict(sorted(dead.items())), recent, self._counted.store)

    def _write(self, kept: list[tuple[Message, Stored]]) -> list[Message]:
        """Write all in one go; those that the store cannot take, found one by one. Raises StoreBusy."""
        try:
            self._store.write([record for _, record in kept])
        except _UNFIT:
            _log.exception("a record cannot be stored; its batch is written one by one")
            return [message for message, record in kept if not self._fits(record)]
        return []

    def _fits(self, record: Stored) -> bool:
        try:
            self._store.write([record])
        except _UNFIT:
            return False
        return True

    def _reject(self, messages: list[Message]) -> None:
        _log.error("%d messages on %s cannot be read; see the dead letters", len(messages), messages[0].topic)
        why = ("unreadable output", "not written by this version")
        self._bus.send([dead_letter(message, *why) for message in messages if message.topic != "dead-letters"])


def _counted(state: bytes) -> _Counted:
    return states.read("writer", state, _Counted)


def _sorted(messages: list[Message]) -> tuple[list[tuple[Message, Stored]], list[Message]]:
    """What the store keeps of the messages, each with its record, and those that cannot be read."""
    kept: list[tuple[Message, Stored]] = []
    rejected: list[Message] = []
    for message in messages:
        try:
            record = stored_of(message)
        except ValueError:
            rejected.append(message)
        else:
            if record is not None:
                kept.append((message, record))
    return kept, rejected
