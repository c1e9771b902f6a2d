"""One partition of the jobs' log as the bus of a `KeyedConsumer`, for a host that is handed its records one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer, Route
from streamgauge.tracer.transport import Message

_TOPIC: Final = "traces"


class Partition:
    """The states behind the keys of one partition, and what they want sent and stored.

    Args:
        number: of the partition.
        offset: of the first record that is not in the state.
        state: None for none.
        route: the key of a message.
        make: a new state for a key.
        every: least seconds between commits.
    """

    def __init__(
        self, number: int, offset: int, state: bytes | None, route: Callable[[Message], Route],
        make: Callable[[str], Keyed], *, every: float,
    ) -> None:  # fmt: skip
        self.number = number
        self.unsent: list[tuple[str, str, bytes]] = []
        self.unstored: bytes | None = None
        self._given: Message | None = None
        self._log = f"{_TOPIC}/{number}"
        self._committed: tuple[dict[str, int], bytes | None] = {self._log: offset}, state
        self.keyed = KeyedConsumer(self, "engine", _TOPIC, route, make, every=every, in_rows=False)

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
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Keep it for the host to store, behind what is unsent."""
        self._committed, self.unstored = (dict(offsets), state), state

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What was committed last."""
        return self._committed

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """None: all state is in the one value."""
        return ()

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
