"""Claims about tails: the stated rate is the rate, whatever the noise; an incident does not make the next one usual."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streamgauge.anomaly.tails import Tail

SERIES = 300
Draw = Callable[[np.random.Generator, int], np.ndarray]
STREAMS: dict[str, Draw] = {
    "normal": lambda generator, row: generator.normal(size=SERIES),
    "student": lambda generator, row: generator.standard_t(3.0, size=SERIES),
    "seasonal": lambda generator, row: generator.normal(size=SERIES) * (1.5 + np.sin(row / 24.0 * 2.0 * np.pi)),
}


def learnt(draw: Draw, points: int, seed: int = 1) -> Tail:
    tail, generator = Tail(SERIES), np.random.default_rng(seed)
    for row in range(points):
        tail.learn(draw(generator, row), np.ones(SERIES, bool))
    return tail


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_the_stated_rate_holds_within_a_factor_of_two_after_ten_thousand_points(name: str) -> None:
    tail, generator = learnt(STREAMS[name], 10_000), np.random.default_rng(2)
    surprise = np.concatenate([tail.surprise(STREAMS[name](generator, row)) for row in range(3_000)])
    for rate in (1e-2, 1e-3, 1e-4):
        assert 0.5 < np.mean(surprise > -np.log10(rate)) / rate < 2.0


def test_an_incident_in_the_past_does_not_make_the_next_one_usual() -> None:
    tail = learnt(STREAMS["normal"], 3_000)
    for _ in range(3):
        tail.learn(np.full(SERIES, 20.0), np.ones(SERIES, bool))
    assert np.median(tail.surprise(np.full(SERIES, 20.0))) > 6.0


def test_eight_sigmas_are_rare_on_normal_noise_and_usual_on_heavy_tails() -> None:
    eight = np.full(SERIES, 8.0)
    assert np.quantile(learnt(STREAMS["normal"], 2_000).surprise(eight), 0.01) > 6.0
    assert np.max(learnt(STREAMS["student"], 2_000).surprise(eight)) < 4.0


def test_unknown_scores_say_and_teach_nothing() -> None:
    tail, before = Tail(1), Tail(1).snapshot()
    assert tail.surprise(np.array([np.nan])).tolist() == [0.0]
    tail.learn(np.array([np.nan]), np.array([True]))
    assert tail.snapshot() == before


def test_restore_continues_with_the_same_bytes() -> None:
    tail = learnt(STREAMS["student"], 200)
    again = Tail.restore(tail.snapshot())
    assert again.snapshot() == tail.snapshot()
    assert again.surprise(np.full(SERIES, 5.0)).tolist() == tail.surprise(np.full(SERIES, 5.0)).tolist()
