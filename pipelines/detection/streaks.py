"""Firing windows of a series in a row: since when, and how many."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column
from streamgauge.anomaly.reference import Bools, Floats
from streamgauge.pipelines.config.schema import DAY

LAPSE: Final = DAY  # firing windows further apart than this are not in a row
COLUMNS: Final = {
    "streak": Column("<i4"),  # firing windows in a row
    "onset": Column("<f8", fill=float("nan")),  # start of the first of them
    "hot": Column("<f8", fill=float("nan")),  # start of the last of them
}


def count(arrays: Arrays, start: float, value: Floats, hot: Bools) -> None:
    """Count the window that begins at `start` in `arrays`; one without evidence is none, so nights break no row."""
    again = hot & (arrays["streak"] > 0) & (start - arrays["hot"] <= LAPSE)
    arrays["onset"] = np.where(hot & ~again, start, arrays["onset"])
    kept = np.where(np.isfinite(value), 0, arrays["streak"])
    arrays["streak"] = np.where(hot, np.where(again, arrays["streak"] + 1, 1), kept).astype("<i4")
    arrays["hot"] = np.where(hot, start, arrays["hot"])
