"""MLflow's own records, read without MLflow: its database `mlflow.db`, and the file store of earlier releases.

The file store has `mlruns/EXPERIMENT/RUN/metrics/NAME`, a line a point: `milliseconds value step`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from streamgauge.pipelines.imports.recorded import Curve

Row = tuple[float, float, float]  # milliseconds, value, step
_MOST: Final = 1e308  # the database holds an infinity as the largest float
_POINTS: Final = (
    "select metrics.run_uuid, key, timestamp, value, step from metrics join runs on runs.run_uuid = metrics.run_uuid "
    "where is_nan = 0 and lifecycle_stage = 'active' order by 1, 2"
)


def curves(place: Path) -> Iterator[Curve]:
    """The curves of all runs in a database or below a folder; lines that are none are left out, deleted runs too."""
    if place.is_file():
        yield from _of_database(place)
        return
    for path in sorted(place.rglob("*.db")):
        yield from _of_database(path)
    for metrics in sorted(place.rglob("metrics")):
        if metrics.is_dir() and ".trash" not in metrics.parts:
            for path in sorted(one for one in metrics.rglob("*") if one.is_file()):
                lines = path.read_text(errors="replace").splitlines()
                rows = [row for line in lines if (row := _row(line.split())) is not None]
                yield from _curve(metrics.parent.name, path.relative_to(metrics).as_posix(), rows)


def _of_database(path: Path) -> Iterator[Curve]:
    """Nothing where it is no database of MLflow's."""
    found: dict[tuple[str, str], list[Row]] = {}
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            for run, tag, *row in database.execute(_POINTS):
                found.setdefault((str(run), str(tag)), []).append((float(row[0]), float(row[1]), float(row[2])))
    except (sqlite3.Error, ValueError, TypeError):
        return
    for (run, tag), rows in found.items():
        yield from _curve(run, tag, rows)


def _curve(run: str, tag: str, rows: list[Row]) -> Iterator[Curve]:
    table = np.array(sorted(rows, key=lambda row: (row[2], row[0])), np.float64).reshape(-1, 3)
    table = table[(np.abs(table) < _MOST).all(axis=1)]
    if len(table):
        yield Curve(run, tag, table[:, 2].astype(np.int64), table[:, 0] / 1000.0, table[:, 1])


def _row(words: list[str]) -> Row | None:
    try:
        return float(words[0]), float(words[1]), float(words[2]) if len(words) > 2 else 0.0
    except (ValueError, IndexError):
        return None
