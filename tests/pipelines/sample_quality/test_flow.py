import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, HOUR
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.summaries import Histogram, Ids, hash_values, profile_categorical, profile_ids
from tests.pipelines.reports import config, evaluate, learn, partial, report, totals, values_of

SLOT = 3 * HOUR


def trained(worker, numbers):
    return partial(worker, summaries=[(Ids.of(hash_values(np.array(numbers))), "train", "sample_id", "")])


def seen(worker, numbers):
    values = np.array(numbers)
    return partial(worker, summaries=[
        (profile_ids(values), "sample", "profile", "feature:tail"),
        *((summary, "sample", "profile", "feature:tail") for summary in profile_categorical(values)),
    ])


def test_volume_is_rows_by_second_with_its_poisson_error():
    evaluated = Evaluator(config()).evaluate(report(partial("a", totals("sample", rows=400)), end=1000.0))
    assert values_of(evaluated)["a", "", "volume"] == 0.4
    assert values_of(evaluated, "error")["a", "", "volume"] == 0.02


def test_volume_of_a_worker_that_gets_nothing_is_zero_and_not_missing():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(partial("a", totals("sample", rows=400)))))
    night = values_of(evaluator.evaluate(report(start=SLOT)))
    assert night["a", "", "volume"] == 0.0
    assert night["", "", "volume"] == 0.0


def test_late_rate_is_late_rows_of_rows():
    found = evaluate(partial("a", totals("sample", rows=200, late_rows=50)))
    assert found["a", "", "late_rate"] == 0.25


def test_duplicates_within_a_window_count():
    assert evaluate(trained("a", [*range(20), *range(10)]))["a", "", "duplicate_rate"] == pytest.approx(1 / 3)


def test_an_id_at_two_workers_is_a_duplicate_of_the_job_only():
    found = evaluate(trained("a", range(20)), trained("b", range(10, 30)))
    assert found["a", "", "duplicate_rate"] == 0.0
    assert found["", "", "duplicate_rate"] == 0.25


def test_an_id_that_comes_back_within_the_horizon_is_a_duplicate():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(trained("a", range(20)))))
    again = evaluator.evaluate(report(trained("a", range(10, 30)), start=SLOT))
    assert values_of(again)["a", "", "duplicate_rate"] == 0.5


def test_an_id_that_comes_back_after_the_horizon_is_none():
    evaluator = Evaluator(config(duplicate_horizon=DAY))
    learn(evaluator, evaluator.evaluate(report(trained("a", range(20)))))
    again = evaluator.evaluate(report(trained("a", range(10, 30)), start=2 * DAY))
    assert values_of(again)["a", "", "duplicate_rate"] == 0.0


def test_ids_are_remembered_even_of_a_window_that_was_not_normal():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(trained("a", range(20)))), "duplicate_rate")
    again = evaluator.evaluate(report(trained("a", range(20)), start=SLOT))
    assert values_of(again)["a", "", "duplicate_rate"] == 1.0


def test_a_revision_does_not_see_its_own_first_close_as_duplicates():
    evaluator = Evaluator(config())
    learn(evaluator, evaluator.evaluate(report(trained("a", range(20)))))
    revised = evaluator.evaluate(report(trained("a", range(25)), revision=1))
    assert values_of(revised)["a", "", "duplicate_rate"] == 0.0


def test_new_ids_are_unknown_until_a_week_lies_behind_and_then_counted_in_rows():
    evaluator = Evaluator(config(minimum={"new_id_rate": 1}))
    for i in range(7 * 8):
        evaluated = evaluator.evaluate(report(seen("a", range(10)), start=i * SLOT))
        assert ("a", "feature:tail", "new_id_rate") not in values_of(evaluated)
        learn(evaluator, evaluated)
    found = values_of(evaluator.evaluate(report(seen("a", [*range(10), 77, 77, 77, 88]), start=7 * DAY)))
    assert found["a", "feature:tail", "new_id_rate"] == pytest.approx(4 / 14)
    assert found["", "feature:tail", "new_id_rate"] == pytest.approx(4 / 14)


@pytest.mark.parametrize(
    ("metric", "clock", "name"),
    [
        ("label_delay", "label", "label_delay"), ("produce_delay", "sample", "produce_delay"),
        ("queue_delay", "train", "queue_delay"),
    ],
)
def test_delays_are_quantiles_of_the_merged_histogram(metric, clock, name):
    fast, slow = Histogram.of([10.0] * 90), Histogram.of([1000.0] * 60)
    found = evaluate(
        partial("a", summaries=[(fast, clock, name, "")]), partial("b", summaries=[(slow, clock, name, "")])
    )
    assert found["", "", f"{metric}_p50"] == pytest.approx(10.0, rel=0.02)
    assert found["", "", f"{metric}_p95"] == pytest.approx(1000.0, rel=0.02)
    assert found["b", "", f"{metric}_p50"] == pytest.approx(1000.0, rel=0.02)


def test_label_delays_of_positives_and_negatives_are_series_of_their_own():
    both = [(Histogram.of([x] * 60), "label", "label_delay", entity) for entity, x in
            (("", 20.0), ("label:positive", 30.0), ("label:negative", 10.0))]
    found = evaluate(partial("a", summaries=both))
    assert found["a", "label:positive", "label_delay_p50"] == pytest.approx(30.0, rel=0.02)
    assert found["a", "label:negative", "label_delay_p50"] == pytest.approx(10.0, rel=0.02)


def test_a_delay_carries_its_slo_as_its_scale():
    part = partial("a", summaries=[(Histogram.of([30.0] * 60), "train", "queue_delay", "")])
    evaluated = Evaluator(config(slo={"queue_delay": 15.0})).evaluate(report(part))
    assert values_of(evaluated, "floor")["a", "", "queue_delay_p95"] == 15.0
