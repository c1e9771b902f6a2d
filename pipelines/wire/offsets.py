"""How far a consumer has read in each log of its topics, and the reading of all of them in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.transport import Message


class Offsets:
    """Positions in the logs of some topics. A log that is new, because its topic grew, is read from its beginning.

    Args:
        bus: the log.
        topics: what is read.
        offsets: the next offset by log, where it is not 0.
    """

    def __init__(self, bus: Bus, topics: Sequence[str], offsets: Mapping[str, int]) -> None:
        self.offsets = dict(offsets)
        self._bus, self._topics = bus, topics
        self._turn = 0

    def logs(self) -> list[str]:
        """All logs, topic by topic."""
        return [log for topic in self._topics for log in self._bus.logs(topic)]

    def next(self, limit: int) -> dict[str, list[Message]]:
        """Up to `limit` messages by log, each log first in its turn, so that no backlog holds up the others."""
        logs, left = self.logs(), limit
        self._turn = (self._turn + 1) % len(logs)
        found: dict[str, list[Message]] = {}
        for log in logs[self._turn :] + logs[: self._turn]:
            if left > 0 and (messages := self._bus.read(log, self.offsets.get(log, 0), left)):
                found[log] = messages
                left -= len(messages)
        return found

    def advance(self, read: Mapping[str, Sequence[Message]]) -> None:
        """Stand behind these messages."""
        self.offsets |= after(read)

    def lag(self, bus: Bus) -> int:
        """Messages not yet read, asked of a bus of the caller's; what retention took is no lag."""
        bounds = (found for topic in self._topics for found in bus.bounds(topic).items())
        return sum(max(0, end - max(self.offsets.get(log, 0), first)) for log, (first, end) in bounds)


def after(read: Mapping[str, Sequence[Message]]) -> dict[str, int]:
    """The next offset of each log that messages were read from."""
    return {log: messages[-1].offset + 1 for log, messages in read.items() if messages}
