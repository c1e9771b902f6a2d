"""Late labels: what a calibrated model shows where negatives come by time-out, and what a wrong one does."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, HOUR
from tests.pipelines.stream.delayed import play

# What only labels can lower.
OF_LABELS = ("label_rate", "label_delay", "auc", "normalized_entropy", "pcoc", "ece")


@pytest.mark.parametrize(("wait", "ratio"), [(2 * HOUR, 2.0), (2 * HOUR, 5.0), (6 * HOUR, 2.0), (6 * HOUR, 5.0)])
def test_a_calibrated_model_loses_nothing_where_negatives_come_by_time_out(wait: float, ratio: float) -> None:
    told = play(wait, ratio, 2)
    for score in told.scores[9:]:
        lost = sum(part.micropoints for part in score.parts if part.metric.startswith(OF_LABELS)) / 1e6
        assert lost < 10.0, (score.start, score.parts)
        assert score.value > 90.0, (score.start, score.parts)
    by_cohort, as_they_came = np.array(told.values["pcoc@H"]), np.array(told.values["pcoc"])
    assert np.nanmax(np.abs(np.log(by_cohort))) < 0.3 < np.nanmax(np.abs(np.log(as_they_came)))
    assert not [one for one in told.anomalies if one.metric.startswith(OF_LABELS)]


def test_a_model_that_is_wrong_is_found_by_its_cohorts() -> None:
    told = play(2 * HOUR, 2.0, 2, wrong_from=DAY)
    assert np.nanmedian(told.values["pcoc@H"][-12:]) == pytest.approx(0.5, abs=0.05)
    assert min(score.value for score in told.scores[-12:]) < 75.0
