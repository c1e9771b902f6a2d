"""Alerts on labelled series (`--data DIR` of CSV files with timestamp, value, label), with and without feedback.

A labelled segment is found when an alert falls within seven rows of its start; an alert outside every segment is false;
later alerts within one count as nothing. The second half of each file is scored. One threshold for all files. With
feedback each alert's label is told right after it, as on-call would. `--results DIR` keeps the alerts for an outside
scorer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from benchmarks import rows
from benchmarks.labelled import Result, Series, read, run_all, write

DELAY: Final = 7
TARGETS: Final = {"events": 0.76, "events with feedback": 0.80}


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """Event F1, precision and recall; nothing without `--data`."""
    paths = sorted(args.data.glob("*.csv*")) if args.data else []
    series = [read(path, path.name) for path in paths]
    for name, target in TARGETS.items() if series else ():
        results = run_all(series, feedback=name != "events")
        precision, recall = score(series, results)
        f1 = 2.0 * precision * recall / max(precision + recall, 1e-12)
        for label, value in (("precision", precision), ("recall", recall)):
            yield rows.reading(f"{name} {label}", value, "share")
        yield rows.reached(f"{name} F1", f1, "0..1", target)
        if args.results:
            folder = args.results / name.replace(" ", "_")
            for one, result in zip(series, results, strict=True):
                write(folder, one, result)


def score(series: Sequence[Series], results: Sequence[Result]) -> tuple[float, float]:
    """Precision and recall over all second halves."""
    found = false = segments = 0
    for one, result in zip(series, results, strict=True):
        half = len(one.labels) // 2
        labels, alerts = one.labels[half:], result.alerts[half:]
        edges = np.diff(np.r_[False, labels, False].astype(int))
        for start, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            segments += 1
            found += bool(alerts[start : min(end, start + DELAY + 1)].any())
        false += int(np.count_nonzero(alerts & ~labels))
    return found / max(found + false, 1), found / max(segments, 1)
