"""Claims about what verdicts do to thresholds."""

from __future__ import annotations

import math
from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.thresholds import (
    DAILY,
    DAY,
    FORGOTTEN,
    HALF_LIFE,
    Lesson,
    Multipliers,
    Threshold,
    Verdict,
    factor_of,
    in_force,
    judge,
    learn,
    move,
    move_all,
    pool_of,
    pooled,
    setting,
)
from streamgauge.anomaly.types import SeriesKey

KEY = SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate")
VERDICTS = st.sampled_from(get_args(Verdict))
SAID = st.lists(st.tuples(st.integers(0, 40), VERDICTS, st.floats(0.0, 40 * DAY)), max_size=60)


TEAM = ("Ada", "Bo", "Cy")  # who take turns


def after(*verdicts: Verdict, every: float = 0.0) -> Lesson:
    lesson = Lesson()
    for n, verdict in enumerate(verdicts):
        lesson = move(learn(lesson, f"n{n}", verdict, n * every, TEAM[n % 3]), n * every)
    return lesson


@given(st.lists(VERDICTS, max_size=80))
def test_a_multiplier_stays_within_its_bounds(verdicts: list[Verdict]) -> None:
    threshold = Threshold()
    for verdict in verdicts:
        threshold = judge(threshold, verdict, 0.0)
        assert 0.7 - 1e-9 <= threshold.factor(0.0) <= 2.5 + 1e-9


@given(SAID)
def test_what_is_in_force_stays_within_its_bounds_and_moves_by_a_quarter_a_day(
    said: list[tuple[int, Verdict, float]],
) -> None:
    lesson, opened = Lesson(), (0, 1.0)
    for incident, verdict, now in sorted(said, key=lambda one: one[2]):
        if math.floor(now / DAY) > opened[0]:
            opened = (math.floor(now / DAY), lesson.factor)
        lesson = move(learn(lesson, str(incident), verdict, now), now)
        assert 0.7 <= lesson.factor <= 2.5
        assert opened[1] / DAILY - 0.005 <= lesson.factor <= opened[1] * DAILY + 0.005


def test_a_team_that_always_says_false_alarm_comes_to_the_bound_and_no_further() -> None:
    assert after(*["false_alarm"] * 300, every=DAY / 4).factor == 2.5  # type: ignore[arg-type]


@given(st.integers(3, 400), st.lists(st.sampled_from(["true_alarm", "false_alarm"]), max_size=8))
def test_one_who_always_says_false_alarm_counts_as_all_others_together_and_three_times_alone(
    times: int, others: list[Verdict]
) -> None:
    lesson = Lesson()
    for n in range(times):
        lesson = learn(lesson, f"a{n}", "false_alarm", 0.0, "always")
    for n, verdict in enumerate(others):
        lesson = learn(lesson, f"o{n}", verdict, 0.0, TEAM[n % 3])
    alone = math.log(1.1) * min(times, max(3, len(others)))
    assert lesson.threshold.log <= alone + math.log(1.1) * others.count("false_alarm") + 1e-9
    assert lesson.threshold.verdicts <= min(times, max(3, len(others))) + len(others)


def test_one_person_alone_widens_series_that_are_alike_by_a_third_at_most() -> None:
    lessons: dict[SeriesKey, Lesson] = {}
    for n in range(60):
        key = KEY._replace(worker=f"w{n % 4}")
        lessons[key] = learn(lessons.get(key, Lesson()), f"n{n}", "false_alarm", n * DAY / 9, "always")
        pool = lessons.get(pool_of(KEY), Lesson())
        lessons[pool_of(KEY)] = pooled(pool, key, f"n{n}", "false_alarm", n * DAY / 9, "always")
        lessons = move_all(lessons, n * DAY / 9)
    assert 1.15 < max(lesson.factor for lesson in lessons.values()) <= 1.33


@given(st.lists(VERDICTS, min_size=1, max_size=20), st.lists(VERDICTS, max_size=2))
def test_fewer_than_three_incidents_move_nothing(repeats: list[Verdict], others: list[Verdict]) -> None:
    lesson = after(*others[:1])
    for verdict in repeats:
        lesson = move(learn(lesson, "the same", verdict, 0.0), 0.0)
    assert lesson.factor == 1.0


@given(st.lists(VERDICTS, min_size=1, max_size=6), st.lists(VERDICTS, max_size=9), st.data())
def test_the_last_word_on_an_incident_counts_once_whenever_it_is_said(
    changed: list[Verdict], others: list[Verdict], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(others)))
    verdicts: list[Verdict] = [*others[:place], changed[-1], *others[place:]]
    once = after(*verdicts)
    again = after(*others[:place], changed[0], *others[place:])
    for verdict in changed[1:]:
        again = learn(again, f"n{place}", verdict, 5 * DAY, TEAM[place % 3])
    assert again.threshold == once.threshold


def test_true_alarms_take_back_what_false_ones_raised_and_only_what_was_missed_goes_below() -> None:
    raised: list[Verdict] = ["false_alarm"] * 4
    assert after(*raised, "true_alarm").factor == 1.21
    assert after(*raised, "true_alarm", "true_alarm", "true_alarm").factor == 1.0
    assert after(*["missed"] * 4).factor == 0.81  # type: ignore[arg-type]
    assert after(*["missed"] * 4, "true_alarm").factor == 0.81  # type: ignore[arg-type]


def test_a_day_allows_a_quarter_and_the_next_day_the_rest() -> None:
    lesson = after(*["false_alarm"] * 4)  # type: ignore[arg-type]
    assert lesson.factor == 1.25
    assert move(lesson, DAY).factor == 1.45  # 1.1^4, a day old


def test_expected_and_new_trend_say_nothing_about_the_threshold() -> None:
    assert after("expected", "new_trend", "none", "none").threshold == Threshold()


def test_what_was_taught_fades_and_is_forgotten() -> None:
    lesson = after(*["false_alarm"] * 5)  # type: ignore[arg-type]
    assert 1.0 < move(lesson, HALF_LIFE).factor < move(lesson, DAY).factor
    assert move(lesson, FORGOTTEN + 1.0).factor == 1.0


def test_the_job_is_as_wide_as_its_widest_worker_and_no_narrower() -> None:
    other, job = KEY._replace(worker="JFK"), KEY._replace(worker="")
    lessons = {KEY: Lesson(factor=1.3), other: Lesson(factor=1.2)}
    assert in_force(lessons) == {job: 1.3, other: 1.2, KEY: 1.3}
    assert in_force({KEY: Lesson(factor=0.8)}) == {KEY: 0.8}
    assert in_force({KEY: Lesson(factor=0.9), job: Lesson(factor=0.8)}) == {job: 0.8, KEY: 0.9}


def judged(*verdicts: Verdict) -> dict[SeriesKey, Lesson]:
    """One incident of each of so many workers, and their pool."""
    lessons: dict[SeriesKey, Lesson] = {}
    for n, verdict in enumerate(verdicts):
        key = KEY._replace(worker=f"w{n}")
        lessons[key] = learn(Lesson(), "n", verdict, 0.0, TEAM[n % 3])
        lessons[pool_of(KEY)] = pooled(lessons.get(pool_of(KEY), Lesson()), key, "n", verdict, 0.0, TEAM[n % 3])
    return move_all(lessons, 0.0)


def test_three_judged_series_speak_for_all_that_are_like_them_and_two_for_nobody() -> None:
    assert in_force(judged("false_alarm", "false_alarm")) == {}
    factors = in_force(judged("false_alarm", "false_alarm", "false_alarm"))
    assert factor_of(factors, KEY._replace(worker="new", entity="feature:other")) == 1.15  # 1.1^3, of which half
    assert factor_of(factors, KEY._replace(metric="psi")) == 1.0
    assert in_force(judged("expected", "false_alarm", "false_alarm")) == {}


def test_a_pool_never_moves_a_series_to_the_contrary_of_its_own_verdicts() -> None:
    lessons = judged(*["missed"] * 20)  # type: ignore[arg-type]
    lessons[KEY] = after(*["false_alarm"] * 3)  # type: ignore[arg-type]
    factors = in_force(move_all(lessons, DAY))
    assert factors[pool_of(KEY)] < 0.85
    assert factor_of(factors, KEY) == 1.0


@given(st.lists(VERDICTS, min_size=1, max_size=40))
def test_a_pool_stays_within_the_bounds_and_moves_by_a_quarter_a_day(verdicts: list[Verdict]) -> None:
    assert all(0.8 <= lesson.factor <= DAILY for lesson in judged(*verdicts).values())


def test_the_setting_holds_what_differs_from_one() -> None:
    body = setting(in_force({KEY: Lesson(factor=0.8), KEY._replace(metric="psi"): Lesson()}))
    assert msgspec.json.decode(body, type=Multipliers).factors == ((KEY, 0.8),)
