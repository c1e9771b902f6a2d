"""What is sent of an array: rows, histograms, statistics by unit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer.reductions import histogram, some_rows, units

FLOATS = st.lists(st.floats(width=32), max_size=60)


@given(FLOATS, FLOATS)
def test_histograms_of_two_workers_add_up_to_that_of_both(left: list[float], right: list[float]) -> None:
    one, other, both = (histogram(np.array(values, np.float32)) for values in (left, right, left + right))
    np.testing.assert_array_equal(one[:, :2], both[:, :2])
    np.testing.assert_array_equal(one[:, 2] + other[:, 2], both[:, 2])


@given(FLOATS)
def test_every_finite_value_is_in_the_bin_that_holds_it(values: list[float]) -> None:
    array = np.array(values, np.float32)
    finite = np.clip(array[np.isfinite(array)].astype(np.float64), -4000.0, 4000.0)
    low, high, count = histogram(array).T
    assert count.sum() == np.isfinite(array).sum()
    inside = [((finite > a) & (finite <= b)) | ((finite >= a) & (finite < b)) for a, b in zip(low, high, strict=True)]
    assert all(n <= found.sum() for n, found in zip(count, inside, strict=True))
    assert (low[1:] == high[:-1]).all()


def test_units_are_those_of_the_last_axis() -> None:
    array = np.random.default_rng(1).normal(size=(5, 7, 3)).astype(np.float32)
    flat = array.reshape(-1, 3).astype(np.float64)
    expected = [(flat > 0).mean(0), np.abs(flat).mean(0), flat.mean(0), flat.std(0)]
    np.testing.assert_allclose(units(array), expected, rtol=1e-5)
    assert np.isnan(units(np.zeros((0, 3)))).all()


def test_of_a_large_table_no_plan_sends_the_whole() -> None:
    table = np.zeros((200_000, 8), np.float16)
    assert some_rows(table, 0).shape == (4096, 8)
    assert some_rows(table, 10).shape == (10, 8)
    assert some_rows(table[:9], 0).shape == (9, 8)
