"""Sources of features: a table or a service whose columns all vanish together is one series, not one a column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Floats, Rows
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import Feature
from streamgauge.pipelines.detection.closed import Closed, Columns

METRIC: Final = "missing_rate"
PREFIX: Final = "source:"


class Sources(NamedTuple):
    """Which series are columns of which source, for one tuple of keys."""

    keys: tuple[SeriesKey, ...]  # of all series, the sources' own last
    columns: tuple[Rows, ...]  # for each source's series the rows of its columns


def find(keys: Sequence[SeriesKey], features: Sequence[Feature]) -> Sources:
    """The sources with two columns or more, apart for each worker and for the job as a whole."""
    columns: dict[SeriesKey, list[int]] = defaultdict(list)
    for row, source in enumerate(_sources(keys, features)):
        if source:
            columns[source].append(row)
    found = sorted(key for key, rows in columns.items() if len(rows) > 1)
    return Sources((*keys, *found), tuple(np.array(columns[key], dtype=np.int64) for key in found))


def owners(keys: Sequence[SeriesKey], features: Sequence[Feature]) -> Rows:
    """For each series the row of the source that it is a column of, -1 for none; shape [len(keys)]."""
    rows = {key: row for row, key in enumerate(keys) if key.entity.startswith(PREFIX)}
    return np.array([rows.get(source, -1) if source else -1 for source in _sources(keys, features)], dtype=np.int64)


def extend(closed: Closed, sources: Sources) -> Closed:
    """The window with a series for each source: the missing rate of its least missing column.

    It is 1 only where every column is missing; a column that is flaky by itself does not show.
    """
    if not sources.columns:
        return closed
    least = [rows[int(np.argmin(closed.value[rows]))] for rows in sources.columns]  # argmin of a NaN is the NaN
    # Two windows in a row: single windows without weather are common (measured: 12 a year against 5).
    own = tuple(closed.metrics[row]._replace(consecutive=2, limit=None) for row in least)

    def longer(column: Floats) -> Floats:
        return np.concatenate([column, column[least]])

    return Columns(
        closed.window, closed.start, closed.end, closed.revision, closed.length,
        sources.keys, (*closed.metrics, *own),
        longer(closed.value), longer(closed.rows), longer(closed.error), longer(closed.floor),
    )


def _sources(keys: Sequence[SeriesKey], features: Sequence[Feature]) -> list[SeriesKey | None]:
    source = {f"feature:{feature.name}": PREFIX + feature.source for feature in features if feature.source}
    return [
        key._replace(entity=source[key.entity]) if key.metric == METRIC and key.entity in source else None
        for key in keys
    ]
