"""What the times of rows say: how old samples are, how late they were written and trained on; off the step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgauge.tracer import profiles
from streamgauge.tracer.inputs import Floats, Refusal, within_reach
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.rows import each_row


class RowTimes:
    """Times of the rows of one incarnation, into its panes; `refused` is told which of them cannot be used, and why.

    `max_age`: seconds; samples that were older when first seen are late. None: none is.
    """

    def __init__(self, panes: Pane, max_age: float | None, refused: Callable[[str, str], None]) -> None:
        self._panes, self._max_age, self._refused = panes, max_age, refused

    def of(self, name: str, values: Floats | None, rows: int) -> Floats | None:
        """Times of rows, within reach of the clock; of another unit they are refused."""
        if values is None:
            return None
        try:
            found = within_reach(values, self._panes.now)
        except Refusal as error:
            self._refused(f"argument:{name}", str(error))
            return None
        lost = int(np.count_nonzero(np.isnan(found) & ~np.isnan(values)))
        if lost:
            self._panes.add("sample", "invalid_times", "", lost)
        return each_row(found, rows)

    def ages(self, times: Floats, written: Floats | None, seen_at: float) -> None:
        """Samples that are seen for the first time."""
        if self._max_age is not None:
            self._panes.add("sample", "timed_rows", "", int(np.count_nonzero(~np.isnan(times))))
            self._panes.add("sample", "late_rows", "", int(np.count_nonzero(seen_at - times > self._max_age)))
        if written is not None:
            self._panes.gather("sample", "produce_delay", "", profiles.seconds, written - times)

    def trained(self, times: Floats) -> None:
        """Rows that are trained on now."""
        self._panes.gather("train", "train_delay", "", profiles.seconds, self._panes.now - times)
