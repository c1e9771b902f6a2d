"""Found slices: what is planted is found first, and where nothing is, hardly anything is."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.pipelines.statistics.found_slices import compared
from streamgauge.tracer.summaries import ValueErrors

VALUES = 60


def rows(seed: int, count: int = 20_000, rate: float = 0.03, off: float = 1.0, weights: bool = False) -> ValueErrors:
    """Rows of 60 values, some ten times as frequent as others; of value 57 positives come `off` times as predicted."""
    random = np.random.default_rng(seed)
    codes = random.choice(VALUES, count, p=np.linspace(1, 10, VALUES) / np.linspace(1, 10, VALUES).sum()) + 1
    p = random.beta(2.0, 2.0 / rate - 2.0, count)
    truth = np.clip(0.8 * p * np.where(codes == 57, off, 1.0), 0.0, 1.0)  # the job itself predicts 25 % high
    w = random.choice([0.5, 4.0], count) if weights else np.ones(count)
    return ValueErrors.of(codes.astype(np.uint64), p, random.random(count) < truth, w)


@pytest.mark.parametrize(
    ("count", "rate", "weights"), [(20_000, 0.03, False), (20_000, 0.4, False), (20_000, 0.03, True)]
)
def test_where_nothing_is_off_but_the_job_one_in_twenty_says_so_at_most(count: int, rate: float, weights: bool) -> None:
    said = 0
    for seed in range(100):
        found = compared({"feature:a": rows(seed, count, rate, weights=weights)})
        assert len(found) > 20
        said += any(one.is_real for one in found)
    assert said <= 10  # 5 are to be expected at most; more than 10 by chance once in 100 runs


def test_the_planted_value_is_the_worst_of_all_features() -> None:
    found = compared({"feature:a": rows(1, off=3.0), "feature:b": rows(2), "feature:c": rows(3, off=2.5)})
    real = [(one.entity, one.key) for one in found if one.is_real]
    assert real[0] == ("feature:a", 57)
    assert set(real) <= {("feature:a", 57), ("feature:c", 57)}
    assert 1.2 < found[0].difference < 2.8
    assert [one.is_real for one in found] == sorted((one.is_real for one in found), reverse=True)


def test_values_of_which_few_positives_are_expected_and_values_without_others_say_nothing() -> None:
    few = ValueErrors.of(np.array([1, 2, 2], np.uint64), [0.4, 0.3, 0.2], [1, 1, 0], [1.0, 1.0, 1.0])
    alone = ValueErrors.of(np.full(9000, 3, np.uint64), np.full(9000, 0.5), np.ones(9000), np.ones(9000))
    none = ValueErrors.of(np.arange(9000, dtype=np.uint64) % 9, np.full(9000, 0.5), np.zeros(9000), np.ones(9000))
    assert compared({"a": few, "b": alone, "c": none, "d": ValueErrors.merge([])}) == []
    silent = np.arange(9000, dtype=np.uint64) % 9
    found = compared({"a": ValueErrors.of(silent, np.full(9000, 0.5), silent != 4, np.ones(9000))})
    assert (found[0].key, found[0].positives, found[0].is_real) == (4, 0.0, True)
