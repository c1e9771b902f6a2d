"""The table of found slices: values of features at which predictions are off, from stored windows; worst first."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.features.table import PREFIX, tiled
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.statistics.found_slices import FoundSlice, compared
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.summaries import ValueErrors
from streamgauge.tracer.summaries.value_errors import UNIT, edges

SHOWN: Final = 50  # rows of the table; how many there are is told
BUCKETS: Final = 12  # of a history
Parts = dict[str, list[tuple[float, ValueErrors]]]  # by entity: end of the window, what it has


def found_slices(query: Query, job: JobConfig, start: float, end: float, task: str = "") -> dict[str, Any]:
    """JSON-ready: `rows`, how many values of how many features were compared, and the windows they are from.

    Args:
        query: the store.
        job: whose rows.
        start: of the range, seconds since the epoch.
        end: of the range.
        task: a head of the model; "" for the job's own labels.
    """
    prefix = f"task:{task}/{PREFIX}" if task else PREFIX
    parts = _parts(tiled(query, job, start, end), prefix)
    merged = {entity: ValueErrors.merge([one for _, one in found[::-1]]) for entity, found in parts.items()}
    values = compared(merged)
    real = [one for one in values if one.is_real]
    times = [time for found in parts.values() for time, _ in found]
    return {
        "task": task, "windows": len(set(times)), "features": len(merged), "compared": len(values), "found": len(real),
        "rows": [_row(one, merged, parts) for one in real[:SHOWN]],
    }  # fmt: skip


def name_of(key: int, *, is_numeric: bool) -> str:
    """What a value is called: a number's range, or a category's salted hash.

    >>> name_of(4611686018427387904, is_numeric=True), name_of(0, is_numeric=False), name_of(255, is_numeric=False)
    ('2 to 3', 'missing', '00000000000000ff')
    """
    if not is_numeric:
        return f"{key:016x}" if key else "missing"
    low, high = sorted(edges(np.array([key], np.uint64))[0].tolist())
    if math.isnan(low):
        return "missing"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _parts(windows: Iterable[Mapping[str, Any]], prefix: str) -> Parts:
    """Of windows, newest first; those that overlap a newer one are left out."""
    parts: Parts = {}
    taken = math.inf
    for window in windows:
        if window["end"] > taken:
            continue
        taken = window["start"]
        for entity, one in _read(window["sketches"], prefix):
            parts.setdefault(entity, []).append((float(window["end"]), one))
    return parts


def _read(sketches: Sequence[Mapping[str, Any]], prefix: str) -> Iterator[tuple[str, ValueErrors]]:
    for one in sketches:
        if one["kind"] == ValueErrors.KIND and one["entity"].startswith(prefix):
            try:
                yield one["entity"], ValueErrors.from_columns(tuple(map(base64.b64decode, one["columns"])))
            except (RecordError, ValueError):
                continue


def _row(one: FoundSlice, merged: Mapping[str, ValueErrors], parts: Parts) -> dict[str, Any]:
    feature = one.entity.rpartition(PREFIX)[2]
    level = one.expected / one.predicted
    return {
        "feature": feature, "entity": one.entity, "rows": one.rows, "positives": one.positives,
        "value": name_of(one.key, is_numeric=merged[one.entity].is_numeric),
        "pcoc": one.predicted / one.positives if one.positives > 0.0 else None, "expected": one.expected,
        "difference": one.difference, "error": one.error / one.expected, "chance": one.chance,
        "history": _history(parts[one.entity], one.key, level),
    }  # fmt: skip


def _history(parts: Sequence[tuple[float, ValueErrors]], key: int, level: float) -> list[float | None]:
    """Positives more than expected / expected, over equal spans of the range; None where too few are expected."""
    first, last = parts[-1][0], parts[0][0]
    sums = np.zeros((2, BUCKETS))
    for end, one in parts:
        at = int(np.searchsorted(one.keys, np.uint64(key)))
        if at < len(one.keys) and int(one.keys[at]) == key:
            bucket = min(BUCKETS - 1, int((end - first) / (last - first) * BUCKETS)) if last > first else BUCKETS - 1
            sums[:, bucket] += one.sums[1:3, at] / UNIT
    return [hits / (level * p) - 1.0 if level * p >= 1.0 else None for hits, p in sums.T.tolist()]
