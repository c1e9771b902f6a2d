"""Where each 64-bit key is kept: open addressing in two NumPy arrays, whole batches of keys at a time.

12 bytes a cell: 20 bytes a key at 10 million of them, where a dict of Python's takes 100. Without the compiled core a
batch is looked up in as many rounds as its unluckiest key needs: so cells are tried by double hashing (Knuth 6.4), and
small tables are half empty.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.compiled import fast

Keys = NDArray[np.uint64]
Slots = NDArray[np.int64]

_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio (Knuth 6.4): keys that are alike lie apart
_EMPTY: Final = -1  # never filled since the table was made: a search ends here
_GONE: Final = -2  # filled once: a search goes on
_LARGE: Final = 23  # bits of a table whose memory counts for more than its speed: 100 MB
_FILLED: Final = (0.5, 0.75)  # of the cells of a small and a large one, at most, before the table is made anew
_LIVE: Final = (0.3, 0.62)  # of the cells, at most, in a table that is made anew
_AT_ONCE: Final = 1 << 19  # keys: filling takes 60 bytes each for a moment
_FIRST: Final = 10  # bits of the smallest table


class KeyIndex:
    """Slots by key.

    >>> index = KeyIndex()
    >>> index.insert(np.array([7, 9], np.uint64), np.array([0, 1]))
    >>> index.find(np.array([9, 8], np.uint64)).tolist(), len(index)
    ([1, -1], 2)
    """

    def __init__(self) -> None:
        self._make(_FIRST)
        self._live = 0

    def __len__(self) -> int:
        """Keys."""
        return self._live

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self._keys.nbytes + self._slots.nbytes

    def find(self, keys: Keys) -> Slots:
        """The slot of each key, -1 where there is none."""
        cells = self._cells(keys)
        return np.where(cells >= 0, self._slots[cells], -1).astype(np.int64)

    def insert(self, keys: Keys, slots: Slots) -> None:
        """Keys that are not in it, each once, with their slots."""
        if self._filled + len(keys) > _FILLED[self._bits >= _LARGE] * len(self._keys):
            self._make_room(len(keys))
        self._fill(keys, slots.astype(np.int32))
        self._live += len(keys)

    def remove(self, keys: Keys) -> Slots:
        """The slots of keys that are in it, each once; they are in it no longer."""
        cells = self._cells(keys)
        slots = self._slots[cells].astype(np.int64)
        self._slots[cells] = _GONE
        self._live -= len(keys)
        return slots

    def items(self) -> tuple[Keys, Slots]:
        """Every key with its slot."""
        live = np.flatnonzero(self._slots >= 0)
        return self._keys[live], self._slots[live].astype(np.int64)

    def _start(self, keys: Keys) -> tuple[Slots, Slots]:
        """The first cell of each key, and how far it is to the next: an odd number, which meets every cell."""
        spread = keys * _SPREAD
        cells = (spread >> np.uint64(64 - self._bits)).astype(np.int64)
        return cells, ((spread & np.uint64(self._mask)) | np.uint64(1)).astype(np.int64)

    def _cells(self, keys: Keys) -> Slots:
        """The cell of each key, -1 where there is none."""
        core = fast()
        if core is None:
            return self._cells_by_rounds(keys)
        cells = np.empty(len(keys), np.int64)
        core.find_cells(np.ascontiguousarray(keys), cells, self._keys, self._slots)
        return cells

    def _cells_by_rounds(self, keys: Keys) -> Slots:
        found = np.full(len(keys), -1, np.int64)
        asked, (cells, steps) = np.arange(len(keys)), self._start(keys)
        while len(asked):
            slots = self._slots[cells]
            hit = (slots >= 0) & (self._keys[cells] == keys[asked])
            found[asked[hit]] = cells[hit]
            on = ~hit & (slots != _EMPTY)
            asked, steps = asked[on], steps[on]
            cells = (cells[on] + steps) & self._mask
        return found

    def _fill(self, keys: Keys, slots: NDArray[np.int32]) -> None:
        core = fast()
        if core is None:
            self._fill_by_rounds(keys, slots)
        else:
            self._filled += core.fill_cells(np.ascontiguousarray(keys), slots, self._keys, self._slots)

    def _fill_by_rounds(self, keys: Keys, slots: NDArray[np.int32]) -> None:
        """Of keys that want one cell the last one written has it; the others look on."""
        left, (cells, steps) = np.arange(len(keys)), self._start(keys)
        while len(left):
            before, wanted = self._slots[cells], slots[left]
            free = before < 0
            self._slots[cells[free]] = wanted[free]
            won = free & (self._slots[cells] == wanted)
            self._keys[cells[won]] = keys[left[won]]
            self._filled += int(np.count_nonzero(before[won] == _EMPTY))
            on = ~won
            left, steps = left[on], steps[on]
            cells = (cells[on] + steps) & self._mask

    def _make(self, bits: int) -> None:
        self._bits, self._mask, self._filled = bits, (1 << bits) - 1, 0
        self._keys: Keys = np.zeros(1 << bits, np.uint64)
        self._slots = np.full(1 << bits, _EMPTY, np.int32)

    def _make_room(self, more: int) -> None:
        keys, slots = self.items()
        bits = self._bits
        while len(keys) + more > _LIVE[bits >= _LARGE] * (1 << bits):
            bits += 1
        self._make(bits)
        for at in range(0, len(keys), _AT_ONCE):
            self._fill(keys[at : at + _AT_ONCE], slots[at : at + _AT_ONCE].astype(np.int32))
