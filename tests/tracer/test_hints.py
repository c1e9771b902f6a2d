"""H of the cohorts beside the delays of the labels: said once enough labels had the time to come."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.tracer.hints import Hints

HOUR = 3600.0


def said(delay: float, horizon: float, hours: float = 8.0, labels: int = 2000) -> str:
    hints = Hints()
    for now in np.linspace(0.0, hours * HOUR, 20):
        hints.delays(np.full(labels // 20, delay), now, horizon)
    return " ".join(hints.texts)


@pytest.mark.parametrize(
    ("delay", "horizon", "expected"),
    [
        (700.0, 24 * HOUR, "within 900 s and Labels.horizon is 86,400 s: what is by cohort comes that much later"),
        (700.0, 300.0, "within 900 s and Labels.horizon is 300 s: what is by cohort is without the later ones"),
        (700.0, 24 * HOUR, "declare Labels(horizon=900)"),
    ],
)
def test_labels_that_come_far_sooner_or_later_than_h_are_told(delay: float, horizon: float, expected: str) -> None:
    assert expected in said(delay, horizon)


@pytest.mark.parametrize(
    ("delay", "horizon", "hours", "labels"),
    [
        (700.0, 12 * HOUR, 8.0, 2000),  # declared: what the job attributes is for a person to say
        (700.0, 900.0, 8.0, 2000),
        (7 * HOUR, 24 * HOUR, 99.0, 2000),
        (700.0, 24 * HOUR, 0.5, 2000),  # later ones had no time to come yet
        (700.0, 24 * HOUR, 8.0, 500),
        (9e5, HOUR, 9999.0, 2000),  # beyond a week: no H would wait so long
    ],
)
def test_what_is_declared_or_not_known_yet_is_not_told(delay: float, horizon: float, hours: float, labels: int) -> None:
    assert said(delay, horizon, hours, labels) == ""


def test_what_no_longer_holds_is_taken_back() -> None:
    hints = Hints()
    for now in np.linspace(0.0, 8 * HOUR, 20):
        hints.delays(np.full(100, 700.0), now, 24 * HOUR)
    assert hints.texts
    for now in np.linspace(8 * HOUR, 80 * HOUR, 20):
        hints.delays(np.full(1000, 11 * HOUR), now, 24 * HOUR)
    assert hints.texts == ()
