"""Feature values of the samples that wait for labels, for label counts by bin: of a sample of the ids, within a bound.

Kept are the ids whose hash is 0 modulo a power of two, so the sample is the same whatever the order; where the bound is
passed the power doubles. Values are float64 or hashes; rows of several values are arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.key_index import KeyIndex, Keys
from streamgauge.tracer.summaries.hashing import is_sampled

LIMIT: Final = 64 * 1024 * 1024  # bytes
_ROW: Final = 112  # bytes of an array beside its values
Columns = dict[str, NDArray[Any]]


class KeptFeatures:
    """Codes of features by sample key.

    >>> kept = KeptFeatures()
    >>> kept.keep(np.array([8, 9], np.uint64), {"age": np.array([31.0, 57.0])})
    >>> rows, columns = kept.of(np.array([9, 7], np.uint64))
    >>> rows.tolist(), columns["age"].tolist()
    ([True, False], [57.0])
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.modulus = 1
        self._limit = limit
        self._clear()

    def __len__(self) -> int:
        """Samples whose values are kept."""
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Bytes of the values, about."""
        return 8 * len(self._index) * len(self._columns) + self._extra

    def keep(self, keys: Keys, columns: Mapping[str, NDArray[Any]]) -> None:
        """Values of new samples, one row a key; those outside the sample are not kept."""
        if not columns and not self._columns:
            return
        if self.modulus > 1:
            inside = is_sampled(keys, self.modulus)
            keys, columns = keys[inside], {name: values[inside] for name, values in columns.items()}
        if not len(keys):
            return
        places = self._places(len(keys))
        self._index.insert(keys, places)
        run = _run(places)
        for name, values in columns.items():
            self._column(name, values.dtype)[run] = values
            self._extra += _extra(values)
        for name in self._columns.keys() - columns.keys():
            self._columns[name][places] = _nothing(self._columns[name].dtype)
        while self.nbytes > self._limit:
            self._halve()

    def forget(self, keys: Keys) -> None:
        """Samples that are gone."""
        held = keys[self._index.find(keys) >= 0] if len(self._index) else keys[:0]
        if not len(held):
            return
        places = self._index.remove(held)
        for column in self._columns.values():
            if column.dtype.hasobject:
                self._extra -= _extra(column[places])
                column[places] = None
        self._free.append(places)

    def of(self, keys: Keys) -> tuple[NDArray[np.bool_], Columns]:
        """Which of the samples are kept, and the values of these."""
        places = self._index.find(keys)
        inside = places >= 0
        run = _run(places[inside])
        return inside, {name: np.array(column[run]) for name, column in self._columns.items()}

    def items(self) -> tuple[Keys, Columns]:
        """Everything that is kept, by key."""
        keys, places = self._index.items()
        order = np.argsort(keys)
        return keys[order], {name: column[places[order]] for name, column in self._columns.items()}

    def _clear(self) -> None:
        self._index = KeyIndex()
        self._columns: Columns = {}
        self._size = 0
        self._free: list[NDArray[np.int64]] = []
        self._extra = 0  # bytes of rows of several values

    def _halve(self) -> None:
        """Every second id leaves."""
        keys, columns = self.items()
        self.modulus *= 2
        inside = is_sampled(keys, self.modulus)
        self._clear()
        if inside.any():
            self.keep(keys[inside], {name: column[inside] for name, column in columns.items()})

    def _places(self, count: int) -> NDArray[np.int64]:
        free = self._free[0] if len(self._free) == 1 else np.concatenate((*self._free, np.zeros(0, np.int64)))
        if len(free) < count:
            grown = max(1024, count - len(free), self._size)
            free = np.concatenate((free, np.arange(self._size, self._size + grown)))
            self._size += grown
            self._columns = {name: _grown(column, self._size) for name, column in self._columns.items()}
        self._free = [free[count:]]
        return free[:count]

    def _column(self, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        held = self._columns.get(name)
        if held is None or held.dtype != dtype:
            held = self._columns[name] = np.full(self._size, _nothing(dtype), dtype)
        return held


def _run(places: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Places that follow each other, as mostly, as a slice: it is written at once."""
    first, last = (int(places[0]), int(places[-1])) if len(places) else (0, -1)
    is_run = last - first == len(places) - 1 and bool((places[1:] > places[:-1]).all())
    return slice(first, last + 1) if is_run else places


def _nothing(dtype: np.dtype[Any]) -> Any:
    """What stands where a value is missing."""
    return None if dtype.hasobject else np.nan if dtype.kind == "f" else 0


def _grown(column: NDArray[Any], size: int) -> NDArray[Any]:
    """The same column with room for more rows; what stands there is written when a row gets its place."""
    grown = np.empty(size, column.dtype)
    grown[: len(column)] = column
    return grown


def _extra(values: NDArray[Any]) -> int:
    return sum(_ROW + row.nbytes for row in values if row is not None) if values.dtype.hasobject else 0
