"""One bad argument costs itself only: the others count, it is told by its name and reason, and nothing trips."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pytest

from streamgauge.tracer.features import Feature
from streamgauge.tracer.selection import Select
from streamgauge.tracer.summaries import hash_values
from streamgauge.tracer.tracer import Labels, Tensor
from tests.tracer.streams import Sent

GOOD = {"age": [1.0, 2.0, 3.0], "city": ["a", "b", None]}
NOW = 1_767_225_600.0  # 2026-01-01


@pytest.mark.parametrize(
    ("features", "what", "reason"),
    [
        ({"x": np.zeros(3, complex)}, "feature:x", "complex"),
        ({"x": [1, 2]}, "feature:x", "2 values for 3 rows"),
        ({"x": (n for n in range(3))}, "feature:x", "used up"),
        ({"x": {"a": 1}}, "feature:x", "mapping"),
        ({"x": np.zeros(3, [("a", int)])}, "feature:x", "structured"),
    ],
)
def test_a_bad_column_costs_itself_only(features: dict[str, Any], what: str, reason: str) -> None:
    job = Sent()
    for _ in range(30):  # more than trip the breaker
        job.tracer.observe({**features, **GOOD}, ids=[1, 2, 3], predictions=[0.1, 0.2, 0.3])
    assert job.total("sample", "rows") == 90
    assert job.total("wall", "refused", what) == 30
    assert job.sketches()["sample", "profile", "feature:age", "counts"].rows == 90
    assert reason in job.refused()[what]
    assert job.tracer.counters[f"refused_{what}"] == 30
    assert not job.tracer.is_off
    assert not any(name.startswith("fault_") for name in job.tracer.counters)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"ids": [[1, 2], [3], [4]]}, "argument:ids"),
        ({"predictions": ["a", "b", "c"]}, "argument:predictions"),
        ({"predictions": np.zeros((3, 4))}, "argument:predictions"),
        ({"predictions": [0.1]}, "argument:predictions"),
        ({"time": "yesterday"}, "argument:time"),
        ({"time": [NOW * 1000] * 3}, "argument:time"),
        ({"due": [1.0, 2.0]}, "argument:due"),
        ({"written": [object()] * 3}, "argument:written"),
    ],
)
def test_a_bad_argument_costs_itself_only(given: dict[str, Any], what: str) -> None:
    job = Sent(NOW)
    job.tracer.observe(GOOD, **given)
    assert job.total("sample", "rows") == 3
    assert job.sketches()["sample", "profile", "feature:age", "counts"].rows == 3
    assert list(job.refused()) == [what]
    assert not any(name.startswith("fault_") for name in job.tracer.counters)


def test_rows_are_what_most_columns_and_the_ids_agree_on() -> None:
    job = Sent()
    job.tracer.observe({"first": [1.0], "age": [1.0, 2.0], "city": ["a", "b"]}, ids=[1, 2])
    assert job.total("sample", "rows") == 2
    assert job.refused() == {"feature:first": "1 value for 2 rows"}


def test_long_names_that_differ_at_their_end_are_features_of_their_own() -> None:
    job = Sent()
    for rows in ([1.0, 2.0], [3.0, 4.0]):  # the second time by the look-up of usual columns, if there were one
        job.tracer.observe({"n" * 300 + "x": np.array(rows), "n" * 300 + "y": np.array(rows)})
    found = {entity: s for (_, _, entity, kind), s in job.sketches().items() if kind == "counts"}
    assert {len(entity) for entity in found} == {len("feature:") + 256}
    assert [counts.rows for counts in found.values()] == [4, 4]


def test_numbers_in_the_byte_order_of_another_host_are_the_same_numbers() -> None:
    job = Sent()
    for order in "<>":
        job.tracer.observe({"age": np.array([1.0, 2.0, 3.0], f"{order}f8"), "rows": np.array([1, 2, 3], f"{order}i4")})
    for feature in ("age", "rows"):
        moments = job.sketches()["sample", "profile", f"feature:{feature}", "moments"]
        assert (moments.count, moments.mean(), moments.high) == (6, 2.0, 3.0)


def test_what_is_no_table_costs_the_features_only() -> None:
    job = Sent()
    job.tracer.observe(np.zeros((3, 2)), ids=[1, 2, 3])  # type: ignore[arg-type]
    assert job.total("sample", "rows") == 3
    assert "mapping of columns" in job.refused()["argument:features"]


def test_negative_counts_leave_their_tensor_out_and_the_record_stays() -> None:
    job = Sent()
    bad, good = Tensor(positives=[-1, 2], rows=4), Tensor(positives=[1, 2], rows=4)
    tensors = {"bad": bad, "good": good, "none": Tensor(weight=[3.0, 4.0], nonfinite=-1)}
    for _ in range(10):
        job.tracer.step(0.5, rows=4, tensors=tensors)
    assert job.sketches()["train", "units", "tensor:good", "units"].rows == 4
    assert set(job.refused()) == {"tensor:bad", "tensor:none"}
    assert job.total("train", "rows") == 40


def test_a_scalar_on_a_clock_there_is_not_trips_nothing() -> None:
    job = Sent()
    for _ in range(30):
        job.tracer.scalar("x", 1.0, clock="moon")
        job.tracer.scalar("y", "high")  # type: ignore[arg-type]
    assert not job.tracer.is_off
    assert "clock must be one of label, sample, train, wall" in job.refused()["scalar:x"]


# Times


@pytest.mark.parametrize(
    "time",
    [
        NOW - 60.0,
        [NOW - 60.0] * 2,
        datetime.datetime(2025, 12, 31, 23, 59, tzinfo=datetime.UTC),
        np.array(["2025-12-31T23:59"] * 2, "M8[m]"),
        ["2025-12-31T23:59:00Z"] * 2,
    ],
)
def test_a_late_sample_is_late_whatever_carries_its_time(time: Any) -> None:
    job = Sent(NOW, max_age=30.0)
    job.tracer.observe({"age": [1.0, 2.0]}, time=time)
    assert (job.total("sample", "late_rows"), job.total("sample", "timed_rows")) == (2, 2)


def test_milliseconds_are_told_and_a_declaration_reads_them() -> None:
    wrong, right = Sent(NOW, max_age=30.0), Sent(NOW, max_age=30.0, time_unit="ms")
    for job in (wrong, right):
        job.tracer.observe({"age": [1.0]}, time=[(NOW - 60.0) * 1000.0])
    assert "looks like milliseconds" in wrong.refused()["argument:time"]
    assert not wrong.total("sample", "timed_rows")
    assert right.total("sample", "late_rows") == 1


# Missing means missing


def test_masked_and_null_values_are_missing_in_the_profile() -> None:
    job = Sent()
    masked = np.ma.array([1, 99999, 3], mask=[False, True, False])
    job.tracer.observe({"age": masked, "price": [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]})
    found = job.sketches()
    assert found["sample", "profile", "feature:age", "counts"].missing == 1
    assert found["sample", "profile", "feature:age", "moments"].high == 3.0
    assert found["sample", "profile", "feature:price", "moments"].mean() == 2.0


def test_missing_labels_are_not_known_and_invalid_ones_are_counted() -> None:
    job = Sent()
    job.tracer.observe({}, ids=[1, 2, 3, 4], predictions=[0.5] * 4)
    for _ in range(3):  # a job that polls
        job.tracer.label([1, 2, 3, 4], [1.0, float("nan"), None, 7.0])
    assert [job.total("label", name) for name in ("labels", "positives", "settled")] == [1, 1, 1]
    assert [job.total("label", name) for name in ("missing_labels", "invalid_labels")] == [6, 3]


def test_missing_ids_are_dropped_at_the_border_and_counted() -> None:
    job = Sent()
    job.tracer.observe({"age": [1.0, 2.0, 3.0]}, ids=["a", None, ""], predictions=[0.1, 0.2, 0.3])
    job.tracer.label(["a", None], [1, 1])
    job.tracer.step(ids=["a", None, float("nan")])
    assert (job.total("sample", "rows"), job.total("sample", "repeats")) == (3, 0)
    assert [job.total(clock, "missing_ids") for clock in ("sample", "label", "train")] == [2, 1, 2]
    assert job.total("label", "labels") == 1
    assert job.sketches()["train", "sample_id", "", "ids"].rows() == 1


def test_a_masked_prediction_is_missing_and_a_nan_is_a_fact() -> None:
    job = Sent()
    job.tracer.observe({}, predictions=np.ma.array([0.5, 0.5], mask=[False, True]))
    assert not job.total("train", "nonfinite", "prediction")
    assert job.sketches()["sample", "prediction", "", "buckets"].invalid == 0
    job.tracer.observe({}, predictions=[0.5, float("nan")])
    assert job.total("train", "nonfinite", "prediction") == 1


def test_a_kind_is_never_guessed_from_nothing() -> None:
    job = Sent()
    job.tracer.observe({"city": np.array([])})
    job.tracer.observe({"city": [float("nan"), float("nan")], "town": [None, None]})
    job.tracer.observe({"city": ["a", "b"], "town": ["a", None]})
    found = job.sketches()
    for name, missing in (("city", 2), ("town", 3)):
        counts = found["sample", "profile", f"feature:{name}", "counts"]
        assert ("sample", "profile", f"feature:{name}", "heavy") in found
        assert (counts.rows, counts.missing) == (4, missing)


def test_a_declared_kind_wins_over_the_values() -> None:
    job = Sent(features=[Feature(name="hour", kind="categorical")])
    job.tracer.observe({"hour": [1.0, 2.0]})
    assert ("sample", "profile", "feature:hour", "heavy") in job.sketches()


# Domains


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        (Labels(scale="sign"), [-1, 1, 1]),
        (Labels(scale="count"), [0, 3, 1]),
        (Labels(scale="count", positive=2.0), [1, 3, 2]),
        (Labels(positive=4.0), [1.0, 4.0, 4.0]),
        (Labels(positive="click"), ["skip", "click", "click"]),
        (Labels(), [False, True, True]),
        (Labels(), np.ma.array([0, 1, 1])),
    ],
)
def test_every_metric_has_the_same_positives(rule: Labels, labels: Any) -> None:
    job = Sent(labels=rule)
    job.tracer.observe({"age": [1.0, 2.0, 3.0]}, ids=[1, 2, 3], predictions=[0.1, 0.2, 0.3])
    job.tracer.label([1, 2, 3], labels)
    job.tracer.step(ids=[1, 2, 3])
    found = job.sketches()
    assert (job.total("label", "labels"), job.total("label", "positives")) == (3, 2)
    assert found["train", "labels", "", "label_buckets"].positive_rows == 2
    assert int(found["train", "bins", "feature:age", "bins"].positives.sum()) == 2


def test_soft_labels_weigh_on_both_sides() -> None:
    job = Sent(labels=Labels(scale="soft"))
    job.tracer.step(labels=[0.25, 1.0], predictions=[0.5, 0.5], features={})
    pairs = job.sketches()["train", "labels", "", "label_buckets"]
    assert (pairs.rows, float(pairs.weight_positive.sum()), float(pairs.weight_negative.sum())) == (2, 1.25, 0.75)
    assert pairs.log_loss == pytest.approx(2 * np.log(2.0))


def test_logits_that_are_declared_are_probabilities() -> None:
    logits = np.array([-3.0, 0.0, 40.0, -800.0])
    job = Sent(predictions="logit")
    job.tracer.observe({}, predictions=logits)
    buckets = job.sketches()["sample", "prediction", "", "buckets"]
    assert (buckets.rows, buckets.invalid) == (4, 0)
    assert buckets.sum_p == pytest.approx(1.0 / (1.0 + np.exp(3.0)) + 1.5)


def test_rounding_is_clipped_and_counted_and_what_lies_beyond_is_invalid() -> None:
    job = Sent()
    job.tracer.observe({}, predictions=[0.5, 1.0000001, -1e-9, 1.5, -2.0])
    buckets = job.sketches()["sample", "prediction", "", "buckets"]
    assert (buckets.rows, buckets.invalid) == (3, 2)
    assert job.total("sample", "clipped_predictions") == 2


def test_an_invalid_label_is_in_no_metric_and_in_the_share_of_invalid_ones() -> None:
    job = Sent()
    job.tracer.step(labels=[1, 0, 7], predictions=[0.5, 0.5, 0.5], ids=[1, 2, 3])
    pairs = job.sketches()["train", "labels", "", "label_buckets"]
    assert (pairs.rows, pairs.invalid) == (2, 1)


# Several values a row


def test_value_metrics_count_values_and_rate_metrics_count_rows() -> None:
    job = Sent()
    job.tracer.observe({"tags": [["a", "b"], ["a"], [], None], "prices": [[1.0, 3.0], [0.0], [], [float("inf")]]})
    found = job.sketches()
    tags, prices = (found["sample", "profile", f"feature:{name}", "counts"] for name in ("tags", "prices"))
    assert (tags.rows, tags.missing, tags.values) == (4, 1, 2)
    assert (prices.rows, prices.missing, prices.zero, prices.invalid) == (4, 0, 1, 1)
    assert found["sample", "profile", "feature:tags", "heavy"].top(1)[0].rows == 2
    assert found["sample", "profile", "feature:prices", "moments"].count == 3
    assert found["sample", "seq_length", "feature:tags", "moments"].mean() == 0.75
    assert found["sample", "seq_length", "feature:tags", "histogram"].counts[0] == 2  # rows with none


def test_tags_with_weights_come_as_text_or_as_pairs() -> None:
    text = Sent(features=[Feature(name="tags", kind="id", separator=",", weight="|")])
    pairs = Sent(features=[Feature(name="tags", kind="id")])
    text.tracer.observe({"tags": ["a|0.5,b|1.5", "", None]})
    pairs.tracer.observe({"tags": [[("a", 0.5), ("b", 1.5)], [], None]})
    for job in (text, pairs):
        found = job.sketches()
        assert found["sample", "profile", "feature:tags", "ids"].distinct() == 2
        assert set(found["sample", "profile", "feature:tags", "ids"].hashes) == set(hash_values(np.array(["a", "b"])))
        assert found["sample", "profile", "feature:tags.weight", "moments"].mean() == 1.0


def test_an_embedding_is_one_feature_with_its_norm() -> None:
    job = Sent()
    job.tracer.observe({"user": np.array([[3.0, 4.0], [0.0, 0.0]])})
    found = job.sketches()
    assert found["sample", "profile", "feature:user", "counts"].rows == 2
    assert found["sample", "profile", "feature:user", "moments"].high == 5.0


def test_a_feature_that_changes_between_one_and_several_values_counts_both() -> None:
    job = Sent()
    job.tracer.observe({"tags": ["a", None]})
    job.tracer.observe({"tags": [["a", "b"], []]})
    counts = job.sketches()["sample", "profile", "feature:tags", "counts"]
    assert (counts.rows, counts.missing) == (4, 1)


# What is said


def test_what_looks_wrong_is_said_in_words() -> None:
    job = Sent(features=[Feature(name="age", kind="numeric")])
    rng = np.random.default_rng(0)
    ids = np.arange(200)
    job.tracer.observe({"age": rng.normal(size=200), "agee": ids, "void": [None] * 200}, ids=ids,
                       predictions=rng.normal(0.0, 2.0, 200))  # fmt: skip
    job.tracer.label([str(number) for number in ids], np.where(ids % 2, 1, -1))
    job.tracer.label([str(number) for number in ids], ids % 2)
    job.tracer.beat()
    assert job.tracer.flush()
    status = job.log.latest("status")["ctr/w"].decode()
    job.tracer.close()
    said = job.log.latest("status")["ctr/w"].decode()  # of a short job nobody has asked before its end
    for text in ("look like logits", "agee is not among the declared", "void had no value", "scale=", "text in label"):
        assert text in status and text in said


def test_labels_of_samples_that_another_worker_saw_are_told_with_the_remedy() -> None:
    job = Sent()
    job.tracer.label(np.arange(200), np.arange(200) % 2)
    job.tracer.beat()
    assert job.tracer.flush()
    assert "declare Labels(across=64)" in job.log.latest("status")["ctr/w"].decode()
    job.tracer.observe({}, ids=np.arange(200, 210))  # those of a restart came first
    job.tracer.label(np.arange(200, 210), np.zeros(10))
    job.tracer.beat()
    assert job.tracer.flush()
    assert "across" not in job.log.latest("status")["ctr/w"].decode()


def test_the_join_says_how_full_it_is_before_it_goes_on_with_a_sample() -> None:
    job = Sent(labels=Labels(capacity=100))
    job.tracer.observe({"age": np.arange(95.0)}, ids=np.arange(95))
    full = {fact: text for batch in job.batches() for (fact, _, _), text in zip(batch.hard, batch.texts, strict=True)}
    assert "95 samples wait for labels, Labels.capacity is 100" in full["join_full"]
    job.tracer.observe({"age": np.arange(60.0)}, ids=np.arange(95, 155))
    said = {fact: text for batch in job.batches() for (fact, _, _), text in zip(batch.hard, batch.texts, strict=True)}
    assert "one id in 2 is joined" in said["join_sampled"]
    assert job.total("label", "join_modulus") == 2
    assert job.total("label", "overflow") > 0


def test_a_gradient_that_overflowed_under_a_loss_scale_is_a_skipped_update_and_no_fact() -> None:
    job = Sent(select=[Select(collection=part, every=1) for part in ("weights", "gradients")])
    weight, bad = np.ones(3), np.array([np.inf, np.nan, 1.0], np.float16)
    job.tracer.step(0.5, tensors={"w": Tensor(weight=weight, gradient=np.ones(3, np.float16))})
    job.tracer.step(0.5, tensors={"w": Tensor(weight=weight, gradient=bad), "v": Tensor(nonfinite=2)}, skipped=True)
    assert job.total("train", "skipped_updates") == 1
    assert not job.total("train", "nonfinite", "tensor:w")
    assert not job.total("train", "nonfinite", "tensor:v")
    job.tracer.step(0.5, tensors={"w": Tensor(weight=bad, gradient=bad)}, skipped=True)  # a weight stays what it is
    assert job.total("train", "nonfinite", "tensor:w") == 2
    job.tracer.step(0.5, tensors={"w": Tensor(weight=weight, gradient=bad)})
    assert job.total("train", "nonfinite", "tensor:w") == 4
