"""How many distinct values: HyperLogLog with 4,096 registers, standard error 1.04 / sqrt(4096) = 1.6 %.

Flajolet, Fusy, Gandouet and Meunier 2007, with the improved raw estimator of Ertl 2017 (arXiv 1702.01284, algorithm 6),
which needs no bias table and is right from 0 to 2^60. Registers merge by maximum: exact in any order. 4 kB, or 3 bytes
a register while few are set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Columns, Hashes, expect, gather, is_increasing, views
from streamgauge.tracer.summaries.hashing import Tally

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

PRECISION: Final = 12
REGISTERS: Final = 1 << PRECISION
_REST: Final = 64 - PRECISION
HIGHEST: Final = _REST + 1  # that a register can hold
SPARSE: Final = REGISTERS // 3  # 3 bytes a register cost less than all registers up to here
_MASK: Final = np.uint64((1 << _REST) - 1)


@dataclass(frozen=True, eq=False)
class Distinct:
    """The registers, uint8 [4096]: the longest run of leading zeros + 1 of the hashes that fell into each."""

    KIND: ClassVar[str] = "distinct"

    registers: NDArray[np.uint8]

    @classmethod
    def of(cls, hashes: Hashes) -> Self:
        """The sketch of hashes (see `hash_values`).

        >>> from streamgauge.tracer.summaries.hashing import hash_values
        >>> round(Distinct.of(hash_values(np.arange(100))).estimate())
        100
        """
        return cls._of_sorted(np.sort(hashes))

    @classmethod
    def of_tally(cls, tally: Tally) -> Self:
        """The sketch of tallied hashes, about 1 ns a hash: they are sorted already."""
        return cls._of_sorted(tally.hashes)

    @classmethod
    def _of_sorted(cls, hashes: Hashes) -> Self:
        registers = np.zeros(REGISTERS, np.uint8)
        index = (hashes >> np.uint64(_REST)).astype(np.int64)
        if len(index):
            # of sorted hashes the first in a register is the smallest: it has the most leading zeros
            first = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
            registers[index[first]] = _rank(hashes[first])
        return cls(registers)

    def estimate(self) -> float:
        """Estimated number of distinct values."""
        histogram = np.bincount(self.registers, minlength=_REST + 2)[: _REST + 2].tolist()
        m = float(REGISTERS)
        z = m * _tau(1.0 - histogram[_REST + 1] / m)
        for k in range(min(_REST, int(self.registers.max())), 0, -1):  # above it z stays 0
            z = 0.5 * (z + histogram[k])
        z += m * _sigma(histogram[0] / m)
        return 0.0 if math.isinf(z) else m * m / (2.0 * math.log(2.0) * z)

    def columns(self) -> Columns:
        """Register numbers `<u2` and their values `u1`; no numbers and all values where that is shorter."""
        found = np.flatnonzero(self.registers)
        if len(found) >= SPARSE:
            return b"", self.registers.tobytes()
        return found.astype("<u2").tobytes(), self.registers[found].tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") for registers that do not exist or hold what no hash can give."""
        index, values = views(cls.KIND, columns, ("<u2", "u1"))
        expect(len(values) == 0 or int(values.max()) <= HIGHEST, cls.KIND, "a register above its maximum")
        if len(index) == 0 and len(values) == REGISTERS:
            return cls(values)
        expect(len(index) == len(values), cls.KIND, "columns of different lengths")
        expect(is_increasing(index) and (len(index) == 0 or int(index[-1]) < REGISTERS), cls.KIND, "bad numbers")
        registers = np.zeros(REGISTERS, np.uint8)
        registers[index] = values
        return cls(registers)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Register by register the maximum."""
        dense = [part for part in parts if not part[0] and part[1]]
        sparse = [part for part in parts if part[0]]
        stacked = gather(dense, 1, "u1").reshape(-1, REGISTERS)
        registers = np.maximum.reduce(stacked, axis=0) if dense else np.zeros(REGISTERS, np.uint8)
        np.maximum.at(registers, gather(sparse, 0, "<u2"), gather(sparse, 1, "u1"))
        return cls(registers)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Register by register the maximum, in any order."""
        return cls(np.maximum.reduce([part.registers for part in parts])) if parts else cls.fold([])


def _rank(hashes: Hashes) -> NDArray[np.uint8]:
    """Leading zeros of the lower 52 bits, + 1: read from the exponent of their exact float64."""
    exponent = (hashes & _MASK).astype(np.float64).view(np.uint64) >> np.uint64(52)
    length = np.maximum(exponent.astype(np.int64), 1022) - 1022
    return (_REST + 1 - length).astype(np.uint8)


def _sigma(x: float) -> float:
    """Sum of x and of all x^(2^k) 2^(k-1), k >= 1 (Ertl 2017, algorithm 6)."""
    if x == 1.0:
        return math.inf
    y, z, last = 1.0, x, -1.0
    while z != last:
        x, last = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """(1 - x - sum of (1 - x^(2^-k))^2 2^-k, k >= 1) / 3 (Ertl 2017, algorithm 6)."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, last = 1.0, 1.0 - x, -1.0
    while z != last:
        x, last, y = math.sqrt(x), z, 0.5 * y
        z -= (1.0 - x) ** 2 * y
    return z / 3.0
