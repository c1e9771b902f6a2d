"""Claims about what verdicts do to thresholds."""

from __future__ import annotations

from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from anomaly.thresholds import HALF_LIFE, Multipliers, Thresholds, Verdict, judge, setting
from anomaly.types import SeriesKey

KEY = SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate")


def after(*verdicts: Verdict, start: float = 0.0) -> Thresholds:
    state: Thresholds = {}
    for n, verdict in enumerate(verdicts):
        state = judge(state, KEY, verdict, f"n{n}", start)
    return state


@given(st.lists(st.sampled_from(get_args(Verdict)), max_size=60))
def test_a_multiplier_stays_within_its_bounds(verdicts: list[Verdict]) -> None:
    for threshold in after(*verdicts).values():
        assert 0.7 <= threshold.factor(0.0) <= 2.5


def test_two_verdicts_change_nothing_yet_and_the_third_does() -> None:
    assert after("false_alarm", "false_alarm")[KEY].factor(0.0) == 1.0
    assert after("false_alarm", "false_alarm", "false_alarm")[KEY].factor(0.0) > 1.3


def test_true_alarms_lower_it() -> None:
    assert after(*["true_alarm"] * 5)[KEY].factor(0.0) < 0.8  # type: ignore[arg-type]


def test_one_incident_counts_once() -> None:
    state: Thresholds = {}
    for _ in range(5):
        state = judge(state, KEY, "false_alarm", "the same", 0.0)
    assert state[KEY].verdicts == 1


def test_expected_and_new_trend_say_nothing_about_the_threshold() -> None:
    assert after("expected", "new_trend", "none") == {}


def test_what_was_taught_fades() -> None:
    state = after(*["false_alarm"] * 5)  # type: ignore[arg-type]
    assert 1.0 < state[KEY].factor(HALF_LIFE) < state[KEY].factor(0.0)


def test_the_setting_holds_what_differs_from_one() -> None:
    state = after(*["false_alarm"] * 4)  # type: ignore[arg-type]
    body = msgspec.json.decode(setting(state, 0.0), type=Multipliers)
    assert [key for key, _ in body.factors] == [KEY]
