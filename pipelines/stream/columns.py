"""The points of a closed window as records: one, or several where one would be too large for a broker.

Where a window is cut depends on its series alone, so every engine cuts alike. Each record tells of the whole window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.judging import Judged
from streamgauge.pipelines.metrics import Floats
from streamgauge.pipelines.wire.outputs import MOST, PointColumns

_ROW: Final = 7 * 8  # bytes of a point beside its key


class _Share(NamedTuple):
    """Which series one record has, and their keys as it carries them."""

    series: slice
    keys: bytes


class PointRecords:
    """Makes the records of one job's windows; all it keeps is a cache."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._shares: dict[str, tuple[tuple[SeriesKey, ...], list[_Share]]] = {}  # by window

    def of(self, closed: Closed, judged: Judged) -> list[PointColumns]:
        """The points of one window, in the order of its series; there is always a record."""
        shares = self._shares_of(closed)
        whole = None if len(shares) == 1 else (len(closed.keys), int(np.isfinite(closed.value).sum()))
        return [
            PointColumns(
                job=self._job, window=closed.window, start=closed.start, end=closed.end, revision=closed.revision,
                number=0, keys=keys, whole=whole,
                value=_raw(closed.value[part]), rows=_raw(closed.rows[part]), error=_raw(closed.error[part]),
                floor=_raw(closed.floor[part]), reference=_raw(judged.reference[part]), low=_raw(judged.low[part]),
                high=_raw(judged.high[part]),
            )
            for part, keys in shares
        ]  # fmt: skip

    def _shares_of(self, closed: Closed) -> list[_Share]:
        known = self._shares.get(closed.window)
        if known is None or known[0] is not closed.keys:
            known = self._shares[closed.window] = (closed.keys, list(_cut(closed.keys)))
        return known[1]


def _cut(keys: tuple[SeriesKey, ...]) -> Iterator[_Share]:
    packed = [msgspec.Raw(msgspec.msgpack.encode(key[1:])) for key in keys]
    first, size = 0, 0
    for i, key in enumerate(packed):
        if size + len(key) + _ROW > MOST:
            yield _Share(slice(first, i), msgspec.msgpack.encode(packed[first:i]))
            first, size = i, 0
        size += len(key) + _ROW
    yield _Share(slice(first, len(keys)), msgspec.msgpack.encode(packed[first:]))


def _raw(column: Floats) -> bytes:
    return np.ascontiguousarray(column, dtype="<f8").tobytes()
