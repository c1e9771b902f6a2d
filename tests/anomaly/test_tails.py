"""Claims about tails: the stated rate is the rate, whatever the noise; an incident does not make the next one usual."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tails import SERIES, STREAMS, learnt, measured
from streamgauge.anomaly.tails import Tail


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_the_stated_rate_holds_within_a_factor_of_two_after_ten_thousand_points(name: str) -> None:
    assert all(0.5 < share < 2.0 for share in measured(name).values())


def test_an_incident_in_the_past_does_not_make_the_next_one_usual() -> None:
    tail = learnt("normal", 3_000)
    for _ in range(3):
        tail.learn(np.full(SERIES, 20.0), np.ones(SERIES, bool))
    assert np.median(tail.surprise(np.full(SERIES, 20.0))) > 6.0


def test_eight_sigmas_are_rare_on_normal_noise_and_usual_on_heavy_tails() -> None:
    eight = np.full(SERIES, 8.0)
    assert np.quantile(learnt("normal", 2_000).surprise(eight), 0.01) > 6.0
    assert np.max(learnt("student", 2_000).surprise(eight)) < 4.0


def test_unknown_scores_say_and_teach_nothing() -> None:
    tail, before = Tail(1), Tail(1).snapshot()
    assert tail.surprise(np.array([np.nan])).tolist() == [0.0]
    tail.learn(np.array([np.nan]), np.array([True]))
    assert tail.snapshot() == before


def test_restore_continues_with_the_same_bytes() -> None:
    tail = learnt("student", 200)
    again = Tail.restore(tail.snapshot())
    assert again.snapshot() == tail.snapshot()
    assert again.surprise(np.full(SERIES, 5.0)).tolist() == tail.surprise(np.full(SERIES, 5.0)).tolist()
