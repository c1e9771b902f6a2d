"""When something must be done with each open episode next: a heap in which what was put off is skipped."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from streamgauge.anomaly.suppression.episodes import NEVER, Episode


class Timers:
    """The timers of `episodes` (by identity). A time that is noted already is not noted again."""

    def __init__(self, episodes: Mapping[str, Episode]) -> None:
        self._episodes = episodes
        self._heap: list[tuple[float, int, str]] = []
        self._noted: dict[str, float] = {}  # the time of each, while it is in the heap; others there were put off
        self._changed: dict[str, Episode] = {}  # whose times are to be noted

    def arm(self, episode: Episode) -> None:
        """The times of an episode were changed."""
        self._changed[episode.id] = episode

    def next(self) -> float:
        """When the next thing is due."""
        if self._changed:
            self._note()
        heap, noted, episodes = self._heap, self._noted, self._episodes
        while heap:
            time, _, identity = heap[0]
            if noted.get(identity) == time and identity in episodes:
                return time
            self._pop()
        return NEVER

    def pop_due(self, now: float) -> list[Episode]:
        """Everything that is due, once, in order of arrival."""
        due: dict[str, Episode] = {}
        while self.next() <= now:
            identity = self._pop()
            due[identity] = self._episodes[identity]
        return list(due.values()) if len(due) < 2 else sorted(due.values(), key=lambda episode: episode.order)

    def _note(self) -> None:
        for identity, episode in self._changed.items():
            time = episode.timer
            if self._noted.get(identity) != time:
                self._noted[identity] = time
                heapq.heappush(self._heap, (time, episode.order, identity))
        self._changed.clear()

    def _pop(self) -> str:
        time, _, identity = heapq.heappop(self._heap)
        if self._noted.get(identity) == time:
            del self._noted[identity]
        return identity
