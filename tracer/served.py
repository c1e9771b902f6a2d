"""Rows as serving knew them and as training got them, of sampled ids, for the pipeline to join; off the step.

A number travels as it is, a category as 52 bits of its salted hash with an exponent that no number has, several values
of a row as one code of them in their order. NaN: missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.gathering import Build
from streamgauge.tracer.inputs import Array, Floats
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.summaries import JoinRows, Summary, is_sampled

MOST_FEATURES: Final = 16
PANE_IDS: Final = 512  # ids that a pane aims at; beyond it fewer are sent
CATEGORY: Final = 2.0**900  # codes of categories are at least this
_BITS: Final = 52


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which features of what was served are compared with what is trained on."""

    features: tuple[str, ...] = ()  # at most 16
    modulus: int = 1  # one id in so many is joined, a power of two; rises by itself where ids are too many
    horizon: float = 3600.0  # what was served waits so long to be trained on
    relative_tolerance: float = 1e-6  # numbers that differ by less, in proportion, are the same


class ServedRows:
    """Both sides of the comparison, into the panes of one incarnation."""

    def __init__(self, panes: Pane, serving: Serving) -> None:
        self._panes, self._serving = panes, serving
        self._pane = panes.start
        self._ids = 0  # of this pane
        self._raise = 1  # of the modulus, by the ids of the pane before

    def __bool__(self) -> bool:
        """Whether anything is compared."""
        return bool(self._serving.features)

    def served(self, keys: Array, codes: Mapping[str, Array], predictions: Floats | None) -> None:
        """Rows as they were served."""
        self._send("served", keys, self._columns(codes, predictions))

    def trained(self, keys: Array, codes: Mapping[str, Array]) -> None:
        """Rows as training got them."""
        if self:
            self._send("trained_on", keys, self._columns(codes, None))

    def rescored(self, keys: Array, predictions: Floats) -> None:
        """What the model that served the rows says of them as they were trained on."""
        self._send("trained_on", keys, {"": predictions})

    def _columns(self, codes: Mapping[str, Array], predictions: Floats | None) -> dict[str, Floats]:
        columns = {f"feature:{name}": values_of(codes[name]) for name in self._serving.features if name in codes}
        return columns if predictions is None else {"": predictions, **columns}

    def _send(self, name: str, keys: Array, columns: Mapping[str, Floats]) -> None:
        modulus = self._serving.modulus * self._raise
        self._count(int(np.count_nonzero(is_sampled(keys, self._serving.modulus))))
        now = np.full(len(keys), self._panes.now)
        for entity, values in columns.items():
            self._panes.gather("sample", name, entity, _rows(modulus), keys, now, values)

    def _count(self, ids: int) -> None:
        """The modulus of a pane follows the ids of the one before: a function of the worker's own panes only."""
        if self._panes.start > self._pane:
            self._raise = 1 << max(0, (self._ids - 1) // PANE_IDS).bit_length()
            self._pane, self._ids = self._panes.start, 0
        self._ids += ids


def values_of(codes: Array) -> Floats:
    """Codes of a feature as float64: see above.

    >>> (values_of(np.array([0, 1 << 63], np.uint64)) / CATEGORY).tolist()
    [nan, 1.5]
    """
    if codes.dtype.kind == "f":
        return np.asarray(codes, np.float64)
    if codes.dtype.hasobject:
        hashes = np.array([0 if row is None else _hash(row) for row in codes], np.uint64)
    else:
        hashes = np.asarray(codes, np.uint64)
    high = (hashes >> np.uint64(64 - _BITS)).astype(np.float64)
    return np.where(hashes == 0, np.nan, np.ldexp(1.0 + np.ldexp(high, -_BITS), 900))


def _hash(row: NDArray[np.generic]) -> int:
    data = row.tobytes()
    return (zlib.crc32(data) << 32 | zlib.crc32(data, 1)) or 1


def _rows(modulus: int) -> Build:
    def build(keys: Array, time: Array, values: Array) -> Iterable[Summary]:
        return (JoinRows.labels(modulus, keys, time, values),)

    return build


def faults_of(serving: Serving) -> Iterable[str]:
    """What the types cannot say, each as `KEY: what is wrong`.

    >>> list(faults_of(Serving(modulus=3)))
    ['modulus: must be a power of two up to 4294967296, got 3']
    """
    if len(serving.features) > MOST_FEATURES:
        yield f"features: has {len(serving.features)} features, at most {MOST_FEATURES} are compared"
    if not 1 <= serving.modulus <= 1 << 32 or serving.modulus & (serving.modulus - 1):
        yield f"modulus: must be a power of two up to 4294967296, got {serving.modulus}"
    if not 0.0 < serving.horizon <= 7 * 86400.0:
        yield f"horizon: must be above 0 and at most 7 days, got {serving.horizon:g} s"
    if not 0.0 <= serving.relative_tolerance < 1.0:
        yield f"relative_tolerance: must be in 0..1, got {serving.relative_tolerance:g}"
