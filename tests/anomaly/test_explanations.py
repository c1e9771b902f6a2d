"""Claims about what is learnt beside the slots: cycles inside the hour, what comes back, who speaks for a series."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamgauge.anomaly.columns import pack, unpack
from streamgauge.anomaly.cycle import Cycle
from streamgauge.anomaly.nature import NAMES, UNTRIED, Nature
from streamgauge.anomaly.reference import Moment
from streamgauge.anomaly.sustained import Sustained

ONE, YES, NO = np.ones(1), np.array([True]), np.array([False])


def seen(cycle: Cycle, day: int, cell: int, excess: float, odd: bool) -> list[int]:
    at = Moment(day, 0, cell=cell)
    return cycle.learn(at, np.array([excess]), ONE, NO if odd else YES, YES if odd else NO).again.tolist()


def test_a_cell_that_is_clearly_not_like_its_slot_has_its_own_excess_after_three_days() -> None:
    cycle = Cycle(1, 4, 1)
    offsets = []
    for day in range(4):
        cycle.begin(Moment(day, 0, cell=2))
        offsets.append(cycle.offsets(2, ONE).usual[0])
        seen(cycle, day, 2, 10.0, odd=False)
    assert offsets == [0.0, 0.0, 0.0, 7.5]  # over the mean of the four cells
    assert cycle.offsets(1, ONE).usual[0] == -2.5


def test_what_all_cells_of_a_slot_have_in_common_is_the_slots() -> None:
    cycle = Cycle(1, 4, 4)
    for day in range(10):
        seen(cycle, day, 2, 40.0, odd=False)
    assert cycle.offsets(2, ONE).usual[0] == 0.0


def test_noise_leaves_a_cell_pooled_with_its_slot() -> None:
    cycle, generator = Cycle(500, 2, 1), np.random.default_rng(1)
    for day in range(14):
        noise = generator.normal(size=500)
        cycle.learn(Moment(day, 0), noise, np.ones(500), np.ones(500, bool), np.zeros(500, bool))
    assert np.mean(cycle.offsets(0, np.ones(500)).usual == 0.0) > 0.95


def test_what_is_rejected_twice_alike_at_a_place_of_the_day_is_known_and_says_so() -> None:
    cycle = Cycle(1, 4, 1)
    assert seen(cycle, 0, 3, 30.0, odd=True) == []
    assert np.isnan(cycle.offsets(3, ONE).other[0])
    assert seen(cycle, 7, 3, 31.0, odd=True) == [0]
    assert cycle.offsets(3, ONE).other[0] == 30.5
    assert seen(cycle, 14, 3, 30.0, odd=True) == []  # said once


def test_two_rejects_that_are_not_alike_are_two_first_ones() -> None:
    cycle = Cycle(1, 4, 1)
    seen(cycle, 0, 3, 30.0, odd=True)
    assert seen(cycle, 1, 3, -30.0, odd=True) == []
    assert np.isnan(cycle.offsets(3, ONE).other[0])


def test_what_comes_instead_of_the_usual_four_times_is_the_usual_and_the_slot_moves_with_it() -> None:
    cycle, center = Cycle(1, 4, 1), 100.0
    for day in range(18):
        for cell in range(4):
            is_new = day >= 14 and cell == 0
            at, level = Moment(day, 0, cell=cell), np.array([120.0 if is_new else 100.0])
            taught = cycle.learn(at, level - center, ONE, NO if is_new else YES, YES if is_new else NO)
            center += float(taught.moved[0])
    assert center == 105.0  # the mean of the four
    assert [center + float(cycle.offsets(cell, ONE).usual[0]) for cell in range(4)] == [120.0, 100.0, 100.0, 100.0]


def test_what_turns_out_to_last_is_no_cycle() -> None:
    cycle = Cycle(1, 4, 1)
    seen(cycle, 0, 3, 30.0, odd=True)
    seen(cycle, 5, 3, 30.0, odd=True)
    cycle.undo(np.array([0]), 6)
    assert np.isnan(cycle.offsets(3, ONE).other[0])


def test_five_sigmas_over_six_windows_stand_out_where_one_does_not() -> None:
    sustained, generator = Sustained(200), np.random.default_rng(3)
    for _ in range(500):
        z = generator.normal(size=200)
        assert np.nanmax(np.abs(np.nan_to_num(sustained.score(z)))) < 5.0
        sustained.learn(z, np.ones(200, bool))
    for _ in range(6):
        z = generator.normal(5.0, 1.0, size=200)
        u = sustained.score(z)
        sustained.learn(z, np.zeros(200, bool))
    assert np.min(u) > 7.0


@pytest.mark.parametrize(("walks", "speaks"), [(True, "robust_ewma"), (False, "seasonal_robust")])
def test_the_last_hours_speak_for_a_series_that_wanders_only(walks: bool, speaks: str) -> None:
    nature, generator, level = Nature(1, 24.0), np.random.default_rng(4), 0.0
    wide = np.array([30.0 if walks else 1.0])  # what the reference makes of a walk
    for _ in range(200):
        level = level + generator.normal() if walks else generator.normal()
        value = np.array([level])
        nature.learn(value, Moment(0, 0), value / wide, wide, 1e-9 * ONE, NO, NO)
    assert NAMES[nature.chosen[0]] == speaks


def test_a_grown_series_is_given_to_another_detector_only_after_two_failures_within_a_day() -> None:
    nature = Nature(1, 24.0)
    for _ in range(100):
        nature.learn(np.zeros(1), Moment(0, 0), np.zeros(1), ONE, ONE, NO, YES)
    chosen = []
    for failed in [True] * 5 + [False] * 3 + [True] * 20:  # two failures, good windows between
        z = np.array([20.0 if failed else 0.0])
        nature.learn(z, Moment(0, 0), z, ONE, ONE, np.array([failed]), YES)
        chosen.append(int(nature.chosen[0]))
    assert set(chosen[:8]) == {0}
    assert chosen[-1] > 0


def test_a_series_without_a_rhythm_is_spoken_for_by_its_last_half_day() -> None:
    nature, generator = Nature(1, 24.0), np.random.default_rng(4)
    for _ in range(400):
        value = generator.normal(size=1)
        nature.learn(value, Moment(0, 0), value + 20.0, ONE, 1e-9 * ONE, YES, NO)  # a reference that is far off
    assert NAMES[nature.chosen[0]] == "steady_ewma"
    change = [abs(float(nature.steady(np.array([6.0]), Moment(0, 0), 1e-9 * ONE)[0])) for _ in range(6)]
    assert min(change) > 4.0


def test_a_state_of_a_release_with_one_rival_is_read() -> None:
    nature = Nature(2, 24.0)
    for _ in range(50):
        nature.learn(np.ones(2), Moment(0, 0), np.zeros(2), np.ones(2), np.ones(2), np.zeros(2, bool), np.ones(2, bool))
    memory, packed, rivals = msgspec.msgpack.decode(nature.snapshot())
    old = unpack(packed) | {"losses": unpack(packed)["losses"][:, :2]}
    again = Nature.restore(msgspec.msgpack.encode([memory, pack(old), rivals[:1]]))
    assert again.losses()[:, :2].tolist() == nature.losses()[:, :2].tolist()
    assert again.losses()[:, 2].tolist() == [UNTRIED, UNTRIED]


@settings(max_examples=20)
@given(arrays(np.float64, (40, 3), elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))), st.integers(1, 39))
def test_restored_parts_continue_with_the_same_bytes(levels: np.ndarray, cut: int) -> None:
    def run(parts: tuple[Cycle, Nature, Sustained], rows: range) -> None:
        cycle, nature, sustained = parts
        for row in rows:
            level, at, odd = levels[row], Moment(row // 4, 0, cell=row % 4), np.abs(np.nan_to_num(levels[row])) > 10.0
            cycle.learn(at, level, np.ones(3), ~odd, odd)
            nature.learn(level, at, level, np.ones(3), np.ones(3), odd, odd)
            sustained.learn(level, ~odd)

    whole = (Cycle(3, 4, 2), Nature(3, 4.0), Sustained(3))
    run(whole, range(cut))
    again = tuple(type(part).restore(part.snapshot()) for part in whole)
    run(whole, range(cut, 40))
    run(again, range(cut, 40))  # type: ignore[arg-type]
    assert [part.snapshot() for part in again] == [part.snapshot() for part in whole]
