"""Samples seen by one worker and labelled by another are joined behind them, and nobody calls their labels overdue."""

from __future__ import annotations

import numpy as np

from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from tests.pipelines.stream.apart import Values, config, play, told

OF_TIME = ("label_overdue", "label_coverage@H", "label_expired", "label_delay_p50", "label_rate@H")
OF_PAIRS = ("auc@H", "pcoc@H", "normalized_entropy@H", "ece@H")


def judged(across: int, *, apart: bool, labelled: float = 1.0, **changes: object) -> Values:
    job = config(across, **changes)
    return told(Operator(job, Stage2(job)).on_records, play(job, 4.0, apart=apart, labelled=labelled))[0]


def of(values: Values, metric: str) -> np.ndarray:
    ordered = sorted(values.items(), key=lambda item: item[0][1])
    return np.array([value for (name, _), value in ordered if name == metric])


def test_without_a_join_across_workers_every_label_is_overdue() -> None:
    values = judged(0, apart=True)
    assert of(values, "label_overdue")[-1] == 1.0
    assert "auc@H" not in {name for name, _ in values}


def test_joined_on_every_id_two_workers_say_what_one_would() -> None:
    one, two = judged(0, apart=False, labelled=0.9), judged(1, apart=True, labelled=0.9)
    for metric in (*OF_TIME, *OF_PAIRS):
        expected, found = of(one, metric), of(two, metric)
        assert np.isfinite(expected).any(), metric
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=metric)
