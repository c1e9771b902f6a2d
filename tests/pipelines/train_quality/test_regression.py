import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, Labels, Task
from streamgauge.pipelines.scoring import losses
from streamgauge.pipelines.statistics import regression
from streamgauge.pipelines.train_quality.rules import RULES
from streamgauge.tracer.labels import Labels as Declared
from streamgauge.tracer.summaries import Errors
from streamgauge.tracer.tasks import Head
from streamgauge.tracer.tasks import Task as OfTracer
from tests.pipelines.reports import LONG, SHORT, config, evaluate, partial
from tests.tracer.streams import LABELS, Sent

NUMBERS = Labels(scale="number")


def watched(scale=1.0, level=0.0, rows=4000, seed=1):
    """Predictions, labels and weights: seconds watched, half of their spread explained."""
    random = np.random.default_rng(seed)
    signal, w = random.normal(size=rows), random.choice([0.5, 1.0, 4.0], rows)
    y = signal + random.normal(size=rows)
    return level + scale * (signal + 0.1), level + scale * y, w


@pytest.mark.parametrize("name", ["mse", "rmse", "mae", "bias", "relative_bias"])
def test_published_errors_are_the_spread_over_samples(name):
    estimate = getattr(regression, name)
    found = [estimate(Errors.of(*watched(rows=500, seed=seed))) for seed in range(300)]
    told, seen = np.mean([one.error for one in found]), np.std([one.value for one in found])
    assert told == pytest.approx(seen, rel=0.2)


def test_labels_that_are_all_one_have_no_relative_error():
    found = Errors.of([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert np.isnan(regression.relative_mse(found).value)
    assert regression.mse(found).value == pytest.approx(2.0 / 3.0)


def test_unusable_rows_are_counted_and_many_of_them_make_it_unknown():
    p, y, _ = watched()
    bad = np.where(np.arange(len(p)) < 0.02 * len(p), np.inf, p)
    found = evaluate(
        partial("a", summaries=[(Errors.of(bad, y), "train", "labels", "")]), window=LONG, end=DAY,
        config=config(labels=NUMBERS),
    )  # fmt: skip
    assert Errors.of(bad, y).invalid == 80
    assert np.isnan(found["", "", "mse"])


def sent() -> tuple[Sent, np.ndarray, np.ndarray]:
    """A job that predicts seconds, and as a task the ninth decile of them."""
    p, y, _ = watched(rows=600)
    labels = Declared(scale="number", margin=20.0, horizon=30.0, timeout=40.0)
    high = Declared(scale="number", quantile=0.9, margin=20.0, horizon=30.0, timeout=40.0)
    sent = Sent(labels=labels, tasks=[OfTracer(name="p90", labels=high)])
    ids = np.arange(600)
    sent.tracer.observe({"age": p}, ids=ids, predictions=p, tasks={"p90": Head(predictions=p + 1.28)})
    sent.now = 5.0
    sent.tracer.label(ids, y)
    sent.tracer.label(ids[:1], y[:1] + 1.0)  # a flip
    sent.tracer.label(ids[:1], y[:1])
    sent.tracer.label(ids, y, task="p90")
    sent.tracer.step(ids=ids, tasks={"p90": Head()})
    return sent, p, y


def test_a_job_that_predicts_numbers_has_its_errors_and_no_classes():
    told, p, y = sent()
    sketches = [(one, *key[:3]) for key, one in told.sketches().items()]
    points = {tuple(name): [(value, 1.0)] for name, value in told.totals().items()}
    job = config(labels=NUMBERS, tasks=(Task(name="p90", labels=Labels(scale="number", quantile=0.9)),))
    found = {}
    for window in (SHORT, LONG):
        found |= evaluate(partial("a", points, sketches), window=window, end=DAY, config=job)
    assert found["", "", "mse"] == pytest.approx(np.mean((p - y) ** 2))
    assert found["", "", "label_number"] == pytest.approx(y.mean())
    assert found["", "", "prediction_number"] == pytest.approx(p.mean())
    assert found["", "", "label_flip_rate"] == pytest.approx(2 / 602)
    e = y - p - 1.28
    assert found["", "task:p90", "coverage_gap"] == pytest.approx(np.mean(y <= p + 1.28) - 0.9)
    assert found["", "task:p90", "quantile_loss"] == pytest.approx(np.mean(np.maximum(0.9 * e, -0.1 * e)))
    names = {metric for _, _, metric in found}
    assert not names & {"auc", "pcoc", "label_rate", "prediction_mean", "iv", "ece"}
    assert ("", "task:p90", "relative_mse") not in found  # one of a high quantile is biased on purpose


def test_a_model_that_is_off_or_useless_costs_and_a_sound_one_does_not():
    rules = {rule.metric: rule for rule in RULES}
    p, y, _ = watched()

    def loss(name, given, usual):
        found, rule = getattr(regression, name)(Errors.of(given, y)), rules[name]
        columns = (np.array([x]) for x in (found.value, usual, found.error, 0.0, float(len(y))))
        return float(np.clip((rule.form(*columns) - rule.good) / (rule.bad - rule.good), 0.0, 1.0)[0])

    usual = regression.relative_mse(Errors.of(*watched(seed=2)[:2])).value
    assert loss("relative_mse", p, usual) == loss("relative_bias", p - 0.1, 0.0) == 0.0
    assert loss("relative_mse", -p, usual) == 1.0
    assert loss("relative_bias", p + 0.7, 0.0) == 1.0
    assert losses.absolute_over_noise(*(np.array([x]) for x in (-0.3, 0.0, 0.1, 0.0, 9.0)))[0] == 0.0


@pytest.mark.parametrize("changes", [{"across": 2}, {"keep_rate": 0.5}, {"positive": 1.0}, {"quantile": 1.0}])
def test_labels_that_are_numbers_have_no_positives(changes):
    with pytest.raises(ValueError, match=r"labels"):
        Sent(labels=Declared(scale="number", **changes))


def test_labels_of_a_binary_job_are_as_they_were():
    told = Sent(labels=LABELS)
    told.tracer.step(labels=[1, 0], predictions=[0.9, 0.2], features={}, time=0.0)
    assert told.total("label", "positives") == 1
    assert ("label", "label_number", "", "moments") not in told.sketches()
