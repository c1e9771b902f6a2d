"""The open episodes of one job, indexed by place and tie, with their timers; and the state's bytes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from streamgauge.anomaly.suppression.episodes import LOOKED_AT, NEVER, REMEMBERED, Episode, Snapshot, State, Waits
from streamgauge.anomaly.suppression.topology import Graph, base_of
from streamgauge.anomaly.types import Alert, Decision, Notification, Reason, Silence, Topology


class Ledger:
    """The open episodes of one job, by node, entity, worker and timer. `out` collects what was decided."""

    def __init__(self, job: str, waits: Waits, topology: Topology, *, workers: int = 0) -> None:
        self.job, self.waits, self._workers = job, waits, workers
        self.graph = self._graph_of(topology)
        self.number = self.count = self.carried = 0
        self.out: list[Decision | Notification] = []
        self.told: dict[str, None] = {}
        self.calm_until = -NEVER  # what does not page at once must outlast this: a roll-out began
        self.may_page: Callable[[float], bool] = lambda now: True  # spends one page of the budget, if one is left
        self.silences: dict[str, Silence] = {}
        self.recent: list[Episode] = []  # closed roots, until nothing can follow from them any more
        self.episodes: dict[str, Episode] = {}
        self._clear()

    def use(self, topology: Topology) -> None:
        """From now on decide by this topology."""
        self.graph = self._graph_of(topology)
        self._reindex()

    @property
    def workers(self) -> int:
        """How many workers the job has."""
        return max(len(self.graph.workers), self._workers)

    # -- looking up ---
    def live(self, fingerprint: str) -> Episode | None:
        """The open episode of a fingerprint."""
        return self._live.get(fingerprint)

    def pending(self, key: str) -> tuple[Episode, ...]:
        """Undecided episodes of one node, of one `base NAME`, or under one key of `keys_of`."""
        return tuple(self._pending.get(key, {}).values())

    def has_pending(self, key: str) -> bool:
        """Whether there are any."""
        return key in self._pending

    def has_carriers(self, key: str) -> bool:
        """Whether there are any sent or suppressed ones."""
        return key in self._carriers

    def kinds(self) -> Iterable[str]:
        """The kinds of places (`feature`, `labels`) at which something is open."""
        return self._kinds.keys()

    def carriers(self, key: str, since: float = -NEVER) -> Iterator[Episode]:
        """The newest sent or suppressed episodes of one node or one `base NAME`, that are so since `since`.

        Under `sent NAME`, or a key of `keys_of`, the newest sent ones. They come newest first, so a search for what
        began lately costs nothing for what is open since long ago.
        """
        for episode in islice(reversed(self._carriers.get(key, {}).values()), LOOKED_AT):
            if episode.since < since:
                return
            yield episode

    def at_base(self, base: str) -> Iterable[Episode]:
        """All open episodes of one entity, at the job and its workers."""
        return self._bases.get(base, {}).values()

    def is_at_workers(self, base: str) -> bool:
        """Whether any open episode of an entity is one worker's."""
        return base in self._at_workers

    def children(self, episode: Episode) -> list[Episode]:
        """Those whose direct cause this is, in order of arrival."""
        return sorted(self._children.get(episode.id, {}).values(), key=_order)

    def members(self, root: Episode) -> list[Episode]:
        """Those whose root this is, in order of arrival."""
        return sorted(self._members.get(root.id, {}).values(), key=_order)

    def firing_members(self, root: Episode) -> list[Episode]:
        """Those of them that are not over."""
        return sorted(self._firing.get(root.id, {}).values(), key=_order)

    def is_firing(self, root: Episode) -> bool:
        """Whether a root, or anything suppressed under it, is not over."""
        return not root.is_over or bool(self._firing.get(root.id))

    def ending(self) -> list[Episode]:
        """Told roots that are over and still open, in order of arrival."""
        return sorted(self._ending.values(), key=_order)

    def has_members(self, root: Episode) -> bool:
        """Whether anything is suppressed under a root."""
        return root.id in self._members and bool(self._members[root.id])

    def root_of(self, episode: Episode) -> Episode | None:
        """The sent, open root above a sent or suppressed episode."""
        root = episode if episode.state == "sent" else self.episodes.get(episode.reason.root)
        return root if root is not None and root.state == "sent" else None

    def keys_of(self, alert: Alert) -> tuple[str, ...]:
        """The keys under which a sent root is found by what shares its worker or a cause that nothing watches."""
        origins = [f"from {origin}" for origin in self.graph.origins(base_of(alert.node))]
        return (f"worker {alert.worker}", *origins) if alert.worker else tuple(origins)

    # -- changing ---
    def add(self, episode: Episode) -> None:
        """Open an episode."""
        self.episodes[episode.id] = episode
        self._index(episode)

    def remove(self, episode: Episode) -> None:
        """Close an episode; nobody may hang on it any more."""
        self._unindex(episode)
        del self.episodes[episode.id]

    def move(self, episode: Episode, state: State, reason: Reason, now: float, *, due: float = NEVER) -> None:
        """Put an episode into a state, with the reason, and say so."""
        self._leave(episode)
        if state in ("sent", "suppressed"):
            self.carried += 1
            episode.carried = self.carried
        episode.state, episode.reason, episode.due = state, reason, due
        episode.since = now
        self._enter(episode)
        self.say(episode, now)

    def reparent(self, episode: Episode, cause: str) -> None:
        """Hang a suppressed episode on another cause under the same root."""
        children = self._children[episode.reason.cause]
        del children[episode.id]
        if not children:
            del self._children[episode.reason.cause]
        episode.reason = msgspec.structs.replace(episode.reason, cause=cause)
        self._children.setdefault(cause, {})[episode.id] = episode

    def set_end(self, episode: Episode, end: float | None, now: float | None) -> None:
        """Its end was heard (`now`), or it came back (None)."""
        episode.alert, episode.ended = msgspec.structs.replace(episode.alert, end=end), now
        self._ending.pop(episode.id, None)
        if episode.state == "sent" and end is not None:
            self._ending[episode.id] = episode
        if episode.state == "suppressed":
            firing = self._firing.setdefault(episode.reason.root, {})
            firing.pop(episode.id, None)
            if end is None:
                firing[episode.id] = episode
            elif not firing:
                del self._firing[episode.reason.root]

    def arm(self, episode: Episode) -> None:
        """Note when something must be done with an episode, after its times were changed."""
        heapq.heappush(self._timers, (episode.timer, episode.order, episode.id))

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

    def next_timer(self) -> float:
        """When the next thing is due."""
        while self._timers:
            time, _, identity = self._timers[0]
            episode = self.episodes.get(identity)
            if episode is not None and episode.timer == time:
                return time
            heapq.heappop(self._timers)
        return NEVER

    def pop_due(self, now: float) -> list[Episode]:
        """Everything that is due, once, in order of arrival."""
        due: dict[str, Episode] = {}
        while self.next_timer() <= now:
            identity = heapq.heappop(self._timers)[2]
            due[identity] = self.episodes[identity]
        return sorted(due.values(), key=_order)

    # -- the state as bytes ---
    def snapshot(self) -> Snapshot:
        """The state; `out` must have been taken."""
        return Snapshot(
            number=self.number, count=self.count, carried=self.carried, topology=self.graph.topology,
            episodes=tuple(self.episodes.values()), recent=tuple(self.recent), told=tuple(self.told),
            silences=tuple(self.silences.values()), calm_until=self.calm_until,
        )  # fmt: skip

    def restore(self, state: Snapshot) -> None:
        """Become what `snapshot` described."""
        self.number, self.count, self.carried = state.number, state.count, state.carried
        self.graph = self._graph_of(state.topology)
        self.recent = list(state.recent)
        self.told, self.calm_until = dict.fromkeys(state.told), state.calm_until
        self.silences = {silence.id: silence for silence in state.silences}
        self.episodes = {episode.id: episode for episode in state.episodes}
        self._reindex()

    # -- indexes ---
    def _graph_of(self, topology: Topology) -> Graph:
        return Graph(topology, max_hops=self.waits.max_hops, hop_delay=self.waits.hop_delay)

    def _reindex(self) -> None:
        self._clear()
        for episode in sorted(self.episodes.values(), key=lambda episode: (episode.carried, episode.order)):
            self._index(episode)

    def _clear(self) -> None:
        self._live: dict[str, Episode] = {}
        self._ending: dict[str, Episode] = {}
        self._pending: dict[str, dict[str, Episode]] = {}
        self._carriers: dict[str, dict[str, Episode]] = {}
        self._bases: dict[str, dict[str, Episode]] = {}
        self._kinds: dict[str, dict[str, Episode]] = {}
        self._at_workers: dict[str, dict[str, Episode]] = {}
        self._children: dict[str, dict[str, Episode]] = {}
        self._members: dict[str, dict[str, Episode]] = {}
        self._firing: dict[str, dict[str, Episode]] = {}
        self._timers: list[tuple[float, int, str]] = []

    def _index(self, episode: Episode) -> None:
        """Into all tables: those of its place, which it stays in while it is open, and those of its state."""
        base, identity = base_of(episode.alert.node), episode.id
        self._live[episode.alert.fingerprint] = episode
        self._bases.setdefault(base, {})[identity] = episode
        self._kinds.setdefault(base.partition(":")[0], {})[identity] = episode
        if episode.alert.worker:
            self._at_workers.setdefault(base, {})[identity] = episode
        self._enter(episode)

    def _unindex(self, episode: Episode) -> None:
        base = base_of(episode.alert.node)
        self._live.pop(episode.alert.fingerprint, None)
        for table, key in ((self._bases, base), (self._at_workers, base), (self._kinds, base.partition(":")[0])):
            _drop(table, key, episode)
        self._leave(episode)

    def _enter(self, episode: Episode) -> None:
        if episode.state == "sent" and episode.is_over:
            self._ending[episode.id] = episode
        for table, key in self._places(episode):
            table.setdefault(key, {})[episode.id] = episode
        self.arm(episode)

    def _leave(self, episode: Episode) -> None:
        self._ending.pop(episode.id, None)
        for table, key in self._places(episode):
            _drop(table, key, episode)

    def _places(self, episode: Episode) -> list[tuple[dict[str, dict[str, Episode]], str]]:
        """The tables of its state, and under which key it is in each."""
        alert, state = episode.alert, episode.state
        if state == "pending":
            keys = (alert.node, f"base {base_of(alert.node)}", *self.keys_of(alert))
            return [(self._pending, key) for key in keys]
        if state == "sent":
            base = base_of(alert.node)
            heir = (f"heir {episode.outlived}",) if episode.outlived else ()
            keys = (alert.node, f"base {base}", f"sent {base}", *self.keys_of(alert), *heir)
            return [(self._carriers, key) for key in keys]
        if state == "suppressed":
            reason, node = episode.reason, alert.node
            found = [(self._carriers, node), (self._carriers, f"base {base_of(node)}")]
            found += [(self._children, reason.cause), (self._members, reason.root)]
            return found if episode.is_over else [*found, (self._firing, reason.root)]
        return []


def _drop(table: dict[str, dict[str, Episode]], key: str, episode: Episode) -> None:
    entries = table.get(key)
    if entries is not None and entries.pop(episode.id, None) is not None and not entries:
        del table[key]


def _order(episode: Episode) -> int:
    return episode.order
