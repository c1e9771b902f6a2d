"""The columns of every kind are pinned: a stored or recorded summary stays readable by later versions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import (
    KINDS,
    Bins,
    Buckets,
    Counts,
    Distinct,
    Errors,
    Groups,
    Heavy,
    Histogram,
    Ids,
    JoinRows,
    LabelBuckets,
    Moments,
    Summary,
    Units,
    ValueCounts,
    ValueErrors,
    decode,
)

KEYS = np.array([3, 1 << 40, (1 << 63) + 5], np.uint64)
TWO = np.array([1, 2])
BINS = (np.array([-4099, 4093]) + (1 << 31)).astype(np.uint64)
HALVES = np.array([0.5, 1.0])
SPREAD = np.arange(60_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
GOLDEN: dict[str, Summary] = {
    "counts": Counts.of_numeric([1.0, None, 0.0, float("inf"), 9.0], default=9.0, high=5.0),
    "moments": Moments.of([1.0, 2.0, 4.0], shift=2.0),
    "histogram": Histogram.of([-2.0, 0.0, 0.5, 0.5, 1e6]),
    "distinct": Distinct.of(KEYS),
    "distinct, dense": Distinct.of(SPREAD),
    "heavy": Heavy.of(KEYS[[0, 0, 1, 2]]),
    "heavy, truncated": Heavy.merge([Heavy.of(KEYS[[0, 0, 1]], 1), Heavy.of(KEYS[[2, 2, 2, 1]], 1)]),
    "ids": Ids.of(KEYS[[1, 1, 2]], modulus=2),
    "buckets": Buckets(np.array([7, 2048], np.uint16), TWO, sum_p=1.5, clipped=1, invalid=2),
    "label_buckets": LabelBuckets(np.array([7, 2048], np.uint16), TWO, TWO, TWO * 1.0, TWO * 1.0, HALVES, 0.25, 1, 0),
    "label_buckets, weighted": LabelBuckets(np.array([7, 9], np.uint16), TWO, TWO, HALVES, HALVES, HALVES, 0.25),
    "bins": Bins.of_numeric([1.0, 1.0, -3.0, float("nan")], [1, 0, 0, 1]),
    "groups": Groups.of(KEYS[[1, 1, 2, 0]], [0.1, 0.1, 0.9, 7.0], [1, 0, 1, 0], modulus=1),
    "bins, of level 0": Bins(BINS, TWO - 1, np.array([1, 1]), missing=(1, 0), is_numeric=True),
    "errors": Errors.of([1.0, 4.0, np.inf], [2.0, 2.0, 1.0], [1.0, 0.5, 1.0]),
    "value_errors": ValueErrors.of(np.array([2.5, 2.0, np.nan]), [0.5, 0.25, 0.1], [1, 0, 0], [1.0, 2.0, -1.0]),
    "units": Units.of(np.array([[1.0, -1.0], [2.0, 0.0]])),
    "value_counts": ValueCounts.of(np.array([2024.0, 2025.0, 2025.0, -0.5])),
    "value_counts, coarse": ValueCounts.of(np.arange(1_000.0)),
    "join_rows": JoinRows.labels(1, KEYS, np.array([60.0, 70.0, 60.0]), np.array([1.0, 0.0, 1.0])),
    "join_rows, samples": JoinRows.samples(8, KEYS, np.ones(3), np.ones(3) / 4, np.zeros(3), np.ones(3) * 9),
}
DIGESTS: dict[str, str] = {
    "counts": "51236fdcb1963587",
    "moments": "6da0ea77ca1c47e5",
    "histogram": "61445cbe52018a29",
    "distinct": "038e13bcffe935bd",
    "distinct, dense": "1455516c5507d39d",
    "heavy": "800ddd8deadbdbb5",
    "heavy, truncated": "c165c2553a02eab3",
    "ids": "dd8be7e552e70b52",
    "buckets": "3b4db13db3eb3129",
    "label_buckets": "f6d67907497b3a8e",
    "label_buckets, weighted": "f04348091e07f799",
    "groups": "aded5685b005cf2c",
    "bins": "e0a00f7cd6f9bd1b",
    "bins, of level 0": "ee8a58b83d3349cb",
    "errors": "6f832cfc3d7b16ce",
    "value_errors": "41d312da4992a0cb",
    "units": "7556374747df5019",
    "value_counts": "e74732278aef8bf5",
    "value_counts, coarse": "bab732cd7a8384c5",
    "join_rows": "b3a63f12323bc0b8",
    "join_rows, samples": "19f487054238e246",
}


def digest(summary: Summary) -> str:
    return hashlib.sha256(b"|".join(column.hex().encode() for column in summary.columns())).hexdigest()[:16]


def test_every_kind_has_golden_columns() -> None:
    assert {name.split(",")[0] for name in GOLDEN} == set(KINDS)


@pytest.mark.parametrize("name", GOLDEN)
def test_columns_are_the_golden_ones_and_read_back(name: str) -> None:
    summary = GOLDEN[name]
    assert digest(summary) == DIGESTS[name]
    assert decode(Sketch(summary.KIND, "sample", "x", "", summary.columns())).columns() == summary.columns()
