"""Pictures of summaries: no row is lost between buckets and bars, and curves agree with their areas."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.adapters.http.curves import BARS, bars, pictures_of
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.tracer.summaries import Buckets, Counts, Heavy, Histogram, LabelBuckets, encode, hash_values

NUMBERS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60)


@given(NUMBERS, st.none() | NUMBERS)
def test_bars_hold_every_row_on_common_edges(now: list[float], before: list[float] | None) -> None:
    drawn = bars(Histogram.of(now), None if before is None else Histogram.of(before))
    assert sum(drawn["now"]) == len(now)
    assert before is None or sum(drawn["before"]) == len(before)
    assert 1 <= len(drawn["now"]) <= BARS
    assert len(drawn["edges"]) == len(drawn["now"]) + 1
    assert np.all(np.diff(drawn["edges"]) > 0)


def test_few_whole_numbers_get_a_bar_each() -> None:
    assert bars(Histogram.of([1.0, 2.0, 2.0, 4.0]), None)["now"] == [1, 2, 0, 1]


def test_a_bell_is_drawn_as_one_where_bars_are_as_narrow_as_buckets() -> None:
    values = np.random.default_rng(3).normal(40.0, 9.0, 200_000)
    drawn = bars(Histogram.of(values), None)
    middles = (np.array(drawn["edges"][1:]) + np.array(drawn["edges"][:-1])) / 2.0
    law = np.exp(-(((middles - 40.0) / 9.0) ** 2) / 2.0)
    off = np.array(drawn["now"]) / law / (sum(drawn["now"]) / law.sum())
    assert np.abs(off[2:-2] - 1.0).max() < 0.15  # one in four was twice as high


def test_all_pictures_of_an_entity_come_from_its_sketches_alone() -> None:
    random = np.random.default_rng(7)
    predictions = random.beta(2, 5, 2000)
    labels = (random.random(2000) < predictions).astype(int)
    ids = hash_values(np.array(["a", "b", "a"], object))
    sketches = (
        encode(Counts.of_numeric([1.0, float("nan")]), "sample", "profile", "feature:x"),
        encode(Heavy.of(ids), "sample", "profile", "feature:x"),
        encode(Buckets.of(predictions), "sample", "prediction", ""),
        encode(LabelBuckets.of(predictions, labels), "train", "labels", ""),
    )
    feature, whole = pictures_of(sketches, (), "feature:x"), pictures_of(sketches, sketches, "")
    assert feature["counts"]["now"] == {"rows": 2, "missing": 1, "default": 0, "invalid": 0, "zero": 0}
    assert feature["frequent"]["now"] == [2, 1]
    assert "labels" not in feature
    assert whole["predictions"]["now"] == whole["predictions"]["before"]
    drawn = whole["labels"]
    assert sum(drawn["positive"]) + sum(drawn["negative"]) == drawn["rows"] == 2000
    false, true = (np.array(side) for side in drawn["roc"])
    assert float(np.trapezoid(true, false)) == pytest.approx(drawn["auc"], abs=2e-3)
    predicted, observed = (np.array(side) for side in drawn["calibration"])
    assert np.abs(predicted - observed).max() < 0.2  # the labels were drawn from the predictions


def test_odd_values_are_marked_and_listed_though_they_are_gone() -> None:
    kept, gone = hash_values(np.array(["a", "b"], object)).tolist()
    now = (encode(Heavy.of(np.array([kept] * 3, np.uint64)), "sample", "profile", "feature:x"),)
    before = (encode(Heavy.of(np.sort(np.array([kept, gone], np.uint64))), "sample", "profile", "feature:x"),)
    found = pictures_of(now, before, "feature:x", {gone})["frequent"]
    assert found["values"] == [f"{kept:016x}", f"{gone:016x}"]
    assert (found["now"], found["before"], found["odd"]) == ([3, 0], [1, 1], [False, True])


def test_without_both_classes_the_curves_are_empty_and_still_json() -> None:
    drawn = pictures_of((encode(LabelBuckets.of([0.2, 0.4], [0, 0]), "train", "labels", ""),), (), "")
    assert drawn["labels"]["roc"] == [[], []]
    body = answer(drawn).body
    assert isinstance(body, bytes)
    assert json.loads(body)["labels"]["auc"] is None
    assert pictures_of((), (), "") == {}


def test_curves_are_drawn_over_those_of_before_and_reliability_with_its_intervals() -> None:
    random = np.random.default_rng(11)

    def labels(rows: int, wrong: float = 1.0) -> LabelBuckets:
        p = random.beta(2, 5, rows)
        return LabelBuckets.of(np.clip(wrong * p, 0, 1), (random.random(rows) < p).astype(int))

    now, before = (encode(one, "train", "labels", "task:cvr") for one in (labels(20_000), labels(4_000, wrong=0.5)))
    drawn = pictures_of([now], [before], "task:cvr")["labels"]
    predicted, observed = (np.array(side) for side in drawn["calibration"])
    low, high = (np.array(side) for side in drawn["calibration_bounds"])
    assert np.all((low < observed) & (observed < high))
    assert np.mean((low <= predicted) & (predicted <= high)) >= 0.85  # of a calibrated model, 95 % are expected
    was = drawn["before"]
    assert (was["rows"], was["auc"]) == (4_000, pytest.approx(drawn["auc"], abs=0.03))
    outside = np.array(was["calibration"][0]) < np.array(was["calibration_bounds"][0])
    assert outside.mean() > 0.9  # half of what is right
    assert pictures_of([now], [], "task:cvr")["labels"]["before"] is None
