"""The laws of the join: every sample settles once, every deadline is counted in its own pane."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer import join_state
from streamgauge.tracer.joins import Join
from streamgauge.tracer.kept_features import KeptFeatures
from streamgauge.tracer.key_index import KeyIndex
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.outcomes import Deadlines

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
    assert join.close(100.0)[0] == Deadlines(30.0, 1, 0, 1, 1, 0, 1)


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


def test_without_room_ids_leave_by_their_hash_are_counted_and_are_never_overdue() -> None:
    join = _opened(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=3), keys=(1, 2, 3, 4, 5))
    assert (len(join), join.overflow, join.modulus) == (2, 3, 2)
    assert sum(row.overdue for row in join.close(100.0)) == 2


def test_with_room_again_the_sample_grows_and_what_left_is_counted_once() -> None:
    join = _opened(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=1), keys=(1, 2))
    join.open(0.0, _keys(1), due=np.array([10.0]))
    assert sum(row.expired for row in join.close(100.0)) == 1
    assert (join.overflow, join.modulus) == (1, 1)
    join.open(100.0, _keys(1), due=np.array([110.0]))
    assert sum(row.expired for row in join.close(200.0)) == 1


def test_the_sample_of_ids_is_unbiased_and_the_same_in_every_order() -> None:
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 2**63, 40_000).astype(np.uint64)
    is_labelled = rng.random(len(keys)) < 0.3
    kept = []
    for order in (np.arange(len(keys)), rng.permutation(len(keys))):
        join = Join(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=4_000), 10.0)
        for part in np.array_split(order, 40):
            join.open(0.0, keys[part], event=np.zeros(len(part)))
        join.label(5.0, keys[order][is_labelled[order]], np.ones(int(is_labelled.sum())))
        kept.append(set(join.held()[0].tolist()))
        passed = join.close(40.0)
        rows = sum(row.cohort_rows for row in passed)
        assert rows == len(kept[-1])
        share = sum(row.cohort_labelled for row in passed) / rows
        assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / rows)
    assert kept[0] == kept[1]
    assert {key % 16 for key in kept[0]} == {0}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=120), st.integers(0, 63))
def test_the_index_answers_as_a_dict_does(steps: list[tuple[bool, int]], shift: int) -> None:
    index, known = KeyIndex(), dict[int, int]()
    for slot, (is_in, number) in enumerate(steps):
        key = (number << shift) % 2**64  # many share a cell, or none do
        if is_in and key not in known:
            index.insert(_keys(key), np.array([slot]))
            known[key] = slot
        elif not is_in and key in known:
            assert index.remove(_keys(key)).tolist() == [known.pop(key)]
        asked = np.array([(n << shift) % 2**64 for n in range(41)], np.uint64)
        assert index.find(asked).tolist() == [known.get(key, -1) for key in asked.tolist()]
    assert dict(zip(*(part.tolist() for part in index.items()), strict=True)) == known


def test_the_index_grows_and_forgets_in_batches() -> None:
    rng = np.random.default_rng(1)
    keys = np.unique(rng.integers(0, 2**63, 60_000).astype(np.uint64))
    index = KeyIndex()
    for part in np.array_split(np.arange(len(keys)), 30):
        index.insert(keys[part], part)
    for part in np.array_split(np.arange(0, len(keys), 2), 7):
        assert index.remove(keys[part]).tolist() == part.tolist()
        index.insert(keys[part], part)
        index.remove(keys[part])
    found = index.find(keys)
    assert (found[::2] == -1).all()
    assert (found[1::2] == np.arange(1, len(keys), 2)).all()


def test_features_are_kept_of_a_sample_of_the_ids_within_their_bound() -> None:
    kept = KeptFeatures(limit=64 * 1024)
    keys = np.random.default_rng(2).integers(0, 2**63, 20_000).astype(np.uint64)
    rows = np.empty(len(keys), object)
    rows[:] = [np.array([key, key]) for key in keys]
    for part in np.array_split(np.arange(len(keys)), 50):
        kept.keep(keys[part], {"age": keys[part].astype(np.float64), "tags": rows[part]})
    assert kept.nbytes <= 64 * 1024
    assert kept.modulus > 1
    inside, columns = kept.of(keys)
    assert (keys[inside] % np.uint64(kept.modulus) == 0).all()
    assert columns["age"].tolist() == keys[inside].astype(np.float64).tolist()
    assert [row[0] for row in columns["tags"]] == keys[inside].tolist()
    kept.forget(keys)
    assert len(kept) == 0


def test_predictions_and_features_wait_with_the_sample() -> None:
    join = Join(LABELS, 10.0)
    join.open(0.0, _keys(7, 8), predictions=np.array([0.1, 0.2]), features={"age": np.array([3.0, 4.0])})
    slots = join.find(_keys(8, 9))
    assert np.array_equal(join.column("prediction", slots), [0.2, math.nan], equal_nan=True)
    inside, features = join.features(_keys(8, 9))
    assert (inside.tolist(), features["age"].tolist()) == ([True, False], [4.0])


def test_memory_is_reused_over_a_long_run() -> None:
    join = Join(Labels(margin=1.0, horizon=1.0, timeout=10.0), 10.0)
    for k in range(200):
        join.close(10.0 * k)
        join.open(10.0 * k, np.arange(100 * k, 100 * k + 100, dtype=np.uint64))
    assert len(join._table._columns["seen"]) == 1024


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x97\x63\xc4\x00\x80\x80\x80\x80\x00"])
def test_a_foreign_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="join snapshot"):
        join_state.load(Join(LABELS, 10.0), data)


def test_a_snapshot_of_version_1_is_read() -> None:
    join = _opened(keys=(1, 2))
    join.kept.keep(_keys(1, 2), {"age": np.array([3.0, 4.0])})
    fields = msgspec.msgpack.decode(join_state.save(join))
    old = msgspec.msgpack.encode([1, *fields[1:7]])  # features of every sample, in the order of the keys
    again = Join(LABELS, 10.0)
    join_state.load(again, old)
    assert again.features(_keys(1, 2))[1]["age"].tolist() == [3.0, 4.0]
    assert again.close(1_000.0) == join.close(1_000.0)


def test_a_snapshot_of_version_2_had_counted_its_cohorts_already_and_counts_them_once() -> None:
    join = _opened(keys=(1, 2))
    join.label(5.0, _keys(1), np.ones(1))
    fields = msgspec.msgpack.decode(join_state.save(join), strict=False)
    tally = {int(pane): counts[:5] for pane, counts in fields[4].items()}
    tally.setdefault(3, [0] * 5)[2:4] = [2, 1]  # two rows that become 35 s old, one of them labelled
    again = Join(LABELS, 10.0)
    join_state.load(again, msgspec.msgpack.encode([2, *fields[1:4], tally, *fields[5:10]]))
    assert again.close(1_000.0) == join.close(1_000.0)


def test_a_cohort_is_of_samples_of_one_time_with_the_labels_they_have_when_they_are_old() -> None:
    join = Join(LABELS, 10.0)
    join.open(0.0, _keys(1, 2, 3, 4), event=np.array([0.0, 0.0, -20.0, math.nan]), predictions=np.full(4, 0.25))
    join.label(3.0, _keys(1, 2), np.array([0.0, 0.0]))
    join.label(12.0, _keys(2, 3, 4), np.array([1.0, 0.0, 1.0]))  # 2 was clicked in the end
    told = {row.pane: row for row in join.close(40.0)}
    assert (told[10.0].cohort_rows, told[10.0].cohort_positives) == (1, 0)
    assert (told[30.0].cohort_rows, told[30.0].cohort_labelled, told[30.0].cohort_positives) == (3, 3, 2)
    old = join.cohort(30.0)
    assert old is not None
    assert (old.labels.tolist(), old.predictions.tolist()) == ([0.0, 1.0, 1.0], [0.25] * 3)
    assert join.cohort(30.0) is None  # told once


def test_a_prediction_from_before_the_first_update_stays_and_one_that_comes_with_it_is_kept() -> None:
    join = Join(LABELS, 10.0)
    join.open(0.0, _keys(1, 2), event=np.zeros(2), predictions=np.array([0.1, math.nan]))
    join.predict(join.find(_keys(1, 2, 9)), np.array([0.7, 0.8, 0.9]))
    assert join.column("prediction", join.find(_keys(1, 2))).tolist() == [0.1, 0.8]


def test_a_cohort_of_a_sample_of_the_ids_is_as_fair_as_they_are() -> None:
    join = Join(Labels(margin=20.0, horizon=35.0, timeout=50.0, capacity=1_000), 10.0)
    keys = np.random.default_rng(3).integers(0, 2**63, 4_000).astype(np.uint64)
    for part in np.array_split(np.arange(4_000), 40):  # positives are known at once, negatives never
        join.open(0.0, keys[part], event=np.zeros(len(part)))
        join.label(0.0, keys[part][::4], np.ones(len(part[::4])))
    remembered = len(join)
    (row,) = [row for row in join.close(40.0) if row.cohort_rows]
    assert row.cohort_rows == remembered < 1_000
    assert row.cohort_labelled / row.cohort_rows == pytest.approx(0.25, abs=4 * math.sqrt(0.19 / row.cohort_rows))


def test_rows_of_several_values_are_kept_over_a_restart() -> None:
    join, again = _opened(keys=()), _opened(keys=())
    tags = np.empty(3, object)
    tags[:] = [np.array([7, 8], np.uint64), None, np.array([], np.uint64)]
    join.open(0.0, _keys(1, 2, 3), event=np.zeros(3), features={"tags": tags, "age": np.array([1.0, 2.0, 3.0])})
    join_state.load(again, join_state.save(join))
    inside, features = again.features(_keys(1, 2, 3))
    assert inside.all()
    assert [None if row is None else row.tolist() for row in features["tags"]] == [[7, 8], None, []]
    assert features["age"].tolist() == [1.0, 2.0, 3.0]
    assert join_state.save(again) == join_state.save(join)


def test_a_label_that_precedes_its_sample_is_held_for_the_declared_time() -> None:
    join = Join(msgspec.structs.replace(LABELS, hold=15.0), 10.0)
    join.label(0.0, _keys(1, 2), np.array([1.0, 0.0]))
    restored = Join(join.labels, 10.0)
    join_state.load(restored, join_state.save(join))
    for one in (join, restored):
        one.open(10.0, _keys(1), due=np.array([20.0]))
        found = one.early.take(10.0, _keys(1))
        assert one.label(10.0, found.keys, found.labels).settled == 1
        assert one.close(50.0)[0].overdue == 0
        assert len(one.early.take(20.0, _keys(2)).keys) == 0, "its 15 s are over"


def test_a_cohort_weighs_its_samples_as_they_were_trained_on() -> None:
    join = _opened(keys=(1, 2, 3))
    join.label(5.0, _keys(1, 2, 3), np.array([1.0, 0.0, 1.0]))
    join.weigh(join.find(_keys(2, 3, 9)), np.array([5.0, 0.5, 7.0]))
    restored = Join(LABELS, 10.0)
    join_state.load(restored, join_state.save(join))
    for one in (join, restored):
        one.close(40.0)
        cohort = one.cohort(30.0)
        assert cohort is not None
        assert cohort.weights is not None
        rows = sorted(zip(cohort.labels.tolist(), np.nan_to_num(cohort.weights, nan=-1.0).tolist(), strict=True))
        assert rows == [(0.0, 5.0), (1.0, -1.0), (1.0, 0.5)]
