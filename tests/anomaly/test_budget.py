"""Claims about how rare a page must be for as many pages a day as are wanted."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.budget import LEAST, MOST, STEP, Budget


@given(st.floats(0.01, 100.0), st.floats(0.001, 1e5), st.floats(0.5, 2.0))
def test_the_pages_come_to_what_is_wanted_wherever_they_begin(wanted: float, pages: float, slope: float) -> None:
    budget = Budget()
    for _ in range(90):
        budget = budget.after(pages * 10.0 ** (-slope * budget.rarer), wanted)
    least, most = pages * 10.0 ** (-slope * MOST), pages * 10.0 ** (-slope * LEAST)
    reached = pages * 10.0 ** (-slope * budget.rarer)
    assert abs(math.log(reached / min(max(wanted, least), most))) < 0.25


@given(st.lists(st.floats(0.0, 1e6), max_size=60))
def test_it_moves_by_a_step_a_day_and_stays_within_its_bounds(days: list[float]) -> None:
    budget = Budget()
    for pages in days:
        before, budget = budget, budget.after(pages, 3.0)
        assert abs(budget.rarer - before.rarer) <= STEP + 1e-12
        assert LEAST <= budget.rarer <= MOST
