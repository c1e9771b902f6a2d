"""Negatives of which a share was kept: what is measured is what all rows would have shown."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.pipelines.statistics import auc, ece, normalized_entropy, pcoc
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.records import Name
from streamgauge.tracer.summaries import LabelBuckets
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog
from tests.tracer.streams import Sent

RATE = 0.1


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True probabilities and labels of all rows, and which were kept."""
    random = np.random.default_rng(11)
    q = random.beta(0.8, 30.0, 200_000)
    y = (random.random(len(q)) < q).astype(float)
    return q, y, (y > 0.0) | (random.random(len(q)) < RATE)


@pytest.mark.parametrize("predicts", ["kept", "all"])
@pytest.mark.parametrize("has_join", [True, False])
def test_what_sampled_negatives_say_is_what_all_rows_would(predicts: str, has_join: bool) -> None:
    q, y, kept = _rows()
    labels = Labels(keep_rate=RATE, predicts=predicts, horizon=30.0, margin=20.0, timeout=60.0)  # type: ignore[arg-type]
    job = Sent(labels=labels, limit=1 << 28)
    told = q / (q + RATE * (1.0 - q)) if predicts == "kept" else q
    ids = np.arange(len(q))
    if has_join:
        job.tracer.observe({}, ids=ids[kept], time=0.0, predictions=told[kept])
        job.tracer.label(ids[kept], y[kept])
        job.tracer.step(ids=ids[kept])
    else:
        job.tracer.step(features={}, time=0.0, labels=y[kept], predictions=told[kept], rows=int(kept.sum()))
    job.now = 40.0
    job.tracer.idle()
    totals, sketches = job.totals(), job.sketches()
    every = LabelBuckets.of(q, y)
    places = [("train", "labels"), ("label", "cohort")] if has_join else [("train", "labels")]
    for clock, name in places:
        found = sketches[clock, name, "", "label_buckets"]
        both = [(pcoc(one), normalized_entropy(one), auc(one)) for one in (every, found)]
        for exact, told_of in zip(*both, strict=True):
            assert told_of.value == pytest.approx(exact.value, abs=4.0 * told_of.error), told_of
        assert ece(found).value < 2.0 * ece(found).floor
    rate = totals[Name("label", "positives", "")] / totals[Name("label", "label_weight", "")]
    assert rate == pytest.approx(y.mean(), rel=0.03)
    mean = totals[Name("sample", "prediction_total", "")] / totals[Name("sample", "prediction_weight", "")]
    assert mean == pytest.approx(q.mean(), rel=0.03)


@pytest.mark.parametrize(("name", "value"), [("keep_rate", 0.0), ("keep_rate", 1.5), ("predicts", "some")])
def test_a_keep_rate_that_there_is_not_is_refused_at_the_start(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"labels.{name} must be"):
        Tracer("ctr", "w", MemoryLog(), labels=Labels(**{name: value}))  # type: ignore[arg-type]
