"""One closed window as detection and scoring see it: columns with one element a series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.metrics import Floats, Metric

KeyParts = tuple[str, str, str, str, str]  # a SeriesKey on the wire; a score's domain may be "overall"


def series_of(key: KeyParts) -> SeriesKey:
    """A series as it was kept."""
    return SeriesKey(*key)  # type: ignore[arg-type]


class Closed(Protocol):
    """What `streamgauge.pipelines.stream.evaluate.Evaluated` and `Columns` have in common."""

    @property
    def window(self) -> str:
        """The WindowSpec's name."""
        ...

    @property
    def start(self) -> float:
        """Seconds since the epoch."""
        ...

    @property
    def end(self) -> float:
        """Seconds since the epoch."""
        ...

    @property
    def revision(self) -> int:
        """0 for the close itself."""
        ...

    @property
    def length(self) -> float:
        """Covered seconds."""
        ...

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """The series, one an element of every column."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What each series measures."""
        ...

    @property
    def value(self) -> Floats:
        """NaN where unknown."""
        ...

    @property
    def rows(self) -> Floats:
        """The evidence behind each value."""
        ...

    @property
    def error(self) -> Floats:
        """Standard errors, 0 where there is none."""
        ...

    @property
    def floor(self) -> Floats:
        """What noise alone would give."""
        ...


class Columns(NamedTuple):
    """A closed window whose series were derived from others."""

    window: str  # the WindowSpec's name
    start: float
    end: float
    revision: int
    length: float  # covered seconds
    keys: tuple[SeriesKey, ...]
    metrics: tuple[Metric, ...]
    value: Floats  # NaN: unknown
    rows: Floats
    error: Floats
    floor: Floats


def thinness(closed: Closed, minimum: Mapping[str, float]) -> Floats:
    """What share of the rows that a value asks for each unknown series had; 0 where it is known or had none.

    Such a series did not go missing: its rows come, in this window too few to tell. Shape [n].

    Args:
        closed: a window.
        minimum: least rows by metric, where the configuration says other than the catalogue.
    """
    places = np.flatnonzero(np.isnan(closed.value) & (closed.rows > 0.0))  # few: the catalogue is asked for these only
    metrics = [closed.metrics[place] for place in places.tolist()]
    asked = np.array([minimum.get(metric.name, metric.minimum) for metric in metrics], np.float64)
    share = closed.rows[places] / np.maximum(asked, 1.0)
    thin = np.zeros(len(closed.value))
    thin[places] = np.where(closed.rows[places] < asked, share, 0.0)
    return thin
