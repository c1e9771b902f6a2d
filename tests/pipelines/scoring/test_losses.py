"""Forms of losses at their edges."""

from __future__ import annotations

import math

import numpy as np

from streamgauge.pipelines.scoring.losses import COUNTS, DAILY_SWING


def test_a_daily_swing_is_no_loss_until_the_slot_has_days_of_its_own_and_a_collapse_is() -> None:
    rows = np.array([2_000.0, 200.0, 0.0])  # a fifth of the last windows is the night
    rate, error, expected = rows / 60.0, np.sqrt(np.maximum(rows, 1.0)) / 60.0, np.full(3, 1_000.0 / 60.0)
    for form in COUNTS:
        young = form(rate, expected, error, np.full(3, DAILY_SWING), rows)
        assert young[:2].tolist() == [0.0, 0.0]
        assert young[2] > 1.6
    grown = COUNTS[0](rate, expected, error, np.zeros(3), rows)
    assert grown[1] > math.log(5.0) - 0.2
