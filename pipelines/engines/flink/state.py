"""One key's state under Flink: its rows, and the records that came since, so that little is written in each bundle.

To tell which rows of a large job have changed takes a millisecond or more, too much five times a second. So each record
goes to a journal, and only when the journal is long the rows that changed take its place, with the manifest of all:
what is written stays below three times what is read, and no value grows with the job. Restored, the journal is fed to
the rows again and what it says is dropped: it was said before the checkpoint. Flink stores rows, manifest and journal
of one bundle together; a manifest that is not of the rows beside it is refused. All are plain bytes, nothing of ours is
pickled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec

from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.wire import kept, states
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.kept import Manifest, Stored
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.transport import Message

LEAST_JOURNAL: Final = 32 * 1024  # bytes
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


class Cells(Protocol):
    """Flink's map state of the current key."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """All entries."""
        ...

    def put(self, name: str, value: bytes) -> None:
        """Store one."""
        ...

    def remove(self, name: str) -> None:
        """Forget one."""
        ...

    def clear(self) -> None:
        """Forget all."""
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
    """The live state of one key, kept in three state objects of Flink; used only while that key is the current one.

    Args:
        make: a new state.
        manifest: says what the rows come to; of releases before rows it holds the whole state.
        rows: the state, by name.
        journal: holds the records since.
    """

    def __init__(self, make: Callable[[], Keyed], manifest: Cell, rows: Cells, journal: Journal) -> None:
        self._make, self._manifest, self._rows, self._journal = make, manifest, rows, journal
        self._kept: kept.Kept = kept.NOTHING
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
        if self._waiting > max(LEAST_JOURNAL, self._kept.manifest.size):
            self._save()
        return sent

    def _save(self) -> None:
        change = kept.change(self.live, self._kept)
        for name, frame in change.rows.items():
            if frame is None:
                self._rows.remove(name)
            else:
                self._rows.put(name, frame)
        self._kept = change.kept
        self._manifest.update(msgspec.msgpack.encode([states.written("rows"), self._kept.manifest]))
        self._journal.clear()
        self._waiting = 0

    def _load(self) -> None:
        self.live, self._waiting = self._make(), 0
        self._kept = kept.NOTHING
        try:
            self._restore(self._manifest.value())
        except Unfit as unfit:  # Flink has no place aside: the savepoint that it came from is the copy
            _log.warning("a state does not fit and begins anew: %s", unfit)
            self.live = self._make()
            self._rows.clear()
            self._save()  # at once, or the next start would find the same again and drop what came since
            return
        for record in self._journal.get() or ():
            self.live.on_records([record])
            self._waiting += len(record) + _ENTRY

    def _restore(self, state: bytes | None) -> None:
        if state is None:
            return
        if not states.is_of("rows", state):
            self.live.restore(state)  # whole, as a release before rows left it
            return
        _, manifest = states.read("rows", state, tuple[int, Manifest])
        stored = Stored(dict(self._rows.items()), manifest)
        kept.restore(self.live, stored, "a key")
        self._kept = kept.known(self.live, stored)
