"""Entropy, dispersion, top share and duplicates against exact computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streamgauge.pipelines.statistics import (
    categorical_dispersion,
    duplicate_rate,
    entropy,
    numeric_dispersion,
    top_share,
    top_share_bound,
)
from streamgauge.tracer.summaries import Distinct, Heavy, Histogram, Ids, combine, hash_values

SEED = 20130101


def dispersion(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    hashes = hash_values(values)
    return categorical_dispersion(Heavy.of(hashes), Distinct.of(hashes))


def test_miller_madow_removes_most_of_the_bias_of_small_samples() -> None:
    rng = np.random.default_rng(SEED)
    draws = [np.bincount(rng.integers(0, 50, 200), minlength=50) for _ in range(200)]
    plain = [entropy(d) - (np.count_nonzero(d) - 1) / 400 for d in draws]
    assert abs(np.mean([entropy(d) for d in draws]) - math.log(50)) < 0.02
    assert abs(np.mean(plain) - math.log(50)) > 0.1


def test_numeric_dispersion_is_finite_around_mean_zero_and_zero_for_a_constant() -> None:
    x = np.random.default_rng(SEED).normal(0.0, 1.0, 50_000)
    assert numeric_dispersion(Histogram.of(x)) == pytest.approx(1.0, abs=0.02)
    low, median, high = np.quantile(x + 10.0, [0.25, 0.5, 0.75])
    assert numeric_dispersion(Histogram.of(x + 10.0)) == pytest.approx((high - low) / (median + high - low), rel=0.1)
    assert numeric_dispersion(Histogram.of(np.zeros(5))) == 0.0
    assert math.isnan(numeric_dispersion(Histogram.of([])))


def test_categorical_dispersion_is_one_for_even_values_and_zero_for_one_value() -> None:
    assert dispersion(np.repeat(np.arange(100), 50)) == pytest.approx(1.0, abs=0.01)
    assert dispersion(np.repeat(np.arange(5_000), 4)) == pytest.approx(1.0, abs=0.01)
    assert dispersion(np.zeros(100, np.int64)) == 0.0
    assert math.isnan(dispersion(np.zeros(0, np.int64)))


def test_categorical_dispersion_with_a_tail_is_near_the_exact_one() -> None:
    ids = np.minimum(np.random.default_rng(SEED).zipf(1.5, 100_000), 50_000)
    counts = np.unique(ids, return_counts=True)[1]
    assert dispersion(ids) == pytest.approx(entropy(counts) / math.log(len(counts)), rel=0.03)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize(("values", "rows"), [(1_000, 60_000), (50_000, 10_000), (50_000, 200_000)])
def test_dispersion_of_power_laws_of_many_values_is_near_the_exact_one(exponent: float, values: int, rows: int) -> None:
    shares = np.cumsum(1.0 / np.arange(1.0, values + 1.0) ** exponent)
    ids = np.searchsorted(shares / shares[-1], np.random.default_rng(SEED).random(rows))
    counts = np.unique(ids, return_counts=True)[1]
    nats = float(stats.entropy(counts)) + (len(counts) - 1) / (2 * rows)
    exact = min(1.0, nats / math.log(len(counts)))
    assert dispersion(ids) == pytest.approx(exact, abs=0.02)
    hashes = hash_values(ids)
    merged = Heavy.merge([Heavy.of(part) for part in np.array_split(hashes, 16)])
    assert categorical_dispersion(merged, Distinct.of(hashes)) == pytest.approx(exact, abs=0.03)


def test_top_share_is_exact_while_all_values_are_kept() -> None:
    heavy = Heavy.of(hash_values(np.repeat([1, 2, 3], [70, 20, 10])))
    assert (top_share(heavy, 1).value, top_share(heavy, 2).value, top_share(heavy, 20).value) == (0.7, 0.9, 1.0)
    assert top_share_bound(heavy, 20) == 0.0
    assert math.isnan(top_share(Heavy.of(hash_values(np.zeros(0))), 1).value)


def test_the_true_top_share_is_within_the_bound() -> None:
    ids = np.minimum(np.random.default_rng(SEED).zipf(1.1, 60_000), 100_000)
    heavy = Heavy.merge([Heavy.of(hash_values(part)) for part in np.array_split(ids, 30)])
    exact = np.sort(np.unique(ids, return_counts=True)[1])[::-1]
    for n in (1, 20):
        true = exact[:n].sum() / len(ids)
        assert top_share(heavy, n).value <= true <= top_share(heavy, n).value + top_share_bound(heavy, n)


def test_a_batch_delivered_twice_is_half_duplicates_on_any_worker() -> None:
    ids = combine(hash_values(np.arange(4_000)), np.arange(4_000) % 7 == 0)
    first, second = Ids.of(ids, 4), Ids.of(ids, 4)
    assert duplicate_rate(first) == 0.0
    assert duplicate_rate(Ids.merge([first, second])) == 0.5
    assert math.isnan(duplicate_rate(Ids.of(ids[:0])))


@given(st.lists(st.integers(1, 10**12), min_size=2, max_size=300), st.integers(0, 10**6), st.integers(1, 10**9))
def test_dispersion_is_a_share_whatever_is_kept_and_what_is_the_rest(kept: list[int], bound: int, rest: int) -> None:
    counts = np.array(kept, np.int64)
    hashes = np.arange(1, len(kept) + 1, dtype=np.uint64)
    total = int(counts.sum()) + rest
    heavy = Heavy(hashes, counts, np.full(len(kept), min(bound, rest // len(kept))), total, bound + 1)
    found = categorical_dispersion(heavy, Distinct.of(hash_values(np.arange(len(kept) + 50))))
    assert math.isnan(found) or 0.0 <= found <= 1.0


def test_a_tail_that_falls_off_steeply_costs_nothing_and_breaks_nothing() -> None:
    counts = np.concatenate((np.full(250, 10**15), np.ones(6))).astype(np.int64)[::-1].copy()
    heavy = Heavy(np.arange(1, 257, dtype=np.uint64), counts, np.zeros(256, np.int64), int(counts.sum()) + 9, 3)
    assert categorical_dispersion(heavy, Distinct.of(hash_values(np.arange(400)))) == pytest.approx(0.92, abs=0.03)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=256))
def test_dispersion_of_what_is_exact_has_no_tail(kept: list[int]) -> None:
    counts = np.array(kept, np.int64)
    hashes = np.arange(1, len(kept) + 1, dtype=np.uint64)
    heavy = Heavy(hashes, counts, np.zeros(len(kept), np.int64), int(counts.sum()))
    p = counts / counts.sum()
    expected = (-float((p * np.log(p)).sum()) + (len(kept) - 1) / (2.0 * counts.sum())) / math.log(len(kept))
    found = categorical_dispersion(heavy, Distinct.of(hash_values(np.arange(len(kept)))))
    assert found == pytest.approx(min(1.0, expected), abs=1e-9)


def test_shares_that_do_not_add_up_to_one_by_rounding_leave_no_tail() -> None:
    for values in range(2, 256):  # 49 times 1/49 is below 1
        assert dispersion(np.arange(values)) == pytest.approx(1.0)
