import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, HOUR
from streamgauge.pipelines.sample_quality.drift import changes_in_sigmas
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.summaries import Bins, hash_values, profile_categorical, profile_numeric
from tests.pipelines.reports import LONG, config, evaluate, learn, partial, report, values_of

SLOT = 3 * HOUR


def rows(rng, mean=0.0, n=1000, hot="x"):
    """One window of a worker: a numeric feature and an id."""
    numeric = profile_numeric(rng.normal(mean, 1.0, n))
    ids = profile_categorical(np.where(rng.random(n) < 0.3, hot, rng.integers(0, 5, n).astype(str)))
    return partial("a", summaries=[
        *((summary, "sample", "profile", "feature:age") for summary in numeric),
        *((summary, "sample", "profile", "feature:tail") for summary in ids),
    ])


def taught(days=4, per_day=8):
    """An evaluator that has seen some normal days."""
    rng = np.random.default_rng(1)
    evaluator = Evaluator(config())
    for i in range(days * per_day):
        learn(evaluator, evaluator.evaluate(report(rows(rng), start=i * SLOT)))
    return evaluator, rng


def long_window(part, day):
    return report(part, window=LONG, start=day * DAY, end=(day + 1) * DAY)


def test_psi_is_unknown_without_a_reference():
    found = evaluate(rows(np.random.default_rng(0)), window=LONG, end=DAY)
    assert not [key for key in found if key[2] in ("psi", "js_distance")]


def test_psi_without_drift_stays_below_its_floor_and_with_drift_far_above():
    evaluator, rng = taught()
    learn(evaluator, evaluator.evaluate(report(rows(rng), start=4 * DAY)))  # the next day has begun
    same = evaluator.evaluate(long_window(rows(rng), 4))
    moved = evaluator.evaluate(long_window(rows(rng, mean=1.0, hot="y"), 4))
    for entity in ("feature:age", "feature:tail"):
        floor = values_of(same, "floor")["a", entity, "psi"]
        assert values_of(same)["a", entity, "psi"] < floor < 0.1
        assert values_of(moved)["a", entity, "psi"] > 0.5
        assert values_of(moved)["", entity, "js_distance"] > values_of(same)["", entity, "js_distance"]


def test_a_year_has_the_quantiles_and_the_drift_of_its_years():
    rng, profiles = np.random.default_rng(7), Profiles({"year": "numeric"}, b"")

    def years(middle, n=1000):
        values = rng.normal(middle, 5.0, n).round()
        found = profiles.build("year")(values)
        return values, partial("a", summaries=[(s, "sample", "profile", "feature:year") for s in found])

    evaluator = Evaluator(config())
    for i in range(33):  # the next day has begun
        learn(evaluator, evaluator.evaluate(report(years(2010.0)[1], start=i * SLOT)))
    values, same = years(2010.0)
    moved = values_of(evaluator.evaluate(long_window(years(2014.5)[1], 4)))
    same = evaluator.evaluate(long_window(same, 4))
    floor = values_of(same, "floor")["a", "feature:year", "psi"]
    assert values_of(same)["a", "feature:year", "psi"] < floor < 0.1
    assert moved["a", "feature:year", "psi"] == pytest.approx(0.81, abs=0.15)
    for metric, q in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        right = np.quantile(values, q, method="inverted_cdf")
        assert abs(values_of(same)["", "feature:year", metric] - right) < 0.5


def test_reference_holds_only_days_before_the_window():
    evaluator, rng = taught(days=3)
    learn(evaluator, evaluator.evaluate(report(rows(rng), start=3 * DAY)))
    assert ("a", "feature:age", "psi") not in values_of(evaluator.evaluate(long_window(rows(rng), 0)))
    assert ("a", "feature:age", "psi") in values_of(evaluator.evaluate(long_window(rows(rng), 1)))


def test_windows_that_were_not_normal_do_not_enter_the_reference():
    evaluator, rng = taught()
    for i in range(8):  # a day of drift, judged abnormal
        learn(evaluator, evaluator.evaluate(report(rows(rng, mean=3.0), start=4 * DAY + i * SLOT)), "missing_rate")
    learn(evaluator, evaluator.evaluate(report(rows(rng), start=5 * DAY)))
    found = evaluator.evaluate(long_window(rows(rng), 5))
    assert values_of(found)["a", "feature:age", "psi"] < values_of(found, "floor")["a", "feature:age", "psi"]


def test_the_reference_of_one_feature_does_not_wait_for_another_that_is_ill():
    evaluator, rng = taught()
    for i in range(8):
        evaluated = evaluator.evaluate(report(rows(rng, mean=3.0), start=4 * DAY + i * SLOT))
        evaluator.learn(evaluated, np.array([key.entity != "feature:tail" for key in evaluated.keys]))
    learn(evaluator, evaluator.evaluate(report(rows(rng), start=5 * DAY)))
    view = evaluator.evaluate(long_window(rows(rng), 5)).view
    kinds = {type(s): s for s in (view.views["a"].reference(k, "sample", "profile", e) for k, e in kinds_of())}
    totals = {kind.__name__: summary.total for kind, summary in kinds.items()}
    assert totals == {"Histogram": 40_000, "Heavy": 32_000}


def kinds_of():
    from streamgauge.tracer.summaries import Heavy, Histogram

    return (Histogram, "feature:age"), (Heavy, "feature:tail")


def test_change_rate_is_known_after_four_days_and_tells_a_moved_mean():
    evaluator, rng = taught(days=5)
    learn(evaluator, evaluator.evaluate(report(rows(rng), start=5 * DAY)))
    same = values_of(evaluator.evaluate(long_window(rows(rng), 5)))
    moved = values_of(evaluator.evaluate(long_window(rows(rng, mean=2.0), 5)))
    assert abs(same["a", "feature:age", "change_rate"]) < 5.0
    assert moved["a", "feature:age", "change_rate"] > 15.0
    early, rng = taught(days=3)
    assert np.isnan(values_of(early.evaluate(long_window(rows(rng), 3)))["a", "feature:age", "change_rate"])


def test_change_rate_divides_by_spread_and_sampling_error():
    days = np.array([1.0, 2.0, 3.0, 4.0, 5.0] * 5)  # median 3, MAD 1, 25 days: believed as it is
    (sigma,) = changes_in_sigmas(np.array([7.0]), np.array([2.0]), days[:, None])
    assert sigma == pytest.approx((7 - 3) / (1.4826**2 + 2.0**2) ** 0.5)


def test_change_rate_of_a_short_history_is_shrunk_towards_its_own_differences():
    days = np.array([1.0, 1.0, 1.0, 1.0, 9.0])  # MAD 0, but the series does move
    (sigma,) = changes_in_sigmas(np.array([9.0]), np.array([0.0]), days[:, None])
    own = 8.0**2 / (2 * 4)
    assert sigma == pytest.approx(8 / (20 * own / 25) ** 0.5)


def test_iv_of_an_informative_feature_exceeds_its_floor_and_of_shuffled_labels_does_not():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 8, 4000)
    informed = rng.random(4000) < 0.05 + 0.05 * values
    shuffled = rng.permutation(informed)
    evaluated = Evaluator(config()).evaluate(report(partial("a", summaries=[
        (Bins.of_ids(hash_values(values), informed), "train", "bins", "feature:good"),
        (Bins.of_ids(hash_values(values), shuffled), "train", "bins", "feature:noise"),
    ]), window=LONG, end=DAY))
    value, floor, evidence = (values_of(evaluated, name) for name in ("value", "floor", "rows"))
    assert value["", "feature:good", "iv"] > 3 * floor["", "feature:good", "iv"]
    assert value["", "feature:noise", "iv"] < floor["", "feature:noise", "iv"]
    assert evidence["", "feature:good", "iv"] == informed.sum()
    assert value["", "feature:good", "iv_seed"] < value["", "feature:good", "iv"]
