"""Claims about what is normal: medians by slot and class, shrinkage, no look-ahead, exact restores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamgauge.anomaly.days import DEPTH
from streamgauge.anomaly.reference import Expected, Moment, Reference

YES = np.array([True])


def feed(reference: Reference, moment: Moment, *levels: float) -> Expected:
    expected = reference.expect(moment)
    reference.learn(moment, np.array(levels), np.ones(len(levels), bool))
    return expected


def days(count: int, level: float = 10.0, slots: int = 1) -> Reference:
    reference = Reference(1, slots)
    for day in range(count):
        for slot in range(slots):
            feed(reference, Moment(day, slot), level + day % 2)
    return reference


def test_center_is_the_median_of_the_same_slot() -> None:
    reference = Reference(1, 2)
    for day in range(9):
        feed(reference, Moment(day, 0), 1.0)
        feed(reference, Moment(day, 1), 100.0 + day)
    assert reference.expect(Moment(9, 0)).center[0] == 1.0
    assert reference.expect(Moment(9, 1)).center[0] == 104.0


def test_a_day_older_than_the_history_is_forgotten() -> None:
    reference = days(DEPTH, level=10.0)
    for day in range(DEPTH, 2 * DEPTH):
        feed(reference, Moment(day, 0), 50.0)
    expected = reference.expect(Moment(2 * DEPTH, 0))
    assert expected.center[0] == 50.0
    assert expected.entries[0] == DEPTH


def test_a_gap_longer_than_the_history_leaves_the_trailing_windows() -> None:
    reference = days(DEPTH, level=10.0)
    expected = reference.expect(Moment(10 * DEPTH, 0))
    assert expected.entries[0] == 24
    assert 10.0 <= expected.center[0] <= 11.0


def test_classes_of_day_are_told_apart_where_asked_or_clearly_apart() -> None:
    reference, generator = Reference(3, 1), np.random.default_rng(1)
    for day in range(28):
        saturday = day % 7 == 5
        reference.expect(Moment(day, 0, int(saturday)))
        low = 20.0 if saturday else 100.0
        noise = generator.normal(0.0, 10.0)
        reference.learn(Moment(day, 0, int(saturday)), np.array([low, low, 100.0 + noise]), np.ones(3, bool))
    expected = reference.expect(Moment(33, 0, 1), np.array([True, False, False]))
    assert expected.center[:2].tolist() == [20.0, 20.0]
    assert expected.entries.tolist() == [4, 23, 23]  # days 5 to 27
    assert expected.center[2] == pytest.approx(100.0, abs=5.0)  # what is not clearly apart is pooled


def test_a_constant_history_still_has_the_spread_of_the_other_slots() -> None:
    reference = Reference(1, 2)
    generator = np.random.default_rng(1)
    for day in range(8):
        feed(reference, Moment(day, 0), 5.0)
        feed(reference, Moment(day, 1), generator.normal())
    feed(reference, Moment(8, 0), 5.0)
    assert reference.expect(Moment(9, 0)).spread[0] > 0.3  # 8 values of one slot do not prove that it never varies


def test_spread_estimates_sigma() -> None:
    reference = Reference(500, 4)
    generator = np.random.default_rng(2)
    for day in range(28):
        for slot in range(4):
            feed(reference, Moment(day, slot), *generator.normal(0.0, 2.0, 500))
    assert np.median(reference.expect(Moment(28, 0)).spread) == pytest.approx(2.0, rel=0.05)


def test_wobble_is_the_variance_inside_a_slot_not_the_rhythm_of_the_day() -> None:
    reference = Reference(1, 2)
    generator = np.random.default_rng(3)
    for day in range(10):
        for slot in (0, 1):
            for _ in range(30):
                feed(reference, Moment(day, slot), 1000.0 * slot + generator.normal(0.0, 3.0))
    assert reference.expect(Moment(10, 0)).wobble[0] == pytest.approx(9.0, rel=0.3)


def test_what_is_not_kept_is_not_learnt() -> None:
    reference = days(10)
    for day in range(10, 14):
        reference.expect(Moment(day, 0))
        reference.learn(Moment(day, 0), np.array([1e6]), ~YES, np.array([1e6]))
    assert reference.expect(Moment(14, 0)).center[0] == 10.5


def test_settle_moves_the_whole_history_by_the_excess() -> None:
    reference = days(10, slots=2)
    for slot in (0, 1):
        reference.expect(Moment(10, slot))
        reference.learn(Moment(10, slot), np.array([40.0]), ~YES, np.array([30.0]))
    reference.settle(np.array([0]))
    assert reference.expect(Moment(11, 0)).center[0] == 40.5
    assert reference.expect(Moment(11, 1)).center[0] == 40.5


def test_reach_is_the_share_of_days_that_had_a_value_in_the_slot() -> None:
    reference = Reference(2, 2)
    for day in range(10):
        feed(reference, Moment(day, 0), 1.0, 1.0 if day % 3 == 0 else np.nan)
        feed(reference, Moment(day, 1), np.nan, np.nan)
    assert reference.expect(Moment(10, 0)).reach.tolist() == [1.0, 0.4]
    assert reference.expect(Moment(10, 1)).reach.tolist() == [0.0, 0.0]


def test_a_revision_of_an_older_window_changes_nothing() -> None:
    reference = days(10, slots=2)
    before = reference.snapshot()
    reference.expect(Moment(8, 0))
    reference.learn(Moment(8, 0), np.array([1e9]), YES)
    assert reference.snapshot() == before


def test_a_revision_is_not_judged_by_the_window_that_it_revises() -> None:
    reference = days(10, slots=2)
    before = reference.expect(Moment(10, 0))
    reference.learn(Moment(10, 0), np.array([500.0]), YES)
    reference.expect(Moment(10, 1))
    after = reference.expect(Moment(10, 0))
    assert (after.center[0], after.entries[0]) == (before.center[0], before.entries[0])


def test_a_value_that_stopped_coming_is_not_expected_any_more() -> None:
    reference = days(DEPTH)
    for day in range(DEPTH, 2 * DEPTH):
        feed(reference, Moment(day, 0), np.nan)
    assert reference.expect(Moment(2 * DEPTH, 0)).reach[0] == 0.0


def test_series_that_come_start_fresh_and_those_that_stay_keep_their_history() -> None:
    reference = days(10)
    reference.reindex(np.array([-1, 0]))
    expected = reference.expect(Moment(10, 0))
    assert np.isnan(expected.center[0])
    assert expected.center[1] == 10.5


@settings(max_examples=50)
@given(
    arrays(np.float64, (40, 3), elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))),
    st.integers(1, 39), st.sampled_from([1, 3]),
)
def test_restore_continues_with_the_same_bytes(levels: np.ndarray, cut: int, per_slot: int) -> None:
    moments = [Moment(row // (2 * per_slot), row // per_slot % 2) for row in range(40)]
    whole, first = Reference(3, 2), Reference(3, 2)
    for row in range(cut):
        feed(whole, moments[row], *levels[row])
        feed(first, moments[row], *levels[row])
    second = Reference.restore(first.snapshot())
    for row in range(cut, 40):
        one, other = feed(whole, moments[row], *levels[row]), feed(second, moments[row], *levels[row])
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    assert second.snapshot() == whole.snapshot()


@settings(max_examples=50)
@given(arrays(np.float64, (30, 4), elements=st.floats(-1e3, 1e3)))
def test_series_are_independent_of_their_company(levels: np.ndarray) -> None:
    together, alone = Reference(4, 2), [Reference(1, 2) for _ in range(4)]
    for row in range(30):
        moment = Moment(row // 2, row % 2)
        expected = feed(together, moment, *levels[row])
        for series, reference in enumerate(alone):
            own = feed(reference, moment, levels[row, series])
            for left, right in zip(expected, own, strict=True):
                np.testing.assert_array_equal(left[series], right[0])


def test_a_slot_that_is_moved_is_expected_there_at_once_and_no_other_is() -> None:
    reference = Reference(2, 2)
    for day in range(6):
        for slot in (0, 1):
            at = Moment(day, slot)
            reference.expect(at)
            reference.learn(at, np.full(2, 10.0), np.ones(2, bool))
    reference.shift(1, np.array([0.0, 5.0]))
    assert reference.expect(Moment(5, 1)).center.tolist() == [10.0, 15.0]
    assert reference.expect(Moment(6, 0)).center.tolist() == [10.0, 10.0]
    assert reference.expect(Moment(6, 1)).center.tolist() == [10.0, 15.0]
