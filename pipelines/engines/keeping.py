"""How one consumer's states are kept on its bus: in rows that change apart, with a manifest beside the offsets.

One transaction holds the rows that changed, the manifest and the offsets, so whatever a crash leaves belongs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from streamgauge.pipelines.engines.parking import Held, Parked, Parking
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire import kept, states
from streamgauge.pipelines.wire.frames import unframed
from streamgauge.pipelines.wire.kept import Kept, Manifest, Stored
from streamgauge.pipelines.wire.rows import InRows, Whole

R = TypeVar("R", bound=InRows | Whole)
Place = tuple[str, str]  # of a row: the name that a state is kept under, and its own


class _Committed(msgspec.Struct, array_like=True):
    version: int
    keys: dict[str, Manifest] = {}
    whole: dict[str, bytes] = {}  # states of releases before rows: read, and written in rows
    parked: dict[str, Parked] = {}  # those of either that nothing configured wants


class Keeping(Generic[R]):
    """The states of one consumer, loaded and committed.

    Args:
        bus: where they are kept.
        name: of the consumer.
        make: a new state for a key. Raises Unfit for one that nothing configured wants.
        wall: wall time, seconds: since when a state is parked.
    """

    def __init__(self, bus: Bus, name: str, make: Callable[[str], R], wall: Callable[[], float]) -> None:
        self.parking = Parking(make, wall)
        self.size = 0  # bytes committed last
        self._bus, self._name = bus, name
        self._kept: dict[str, Kept] = {}  # of each key in use
        self._resting: dict[str, Sequence[str]] = {}  # names whose rows no state in use has: the names of those

    def load(self) -> tuple[dict[str, int], dict[str, R]]:
        """The offsets and states that were committed last. Raises StateDamagedError for what is not as it was."""
        offsets, state = self._bus.committed(self._name)
        committed = _committed(state)
        in_rows = {name: Stored(dict(self._bus.rows(self._name, name)), m) for name, m in committed.keys.items()}
        whole = {name: kept.stored(one) for name, one in committed.whole.items()}
        found = self.parking.restore(in_rows | whole, committed.parked)
        self._kept = {key: kept.other(in_rows[key]) for key in found if key in in_rows}
        for key, (one, name) in found.items():
            if key == name and key in in_rows:
                self._kept[key] = kept.known(one, in_rows[key])
        self._resting = {name: list(one.frames) for name, one in in_rows.items() if name not in self._kept}
        self._measure(committed)
        return offsets, {key: one for key, (one, _) in found.items()}

    def commit(self, states_: Mapping[str, R], offsets: Mapping[str, int]) -> None:
        """Store offsets and states together, of the states what has changed."""
        changes = {key: kept.change(states_[key], self._kept.get(key, kept.NOTHING)) for key in sorted(states_)}
        keys = {key: change.kept.manifest for key, change in changes.items()}
        keys |= {name: one.stored.manifest for name, one in self.parking.kept.items()}
        committed = _Committed(states.written("consumer"), keys, {}, _parked(self.parking.kept))
        rows: dict[Place, bytes | None] = dict(self._moved(states_))
        rows |= {(key, name): row for key, change in changes.items() for name, row in change.rows.items()}
        self._bus.commit(self._name, offsets, msgspec.msgpack.encode(committed), rows)
        self._kept = {key: change.kept for key, change in changes.items()}
        self._resting = {name: list(one.stored.frames) for name, one in self.parking.kept.items()}
        self._measure(committed)

    def _moved(self, states_: Mapping[str, R]) -> Iterator[tuple[Place, bytes | None]]:
        """Rows of what came into the park, or left it."""
        for name in self._resting.keys() - self.parking.kept.keys():
            yield from (((name, row), None) for row in self._resting[name])
        for name in self._kept.keys() - states_.keys():
            yield from (((name, row), None) for row in self._kept[name].marks)
        for name in self.parking.kept.keys() - self._resting.keys():
            yield from (((name, row), frame) for row, frame in self.parking.kept[name].stored.frames.items())

    def _measure(self, committed: _Committed) -> None:
        in_rows = sum(manifest.size for manifest in committed.keys.values())
        self.size = in_rows + sum(map(len, committed.whole.values()))


def committed_state(bus: Bus, name: str, key: str) -> bytes | None:
    """What one key's state was, of those that are one row, when `name` committed last; None if it had none."""
    whole = _committed(bus.committed(name)[1]).whole.get(key)
    row = dict(bus.rows(name, key)).get(kept.WHOLE)
    return whole if row is None else unframed(row, f"{key}: {kept.WHOLE}")


def manifests_of(state: bytes) -> dict[str, Manifest]:
    """By key, what a consumer's committed state says of its rows. Raises ValueError for a state of another kind."""
    return _committed(state).keys


def forget(bus: Bus, name: str, key: str) -> None:
    """Take away what is kept of one key; no consumer of that name may run."""
    committed = _committed(bus.committed(name)[1])
    committed.keys.pop(key, None)
    committed.parked.pop(key, None)
    rows = {(key, row): None for row, _ in bus.rows(name, key)}
    bus.commit(name, {}, msgspec.msgpack.encode(committed), rows)


def _committed(state: bytes | None) -> _Committed:
    return _Committed(states.written("consumer")) if state is None else states.read("consumer", state, _Committed)


def _parked(held: Mapping[str, Held]) -> dict[str, Parked]:
    return {name: one.about for name, one in held.items()}
