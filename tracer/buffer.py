"""The bounded hand-off between a training step and the tracer's threads: it drops and counts, it never waits.

`put` takes no lock and wakes nobody: an append and two additions, about 0.5 us; the other side drains on a timer. What
is less important may fill less of the buffer, so a flood of raw tensors leaves room for scalars and hard facts. The
byte count can be off by one item when two threads put at once, and is set right by a `take` that empties the buffer.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class Priority(enum.IntEnum):
    """What a full buffer refuses last comes first."""

    HARD = 0  # hard facts, acknowledgements
    SCALAR = 1
    STATS = 2
    RAW = 3


SHARES: Final = (1.0, 0.9, 0.75, 0.5)  # the part of the buffer that each priority may fill


class Buffer(Generic[T]):
    """First in, first out, at most `limit` bytes, or one item: a call of many rows is copied already and is not lost.

    Raw arrays have no such right: whoever asks for a tensor of a gigabyte gets none.

    >>> buffer: Buffer[str] = Buffer(100)
    >>> [buffer.put("raw", 40, Priority.RAW), buffer.put("more raw", 40, Priority.RAW)]
    [True, False]
    >>> buffer.put("fact", 40, Priority.HARD)
    True
    >>> buffer.drain(), buffer.dropped[Priority.RAW]
    (['raw', 'fact'], 1)
    """

    def __init__(self, limit: int) -> None:
        self._limits = [int(limit * share) for share in SHARES]
        self._items: deque[tuple[T, int]] = deque()
        self._used = 0
        self.dropped = [0] * len(Priority)  # points refused, by priority
        self.refused = [0] * len(Priority)  # items refused, by priority

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._items)

    @property
    def used(self) -> int:
        """Bytes waiting."""
        return self._used

    def put(self, item: T, size: int, priority: Priority, points: int = 1) -> bool:
        """Append an item of `size` bytes that holds `points` points, or count it as dropped."""
        is_alone = not self._used and priority < Priority.RAW
        if self._used + size > self._limits[priority] and not is_alone:
            self.dropped[priority] += points
            self.refused[priority] += 1
            return False
        self._used += size
        self._items.append((item, size))
        return True

    def drain(self, limit_bytes: int | None = None) -> list[T]:
        """Remove and return what waits, oldest first; up to `limit_bytes` (at least one item) if given."""
        taken: list[T] = []
        size = 0
        while self._items and (limit_bytes is None or not taken or size + self._items[0][1] <= limit_bytes):
            item, item_size = self._items.popleft()
            taken.append(item)
            size += item_size
        self._used = max(0, self._used - size) if self._items else 0
        return taken
