"""Claims about choosing a detector and trying it on history."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.anomaly.backtest import alerts, evaluate, replay, separation
from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Moment
from streamgauge.anomaly.selection import Features, choose, describe, select

MOMENTS = [Moment(row // 24, row % 24) for row in range(24 * 14)]
NOISE = np.random.default_rng(1).normal(0.0, 1.0, len(MOMENTS))
DAILY = 20.0 * np.sin(np.arange(len(MOMENTS)) / 24.0 * 2.0 * np.pi) + NOISE


@pytest.mark.parametrize(
    ("levels", "limit", "name"),
    [
        (DAILY, None, "seasonal_robust"), (np.cumsum(NOISE), None, "diff"), (NOISE, None, "robust_ewma"),
        (NOISE, 3.0, "limit"),
    ],
)
def test_rule_by_the_nature_of_the_series(levels: np.ndarray, limit: float | None, name: str) -> None:
    assert select(describe(levels, MOMENTS, limit)).name == name


def test_a_daily_rhythm_is_chosen_by_rule_and_trial_together() -> None:
    assert choose(DAILY, MOMENTS).name == "seasonal_robust"


@pytest.mark.parametrize("value", [0.1, 0.0, 1e6])
def test_a_constant_in_any_unit_gets_the_same_detector(value: float) -> None:
    assert choose(np.full(len(MOMENTS), value), MOMENTS, slots=24).name == "robust_ewma"


def test_a_trial_overrules_only_when_clearly_better() -> None:
    daily = Features(days=20, slots=24, rhythm=0.9)
    assert select(daily, {"seasonal_robust": 1.0, "diff": 1.1}).name == "seasonal_robust"
    assert select(daily, {"seasonal_robust": 1.0, "diff": 1.3}).name == "diff"


def test_too_short_a_history_still_gives_a_detector() -> None:
    assert choose(np.array([1.0, np.nan]), MOMENTS[:2]).name in DETECTORS


def test_separation_prefers_the_detector_that_knows_the_rhythm() -> None:
    seasonal = separation(lambda n: DETECTORS["seasonal_robust"](n), DAILY[:, None], MOMENTS)[0]
    plain = separation(lambda n: DETECTORS["robust_ewma"](n), DAILY[:, None], MOMENTS)[0]
    assert seasonal > 2.0 * plain


def test_a_labelled_fault_is_found_by_replay_and_counted() -> None:
    levels = DAILY.copy()
    levels[300:303] += 60.0
    scores = replay(DETECTORS["seasonal_robust"](1), levels[:, None], MOMENTS)[:, 0]
    outcome = evaluate(alerts(scores, 8.0, quiet=12), [(300, 302)])
    assert outcome.f1 == 1.0
