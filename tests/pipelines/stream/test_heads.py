import functools

import numpy as np
import pytest

from streamgauge.pipelines.config.schema import HOUR
from tests.pipelines.stream import headed

HOURS = 6


@functools.cache
def told() -> headed.Told:
    return headed.play(HOURS)


def sums(values) -> float:
    return float(np.nansum(values))


def test_a_twin_of_the_first_head_says_the_same_in_every_metric():
    found = told().values
    mine = {metric: values for (entity, metric), values in found.items() if entity == "task:twin"}
    assert {"auc", "pcoc", "label_rate", "label_overdue", "auc@H", "prediction_mean", "label_silence"} <= set(mine)
    for metric, values in mine.items():
        np.testing.assert_array_equal(values, found["", metric], err_msg=metric)
    parts = {entity for entity, metric in found if metric == "label_delay_p50"}
    assert {"label:positive", "task:twin/label:positive", "task:cvr/label:negative"} <= parts


def test_conversions_are_of_clicked_rows_with_the_prediction_from_before_the_click():
    found = told().values
    rows = headed.turns(HOURS)
    bought, q = (np.concatenate([getattr(t, name)[t.click] for t in rows]) for name in ("bought", "q"))
    late = 1 + int(headed.BOUGHT / headed.TURN)
    labels = sum(int(t.click.sum()) for t in rows[: len(rows) - late])
    assert sums(found["task:cvr", "label_arrivals"]) * HOUR == pytest.approx(labels, rel=0.2)  # the last window is open
    assert np.nanmedian(found["task:cvr", "label_rate"]) == pytest.approx(bought.mean(), abs=0.03)
    assert np.nanmedian(found["task:cvr", "pcoc"]) == pytest.approx(q.sum() / bought.sum(), rel=0.1)
    assert np.nanmedian(found["task:cvr", "label_delay_p50"]) == pytest.approx(headed.BOUGHT, rel=0.02)
    assert np.nanmedian(found["task:cvr", "label_coverage@H"]) > 0.98
    assert np.nanmedian(found["task:cvr", "loss"]) == pytest.approx(0.6)


def test_a_head_that_breaks_lowers_the_score_and_names_itself():
    healthy, broken = told().scores, headed.play(HOURS, wrong_from=3 * HOUR).scores
    assert min(score.value for score in healthy[2:]) > 95.0
    assert broken[-1].value < 75.0
    assert {part.entity for part in broken[-1].parts[:1]} == {"task:cvr"}
    lost = {part.metric for part in broken[-1].parts if part.entity == "task:cvr"}
    assert "pcoc" in lost
