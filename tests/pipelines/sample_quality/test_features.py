import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.summaries import profile_categorical, profile_numeric
from tests.pipelines.reports import LONG, config, evaluate, feature, learn, partial, report, totals, values_of

NAN = float("nan")


def numeric(name, values, **declared):
    profile = profile_numeric(values, **declared)
    return [(summary, "sample", "profile", f"feature:{name}") for summary in profile]


def categorical(name, values, **declared):
    profile = profile_categorical(values, **declared)
    return [(summary, "sample", "profile", f"feature:{name}") for summary in profile]


def short(worker, *summaries):
    return partial(worker, summaries=[one for group in summaries for one in group])


LEAST = config(minimum={"missing_rate": 1, "zero_rate": 1, "invalid_rate": 1, "default_rate": 1})
NAMES = ("mean", "std", "min", "max", "p50", "cv", "distinct", "top_share", "dispersion")
ALL = config(minimum=dict.fromkeys(NAMES, 1))


def test_missing_rate_of_the_job_merges_the_parts_and_divides_once():
    found = evaluate(
        short("a", numeric("age", [1.0, NAN])), short("b", numeric("age", [NAN] * 6 + [2.0] * 2)), config=LEAST
    )
    assert found["a", "feature:age", "missing_rate"] == 0.5
    assert found["b", "feature:age", "missing_rate"] == 0.75
    assert found["", "feature:age", "missing_rate"] == 0.7  # not the mean, 0.625


def test_missing_rate_carries_its_rows_and_the_error_of_a_smoothed_proportion():
    evaluated = Evaluator(LEAST).evaluate(report(short("a", numeric("age", [NAN] * 3 + [1.0] * 7))))
    p = (3 + 1) / (10 + 2)
    assert values_of(evaluated, "rows")["a", "feature:age", "missing_rate"] == 10.0
    assert values_of(evaluated, "error")["a", "feature:age", "missing_rate"] == pytest.approx((p * (1 - p) / 10) ** 0.5)


def test_a_window_below_the_least_evidence_is_unknown_and_keeps_its_rows():
    evaluated = Evaluator(config()).evaluate(report(short("a", numeric("age", [NAN] * 49))))
    assert np.isnan(values_of(evaluated)["a", "feature:age", "missing_rate"])
    assert values_of(evaluated, "rows")["a", "feature:age", "missing_rate"] == 49.0


def test_a_window_with_the_least_evidence_is_known():
    found = evaluate(short("a", numeric("age", [NAN] * 50)))
    assert found["a", "feature:age", "missing_rate"] == 1.0


def test_the_least_evidence_of_the_config_overrides_the_catalogue():
    found = evaluate(short("a", numeric("age", [NAN] * 10)), config=config(minimum={"missing_rate": 10}))
    assert found["a", "feature:age", "missing_rate"] == 1.0


def test_invalid_rate_is_of_the_present_rows():
    found = evaluate(short("a", numeric("age", [NAN, -1.0, 5.0, 7.0, float("inf")], low=0.0)), config=LEAST)
    assert found["a", "feature:age", "invalid_rate"] == 0.5


def test_zero_rate_is_of_the_present_rows_of_numeric_features_only():
    found = evaluate(short("a", numeric("age", [0.0, 0.0, 1.0, NAN]), categorical("city", ["x", "y"])), config=LEAST)
    assert found["a", "feature:age", "zero_rate"] == pytest.approx(2 / 3)
    assert ("a", "feature:city", "zero_rate") not in found


def test_default_rate_exists_only_where_a_default_is_declared():
    declared = config(features=(feature("age", default=-1.0),), minimum={"default_rate": 1})
    found = evaluate(
        short("a", numeric("age", [-1.0, -1.0, 3.0, 4.0], default=-1.0), numeric("size", [0.0, 1.0])), config=declared
    )
    assert found["a", "feature:age", "default_rate"] == 0.5
    assert ("a", "feature:size", "default_rate") not in found


def test_a_dead_feature_among_forty_shows():
    alive = [numeric(f"n{i:02}", np.arange(60.0)) for i in range(39)]
    found = evaluate(short("a", *alive, numeric("dead", [NAN] * 60)))
    missing = {entity: x for (worker, entity, metric), x in found.items() if metric == "missing_rate" and not worker}
    assert [entity for entity, value in missing.items() if value > 0.0] == ["feature:dead"]
    assert missing["feature:dead"] == 1.0
    assert len(missing) == 40


def test_moments_of_the_job_are_those_of_all_rows():
    first, second = np.arange(40.0), np.arange(100.0, 130.0)
    found = evaluate(
        short("a", numeric("age", first)), short("b", numeric("age", second, shift=100.0)), window=LONG, config=ALL
    )
    everything = np.concatenate([first, second])
    assert found["", "feature:age", "mean"] == pytest.approx(everything.mean())
    assert found["", "feature:age", "std"] == pytest.approx(everything.std(ddof=1))
    assert [found["", "feature:age", "min"], found["", "feature:age", "max"]] == [0.0, 129.0]
    median = np.quantile(everything, 0.5, method="inverted_cdf")
    assert found["", "feature:age", "p50"] == pytest.approx(median, rel=0.016)


def test_cv_is_left_out_where_values_are_not_all_positive():
    found = evaluate(short("a", numeric("age", [1.0, 3.0]), numeric("debt", [-1.0, 3.0])), window=LONG, config=ALL)
    assert found["", "feature:age", "cv"] == pytest.approx(2**0.5 / 2)
    assert ("", "feature:debt", "cv") not in found


def test_distinct_values_are_counted_over_workers_without_counting_twice():
    found = evaluate(
        short("a", categorical("city", [f"c{i}" for i in range(300)])),
        short("b", categorical("city", [f"c{i}" for i in range(200, 500)])), window=LONG, config=ALL,
    )
    assert found["", "feature:city", "distinct"] == pytest.approx(500, rel=0.05)


def test_top_share_and_dispersion_tell_one_value_from_many():
    found = evaluate(
        short("a", categorical("same", ["x"] * 100), categorical("even", list("abcd") * 25)), window=LONG, config=ALL
    )
    assert [found["a", "feature:same", "top_share"], found["a", "feature:even", "top_share"]] == [1.0, 0.25]
    assert found["a", "feature:same", "dispersion"] == 0.0
    assert found["a", "feature:even", "dispersion"] == pytest.approx(1.0)


def seen(worker, rows, *groups):
    """A worker that saw so many rows, some of them with features."""
    summaries = [one for group in groups for one in group]
    return partial(worker, totals("sample", rows=rows), summaries)


def test_rows_that_came_without_the_feature_are_rows_where_it_is_missing():
    found = evaluate(seen("a", 100, numeric("age", [1.0] * 60 + [NAN] * 20)), config=LEAST)
    assert found["a", "feature:age", "missing_rate"] == 0.4


def test_a_declared_feature_that_is_gone_at_one_worker_is_missing_there_and_in_half_of_the_job():
    declared = config(features=(feature("age"),))
    found = evaluate(seen("a", 100, numeric("age", [1.0] * 100)), seen("b", 100), config=declared)
    rates = {worker: found[worker, "feature:age", "missing_rate"] for worker in ("a", "b", "")}
    assert rates == {"a": 0.0, "b": 1.0, "": 0.5}


def test_a_declared_feature_that_nobody_sends_is_missing_in_every_row():
    evaluated = Evaluator(config(features=(feature("age"),))).evaluate(report(seen("a", 100)))
    assert values_of(evaluated)["", "feature:age", "missing_rate"] == 1.0
    assert values_of(evaluated, "rows")["", "feature:age", "missing_rate"] == 100.0


def test_an_undeclared_feature_that_was_known_for_days_is_missing_when_it_is_no_longer_sent():
    evaluator = Evaluator(config())
    for day in range(3):
        learn(evaluator, evaluator.evaluate(report(seen("a", 100, numeric("age", [1.0] * 100)), start=day * DAY)))
    found = values_of(evaluator.evaluate(report(seen("a", 100), start=3 * DAY)))
    assert found["a", "feature:age", "missing_rate"] == found["", "feature:age", "missing_rate"] == 1.0


def test_a_worker_that_sees_no_rows_misses_no_feature():
    found = evaluate(partial("ps", totals("wall", rows_seen=0)), config=config(features=(feature("age"),)))
    assert ("ps", "feature:age", "missing_rate") not in found


@pytest.mark.parametrize("values", [[2013.0] * 500, [1.0] * 300 + [1.0001] * 200, [-7.03] * 500])
def test_a_quantile_never_lies_outside_the_smallest_and_largest_value(values):
    found = evaluate(short("a", numeric("year", values)), window=LONG, end=DAY)
    for quantile in ("p05", "p50", "p95"):
        assert min(values) <= found["", "feature:year", quantile] <= max(values)
