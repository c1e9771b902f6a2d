"""What every share and rate of the pipelines holds to."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.statistics.measures import proportion, proportions

PARTS, WHOLES = st.floats(-1e6, 1e12), st.floats(0.0, 1e12)


@given(st.lists(st.tuples(PARTS, WHOLES), min_size=1, max_size=8))
def test_no_share_leaves_zero_to_one(rows: list[tuple[float, float]]) -> None:
    part, whole = np.array(rows).T
    found = proportions(tuple("abcdefgh"[: len(rows)]), part, whole)
    assert all(math.isnan(value) or 0.0 <= value <= 1.0 for value in found.value.tolist())
    assert np.isfinite(found.error).all()


def test_a_share_of_nothing_is_unknown() -> None:
    assert math.isnan(proportion(3.0, 0.0).value[0])
    assert proportion(5.0, 4.0).value.tolist() == [1.0]
