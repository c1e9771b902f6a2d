"""A worker's series: which slot each name has, and where the points of a record go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.metrics import Floats
from streamgauge.tracer.codec import Points
from streamgauge.tracer.records import Clock, Name

OVERFLOW: Final = "overflow"  # name and entity of the series that takes what a limit turned away
CLOCKS: Final[tuple[Clock, ...]] = ("sample", "label", "train", "wall")
BYTES: Final = 200  # of names for each series that a job may have, on average
Index = NDArray[np.intp]


class Names:
    """A worker's series: which slot each name has, in the order in which they were first sent."""

    __slots__ = ("_all", "_seen", "bytes", "names", "slots")

    def __init__(self) -> None:
        self.names: list[Name] = []
        self.slots: dict[Name, int] = {}
        self.bytes = 0  # of all names
        self._seen = np.zeros(16, np.int64)
        self._all: tuple[Name, ...] = ()

    @property
    def seen(self) -> NDArray[np.int64]:
        """End of the last slice with a point of it, microseconds, shape [slots]."""
        return self._seen[: len(self.names)]

    @property
    def size(self) -> int:
        """How many series there are, without those that take what a limit turned away."""
        return len(self.names) - sum(Name(clock, OVERFLOW, OVERFLOW) in self.slots for clock in CLOCKS)

    def add(self, name: Name, time: int) -> int:
        """A new slot for `name`."""
        slot = len(self.names)
        if slot == len(self._seen):
            self._seen = np.concatenate((self._seen, np.zeros(slot, np.int64)))
        self._seen[slot] = time
        self.bytes += size_of(name)
        self.slots[name] = slot
        self.names.append(name)
        return slot

    def pick(self, slots: Index) -> tuple[Name, ...]:
        """The names of some slots, in order."""
        if len(slots) < len(self.names):
            return tuple([self.names[slot] for slot in slots.tolist()])
        if len(self._all) != len(self.names):
            self._all = tuple(self.names)
        return self._all


class Room(NamedTuple):
    """What a job has left for new names."""

    series: int
    bytes: int


class Mapping(NamedTuple):
    """Where the points of one names blob go: for each index a slot, and a flag where kinds of points are mixed."""

    size: int
    slots: Index
    is_wall: NDArray[np.bool_] | None  # None where all names are of one kind
    is_overflow: NDArray[np.bool_] | None
    wall: bool  # what all names are, where `is_wall` is None
    trains: bool  # a name of the train clock is among them


class Part(NamedTuple):
    """The points of a record that go to one kind of windows."""

    slots: Index
    value: Floats
    weight: Floats | None


def size_of(name: Name) -> int:
    """Bytes of a name."""
    return len(name.name.encode()) + len(name.entity.encode())


def map_names(names: Sequence[Name], stream: Names, wall: Names, room: Room, time: int) -> Mapping:
    """Slots for a blob's names; new ones are added while there is room, others share one overflow series a clock."""
    slots, walls, over = [], [], []
    left, space = room
    for name in names:
        book = wall if name.clock == "wall" else stream
        slot = book.slots.get(name)
        is_over = slot is None and (left <= 0 or space < size_of(name))
        if slot is None:
            left -= not is_over
            space -= 0 if is_over else size_of(name)
            slot = _new_slot(book, Name(name.clock, OVERFLOW, OVERFLOW) if is_over else name, time)
        slots.append(slot)
        walls.append(name.clock == "wall")
        over.append(is_over)
    return Mapping(
        size=len(names),
        slots=np.array(slots, np.intp),
        is_wall=np.array(walls, bool) if len(set(walls)) > 1 else None,
        is_overflow=np.array(over, bool) if any(over) else None,
        wall=bool(walls) and all(walls),
        trains=any(name.clock == "train" for name in names),
    )


def split(mapping: Mapping, points: Points, slots: Index) -> tuple[Part | None, Part | None]:
    """A record's points, which go to `slots`, as (stream, wall) parts; None where there are none."""
    index, value, weight = points
    if not len(index):
        return None, None
    if mapping.is_wall is None:
        part = Part(slots, value, weight)
        return (None, part) if mapping.wall else (part, None)
    wall = mapping.is_wall.take(index)
    return _part(slots, value, weight, ~wall), _part(slots, value, weight, wall)


def _new_slot(names: Names, name: Name, time: int) -> int:
    slot = names.slots.get(name)
    return names.add(name, time) if slot is None else slot


def _part(slots: Index, value: Floats, weight: Floats | None, mask: NDArray[np.bool_]) -> Part | None:
    if not mask.any():
        return None
    return Part(slots[mask], value[mask], None if weight is None else weight[mask])
