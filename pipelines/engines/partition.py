"""One partition of the jobs' log as the bus of a `KeyedConsumer`, for a host that is handed its records one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from streamgauge.pipelines.engines.keeping import Place
from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer, Route
from streamgauge.tracer.transport import Message

_TOPIC: Final = "traces"


class Commit(NamedTuple):
    """What is to be stored in one go, or what is stored."""

    offset: int  # of the first record that is not in the state
    state: bytes  # of the consumer; empty: nothing was committed yet
    rows: Mapping[Place, bytes | None]  # None: is not there any more


class Partition:
    """The states behind the keys of one partition, and what they want sent and stored.

    It holds the rows as they are stored, too, packed: an operator that fails goes back to them.

    Args:
        number: of the partition.
        stored: what was stored last.
        route: the key of a message.
        make: a new state for a key.
        every: least seconds between commits.
    """

    def __init__(
        self, number: int, stored: Commit, route: Callable[[Message], Route], make: Callable[[str], Keyed],
        *, every: float,
    ) -> None:  # fmt: skip
        self.number = number
        self.unsent: list[tuple[str, str, bytes]] = []
        self.unstored: Commit | None = None
        self._given: Message | None = None
        self._log = f"{_TOPIC}/{number}"
        self._committed: tuple[dict[str, int], bytes | None] = {self._log: stored.offset}, stored.state or None
        self._rows: dict[str, dict[str, bytes]] = {}
        self._put(stored.rows)
        self.keyed = KeyedConsumer(self, "engine", _TOPIC, route, make, every=every)

    @property
    def wanted(self) -> int:
        """The offset of the next record to take; it goes back when an operator failed."""
        return self.keyed.done

    def accept(self, message: Message | None = None) -> None:
        """Feed one record, or none: it may be time to commit."""
        self._given = message
        self.keyed.step()

    def logs(self, topic: str) -> Sequence[str]:
        """This one."""
        return (self._log,)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """The record that was given, if it is not behind."""
        given, self._given = self._given, None
        return [given] if given is not None and given.offset >= offset else []

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep them for the host to send."""
        self.unsent += messages

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[Place, bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Keep it for the host to store, behind what is unsent."""
        self._committed = dict(offsets), state
        self._put(rows or {})
        waiting = {} if self.unstored is None else self.unstored.rows
        self.unstored = Commit(offsets[self._log], state or b"", {**waiting, **(rows or {})})

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What was committed last."""
        return self._committed

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """Those of one key."""
        return list(self._rows.get(key, {}).items())

    def end(self, log: str) -> int:
        """Behind the record that was given."""
        return self.wanted if self._given is None else self._given.offset + 1

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """Nothing but what was given: the host knows the log's real end."""
        return {self._log: (self.wanted, self.end(self._log))}

    def wait(self, timeout: float) -> bool:
        """Never: records are handed over."""
        return False

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """Nothing: no compacted topic lies in here."""
        return {}

    def close(self) -> None:
        """Nothing to release."""

    def _put(self, rows: Mapping[Place, bytes | None]) -> None:
        for (key, name), frame in rows.items():
            if frame is None:
                self._rows.get(key, {}).pop(name, None)
            else:
                self._rows.setdefault(key, {})[name] = frame
