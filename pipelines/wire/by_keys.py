"""What was made of the keys of a record, kept for the next record with the same ones and held to its bytes.

The keys of a window travel as one blob that seldom changes (`outputs.PointColumns`), so whoever turns it into something
does so once. Guarantee: never more than `most` bytes, about; what was made first goes first.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

MOST_BYTES: Final = 16_000_000
ENTRY_BYTES: Final = 200  # of an entry whatever it holds, about

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class ByKeys(Generic[K, T]):
    """Values by what they were made of. One thread gets and keeps, any may ask for `bytes`.

    >>> kept = ByKeys[bytes, int](most=1000)
    >>> kept.keep(b"a", 1, 500), kept.keep(b"b", 2, 500), kept.get(b"a"), kept.get(b"b"), kept.bytes
    (None, None, None, 2, 700)
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.bytes = 0
        self._most = most
        self._kept: dict[K, tuple[T, int]] = {}

    def get(self, key: K) -> T | None:
        """What was kept, None if it is not there."""
        found = self._kept.get(key)
        return None if found is None else found[0]

    def keep(self, key: K, value: T, size: int) -> None:
        """Keep a value of `size` bytes, its key among them; others go for it. One larger than all room is not kept."""
        size += ENTRY_BYTES
        if size > self._most or key in self._kept:
            return
        while self.bytes + size > self._most:
            self.bytes -= self._kept.pop(next(iter(self._kept)))[1]
        self._kept[key] = (value, size)
        self.bytes += size

    def clear(self) -> None:
        """Keep nothing."""
        self._kept, self.bytes = {}, 0
