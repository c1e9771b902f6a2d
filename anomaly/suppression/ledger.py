"""The open episodes of one job with their tables and timers, what was decided of them, and the state's bytes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from streamgauge.anomaly.suppression.ended import Ended
from streamgauge.anomaly.suppression.episodes import NEVER, REMEMBERED, Episode, Snapshot, State, Waits
from streamgauge.anomaly.suppression.tables import Tables
from streamgauge.anomaly.suppression.timers import Timers
from streamgauge.anomaly.suppression.topology import Graph
from streamgauge.anomaly.types import Decision, Notification, Reason, Silence, Topology


class Ledger:
    """The open episodes of one job. `out` collects what was decided."""

    def __init__(self, job: str, waits: Waits, topology: Topology, *, workers: int = 0) -> None:
        self.job, self.waits, self._workers = job, waits, workers
        self.graph = self._graph_of(topology)
        self.number = self.count = self.carried = 0
        self.out: list[Decision | Notification] = []
        self.told: dict[str, None] = {}
        self.calm_until = -NEVER  # what does not page at once must outlast this: a roll-out began
        self.may_page: Callable[[float], bool] = lambda now: True  # spends one page of the budget, if one is left
        self.silences: dict[str, Silence] = {}
        self.episodes: dict[str, Episode] = {}
        self.ended = Ended(waits)
        self.tables, self.timers = Tables(), Timers(self.episodes)

    def use(self, topology: Topology) -> None:
        """From now on decide by this topology."""
        self.graph = self._graph_of(topology)
        self._reindex()

    @property
    def workers(self) -> int:
        """How many workers the job has."""
        return max(len(self.graph.workers), self._workers)

    def is_firing(self, root: Episode) -> bool:
        """Whether a root, or anything suppressed under it, is not over."""
        return not root.is_over or self.tables.has_firing_members(root)

    def root_of(self, episode: Episode) -> Episode | None:
        """The sent, open root above a sent or suppressed episode."""
        root = episode if episode.state == "sent" else self.episodes.get(episode.reason.root)
        return root if root is not None and root.state == "sent" else None

    # -- changing ---
    def add(self, episode: Episode) -> None:
        """Open an episode."""
        self.episodes[episode.id] = episode
        self._index(episode)

    def remove(self, episode: Episode) -> None:
        """Close an episode; nobody may hang on it any more."""
        self.tables.remove(episode)
        self.ended.drop(episode)
        del self.episodes[episode.id]

    def move(self, episode: Episode, state: State, reason: Reason, now: float, *, due: float = NEVER) -> None:
        """Put an episode into a state, with the reason, and say so."""
        self.tables.leave(episode)
        if episode.state == "sent":
            self.ended.drop(episode)
        if state in ("sent", "suppressed"):
            self.carried += 1
            episode.carried = self.carried
        episode.state, episode.reason, episode.due = state, reason, due
        episode.since = now
        self.tables.enter(episode)
        self._attend(episode)
        self.say(episode, now)

    def set_end(self, episode: Episode, end: float | None, now: float | None) -> None:
        """Its end was heard (`now`), or it came back (None)."""
        episode.alert, episode.ended = msgspec.structs.replace(episode.alert, end=end), now
        if episode.state == "sent":
            self.ended.drop(episode)
            if end is not None:
                self.ended.add(episode)
        elif episode.state == "suppressed":
            self.tables.refresh(episode)

    def say(self, episode: Episode, now: float, state: State | None = None, reason: Reason | None = None) -> None:
        """One entry of the audit trail."""
        self.number += 1
        state, reason = state or episode.state, reason or episode.reason
        decision = Decision(
            job=self.job, time=now, alert=episode.alert, state=state, reason=reason,
            notification=episode.notification, number=self.number,
        )  # fmt: skip
        self.out.append(decision)

    def remember(self, episode: Episode) -> None:
        """Keep the identity of an episode that was told."""
        self.told[episode.id] = None
        while len(self.told) > REMEMBERED:
            del self.told[next(iter(self.told))]

    # -- the state as bytes ---
    def snapshot(self) -> Snapshot:
        """The state; `out` must have been taken."""
        return Snapshot(
            number=self.number, count=self.count, carried=self.carried, topology=self.graph.topology,
            episodes=tuple(self.episodes.values()), recent=self.ended.closed, told=tuple(self.told),
            silences=tuple(self.silences.values()), calm_until=self.calm_until,
        )  # fmt: skip

    def restore(self, state: Snapshot) -> None:
        """Become what `snapshot` described."""
        self.number, self.count, self.carried = state.number, state.count, state.carried
        self.graph = self._graph_of(state.topology)
        self.ended.restore(state.recent)
        self.told, self.calm_until = dict.fromkeys(state.told), state.calm_until
        self.silences = {silence.id: silence for silence in state.silences}
        self.episodes = {episode.id: episode for episode in state.episodes}
        self._reindex()

    def _graph_of(self, topology: Topology) -> Graph:
        return Graph(topology, max_hops=self.waits.max_hops, hop_delay=self.waits.hop_delay)

    def _reindex(self) -> None:
        self.ended.clear()
        self.tables, self.timers = Tables(), Timers(self.episodes)
        for episode in sorted(self.episodes.values(), key=lambda episode: (episode.carried, episode.order)):
            self._index(episode)

    def _index(self, episode: Episode) -> None:
        self.tables.add(episode, self.graph)
        self._attend(episode)

    def _attend(self, episode: Episode) -> None:
        if episode.state == "sent" and episode.is_over:
            self.ended.add(episode)
        self.timers.arm(episode)
