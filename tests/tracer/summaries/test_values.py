"""What each summary says is what an exact computation over the rows says, within its stated error."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.tracer.summaries import (
    Bins,
    Buckets,
    Counts,
    Distinct,
    Heavy,
    Histogram,
    Ids,
    LabelBuckets,
    Moments,
    combine,
    hash_values,
    profile_categorical,
    profile_ids,
    profile_numeric,
    tally,
)

SEED = 20130101


def test_nan_and_none_are_missing_and_infinity_is_invalid() -> None:
    values = [1.0, None, float("nan"), float("-inf"), "7", "seven", "", 0, -1.0]
    counts = Counts.of_numeric(values, low=0.0, default=-1.0)
    assert counts == Counts(rows=9, missing=3, default=1, invalid=3, zero=1, nonfinite=1, values=3)


def test_numeric_strings_that_spell_nan_are_invalid_not_missing() -> None:
    assert Counts.of_numeric(["nan", "1"]) == Counts(rows=2, invalid=1, values=1)


def test_a_value_outside_the_vocabulary_is_invalid() -> None:
    counts = profile_categorical(np.array(["AA", "UA", "XX", ""]), vocabulary={"AA", "UA"}).counts
    assert counts == Counts(rows=4, missing=1, invalid=1, values=2)


def test_an_unhashable_value_is_outside_any_vocabulary() -> None:
    values = np.empty(3, object)
    values[:] = ["AA", ["AA"], None]
    assert profile_categorical(values, vocabulary={"AA"}).counts == Counts(rows=3, missing=1, invalid=1, values=1)


def test_pandas_na_is_missing() -> None:
    pandas = pytest.importorskip("pandas", reason="needs streamgauge[profile]")
    values = np.array(["AA", pandas.NA, pandas.NaT, None], object)
    assert profile_categorical(values, default="AA").counts == Counts(rows=4, missing=3, default=1, values=1)
    assert Counts.of_numeric(np.array([1, pandas.NA], object)) == Counts(rows=2, missing=1, values=1)


def test_moments_about_a_near_shift_keep_a_small_variance_of_large_values() -> None:
    x = 1e9 + np.random.default_rng(SEED).normal(size=10_000)
    assert Moments.of(x, shift=1e9).std() == pytest.approx(np.std(x, ddof=1), rel=1e-9)


def test_moments_about_different_shifts_merge_to_the_moments_of_all_values() -> None:
    x = np.random.default_rng(SEED).normal(100.0, 5.0, 3_000)
    merged = Moments.merge([Moments.of(x[:500], 90.0), Moments.of(x[500:2_500], 101.0), Moments.of(x[2_500:], 0.0)])
    assert merged.shift == 101.0
    assert (merged.mean(), merged.std()) == pytest.approx((x.mean(), x.std(ddof=1)), rel=1e-12)
    assert (merged.count, merged.low, merged.high) == (3_000, x.min(), x.max())


def test_moments_that_overflow_are_unknown_not_infinite() -> None:
    assert math.isnan(Moments.of([1e200, -1e200]).std())
    assert math.isnan(Moments.of([]).mean())


@given(
    x=st.lists(st.floats(-1e12, 1e12).filter(lambda v: abs(v) > 1e-300 or v == 0), min_size=1, max_size=60),
    q=st.floats(0.0, 1.0),
)
@settings(max_examples=200, deadline=None)
def test_a_quantile_is_within_1_6_percent_of_the_value_of_its_rank(x: list[float], q: float) -> None:
    exact = sorted(x)[max(math.ceil(q * len(x)), 1) - 1]
    assert Histogram.of(x).quantile(q) == pytest.approx(exact, rel=1 / 64)


def test_quantiles_of_skewed_data_are_within_1_6_percent() -> None:
    x = np.random.default_rng(SEED).lognormal(3.0, 2.0, 200_000)
    qs = [0.001, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999]
    np.testing.assert_allclose(Histogram.of(x).quantiles(qs), np.quantile(x, qs, method="inverted_cdf"), rtol=1 / 64)


def test_buckets_are_ordered_like_the_values_through_zero_and_denormals() -> None:
    x = np.array([-math.inf, -1e308, -1.0, -5e-324, 0.0, 5e-324, 1e-308, 1.0, 1.7e308, math.nan])
    histogram = Histogram.of(x)
    assert histogram.total == 8
    assert (np.diff(histogram.midpoints()) > 0).all()
    assert np.isfinite(histogram.midpoints()).all()


def test_a_histogram_mean_is_within_1_6_percent_for_values_of_one_sign() -> None:
    x = np.random.default_rng(SEED).gamma(2.0, 30.0, 5_000)
    assert Histogram.of(x).mean() == pytest.approx(x.mean(), rel=1 / 64)


def test_a_wide_histogram_counts_as_a_narrow_one_does() -> None:
    x = np.concatenate((np.geomspace(1e-300, 1e300, 900), np.ones(100)))
    narrow = [Histogram.of(x[i : i + 10]) for i in range(0, 1_000, 10)]
    assert Histogram.merge(narrow).columns() == Histogram.of(x).columns()


@pytest.mark.parametrize("n", [1, 10, 300, 3_000, 30_000, 300_000, 3_000_000])
def test_distinct_is_within_four_standard_errors(n: int) -> None:
    estimate = Distinct.of(hash_values(np.arange(n), b"salt")).estimate()
    # n balls in 2^52 x 4,096 slots: below 4,096 the error of linear counting is smaller than 1.04 / 64
    assert abs(estimate - n) <= max(4 * 1.04 / 64 * n, 0.5)


def test_distinct_has_the_standard_error_it_claims() -> None:
    errors = [Distinct.of(hash_values(np.arange(50_000), bytes([i]))).estimate() / 50_000 - 1 for i in range(60)]
    assert abs(float(np.mean(errors))) < 4 * 0.01625 / math.sqrt(60)
    assert 0.011 < float(np.std(errors)) < 0.022


def test_distinct_is_sparse_on_the_wire_while_small_and_dense_when_large() -> None:
    sizes = [sum(map(len, Distinct.of(hash_values(np.arange(n))).columns())) for n in (0, 100, 1_000_000)]
    assert sizes[0] == 0
    assert sizes[1] <= 300
    assert sizes[2] == 4_096


def test_an_all_zero_hash_has_the_longest_run() -> None:
    assert Distinct.of(np.zeros(1, np.uint64)).registers[0] == 53


@given(st.lists(st.lists(st.integers(0, 60), max_size=60), min_size=1, max_size=6), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_heavy_hitter_bounds_hold_for_every_value(parts: list[list[int]], capacity: int) -> None:
    merged = Heavy.merge([Heavy.of(np.array(part, np.uint64), capacity) for part in parts])
    rows = [value for part in parts for value in part]
    kept = {top.hash: top for top in merged.top(capacity)}
    assert merged.total == len(rows)
    assert len(kept) <= capacity
    for value in set(rows):
        true = rows.count(value)
        if value in kept:
            assert kept[value].rows <= true <= kept[value].rows + kept[value].error
        else:
            assert true <= merged.bound


@given(st.lists(st.lists(st.integers(0, 200), max_size=80), min_size=2, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_truncated_heavy_hitters_do_not_depend_on_the_order_of_the_parts(
    parts: list[list[int]], data: st.DataObject
) -> None:
    summaries = [Heavy.of(np.array(part, np.uint64), 8) for part in parts]
    shuffled = data.draw(st.permutations(summaries))
    assert Heavy.merge(summaries).columns() == Heavy.merge(shuffled).columns()


def test_heavy_hitters_of_zipf_ids_find_every_value_of_half_a_percent() -> None:
    ids = np.minimum(np.random.default_rng(SEED).zipf(1.2, 200_000), 1_000_000)
    merged = Heavy.merge([Heavy.of(hash_values(chunk)) for chunk in np.array_split(ids, 40)])
    values, counts = np.unique(ids, return_counts=True)
    frequent = dict(zip(hash_values(values[counts > 1_000]).tolist(), counts[counts > 1_000].tolist(), strict=True))
    found = {top.hash: top for top in merged.top(256)}
    assert frequent.keys() <= found.keys()
    assert all(found[h].rows <= n <= found[h].rows + found[h].error for h, n in frequent.items())
    assert merged.bound <= 200_000 / 257


def test_ties_at_the_capacity_go_to_the_smaller_hash() -> None:
    assert Heavy.of(np.array([9, 4, 7, 7, 2], np.uint64), capacity=3).hashes.tolist() == [2, 4, 7]


def test_a_sample_of_ids_keeps_the_same_ids_everywhere() -> None:
    hashes = hash_values(np.arange(10_000), b"job")
    left, right = Ids.of(hashes[:6_000], 16), Ids.of(hashes[4_000:], 16)
    union = Ids.merge([left, right])
    assert union.rows() - union.distinct() == Ids.of(hashes[4_000:6_000], 16).distinct()
    assert union.distinct() * 16 == pytest.approx(10_000, rel=0.2)


def test_samples_of_different_moduli_merge_at_the_larger_one() -> None:
    hashes = hash_values(np.arange(1_000))
    assert Ids.merge([Ids.of(hashes, 1), Ids.of(hashes, 8)]).columns() == Ids.of(np.tile(hashes, 2), 8).columns()


def test_a_modulus_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two, got 6"):
        Ids.of(hash_values(np.arange(3)), 6)


def test_predictions_beyond_sixteen_logits_are_in_the_end_buckets_and_counted() -> None:
    buckets = Buckets.of([0.0, 1e-9, 0.5, 1.0, float("nan"), -0.1, 1.1])
    assert (buckets.rows, buckets.clipped, buckets.invalid) == (4, 3, 3)
    assert buckets.bucket.tolist() == [0, 2048, 4095]


def test_prediction_quantiles_are_within_half_a_bucket() -> None:
    p = np.random.default_rng(SEED).beta(1.0, 40.0, 20_000)
    exact = np.quantile(p, 0.9, method="inverted_cdf")
    logit = math.log(Buckets.of(p).quantile(0.9) / (1 - Buckets.of(p).quantile(0.9)))
    assert abs(logit - math.log(exact / (1 - exact))) <= 1 / 256 + 1e-12
    assert Buckets.of(p).mean() == pytest.approx(p.mean(), rel=1e-12)


def test_label_buckets_count_rows_and_sum_the_clipped_loss() -> None:
    p, y = np.array([0.9, 0.2, 0.0, 1.0, 0.5, 0.5]), np.array([1, 0, 1, 0, 2, np.nan])
    labels = LabelBuckets.of(p, y)
    exact = -math.log(0.9) - math.log(0.8) - 2 * math.log(1e-7)
    assert (labels.rows, labels.positive_rows, labels.invalid, labels.clipped) == (4, 2, 2, 2)
    assert labels.log_loss == pytest.approx(exact, rel=1e-7)


def test_weights_count_in_the_sums_and_not_in_the_rows() -> None:
    labels = LabelBuckets.of([0.5, 0.5, 0.5], [1, 0, 0], [1.0, 10.0, 0.0])
    assert (labels.rows, labels.invalid) == (2, 1)
    assert labels.weight_negative.tolist() == [10.0]
    assert labels.sum_p.tolist() == [5.5]


def test_unweighted_and_weighted_parts_merge() -> None:
    rng = np.random.default_rng(SEED)
    p, y = rng.random(200), rng.integers(0, 2, 200)
    mixed = LabelBuckets.merge([LabelBuckets.of(p[:90], y[:90]), LabelBuckets.of(p[90:], y[90:], np.full(110, 3.0))])
    whole = LabelBuckets.of(p, y, np.repeat([1.0, 3.0], [90, 110]))
    assert mixed.weight_positive.tolist() == whole.weight_positive.tolist()
    assert mixed.positives.tolist() == whole.positives.tolist()


def test_bins_beyond_the_capacity_are_other_and_no_row_is_lost() -> None:
    rng = np.random.default_rng(SEED)
    hashes, y = hash_values(rng.integers(0, 1_000, 5_000)), rng.integers(0, 2, 5_000)
    bins = Bins.merge([Bins.of_ids(hashes[:2_500], y[:2_500]), Bins.of_ids(hashes[2_500:], y[2_500:])])
    assert len(bins.keys) == 256
    assert bins.rows == 5_000
    assert int(bins.positives.sum()) + bins.other[0] == int(y.sum())


def test_numeric_bins_are_in_the_order_of_the_values() -> None:
    y = [1, 0, 1, 0, 1, 0]
    bins = Bins.of_numeric([-100.0, -1.0, 0.0, 1.0, 100.0, float("inf")], y)
    assert bins.positives.tolist() == [1, 0, 1, 0, 1]
    assert bins.missing == (0, 1)


@pytest.mark.parametrize("carrier", [np.int8, np.int64, np.uint32, np.float32, np.float64, object])
def test_an_id_hashes_alike_in_every_array_type(carrier: type) -> None:
    ids = np.array([1, 7, 100])
    assert hash_values(ids.astype(carrier), b"s").tolist() == hash_values(ids, b"s").tolist()


def test_strings_hash_alike_as_objects_unicode_and_bytes() -> None:
    words = ["N14228", "é", "a", "N14228"]
    as_objects = hash_values(np.array(words, object), b"s")
    assert as_objects.tolist() == hash_values(np.array(words), b"s").tolist()
    assert as_objects[[0, 2]].tolist() == hash_values(np.array([b"N14228", b"a"]), b"s").tolist()
    assert len(set(as_objects.tolist())) == 3


def test_the_salt_changes_every_hash() -> None:
    for values in (np.arange(100), np.array([str(i) for i in range(100)], object)):
        assert not np.isin(hash_values(values, b"one"), hash_values(values, b"two")).any()


def test_unusual_values_hash_without_an_error() -> None:
    strange = np.empty(6, object)
    strange[:] = [[1, 2], (1, 2), 10**30, -(2**63), 2**64 - 1, 1.5]
    assert len(set(hash_values(strange).tolist())) == 6


def test_hashes_are_the_same_in_another_process() -> None:
    code = "import numpy as np; from streamgauge.tracer.summaries import hash_values\n"
    code += "print(hash_values(np.array(['a', 'b'])).tolist())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(hash_values(np.array(["a", "b"])).tolist())


def test_hashes_are_pinned_so_that_stored_summaries_stay_readable() -> None:
    assert [hex(h) for h in hash_values(np.array([1, 2]), b"salt").tolist()] == PINNED_INTEGERS
    assert [hex(h) for h in hash_values(np.array(["LGA"]), b"salt").tolist()] == PINNED_STRINGS


def test_hashed_bits_are_balanced() -> None:
    bits = np.unpackbits(hash_values(np.arange(20_000)).view(np.uint8)).reshape(20_000, 64)
    assert (np.abs(bits.mean(axis=0) - 0.5) < 5 * 0.5 / math.sqrt(20_000)).all()


def test_pairs_differ_where_either_part_does() -> None:
    ids = np.repeat(hash_values(np.arange(500)), 2)
    assert len(set(combine(ids, np.tile([0, 1], 500)).tolist())) == 1_000


def test_a_tally_counts_each_hash() -> None:
    hashes = hash_values(np.random.default_rng(SEED).integers(0, 50, 1_000))
    values, counts = np.unique(hashes, return_counts=True)
    assert tally(hashes).hashes.tolist() == values.tolist()
    assert tally(hashes).counts.tolist() == counts.tolist()


def test_a_profile_is_its_summaries_taken_one_by_one() -> None:
    x = np.array([1.0, 2.0, np.nan, np.inf, 5.0])
    numeric = profile_numeric(x, shift=2.0)
    assert numeric.counts == Counts.of_numeric(x)
    assert numeric.moments == Moments.of(x, 2.0)
    assert numeric.histogram.columns() == Histogram.of(x).columns()
    ids = np.array(["a", "b", None, "a"], object)
    categorical = profile_categorical(ids, salt=b"s")
    present = hash_values(ids[[0, 1, 3]], b"s")
    assert categorical.distinct.columns() == Distinct.of(present).columns()
    assert categorical.heavy.columns() == Heavy.of(present).columns()
    assert profile_ids(ids, salt=b"s").columns() == Ids.of(present).columns()


PINNED_INTEGERS = ["0x267f83acc4b8ff0f", "0x7bd5450d1e28fd08"]
PINNED_STRINGS = ["0x699e2a9e9c05eecd"]
