"""Rows of sampled ids that the pipeline joins: samples as they were seen, labels as they became known, or weights.

A worker that sees a sample and one that learns its label keep the same ids, those whose hash is 0 modulo m. The union
of rows is exact in any order. 40 bytes a sample, 24 a label; memory is rows / m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from streamgauge.tracer.summaries.columns import Columns, Floats, Hashes, Integers, expect, gather, views
from streamgauge.tracer.summaries.hashing import is_power, is_sampled

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

_DTYPES = ("<u8", "<u8", "<f8", "<f8", "<f8", "<f8")


@dataclass(frozen=True, eq=False)
class JoinRows:
    """Rows ordered by time, then key; labels and weights have neither `event` nor `due`. NaN: not known."""

    KIND: ClassVar[str] = "join_rows"

    keys: Hashes
    time: Floats  # when the worker saw the sample, learnt its label, or trained on it
    value: Floats  # the prediction, the label, or the weight
    event: Floats
    due: Floats
    modulus: int = 1  # a power of two

    @classmethod
    def samples(cls, modulus: int, keys: Hashes, time: Floats, value: Floats, event: Floats, due: Floats) -> Self:
        """The sampled ones of rows that were seen.

        >>> unknown = np.full(3, np.nan)
        >>> keys, seen = np.array([8, 3, 4], np.uint64), np.array([20.0, 5.0, 5.0])
        >>> JoinRows.samples(4, keys, seen, unknown, unknown, unknown).keys.tolist()
        [4, 8]
        """
        kept = is_sampled(keys, modulus)
        return cls(keys[kept], time[kept], value[kept], event[kept], due[kept], modulus)._ordered()

    @classmethod
    def labels(cls, modulus: int, keys: Hashes, time: Floats, value: Floats) -> Self:
        """The sampled ones of labels that became known, or of weights that were trained with."""
        kept, none = is_sampled(keys, modulus), np.zeros(0)
        return cls(keys[kept], time[kept], value[kept], none, none, modulus)._ordered()

    def columns(self) -> Columns:
        """Modulus `<u8`[1], keys `<u8`, time, value, event and due `<f8`."""
        arrays = (np.array([self.modulus]), self.keys, self.time, self.value, self.event, self.due)
        return tuple(array.astype(dtype).tobytes() for array, dtype in zip(arrays, _DTYPES))

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, keys, time, value, event, due = views(cls.KIND, columns, _DTYPES)
        modulus = int(head[0]) if len(head) == 1 else 0
        expect(is_power(modulus), cls.KIND, "modulus is no power of two")
        are_samples = len(event) == len(due) == len(keys)
        expect(len(keys) == len(time) == len(value), cls.KIND, "columns of different lengths")
        expect(are_samples or len(event) == len(due) == 0, cls.KIND, "columns of different lengths")
        expect(bool(is_sampled(keys, modulus).all()), cls.KIND, "an id that is not in the sample")
        expect(bool(np.isfinite(time).all()), cls.KIND, "a time that is none")
        return cls(keys, time, value, event, due, modulus)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """The union, at the largest modulus of all parts."""
        modulus = int(gather(parts, 0, "<u8").max()) if parts else 1
        keys, time, value, event, due = (gather(parts, i, dtype) for i, dtype in enumerate(_DTYPES) if i)
        if len(event) not in (0, len(keys)):
            raise ValueError("samples and labels do not fold")
        if len(event):
            return cls.samples(modulus, keys, time, value, event, due)
        return cls.labels(modulus, keys, time, value)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The union, in any order."""
        return cls.fold([part.columns() for part in parts])

    def pieces(self, rows: int) -> list[Self]:
        """The same in pieces of so many rows."""
        starts = range(0, len(self.keys), rows)
        return [self._of(np.arange(i, min(i + rows, len(self.keys)))) for i in starts]

    def _ordered(self) -> Self:
        rest = (self.time, self.due, self.event, self.value) if len(self.event) else (self.time, self.value)
        bits = [np.ascontiguousarray(column).view(np.uint64) for column in rest]
        return self._of(np.lexsort((*bits, self.keys, self.time)))  # to the bit: the order of the parts cannot show

    def _of(self, rows: Integers) -> Self:
        event, due = (column[rows] if len(column) else column for column in (self.event, self.due))
        return type(self)(self.keys[rows], self.time[rows], self.value[rows], event, due, self.modulus)
