"""Claims about slow decay: found in time, told once, and neither noise, walks, jumps nor weekends look like it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from streamgauge.anomaly.columns import pack, unpack
from streamgauge.anomaly.decay import QUIET, Decay

SERIES, WINDOWS = 60, 24
Days = Callable[[np.random.Generator], np.ndarray]  # the level of each of 70 days, shape [70, SERIES]


def told(days: np.ndarray, noise: float, seed: int = 1) -> list[list[int]]:
    decay, generator = Decay(), np.random.default_rng(seed)
    decay.reindex(np.full(SERIES, -1))
    found: list[list[int]] = [[] for _ in range(SERIES)]
    for day, level in enumerate(days):
        for series in np.flatnonzero(np.isfinite(decay.begin(day, np.full(SERIES, 1.0)))).tolist():
            found[series].append(day)
        for _ in range(WINDOWS):
            decay.learn(level + generator.normal(0.0, noise, SERIES), np.ones(SERIES, bool))
    return found


@pytest.mark.parametrize(("factor", "within"), [(0.95, 7), (0.99, 30)])
def test_what_gets_worse_day_by_day_is_found_in_time_and_told_once(factor: float, within: int) -> None:
    passed = np.maximum(0, np.arange(70) - 35)
    found = told(100.0 * np.repeat(factor ** passed[:, None], SERIES, axis=1), noise=5.0)
    assert np.mean([bool(days) and 35 < days[0] <= 36 + within for days in found]) > 0.95
    assert all(np.all(np.diff(days) >= QUIET) for days in found)


CALM: dict[str, Days] = {
    "noise": lambda generator: np.full((70, SERIES), 100.0),
    "walk": lambda generator: 100.0 + np.cumsum(generator.normal(0.0, 3.0, (70, SERIES)), axis=0),
    "jump": lambda generator: np.where(np.arange(70)[:, None] < 40, 100.0, 50.0) * np.ones(SERIES),
    "weekends": lambda generator: np.where(np.arange(70)[:, None] % 7 >= 5, 50.0, 100.0) * np.ones(SERIES),
}


@pytest.mark.parametrize("name", sorted(CALM))
def test_what_does_not_go_one_way_day_by_day_is_no_decay(name: str) -> None:
    found = told(CALM[name](np.random.default_rng(2)), noise=5.0)
    assert sum(len(days) for days in found) <= 6  # of 60 series in 70 days: a walk may look so


def test_the_days_have_a_course_while_they_go_one_way_and_none_after_people_accept_it() -> None:
    decay, courses = Decay(), []
    decay.reindex(np.array([-1, -1]))
    for day in range(60):
        decay.begin(day, np.full(2, 0.5))
        courses.append(decay.course.tolist())
        decay.learn(np.array([100.0 - 2.0 * min(max(day - 35, 0), 12), 100.0 + day % 2]), np.array([True, True]))
    assert all(course == [0, 0] for course in (*courses[:39], *courses[52:]))
    assert courses[43:47] == [[-1, 0]] * 4
    decay = Decay()
    decay.reindex(np.array([-1]))
    for day in range(48):
        decay.begin(day, np.ones(1))
        decay.learn(np.array([100.0 - 2.0 * max(day - 35, 0)]), np.array([True]))
    assert decay.course.tolist() == [-1]
    decay.pin(np.array([0]))
    assert decay.course.tolist() == [0]


def test_the_days_of_a_release_that_knew_no_course_are_read() -> None:
    decay = Decay()
    decay.reindex(np.array([-1]))
    parts = {name: encode() for name, _, encode in decay.parts()}
    day, arrays = msgspec.msgpack.decode(parts["now"])
    old = {name: array for name, array in unpack(arrays).items() if name != "course"}
    again = Decay.of_parts(parts | {"now": msgspec.msgpack.encode([day, pack(old)])})
    assert again.course.tolist() == [0]


def test_restore_continues_with_the_same_bytes() -> None:
    decay = Decay()
    decay.reindex(np.array([-1, -1]))
    for day in range(40):
        decay.begin(day, np.ones(2))
        decay.learn(np.array([100.0 - day, np.nan]), np.array([True, True]))
    again = Decay.of_parts({name: encode() for name, _, encode in decay.parts()})
    assert decay.begin(40, np.ones(2)).tobytes() == again.begin(40, np.ones(2)).tobytes()
    assert [encode() for _, _, encode in again.parts()] == [encode() for _, _, encode in decay.parts()]
