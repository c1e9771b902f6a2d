"""Bins and buckets counted in arrays are those that their definition gives, value by value."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer.summaries import Bins, Histogram
from streamgauge.tracer.summaries.histogram import bucket_keys
from streamgauge.tracer.summaries.value_bins import FINEST, SHARP, count_bins

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SPREADS = (
    lambda random: random.normal(size=800),
    lambda random: random.uniform(size=800),
    lambda random: random.integers(2000, 2026, 800).astype(float),
    lambda random: 1.7e9 + 86_400.0 * random.uniform(size=800),
    lambda random: 293.15 + 3.0 * random.normal(size=800),
    lambda random: random.choice(random.normal(size=SHARP + 1), 800),
    lambda random: np.exp(40.0 * random.normal(size=800)) * random.choice([-1.0, 0.0, 1.0], 800),
)


def _key(value: float, level: int) -> int:
    """The definition: the sign, and 1 + exponent and mantissa bits, 2 of them at level 0."""
    size = int(np.float64(abs(value)).view(np.int64)) >> (50 - level)
    return 0 if value == 0.0 else (size + 1) * (1 if value > 0.0 else -1)


def _expected(values: list[float]) -> tuple[int, Counter[int]]:
    """The finest level with at most 64 bins, and what they hold."""
    for level in range(FINEST, -1, -1):
        found = Counter(_key(value, level) for value in values)
        if len(found) <= SHARP or level == 0:
            return level, found
    raise AssertionError


def _is_as_defined(values: list[float], marked: list[bool]) -> bool:
    level, keys, inside, others = count_bins(np.array(values, np.float64), np.array(marked, bool))
    signed = [key - (1 << (31 + level)) for key in keys.tolist()]
    wanted, rows = _expected(values)
    hits = Counter(_key(value, level) for value, mark in zip(values, marked, strict=True) if mark)
    counts = zip(inside.tolist(), others.tolist(), strict=True)
    return (level, signed) == (wanted, sorted(rows)) and list(counts) == [
        (hits[key], rows[key] - hits[key]) for key in sorted(rows)
    ]


@given(st.lists(st.tuples(FLOATS, st.booleans()), max_size=100))
def test_bins_of_any_numbers_are_those_of_their_definition(rows: list[tuple[float, bool]]) -> None:
    assert _is_as_defined([value for value, _ in rows], [mark for _, mark in rows])


@pytest.mark.parametrize("spread", SPREADS)
def test_bins_of_features_as_they_are_are_those_of_their_definition(spread: object) -> None:
    random = np.random.default_rng(7)
    values = spread(random)  # type: ignore[operator]
    assert _is_as_defined(values.tolist(), (random.random(len(values)) < 0.3).tolist())


@given(st.lists(FLOATS | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1.01]), max_size=100))
def test_a_histogram_counts_the_bucket_of_each_value(values: list[float]) -> None:
    found = Histogram.of(values)
    expected = Counter(bucket_keys(np.array(values, np.float64)).tolist())
    assert list(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == sorted(expected.items())


def test_labels_that_say_themselves_whether_they_are_positive_count_as_numbers_do() -> None:
    values, labels = [1.0, 2.0, float("nan"), 2.0], [1.0, 0.0, 1.0, 0.7]
    soft, plain = Bins.of_numeric(values, labels), Bins.of_numeric(values, [label > 0.5 for label in labels])
    assert soft.columns() == plain.columns()
    assert (soft.missing, soft.positives.tolist(), soft.negatives.tolist()) == ((1, 0), [1, 1], [0, 1])
