"""What becomes of samples that wait for labels: what a call of `label` brought, and what time did to them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COUNTS: Final = ("due", "overdue", "cohort_rows", "cohort_labelled", "expired", "cohort_positives")


class Known(NamedTuple):
    """What a call of `label` brought, row by row of the call's distinct ids."""

    labels: Floats
    is_new: NDArray[np.bool_]  # the label was not known before
    flips: int  # labels that changed
    settled: int  # new ones of samples that were waiting
    delay: Floats  # label time - sample time, NaN where the sample is not known


class Deadlines(NamedTuple):
    """How many samples passed which deadline in the pane that starts at `pane`."""

    pane: float
    due: int
    overdue: int
    cohort_rows: int
    cohort_labelled: int
    expired: int
    cohort_positives: int = 0
