"""The charts of what `streamgauge detect` found as a picture (`--plot out.png`), drawn by matplotlib; only here.

PictureFault    matplotlib is not installed; the message has the remedy
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.detection.detect_plot import Judged

MOST: Final = 20  # series: a picture of more is read by nobody
_WIDE, _HIGH, _DOTS = 11.0, 2.6, 110  # inches, inches a series, dots an inch


class PictureFault(ValueError):
    """A picture that cannot be drawn."""


def picture(title: str, judged: Sequence[Judged]) -> bytes:
    """The first `MOST` series one under the other, as PNG. Raises PictureFault."""
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError:
        text = "pictures need matplotlib: pip install matplotlib; or name a file that ends in .html"
        raise PictureFault(text) from None
    shown = judged[:MOST]
    figure = figures.Figure(figsize=(_WIDE, _HIGH * len(shown) + 0.5), dpi=_DOTS, layout="constrained")
    figure.suptitle(f"{title}: nothing fires inside the band; dots are what fired")
    for axis, one in zip(np.atleast_1d(figure.subplots(len(shown), 1)), shown, strict=True):
        _draw(axis, one)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _draw(axis: Any, judged: Judged) -> None:
    series, choice, rows = judged
    times = np.array(series.times)
    low, high = (np.array([getattr(row, edge) for row in rows], float) for edge in ("low", "high"))
    value = np.array([row.value for row in rows])
    axis.fill_between(times, low, high, alpha=0.18, linewidth=0, label="nothing fires inside")
    axis.plot(times, value, linewidth=1.0)
    hot = np.array([row.anomaly_score > 0.5 for row in rows])
    axis.plot(times[hot], value[hot], "o", markersize=4, color="tab:red", label="fired")
    known = value[np.isfinite(value)]
    if len(known):
        room = 0.05 * float(np.ptp(known)) or 1.0
        axis.set_ylim(float(known.min()) - room, float(known.max()) + room)
    axis.set_title(f"{series.name}  ({choice.name})", loc="left", fontsize=10)
    axis.margins(x=0.0)
    dates = importlib.import_module("matplotlib.dates")
    locator = dates.AutoDateLocator()
    axis.xaxis.set(major_locator=locator, major_formatter=dates.ConciseDateFormatter(locator))

