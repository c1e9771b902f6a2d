"""PSI and JS distance: their values, and that without drift PSI stays below its floor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2

from streamgauge.pipelines.statistics import (
    drift_of,
    fine_counts,
    id_counts,
    id_doubt,
    js_distance,
    numeric_counts,
    prediction_counts,
    psi,
    psi_floor,
)
from streamgauge.pipelines.statistics.binning import count_ids, count_numeric, cuts_of, id_vocabulary, numeric_cuts
from streamgauge.pipelines.statistics.drift import chi2_quantile
from streamgauge.tracer.summaries import Buckets, Heavy, Histogram, ValueCounts, hash_values

SEED = 20130101
counts = st.lists(st.integers(0, 1_000), min_size=2, max_size=20)


def test_psi_is_its_formula_with_half_a_row_added() -> None:
    p, q = np.array([10.5, 90.5]) / 101, np.array([50.5, 0.5]) / 51
    assert psi([10, 90], [50, 0]) == pytest.approx(float(((p - q) * np.log(p / q)).sum()), rel=1e-12)


def test_the_floor_is_the_chi_squared_quantile_over_both_sample_sizes() -> None:
    assert psi_floor(1_024, 16_384, 20) == pytest.approx(chi2.ppf(0.999, 19) * (1 / 1_024 + 1 / 16_384), rel=1e-9)
    assert chi2_quantile(50, 0.999) == pytest.approx(chi2.ppf(0.999, 50), rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), min_size=2, max_size=20))
def test_psi_and_js_are_symmetric_and_not_negative(pairs: list[tuple[int, int]]) -> None:
    p, q = np.array(pairs).T
    assert psi(p, q) == pytest.approx(psi(q, p), abs=1e-12)
    assert psi(p, q) >= 0
    if p.sum() and q.sum():
        assert js_distance(p, q) == pytest.approx(js_distance(q, p), abs=1e-9)
        assert js_distance(p, q) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-6)


@pytest.mark.parametrize("rows", [500, 1_024, 4_096, 16_384])
@pytest.mark.parametrize("column", ["normal", "lognormal", "integer", "spike"])
def test_without_drift_numeric_psi_stays_below_its_floor(rows: int, column: str) -> None:
    draw = NUMERIC[column]
    exceeded = 0
    for seed in range(100):
        rng = np.random.default_rng([SEED, rows, seed])
        current, reference = numeric_counts(Histogram.of(draw(rng, rows)), Histogram.of(draw(rng, 16_384)))
        exceeded += drift_of(current, reference).excess > 0
    assert exceeded <= 1


NUMERIC: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: rng.normal(0.0, 10.0, n),
    "lognormal": lambda rng, n: rng.lognormal(2.0, 1.5, n),
    "integer": lambda rng, n: rng.poisson(3.0, n).astype(float),
    "spike": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.exponential(5.0, n)),
}


@pytest.mark.parametrize("rows", [1_024, 4_096, 16_384])
def test_without_drift_the_psi_of_ids_stays_below_its_floor(rows: int) -> None:
    exceeded = 0
    for seed in range(60):
        rng = np.random.default_rng([SEED, rows, seed])
        current, reference = (heavy_of(rng, n) for n in (rows, 30_000))
        exceeded += drift_of(*id_counts(current, reference)).excess > 0
    assert exceeded <= 1


def heavy_of(rng: np.random.Generator, n: int) -> Heavy:
    ids = np.minimum(rng.zipf(1.3, n), 100_000)
    return Heavy.merge([Heavy.of(hash_values(part)) for part in np.array_split(ids, 8)])


def test_the_raw_psi_of_small_windows_would_have_called_drift() -> None:
    """The trap of quality.md: many bins and few rows exceed 0.25 with no drift at all; the floor says so."""
    rng = np.random.default_rng(SEED)
    p, q = (np.bincount(rng.zipf(1.1, 1_024) % 4_096, minlength=4_096) for _ in range(2))
    assert psi(p, q) > 0.25
    assert drift_of(p, q).excess < 0.05


@pytest.mark.parametrize("moved", [lambda x: x + 10.0, lambda x: x * 1.5, lambda x: np.where(x > 5, 0.0, x)])
def test_a_real_shift_exceeds_the_floor(moved: object) -> None:
    rng = np.random.default_rng(SEED)
    reference, current = rng.normal(0.0, 10.0, 16_384), rng.normal(0.0, 10.0, 1_000)
    found = drift_of(*numeric_counts(Histogram.of(moved(current)), Histogram.of(reference)))  # type: ignore[operator]
    assert found.excess > 0.1


def test_a_constant_feature_that_moves_either_way_is_drift() -> None:
    reference = Histogram.of(np.full(5_000, 3.0))
    for value in (2.0, 4.0):
        assert drift_of(*numeric_counts(Histogram.of(np.full(500, value)), reference)).excess > 0.5
    assert drift_of(*numeric_counts(Histogram.of(np.full(500, 3.0)), reference)).value < 0.001


def test_predictions_that_move_are_drift() -> None:
    rng = np.random.default_rng(SEED)
    reference, current = rng.beta(2, 60, 20_000), rng.beta(2, 60, 2_000)
    assert drift_of(*prediction_counts(Buckets.of(current), Buckets.of(reference))).excess == 0
    assert drift_of(*prediction_counts(Buckets.of(current * 1.6), Buckets.of(reference))).excess > 0.1


def test_drift_against_nothing_is_unknown() -> None:
    empty = Histogram.of([])
    for current, reference in ((empty, Histogram.of([1.0])), (Histogram.of([1.0]), empty), (empty, empty)):
        assert math.isnan(drift_of(*numeric_counts(current, reference)).value)


@given(counts, st.integers(2, 20))
def test_cuts_give_at_most_the_limit_of_bins_and_lose_no_row(rows: list[int], limit: int) -> None:
    rows = [n + 1 for n in rows]
    keys = np.arange(len(rows)) * 3
    cuts = cuts_of(keys, np.array(rows), limit)
    assert len(cuts) + 1 <= limit
    assert (np.diff(cuts) > 0).all()


def test_bins_of_a_continuous_feature_have_near_equal_mass() -> None:
    x = np.random.default_rng(SEED).normal(50.0, 20.0, 50_000)
    mine, _ = numeric_counts(Histogram.of(x), Histogram.of(x))
    assert mine.sum() == 50_000
    assert 15 <= len(mine) <= 20
    assert mine.max() < 0.1 * 50_000


def test_a_spike_has_a_bin_of_its_own() -> None:
    x = np.concatenate((np.zeros(500), np.linspace(-5, 5, 500)))
    histogram = Histogram.of(x)
    cuts = numeric_cuts(histogram)
    assert count_numeric(cuts, histogram)[cuts.tolist().index(0)] == 500


def test_ids_outside_the_vocabulary_are_other() -> None:
    reference = Heavy.of(hash_values(np.repeat(np.arange(60), np.arange(60, 0, -1))))
    vocabulary = id_vocabulary(reference)
    assert len(vocabulary) == 50
    found = count_ids(vocabulary, Heavy.of(hash_values(np.array([0, 0, 59, 1_000]))))
    assert (found.sum(), found[-1], found.max()) == (4, 2, 2)


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.05])
@pytest.mark.parametrize("workers", [1, 16, 64])
def test_psi_of_many_ids_depends_on_the_number_of_workers_by_its_floor_at_most(exponent: float, workers: int) -> None:
    shares = np.cumsum(1.0 / np.arange(1.0, 20_001.0) ** exponent)
    rng = np.random.default_rng([SEED, workers])

    def drawn(rows: int, parts: int, moved: float = 0.0) -> tuple[Heavy, np.ndarray]:
        ids = np.searchsorted(shares / shares[-1], rng.random(rows))
        ids[rng.random(rows) < moved] = 7
        return Heavy.merge([Heavy.of(hash_values(part)) for part in np.array_split(ids, parts)]), ids

    reference, past = drawn(200_000, 4 * workers)
    same, _ = drawn(20_000, workers)
    found = drift_of(*id_counts(same, reference), id_doubt(same, reference))
    assert found.excess == 0.0
    if exponent:  # without any frequent id there is one group, and a new one is in `top_share`
        moved, ids = drawn(20_000, workers, moved=0.2)
        top = np.argsort(-np.bincount(past))[:50]
        exact = psi(*(np.append(n := np.bincount(x, minlength=20_001)[top], len(x) - n.sum()) for x in (ids, past)))
        found = drift_of(*id_counts(moved, reference), id_doubt(moved, reference))
        assert found.value == pytest.approx(exact, rel=0.15)
        assert found.excess > 0.3


@pytest.mark.parametrize(("level", "spread"), [(2010.0, 8.0), (290.0, 8.0), (1.7e9, 30 * 86_400.0), (40_000.0, 1.0)])
def test_psi_does_not_depend_on_the_level_of_a_feature(level: float, spread: float) -> None:
    """Of two normal laws 0.9 standard deviations apart it is 0.81 nats, Jeffreys' divergence."""
    random = np.random.default_rng(5)
    before = [ValueCounts.of(level + spread * random.normal(size=4_000)) for _ in range(5)]
    after = [ValueCounts.of(level + spread * (random.normal(size=2_000) + 0.9)) for _ in range(5)]
    counts = fine_counts(ValueCounts.merge(after), ValueCounts.merge(before))
    assert drift_of(*counts).value == pytest.approx(0.81, abs=0.09)
    merged = ValueCounts.merge([ValueCounts.merge(after[3:]), *after[:3]])
    assert merged.columns() == ValueCounts.merge(after).columns()
