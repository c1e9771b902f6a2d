"""What a window taught that people should know, in words: what comes back, and who speaks for a series from now on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from streamgauge.anomaly.explanations import News
from streamgauge.anomaly.reference import Bools
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.detection.episodes import place
from streamgauge.pipelines.detection.normal import Normal


class Note(NamedTuple):
    """What is shown on the time axis: the name of a change, and its text."""

    name: str
    text: str


class Learnt(NamedTuple):
    """What became of one window."""

    keep: Bools  # series whose window was taken for normal, shape [n]
    notes: tuple[Note, ...] = ()


def notes(keys: Sequence[SeriesKey], watched: Bools, news: News, normal: Normal) -> Iterator[Note]:
    """Of the series that may page."""
    for row in news.again.tolist():
        if watched[row]:
            text = "came at this time of the day before, in the same way: expected to come back from now on"
            yield Note("cycle", f"{place(keys[row])} {text}")
    for row in news.spoken.tolist():
        if watched[row]:
            yield Note("detector", f"{place(keys[row])}: {chosen(normal.detector(row), normal.losses(row))}")


def chosen(name: str, losses: Mapping[str, float]) -> str:
    """Which detector was chosen, why, and what else was tried.

    >>> chosen("robust_ewma", {"seasonal_robust": 3.52, "robust_ewma": 1.2})
    'robust_ewma speaks from now on: 1.20 nats lost a window, seasonal_robust 3.52'
    """
    others = ", ".join(f"{other} {loss:.2f}" for other, loss in losses.items() if other != name)
    return f"{name} speaks from now on: {losses[name]:.2f} nats lost a window, {others}"
