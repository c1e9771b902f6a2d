"""Properties that every detector has; a new one gets these tests by its line in DETECTORS."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamgauge.anomaly.backtest import replay
from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Moment

PARAMETERS: dict[str, dict[str, Any]] = {"seasonal_robust": {"slots": 4}, "level_shift": {"fast": 3.0, "slow": 12.0}}
LEARNING = sorted(set(DETECTORS) - {"limit"})
MOMENTS = [Moment(row // 4, row % 4) for row in range(60)]
LEVELS = arrays(np.float64, (60, 2), elements=st.floats(-1e4, 1e4))


def make(name: str, series: int) -> Any:
    return DETECTORS[name](series, **PARAMETERS.get(name, {}))


def check_no_look_ahead(name: str, levels: np.ndarray) -> None:
    whole = replay(make(name, 2), levels, MOMENTS)
    prefix = replay(make(name, 2), levels[:40], MOMENTS[:40])
    np.testing.assert_array_equal(whole[:40], prefix)


def check_series_apart(name: str, levels: np.ndarray) -> None:
    together = replay(make(name, 2), levels, MOMENTS)
    apart = [replay(make(name, 1), levels[:, [series]], MOMENTS)[:, 0] for series in (0, 1)]
    np.testing.assert_array_equal(together, np.array(apart).T)


def check_restore(name: str, levels: np.ndarray) -> None:
    whole, first = make(name, 2), make(name, 2)
    expected = replay(whole, levels, MOMENTS)
    replay(first, levels[:25], MOMENTS[:25])
    second = DETECTORS[name].restore(first.snapshot())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(replay(second, levels[25:], MOMENTS[25:]), expected[25:])
    assert second.snapshot() == whole.snapshot()


def check_unknown_teaches_nothing(name: str, levels: np.ndarray) -> None:
    one, other = make(name, 2), make(name, 2)
    replay(one, levels[:30], MOMENTS[:30])
    replay(other, levels[:30], MOMENTS[:30])
    unknown, at = np.full(2, np.nan), MOMENTS[30]
    scores = one.score(unknown, at)
    one.learn(unknown, at, np.ones(2, bool))
    other.score(levels[30], at)
    other.learn(levels[30], at, np.zeros(2, bool))
    assert np.isnan(scores).all()
    np.testing.assert_array_equal(one.score(levels[31], MOMENTS[31]), other.score(levels[31], MOMENTS[31]))


def check_arguments_untouched(name: str, levels: np.ndarray) -> None:
    before = levels.copy()
    replay(make(name, 2), levels, MOMENTS)
    np.testing.assert_array_equal(levels, before)


def check_bounded(name: str, levels: np.ndarray) -> None:
    detector = make(name, 2)
    replay(detector, levels[:30], MOMENTS[:30])
    size = len(detector.snapshot())
    scores = replay(detector, levels[30:], MOMENTS[30:])
    assert len(detector.snapshot()) == size
    assert not np.isinf(scores).any()


def check_pickled_in_mid_stream_goes_on(name: str, levels: np.ndarray) -> None:
    detector = make(name, 2)
    replay(detector, levels[:25], MOMENTS[:25])
    again = pickle.loads(pickle.dumps(detector))
    expected = replay(detector, levels[25:], MOMENTS[25:])
    np.testing.assert_array_equal(replay(again, levels[25:], MOMENTS[25:]), expected)


def check_quiet_on_a_constant(name: str, levels: np.ndarray) -> None:
    scores = replay(make(name, 2), np.broadcast_to(levels[0], levels.shape), MOMENTS)
    assert name == "limit" or np.nanmax(np.abs(np.nan_to_num(scores))) < 1.0


CHECKS = [
    check_no_look_ahead, check_series_apart, check_restore, check_unknown_teaches_nothing, check_arguments_untouched,
    check_bounded, check_pickled_in_mid_stream_goes_on, check_quiet_on_a_constant,
]


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_detector(check: Callable[[str, np.ndarray], None], name: str) -> None:
    @settings(max_examples=15)
    @given(LEVELS)
    def run(levels: np.ndarray) -> None:
        check(name, levels)

    run()


@pytest.mark.parametrize("name", LEARNING)
def test_another_unit_gives_the_same_scores(name: str) -> None:
    levels = np.random.default_rng(4).normal(3.0, 1.0, (60, 2))
    scores = replay(make(name, 2), levels, MOMENTS)
    scaled = replay(make(name, 2), 1024.0 * levels - 5.0 * 1024.0, MOMENTS)
    np.testing.assert_allclose(scaled, scores, rtol=1e-2, atol=1e-2)  # entries of a reference are float32


@pytest.mark.parametrize("name", LEARNING)
def test_a_jump_is_seen_and_calm_is_not(name: str) -> None:
    generator = np.random.default_rng(5)
    moments = [Moment(row // 4, row % 4) for row in range(400)]
    levels = generator.normal(0.0, 1.0, (400, 200))
    scores = replay(make(name, 200), levels, moments)
    calm = np.abs(scores[120:])
    assert np.nanmax(calm) < 8.0
    jumped = make(name, 200)
    replay(jumped, levels[:-8], moments[:-8])
    high = np.zeros(200)
    for row in range(392, 400):  # a level shift needs more than one window
        high = np.fmax(high, np.nan_to_num(jumped.score(levels[row] + 15.0, moments[row])))
        jumped.learn(levels[row] + 15.0, moments[row], np.full(200, name == "level_shift"))
    assert np.median(high) > 8.0


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_picked_series_keep_their_state_and_new_ones_have_none(name: str) -> None:
    levels = np.random.default_rng(6).normal(0.0, 1.0, (60, 2))
    detector = make(name, 2)
    replay(detector, levels[:59], MOMENTS[:59])
    expected = detector.score(levels[59], MOMENTS[59])
    detector.reindex(np.array([1, -1]))
    scores = detector.score(levels[59][[1, 0]], MOMENTS[59])
    assert scores[0] == expected[1]
    assert name == "limit" or np.isnan(scores[1])


def test_seasonal_robust_knows_the_hour_that_others_do_not() -> None:
    moments = [Moment(row // 4, row % 4) for row in range(120)]
    rhythm = np.tile([0.0, 50.0, 100.0, 50.0], 30)[:, None] + np.random.default_rng(7).normal(0.0, 1.0, (120, 1))
    seasonal, plain = make("seasonal_robust", 1), make("robust_ewma", 1)
    replay(seasonal, rhythm, moments)
    replay(plain, rhythm, moments)
    noon_at_night = np.array([100.0])
    assert seasonal.score(noon_at_night, Moment(30, 0))[0] > 20.0
    assert plain.score(noon_at_night, Moment(30, 0))[0] < 5.0
