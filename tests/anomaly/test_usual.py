"""Claims about the least spread: any unit, nothing known yet, numbers without end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.usual import LASTING, Usual

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), max_size=30)


def told(values: list[float], unit: float = 1.0) -> float:
    usual = Usual()
    for value in values:
        usual.move(unit * value)
        usual.learn(unit * value)
    return usual.least(8.0)


@given(VALUES)
def test_another_unit_gives_the_same_floor_in_it(values: list[float]) -> None:
    small = [value for value in values if value == 0.0 or not abs(value) < 1e-6]
    assert told(small, 1024.0) == pytest.approx(1024.0 * told(small))


@given(st.floats(1e-6, 1e6), st.integers(2, 6))
def test_what_one_in_500_reaches_lies_within_the_threshold(size: float, often: int) -> None:
    distances = [0.0] * (500 * often - often - 1) + [size] * (often + 1)
    usual = Usual()
    for distance in distances:
        usual.learn(distance)
    assert size < 8.0 * usual.least(8.0) <= 1.1 * size


@pytest.mark.parametrize(("rows", "is_usual"), [(LASTING, False), (LASTING + 1, True)])
def test_an_event_is_one_however_long_until_it_is_a_level(rows: int, is_usual: bool) -> None:
    usual = Usual()
    for distance in [0.0] * 100 + [9.0] * rows:
        usual.learn(distance, is_news=distance > 1.0)
    assert (usual.least(8.0) > 1.0) == is_usual


@pytest.mark.parametrize("values", [[], [math.nan], [0.0, 0.0], [1e308, -1e308], [5e-324, 0.0]])
def test_nothing_known_and_the_ends_of_numbers_give_a_number(values: list[float]) -> None:
    assert 0.0 <= told(values) < math.inf
