"""What `streamgauge detect` read, did and found, as Markdown for people (`--report`); pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from streamgauge.pipelines.detection.detect_file import MOST_PROBATION, PROBATION, QUIET, Episode
from streamgauge.pipelines.detection.detect_plot import Judged
from streamgauge.pipelines.detection.series_file import Series

_WHY: Final = {
    "seasonal_robust": "the hour of the day matters: median and spread of the same hour on earlier days",
    "robust_ewma": "no rhythm: the level of late, robustly",
    "diff": "it wanders: only the steps from row to row are judged",
    "limit": "a declared limit",
}


def report(title: str, notes: Sequence[str], judged: Sequence[Judged], found: Sequence[Episode], sigmas: float) -> str:
    """The whole report."""
    return "\n".join([*_lines(title, notes, judged, found, sigmas)]).rstrip() + "\n"


def _lines(
    title: str, notes: Sequence[str], judged: Sequence[Judged], found: Sequence[Episode], sigmas: float
) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    yield f"{len(found)} episode{'' if len(found) == 1 else 's'} in {len(judged)} series."
    yield f"Each is what lies beyond {sigmas:g} sigmas of what was expected; rows within {QUIET} are"
    yield f"one episode. The first {PROBATION:.0%} of a series, at most {MOST_PROBATION} rows, only teach."
    if notes:
        yield from ("", "What had to be guessed or mended:", "", *(f"- {note}" for note in notes))
    for one in judged:
        yield from _section(one, [episode for episode in found if episode.series == one[0].name])


def _section(judged: Judged, found: Sequence[Episode]) -> Iterator[str]:
    series, choice, rows = judged
    unknown = sum(math.isnan(row.value) for row in rows)
    yield from ("", f"## {series.name}", "")
    yield f"{len(rows)} rows from {_at(series, series.stamps[0])} to {_at(series, series.stamps[-1])}, {_every(judged)}"
    yield f"{unknown} without a number. Detector `{choice.name}`: {_WHY.get(choice.name, 'chosen by its first rows')}."
    if not found:
        yield from ("", "Nothing fired.")
        return
    yield from ("", "| from | to | rows | value | expected | sigmas |", "|---|---|---|---|---|---|")
    for one in found:
        start, end = _at(series, one.start), _at(series, one.end)
        yield f"| {start} | {end} | {one.rows} | {one.value:.6g} | {_band(one)} | {one.sigmas:+.1f} |"


def _at(series: Series, stamp: str) -> str:
    """A time as the file has it; seconds since 1970 as people read them."""
    if not stamp.replace(".", "", 1).isdigit():
        return stamp
    return f"{series.times[series.stamps.index(stamp)]:%Y-%m-%d %H:%M:%S}Z"


def _band(one: Episode) -> str:
    return "unknown" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"


def _every(judged: Judged) -> str:
    times = judged[0].times
    if len(times) < 2:
        return ""
    steps = np.array([(after - before).total_seconds() for before, after in pairwise(times)])
    usual = float(np.median(steps))
    gaps = int(np.count_nonzero(steps > 3.0 * usual))
    return f"mostly every {timedelta(seconds=usual)}, {gaps} gaps of more than three times that,"
