"""The breaker of cost: what traced steps take beyond the untraced ones between them, and what is done about it.

Time in the tracer's own calls cannot tell it, since statistics are computed inside a graph or on a device. So the wall
time of each traced step is compared with the median of the untraced ones around it. Beyond the share of all time that
tracing may take, every second traced step is left out, then three of four, and so on; beyond `MOST` tracing stops.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.selection import Selection

LEAST: Final = 12  # traced steps, and untraced ones, before anything is judged
CONTROL: Final = 33  # where every step is traced, each 33rd is not, so that there is something to compare with
MOST: Final = 64  # times fewer traced steps than planned; beyond it tracing trips
_KEPT: Final = 32
_SURE: Final = 3.0  # standard errors: it is looked at again and again


class Verdict(NamedTuple):
    """What the steps so far say."""

    share: float  # of all time, beyond the untraced steps; NaN: not known yet
    error: float  # one standard error of it
    thin: int  # every so manieth planned step is traced
    is_tripped: bool = False


class Share:
    """Judges one selection after the other. `limit` is the share of all time that tracing may take; 1: any.

    >>> from streamgauge.tracer.selection import Select
    >>> share, selection = Share(0.01), Selection([Select(collection="weights", every=10)])
    >>> for step in range(1, 2000):
    ...     share.step(selection, step, 0.15 if selection.is_due(step) else 0.1)
    >>> share.verdict.thin  # half a step more in every tenth is 5 %: of every 80th 0.6 %
    8
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.verdict = Verdict(math.nan, math.nan, 1)
        self._selection: Selection | None = None
        self._plain: deque[float] = deque(maxlen=_KEPT)
        self._extra: list[float] = []
        self._steps = 0

    def step(self, selection: Selection, number: int, seconds: float | None) -> None:
        """A step is done that took so long; called before another selection is taken over."""
        if self.limit >= 1.0:
            return
        if selection is not self._selection:
            self._begin(selection)
        self._steps += 1
        if seconds is None:
            return
        if not selection.is_due(number):
            self._plain.append(seconds)
        elif len(self._plain) >= LEAST:
            self._extra.append(seconds - float(np.median(self._plain)))
            if len(self._extra) % LEAST == 0:
                self._judge(selection)

    def _begin(self, selection: Selection) -> None:
        self._selection = selection
        self.verdict = Verdict(math.nan, math.nan, 1)
        if selection.is_always_due:
            selection.control = CONTROL
        self._forget()

    def _forget(self) -> None:
        self._extra.clear()
        self._steps = 0

    def _judge(self, selection: Selection) -> None:
        """Halve where the share is above its limit beyond doubt; look again where it is not."""
        extra, plain = np.array(self._extra), np.array(self._plain)
        middle = float(np.median(extra))
        error = math.hypot(_error_of_median(extra), _error_of_median(plain))
        scale = len(extra) / self._steps / float(np.median(plain))
        self.verdict = Verdict(middle * scale, error * scale, selection.thin)
        if (middle - _SURE * error) * scale > self.limit:
            thin = 2 * selection.thin
            self.verdict = self.verdict._replace(thin=thin, is_tripped=thin > MOST)
            selection.thin = min(thin, MOST)
            self._forget()
        elif len(extra) >= 4 * LEAST:
            if selection.thin > 1 and 2.0 * (middle + _SURE * error) * scale < 0.8 * self.limit:  # it was a bad hour
                selection.thin //= 2
                self.verdict = self.verdict._replace(thin=selection.thin)
            self._forget()

    def text(self) -> str:
        """What was left out and why, or ""."""
        if self.verdict.thin == 1:
            return ""
        return (
            f"traced steps took {100 * self.verdict.share:.1f} % of all time, {100 * self.limit:g} % are allowed: "
            f"1 in {self.verdict.thin} of the planned ones is traced"
        )


def _error_of_median(values: NDArray[np.float64]) -> float:
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))  # a normal law's sigma
    return 1.2533 * spread / math.sqrt(len(values))
