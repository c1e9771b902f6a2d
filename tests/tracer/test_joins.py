"""The laws of the join: every sample settles once, every deadline is counted in its own pane."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import join_state
from streamgauge.tracer.joins import Deadlines, Join, Labels

LABELS = Labels(margin=20.0, horizon=35.0, timeout=50.0)


def _keys(*keys: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(keys, np.uint64)


def _opened(labels: Labels = LABELS, *, now: float = 0.0, due: float = 10.0, keys: tuple[int, ...] = (1,)) -> Join:
    join = Join(labels, 10.0)
    size = len(keys)
    join.open(now, _keys(*keys), event=np.full(size, now), due=np.full(size, due), predictions=np.full(size, 0.3))
    return join


SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 30),  # id
        st.floats(0.0, 100.0),  # seen
        st.floats(-20.0, 60.0),  # due after that
        st.floats(-40.0, 10.0),  # event time relative to it
        st.one_of(st.none(), st.floats(0.0, 200.0)),  # label after that
        st.booleans(),
    ),
    max_size=25,
)


def _play(samples: list[tuple[int, float, float, float, float | None, bool]]) -> tuple[list[Deadlines], int, int, Join]:
    """Run samples through a join in time order; (deadlines, samples opened, labels that settled one, the join)."""
    events: list[tuple[float, int, int]] = []
    for i, (_, seen, _, _, label_after, _) in enumerate(samples):
        events.append((seen, 0, i))
        if label_after is not None:
            events.append((seen + label_after, 1, i))
    join, passed, opened, settled = Join(LABELS, 10.0), list[Deadlines](), 0, 0
    for now, kind, i in sorted(events):
        passed += join.close(math.floor(now / 10.0) * 10.0)
        key, seen, due, event, _, y = samples[i]
        if kind == 0:
            repeats = join.open(now, _keys(key), event=np.array([seen + event]), due=np.array([seen + due]))
            opened += 1 - repeats
        else:
            settled += join.label(now, _keys(key), np.array([float(y)])).settled
    return passed + join.close(10_000.0), opened, settled, join


@given(SAMPLES)
def test_every_sample_settles_exactly_once_labelled_or_expired(
    samples: list[tuple[int, float, float, float, float | None, bool]],
) -> None:
    passed, opened, settled, join = _play(samples)
    assert opened == settled + sum(row.expired for row in passed)
    assert len(join) == 0


@given(SAMPLES)
def test_every_sample_is_due_once_and_overdue_at_most_once(
    samples: list[tuple[int, float, float, float, float | None, bool]],
) -> None:
    passed, opened, _, _ = _play(samples)
    assert sum(row.due for row in passed) == opened == sum(row.cohort_rows for row in passed)
    assert all(row.due >= row.overdue >= 0 and row.cohort_rows >= row.cohort_labelled >= 0 for row in passed)


@given(SAMPLES, st.floats(0.0, 250.0))
def test_a_restored_join_goes_on_as_if_nothing_had_happened(
    samples: list[tuple[int, float, float, float, float | None, bool]], at: float
) -> None:
    events = sorted([(s[1], 0, i) for i, s in enumerate(samples)] + [
        (s[1] + s[4], 1, i) for i, s in enumerate(samples) if s[4] is not None
    ])  # fmt: skip
    told: list[list[tuple[object, ...]]] = []
    for restarts in (False, True):
        join, said = Join(LABELS, 10.0), list[tuple[object, ...]]()
        for now, kind, i in events:
            if restarts and now >= at:
                saved = join_state.save(join)
                join = Join(LABELS, 10.0)
                join_state.load(join, saved)
                restarts = False
            said += join.close(math.floor(now / 10.0) * 10.0)
            key, seen, due, event, _, y = samples[i]
            if kind == 0:
                said.append((join.open(now, _keys(key), event=np.array([seen + event]), due=np.array([seen + due])),))
            else:
                known = join.label(now, _keys(key), np.array([float(y)]))
                said.append((known.settled, known.flips, *np.nan_to_num(known.delay, nan=-1.0).tolist()))
        told.append([*said, *join.close(10_000.0)])
    assert told[0] == told[1]


def test_a_label_in_time_is_due_and_not_overdue() -> None:
    join = _opened()
    join.label(29.9, _keys(1), np.ones(1))
    assert join.close(100.0)[0] == Deadlines(30.0, 1, 0, 1, 1, 0)


def test_a_label_after_due_and_margin_was_overdue() -> None:
    join = _opened()
    assert join.close(40.0) == [Deadlines(30.0, 1, 1, 1, 0, 0)]
    assert join.label(41.0, _keys(1), np.ones(1)).settled == 1


def test_a_sample_without_label_expires_in_the_pane_of_its_timeout() -> None:
    join = _opened()
    assert [(row.pane, row.expired) for row in join.close(100.0)] == [(30.0, 0), (60.0, 1)]


def test_a_label_after_the_timeout_finds_nobody_even_within_the_same_pane() -> None:
    join = _opened()
    known = join.label(65.0, _keys(1), np.ones(1))
    assert known.settled == 0
    assert known.is_new.all()  # it arrived all the same
    assert sum(row.expired for row in join.close(100.0)) == 1


def test_a_second_label_is_no_news_and_another_value_is_a_flip() -> None:
    join = _opened()
    first = join.label(5.0, _keys(1, 1), np.array([0.0, 0.0]))
    assert (first.settled, first.flips) == (1, 0)
    again = join.label(6.0, _keys(1), np.array([1.0]))
    assert (int(again.is_new.sum()), again.settled, again.flips) == (0, 0, 1)


def test_a_sample_delivered_twice_waits_once() -> None:
    join = _opened()
    assert join.open(1.0, _keys(1, 2, 2), due=np.full(3, 10.0)) == 2
    assert len(join) == 2


def test_the_delay_is_from_the_sample_s_own_time() -> None:
    join = Join(LABELS, 10.0)
    join.open(10.0, _keys(1, 2), event=np.array([4.0, math.nan]))
    assert join.label(12.0, _keys(1, 2, 3), np.ones(3)).delay[:2].tolist() == [8.0, 2.0]


def test_without_room_the_oldest_leave_are_counted_and_are_never_overdue() -> None:
    join = _opened(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=3), keys=(1, 2, 3, 4, 5))
    assert (len(join), join.overflow) == (3, 2)
    assert sum(row.overdue for row in join.close(100.0)) == 3


def test_an_evicted_sample_that_comes_back_is_counted_once_at_its_timeout() -> None:
    join = _opened(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=1), keys=(1, 2))
    join.open(0.0, _keys(1), due=np.array([10.0]))
    assert sum(row.expired for row in join.close(100.0)) == 1
    assert join.overflow == 2


def test_predictions_and_features_wait_with_the_sample() -> None:
    join = Join(LABELS, 10.0)
    join.open(0.0, _keys(7, 8), predictions=np.array([0.1, 0.2]), features={"age": np.array([3.0, 4.0])})
    slots = join.find(_keys(8, 9))
    assert np.array_equal(join.column("prediction", slots), [0.2, math.nan], equal_nan=True)
    assert join.features(slots[:1])["age"].tolist() == [4.0]


def test_memory_is_reused_over_a_long_run() -> None:
    join = Join(Labels(margin=1.0, horizon=1.0, timeout=10.0), 10.0)
    for k in range(200):
        join.close(10.0 * k)
        join.open(10.0 * k, np.arange(100 * k, 100 * k + 100, dtype=np.uint64))
    assert len(join._table["seen"]) == 1024


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x97\x63\xc4\x00\x80\x80\x80\x80\x00"])
def test_a_foreign_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="join snapshot"):
        join_state.load(Join(LABELS, 10.0), data)
