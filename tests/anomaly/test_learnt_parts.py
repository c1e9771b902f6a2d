"""Properties that every part of what is learnt in the stream has; a new one gets these tests by its line in PARTS."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamgauge.anomaly.cycle import Cycle
from streamgauge.anomaly.decay import Decay
from streamgauge.anomaly.explanations import Explanations
from streamgauge.anomaly.nature import Nature
from streamgauge.anomaly.reference import Expected, Moment
from streamgauge.anomaly.sustained import Sustained
from streamgauge.anomaly.tails import Tail

WINDOWS, CELLS, SLOTS = 60, 8, 4
LEVELS = arrays(
    np.float64, (WINDOWS, 2), elements=st.one_of(st.floats(-50.0, 50.0), st.floats(-1e300, 1e300), st.just(np.nan))
)
AT = [Moment(row // CELLS, row % CELLS // 2, cell=row % CELLS) for row in range(WINDOWS)]
YES, NO = np.ones(2, bool), np.zeros(2, bool)


class Steps(NamedTuple):
    """One window of a part: what it says of a level, then what it learns of it; and a fresh one of `series` series."""

    make: Callable[[int], Any]
    score: Callable[[Any, np.ndarray, Moment], np.ndarray]
    learn: Callable[[Any, np.ndarray, Moment], object]


def ones(level: np.ndarray) -> np.ndarray:
    return np.ones(len(level))


def odd(level: np.ndarray) -> np.ndarray:
    return np.abs(np.nan_to_num(level)) > 20.0


def cycle_score(part: Cycle, level: np.ndarray, at: Moment) -> np.ndarray:
    part.begin(at)
    return np.stack(part.offsets(at.cell, ones(level)))


def nature_score(part: Nature, level: np.ndarray, at: Moment) -> np.ndarray:
    return np.stack([part.recent(level, at, ones(level)), part.center(), part.spread(ones(level))])


def nature_learn(part: Nature, level: np.ndarray, at: Moment) -> object:
    return part.learn(level, at, level, ones(level), ones(level), odd(level), ones(level) > 0.0)


def told(part: Explanations, level: np.ndarray, at: Moment) -> Any:
    n = len(level)
    zeros = np.zeros(n)
    expected = Expected(zeros, zeros + 1.0, zeros, np.full(n, 10), zeros + 1.0, zeros == 0.0)
    return part.explain(level, expected, ones(level), 0.1 * ones(level), at, None)


def explanations_score(part: Explanations, level: np.ndarray, at: Moment) -> np.ndarray:
    explained = told(part, level, at)
    threshold = 8.0 * ones(level)
    news = part.is_news(explained, np.abs(np.nan_to_num(explained.z)), threshold)
    return np.stack([explained.center, explained.z, explained.jump, news, part.together(explained, ones(level))])


def explanations_learn(part: Explanations, level: np.ndarray, at: Moment) -> object:
    keep, lasting = ~odd(level), np.zeros(len(level), bool)
    return part.learn(at, level, ones(level), ~lasting, told(part, level, at), keep, ~keep, lasting, ~lasting)


PARTS: dict[str, Steps] = {
    "cycle": Steps(
        lambda n: Cycle(n, CELLS, SLOTS), cycle_score,
        lambda part, level, at: part.learn(at, level, ones(level), ~odd(level), odd(level)),
    ),
    "decay": Steps(
        Decay, lambda part, level, at: part.begin(at.day, ones(level)),
        lambda part, level, at: part.learn(level, ~odd(level)),
    ),
    "explanations": Steps(lambda n: Explanations(n, CELLS, SLOTS, CELLS), explanations_score, explanations_learn),
    "nature": Steps(lambda n: Nature(n, float(CELLS)), nature_score, nature_learn),
    "sustained": Steps(
        Sustained, lambda part, level, at: part.score(level), lambda part, level, at: part.learn(level, ~odd(level))
    ),
    "tails": Steps(
        Tail, lambda part, level, at: part.surprise(level), lambda part, level, at: part.learn(level, ~odd(level))
    ),
}  # fmt: skip


def replay(name: str, part: Any, levels: np.ndarray, first: int = 0) -> list[np.ndarray]:
    steps, said = PARTS[name], []
    for row, level in enumerate(levels, first):
        said.append(np.array(steps.score(part, level, AT[row]), dtype=np.float64))
        steps.learn(part, level, AT[row])
    return said


def check_no_look_ahead(name: str, levels: np.ndarray) -> None:
    make = PARTS[name].make
    np.testing.assert_array_equal(replay(name, make(2), levels)[:40], replay(name, make(2), levels[:40]))


def check_series_apart(name: str, levels: np.ndarray) -> None:
    make = PARTS[name].make
    together = np.array(replay(name, make(2), levels))
    apart = [np.array(replay(name, make(1), levels[:, [series]]))[..., 0] for series in (0, 1)]
    np.testing.assert_array_equal(together, np.stack(apart, axis=-1))


def check_pickled_in_mid_stream_goes_on(name: str, levels: np.ndarray) -> None:
    part = PARTS[name].make(2)
    replay(name, part, levels[:30])
    again = pickle.loads(pickle.dumps(part))
    np.testing.assert_array_equal(replay(name, again, levels[30:], 30), replay(name, part, levels[30:], 30))


def check_bounded(name: str, levels: np.ndarray) -> None:
    part = PARTS[name].make(2)
    replay(name, part, levels[:30])
    size = len(pickle.dumps(part))
    replay(name, part, levels[30:], 30)
    assert len(pickle.dumps(part)) < 1.3 * size + 200


def check_swapped_series_are_swapped(name: str, levels: np.ndarray) -> None:
    part, other = PARTS[name].make(2), PARTS[name].make(2)
    replay(name, part, levels[:30])
    replay(name, other, levels[:30])
    other.reindex(np.array([1, 0]))
    expected = np.array(replay(name, part, levels[30:], 30))[..., ::-1]
    np.testing.assert_array_equal(np.array(replay(name, other, levels[30:, ::-1], 30)), expected)


CHECKS = [
    check_no_look_ahead, check_series_apart, check_pickled_in_mid_stream_goes_on, check_bounded,
    check_swapped_series_are_swapped,
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(PARTS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_part(check: Callable[[str, np.ndarray], None], name: str) -> None:
    @settings(max_examples=8)
    @given(LEVELS)
    def run(levels: np.ndarray) -> None:
        check(name, levels)

    run()


def test_a_constant_is_no_news_to_any_part() -> None:
    level = np.zeros(2)
    cycle, decay, explanations, nature, sustained, tails = (
        (PARTS[name], PARTS[name].make(2)) for name in sorted(PARTS)
    )
    for row in range(WINDOWS):
        for steps, part in (cycle, decay, explanations, nature, sustained, tails):
            steps.score(part, level, AT[row])
            steps.learn(part, level, AT[row])
    assert not np.nan_to_num(cycle_score(cycle[1], level, AT[0])).any()
    assert np.isnan(decay[1].begin(100, np.ones(2))).all()
    _, z, jump, news, together = explanations_score(explanations[1], level, AT[0])
    assert not z.any() and not jump.any() and not news.any() and np.isnan(together).all()
    assert nature[1].chosen.tolist() == [0, 0]
    assert not np.nan_to_num(sustained[1].score(level)).any() and not tails[1].surprise(level).any()


def test_explanations_go_on_from_their_parts_with_the_same_bytes() -> None:
    levels = np.random.default_rng(5).normal(0.0, 9.0, (WINDOWS, 2))
    whole = PARTS["explanations"].make(2)
    replay("explanations", whole, levels[:30])
    again = PARTS["explanations"].make(2)
    again.take({name: encode() for name, _, encode in whole.parts()})
    np.testing.assert_array_equal(
        replay("explanations", again, levels[30:], 30), replay("explanations", whole, levels[30:], 30)
    )
    assert [encode() for _, _, encode in again.parts()] == [encode() for _, _, encode in whole.parts()]
