"""How often each unit of a layer was active: what `dead_units` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Columns, Integers, expect, gather, views

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on


@dataclass(frozen=True, eq=False)
class Units:
    """Rows in which each unit's activation was positive, int64 [units], of `rows` sampled rows."""

    KIND: ClassVar[str] = "units"

    positives: Integers
    rows: int = 0

    @classmethod
    def of(cls, activations: NDArray[Any]) -> Self:
        """Counts of activations of shape [rows, ..., units]; every axis but the last counts as rows.

        >>> Units.of(np.array([[1.0, -1.0], [2.0, 0.0]])).positives.tolist()
        [2, 0]
        """
        table = np.asarray(activations)
        table = table.reshape(-1, table.shape[-1])
        return cls(np.count_nonzero(table > 0, axis=0).astype(np.int64), len(table))

    def dead(self) -> int:
        """Units that were never active."""
        return len(self.positives) - int(np.count_nonzero(self.positives))

    def columns(self) -> Columns:
        """Rows `<i8`[1], positives `<i8`."""
        return np.array([self.rows], "<i8").tobytes(), self.positives.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, positives = views(cls.KIND, columns, ("<i8", "<i8"))
        expect(len(head) == 1 and head[0] >= 0, cls.KIND, "bad head")
        expect(bool(((positives >= 0) & (positives <= head[0])).all()), cls.KIND, "more positives than rows")
        return cls(positives, int(head[0]))

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums; a layer that grew is as wide as its widest part."""
        rows = int(gather(parts, 0, "<i8").sum())
        width = max((len(part[1]) // 8 for part in parts), default=0)
        positives = np.zeros(width, np.int64)
        for part in parts:
            positives[: len(part[1]) // 8] += np.frombuffer(part[1], "<i8")
        return cls(positives, rows)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Exact sums, in any order."""
        return cls.fold([part.columns() for part in parts])
