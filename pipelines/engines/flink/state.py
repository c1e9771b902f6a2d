"""One key's state under Flink: a snapshot, and the records that came since, so that little is written in each bundle.

A snapshot of a large job takes 17 ms and 7 MB, far too much five times a second. So each record goes to a journal, and
only when the journal is as long as the last snapshot a new one takes its place: what is written stays below three times
what is read. Restored, the journal is fed to the snapshot again and what it says is dropped: it was said before the
checkpoint. Both are plain bytes; nothing of ours is pickled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.transport import Message

LEAST_JOURNAL: Final = 256 * 1024  # bytes
_ENTRY: Final = 64  # bytes that a record costs beside its own
_log = logging.getLogger(__name__)


class Cell(Protocol):
    """Flink's value state of the current key."""

    def value(self) -> bytes | None:
        """What was stored last."""
        ...

    def update(self, value: bytes) -> None:
        """Store it."""
        ...


class Journal(Protocol):
    """Flink's list state of the current key."""

    def get(self) -> Iterable[bytes] | None:
        """All entries in order."""
        ...

    def add(self, value: bytes) -> None:
        """Append one."""
        ...

    def clear(self) -> None:
        """Forget all."""
        ...


class Kept:
    """The live state of one key, kept in two state objects of Flink; used only while that key is the current one.

    Args:
        make: a new state.
        snapshot: holds the state as versioned bytes.
        journal: holds the records since.
    """

    def __init__(self, make: Callable[[], Keyed], snapshot: Cell, journal: Journal) -> None:
        self._make, self._snapshot, self._journal = make, snapshot, journal
        self._load()

    def feed(self, message: Message) -> list[Output]:
        """Take a message; one on which the state fails becomes a dead letter and leaves no trace."""
        try:
            sent = self.live.on_records([message.value])
        except Exception as error:
            _log.exception("a record of %s fails, sent to the dead letters", message.key)
            self._load()
            return [dead_letter(message, "operator failed", f"{type(error).__name__}: {error}")]
        self._journal.add(message.value)
        self._waiting += len(message.value) + _ENTRY
        if self._waiting > max(LEAST_JOURNAL, self._saved):
            self._save()
        return sent

    def _save(self) -> None:
        state = self.live.snapshot()
        self._snapshot.update(state)
        self._journal.clear()
        self._saved, self._waiting = len(state), 0

    def _load(self) -> None:
        self.live = self._make()
        state = self._snapshot.value()
        if state is not None:
            try:
                self.live.restore(state)
            except Unfit as unfit:  # Flink has no place aside: the savepoint that it came from is the copy
                _log.warning("a state of %d bytes does not fit and begins anew: %s", len(state), unfit)
                self.live = self._make()
                self._save()  # at once, or the next start would find the same again and drop what came since
                return
        self._saved, self._waiting = len(state or b""), 0
        for record in self._journal.get() or ():
            self.live.on_records([record])
            self._waiting += len(record) + _ENTRY
