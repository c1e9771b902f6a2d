import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY
from streamgauge.tracer.summaries import LabelBuckets
from tests.pipelines.reports import LONG, evaluate, partial
from tests.pipelines.train_quality.test_predictions import click_log, judged

METRICS = ("log_loss", "brier", "pr_auc", "max_f1")


def test_the_losses_of_the_job_are_those_of_all_rows_and_are_not_kept_by_worker():
    (p, y), (q, z) = click_log(1), click_log(2)
    found = evaluate(judged("a", p, y), judged("b", q * 0.5, z), window=LONG, end=DAY)
    p, y = np.concatenate([p, q * 0.5]), np.concatenate([y, z])
    assert found["", "", "log_loss"] == pytest.approx(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    assert found["", "", "brier"] == pytest.approx(np.mean((p - y) ** 2), rel=1e-3)
    assert {key[0] for key in found if key[2] in METRICS} == {""}


def test_many_invalid_predictions_and_few_positives_make_them_unknown():
    p, y = click_log(1)
    bad = np.where(np.arange(len(p)) < 0.02 * len(p), 7.0, p)
    few = np.where(np.arange(len(p)) < 20, 1.0, 0.0)
    for part in (judged("a", bad, y), judged("a", p, few)):
        found = evaluate(part, window=LONG, end=DAY)
        assert np.isnan([found["", "", metric] for metric in METRICS]).all()


def test_soft_labels_and_weights_count_with_their_weight():
    p = np.array([0.9] * 100 + [0.2] * 300)
    y = np.array([0.75] * 100 + [0.0] * 300)
    sketch = LabelBuckets.of(p, y)
    found = evaluate(partial("a", summaries=[(sketch, "train", "labels", "")]), window=LONG, end=DAY)
    soft = (100 * (0.75 * 0.1**2 + 0.25 * 0.9**2) + 300 * 0.2**2) / 400
    assert found["", "", "brier"] == pytest.approx(soft, rel=1e-2)
