"""The open episodes of one job by place, tie, cause and root: what a decision looks into instead of all of them.

Cost: a change of one episode touches a fixed number of tables; a look costs what lies at the place that is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from streamgauge.anomaly.suppression.episodes import LOOKED_AT, NEVER, Episode
from streamgauge.anomaly.suppression.topology import Graph, base_of

_PLACES: Final = 65_536  # whose keys are remembered
_Table = dict[str, dict[str, Episode]]


class Keys(NamedTuple):
    """Under what an episode is found while it is open; `ties` are what it may share with a root that is no cause of it.

    They are its worker, the causes that nothing watches, and, of a feature of the whole job, the fact that it states.
    """

    base: str
    kind: str
    is_at_worker: bool
    ties: tuple[str, ...]
    pending: tuple[str, ...]
    sent: tuple[str, ...]
    suppressed: tuple[str, ...]


class Place(NamedTuple):
    """All that an episode's keys depend on, beside the graph."""

    node: str
    worker: str
    fact: str  # that is stated; "" for what is none

    @classmethod
    def of(cls, episode: Episode) -> Place:
        """Where an episode is."""
        alert = episode.alert
        return cls(alert.node, alert.worker, alert.metric if episode.kind == "fact" else "")


def keys_of(place: Place, graph: Graph) -> Keys:
    """The keys of a place."""
    node, worker, fact = place
    base = base_of(node)
    origins = graph.origins(base)
    ties = tuple([f"from {origin}" for origin in origins])
    ties = (f"worker {worker}", *ties) if worker else (*ties, *_alike(fact, base, origins))
    folded = (node, at_base(base))
    return Keys(
        base, base.partition(":")[0], bool(worker), ties, (*folded, *ties), (*folded, sent_at(base), *ties), folded
    )  # fmt: skip


def _alike(fact: str, base: str, origins: Iterable[str]) -> tuple[str, ...]:
    """The tie of features that state one fact, and of which no source is known: what fed them is one thing.

    A feature's own places at the workers are no source of it.
    """
    is_fact = fact != "" and base.startswith("feature:")
    has_source = any(base_of(origin) != base for origin in origins)
    return (f"fact {fact}",) if is_fact and not has_source else ()


def at_base(base: str) -> str:
    """The key of an entity, at the job and its workers."""
    return f"base {base}"


def sent_at(base: str) -> str:
    """The key of what was sent of an entity."""
    return f"sent {base}"


def heir_of(root: str) -> str:
    """The key of what outlived a root (an episode)."""
    return f"heir {root}"


class Tables:
    """Where open episodes are found. A carrier is one that others can be folded beneath: sent or suppressed."""

    def __init__(self) -> None:
        self._live: dict[str, Episode] = {}
        self._keys: dict[str, Keys] = {}
        self._keys_at: dict[Place, Keys] = {}  # a cache
        self._pending: _Table = {}
        self._carriers: _Table = {}
        self._bases: _Table = {}
        self._kinds: dict[str, int] = {}
        self._at_workers: dict[str, int] = {}
        self._children: _Table = {}
        self._members: _Table = {}
        self._firing: _Table = {}

    # -- looking up ---
    def live(self, fingerprint: str) -> Episode | None:
        """The open episode of a fingerprint."""
        return self._live.get(fingerprint)

    def ties(self, episode: Episode) -> tuple[str, ...]:
        """The keys under which a sent root is found by what shares its worker, its fact or a cause nothing watches."""
        return self._keys[episode.id].ties

    def pending(self, key: str) -> Iterable[Episode]:
        """Undecided episodes of one node, of one entity (`at_base`), or under one tie."""
        entries = self._pending.get(key)
        return tuple(entries.values()) if entries else ()

    def has_carriers(self, key: str) -> bool:
        """Whether there are any sent or suppressed ones."""
        return key in self._carriers

    def kinds(self) -> Mapping[str, int]:
        """The kinds of places (`feature`, `labels`) at which something is open, and how much."""
        return self._kinds

    def carriers(self, key: str, since: float = -NEVER) -> Sequence[Episode]:
        """The newest sent or suppressed episodes of one node or entity (`at_base`), that are so since `since`.

        Under `sent_at`, `heir_of` or a tie, the newest sent ones. They come newest first, so a search for what began
        lately costs nothing for what is open since long ago.
        """
        entries = self._carriers.get(key)
        if entries is None:
            return ()
        found = []
        for episode in islice(reversed(entries.values()), LOOKED_AT):
            if episode.since < since:
                break
            found.append(episode)
        return found

    def at_base(self, base: str) -> Iterable[Episode]:
        """All open episodes of one entity, at the job and its workers."""
        return self._bases.get(base, {}).values()

    def is_at_workers(self, base: str) -> bool:
        """Whether any open episode of an entity is one worker's."""
        return base in self._at_workers

    def children(self, episode: Episode) -> list[Episode]:
        """Those whose direct cause this is, in order of arrival."""
        return _in_order(self._children, episode)

    def members(self, root: Episode) -> list[Episode]:
        """Those whose root this is, in order of arrival."""
        return _in_order(self._members, root)

    def firing_members(self, root: Episode) -> list[Episode]:
        """Those of them that are not over."""
        return _in_order(self._firing, root)

    def has_firing_members(self, root: Episode) -> bool:
        """Whether there are any."""
        return root.id in self._firing

    def has_members(self, root: Episode) -> bool:
        """Whether anything is suppressed under a root."""
        return root.id in self._members

    # -- changing ---
    def add(self, episode: Episode, graph: Graph) -> None:
        """An episode is open: into the tables of its place, which it stays in, and those of its state."""
        place = Place.of(episode)
        keys = self._keys_at.get(place)
        if keys is None:
            if len(self._keys_at) >= _PLACES:
                self._keys_at.clear()
            keys = self._keys_at[place] = keys_of(place, graph)
        self._keys[episode.id] = keys
        self._live[episode.alert.fingerprint] = episode
        self._bases.setdefault(keys.base, {})[episode.id] = episode
        self._kinds[keys.kind] = self._kinds.get(keys.kind, 0) + 1
        if keys.is_at_worker:
            self._at_workers[keys.base] = self._at_workers.get(keys.base, 0) + 1
        self.enter(episode)

    def remove(self, episode: Episode) -> None:
        """It is closed."""
        self.leave(episode)
        keys = self._keys.pop(episode.id)
        self._live.pop(episode.alert.fingerprint, None)
        _drop(self._bases, keys.base, episode.id)
        _count_down(self._kinds, keys.kind)
        if keys.is_at_worker:
            _count_down(self._at_workers, keys.base)

    def enter(self, episode: Episode) -> None:
        """Into the tables of the state that it is in."""
        identity, keys = episode.id, self._keys[episode.id]
        if episode.state == "pending":
            _put(self._pending, keys.pending, episode)
        elif episode.state == "sent":
            _put(self._carriers, keys.sent, episode)
            if episode.outlived:
                _put(self._carriers, (heir_of(episode.outlived),), episode)
        elif episode.state == "suppressed":
            _put(self._carriers, keys.suppressed, episode)
            self._children.setdefault(episode.reason.cause, {})[identity] = episode
            self._members.setdefault(episode.reason.root, {})[identity] = episode
            if not episode.is_over:
                self._firing.setdefault(episode.reason.root, {})[identity] = episode

    def leave(self, episode: Episode) -> None:
        """Out of them, before its state changes."""
        identity, keys = episode.id, self._keys[episode.id]
        if episode.state == "pending":
            for key in keys.pending:
                _drop(self._pending, key, identity)
        elif episode.state == "sent":
            for key in keys.sent:
                _drop(self._carriers, key, identity)
            if episode.outlived:
                _drop(self._carriers, heir_of(episode.outlived), identity)
        elif episode.state == "suppressed":
            for key in keys.suppressed:
                _drop(self._carriers, key, identity)
            _drop(self._children, episode.reason.cause, identity)
            _drop(self._members, episode.reason.root, identity)
            _drop(self._firing, episode.reason.root, identity)

    def reparent(self, episode: Episode, cause: str) -> None:
        """Hang a suppressed episode on another cause under the same root."""
        _drop(self._children, episode.reason.cause, episode.id)
        episode.reason = msgspec.structs.replace(episode.reason, cause=cause)
        self._children.setdefault(cause, {})[episode.id] = episode

    def refresh(self, episode: Episode) -> None:
        """A suppressed episode is over, or came back."""
        root = episode.reason.root
        _drop(self._firing, root, episode.id)
        if not episode.is_over:
            self._firing.setdefault(root, {})[episode.id] = episode


def _put(table: _Table, keys: tuple[str, ...], episode: Episode) -> None:
    identity = episode.id
    for key in keys:
        entries = table.get(key)
        if entries is None:
            table[key] = {identity: episode}
        else:
            entries[identity] = episode


def _drop(table: _Table, key: str, identity: str) -> None:
    entries = table.get(key)
    if entries is not None and entries.pop(identity, None) is not None and not entries:
        del table[key]


def _count_down(counts: dict[str, int], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _in_order(table: _Table, episode: Episode) -> list[Episode]:
    entries = table.get(episode.id)
    return sorted(entries.values(), key=_order) if entries else []


def _order(episode: Episode) -> int:
    return episode.order
