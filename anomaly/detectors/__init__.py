"""Detectors: one file each; adding one is a file and a line in `DETECTORS`.

Every detector watches `series` series at once and obeys one protocol: score first, learn afterwards, from values on the
series' own scale (`anomaly.scales`) and the moment of the local calendar. A score is signed sigmas, NaN for unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from streamgauge.anomaly.detectors.diff import Diff
from streamgauge.anomaly.detectors.level_shift import LevelShift
from streamgauge.anomaly.detectors.limit import Limit
from streamgauge.anomaly.detectors.robust_ewma import RobustEwma
from streamgauge.anomaly.detectors.seasonal_robust import SeasonalRobust
from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows


class Detector(Protocol):
    """Scores and learns one window of all its series at a time."""

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Signed sigmas of `level`, shape [series], by what was learnt before it; NaN: unknown."""
        ...

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """Take in the window just scored, where `keep`; NaN teaches nothing."""
        ...

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        ...

    def snapshot(self) -> bytes:
        """All state, exactly."""
        ...


# Each entry is called as `make(series, **parameters)` and has a `restore(bytes)`.
DETECTORS: Final[dict[str, Callable[..., Any]]] = {
    "diff": Diff,
    "level_shift": LevelShift,
    "limit": Limit,
    "robust_ewma": RobustEwma,
    "seasonal_robust": SeasonalRobust,
}
