import math

import numpy as np
import pytest

from streamgauge.pipelines.experiments.ab import judge
from streamgauge.pipelines.experiments.difference import difference, sides_of
from streamgauge.pipelines.statistics.holm import holm
from streamgauge.tracer.summaries import Errors, LabelBuckets

WINDOWS, ROWS = 24, 300


def rows(seed, windows=WINDOWS, noise=0.0, wrong=1.0, level=0.0):
    """Labelled rows of each window: hours of more and fewer clicks, a model with noise of its own on the logit."""
    random, found = np.random.default_rng(seed), []
    for window in range(windows):
        count = ROWS + 40 * (window % 5)
        logit = random.normal(-1.0 + 0.6 * math.sin(window) + level, 1.0, count)
        y = (random.random(count) < 1.0 / (1.0 + np.exp(-logit))).astype(float)
        p = 1.0 / (1.0 + np.exp(-(logit + noise * random.normal(size=count))))
        found.append((np.minimum(wrong * p, 1.0), y))
    return found


def buckets(found):
    return [LabelBuckets.of(p, y) for p, y in found]


def told(judged, metric):
    return next(row for row in judged["rows"] if row["metric"] == metric)


def test_two_halves_of_one_traffic_differ_as_often_as_the_level_says():
    false = covered = 0
    for seed in range(40):
        judged = judge(buckets(rows(2 * seed, windows=12)), buckets(rows(2 * seed + 1, windows=12)))
        false += any(row["verdict"] in ("better", "worse") for row in judged["rows"])
        auc = told(judged, "auc")
        covered += auc["low"] <= 0.0 <= auc["high"]
        assert judged["fair"], judged["reason"]
    assert false <= 6  # 40 times 5 % is 2; more than 6 in one of 300 such runs
    assert covered >= 33  # of 38 expected


def test_a_worse_model_is_told_and_a_shadow_on_the_same_rows_needs_fewer_of_them():
    mine = rows(1)
    random = np.random.default_rng(9)
    shadow = [(1.0 / (1.0 + np.exp(-(np.log(p / (1 - p)) + 0.5 * random.normal(size=len(p))))), y) for p, y in mine]
    same, split = judge(buckets(mine), buckets(shadow)), judge(buckets(mine), buckets(rows(2, noise=0.5)))
    assert told(same, "auc")["verdict"] == "worse"
    assert told(same, "normalized_entropy")["verdict"] == "worse"
    width = [told(judged, "auc")["high"] - told(judged, "auc")["low"] for judged in (same, split)]
    assert width[0] < 0.6 * width[1]


def test_an_identical_job_has_no_difference_at_all():
    mine = buckets(rows(3))
    judged = judge(mine, mine)
    assert {row["value"] for row in judged["rows"]} == {0.0}
    assert {row["verdict"] for row in judged["rows"]} == {"no difference seen"}


def test_jobs_that_saw_other_rows_are_not_compared():
    mine = buckets(rows(4))
    richer = judge(mine, buckets(rows(5, level=0.5)))
    assert not richer["fair"]
    assert "labels differ" in richer["reason"]
    fewer = judge(mine, [LabelBuckets.of(p[:100], y[:100]) for p, y in rows(5)])
    assert "of the labelled rows" in fewer["reason"]
    assert {row["verdict"] for row in fewer["rows"]} == {"no difference seen"}
    asked = judge(mine, [LabelBuckets.of(p[: len(p) // 4], y[: len(p) // 4]) for p, y in rows(5)], share=0.2)
    assert asked["fair"], asked["reason"]


def test_few_windows_say_what_is_seen_and_no_interval():
    judged = judge(buckets(rows(6, windows=7)), buckets(rows(7, windows=7)))
    row = told(judged, "auc")
    assert row["low"] is None
    assert (row["verdict"], row["groups"]) == ("unknown", 7)
    assert row["first"] == pytest.approx(0.73, abs=0.05)


def test_jobs_that_predict_numbers_are_compared_by_their_errors():
    random = np.random.default_rng(8)

    def errors(noise):
        y = [random.normal(size=300) for _ in range(20)]
        return [Errors.of(one + noise * random.normal(size=300), one) for one in y]

    judged = judge(errors(0.5), errors(0.8))
    assert {row["metric"]: row["verdict"] for row in judged["rows"]}["rmse"] == "worse"
    assert told(judged, "rmse")["first"] == pytest.approx(0.5, rel=0.05)


def test_the_error_of_a_mean_is_the_textbook_one():
    random = np.random.default_rng(10)
    a, b = random.normal(size=30), random.normal(size=30)
    sides = sides_of([[x] for x in a], [[x] for x in b], lambda parts: [x for part in parts for x in part], len)
    found = difference(sides, lambda part: float(np.mean(part)))
    paired = b - a
    half = 2.0452 * paired.std(ddof=1) / math.sqrt(30)
    assert (found.low, found.high) == pytest.approx((paired.mean() - half, paired.mean() + half), rel=1e-3)


def test_holms_procedure_stops_at_the_first_that_may_be_chance():
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([0.03, 0.03, 0.03]) == [False, False, False]
