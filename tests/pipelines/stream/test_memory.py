import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.stream.memory import IdHorizon, Silence, Trail


def ids(*numbers):
    return np.array(sorted(set(numbers)), np.uint64)


def through_bytes(state):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def test_an_id_is_known_for_the_horizon_and_not_longer():
    kept = IdHorizon(horizon=100.0)
    kept.remember(0.0, 10.0, ids(7))
    assert kept.is_known(ids(7), before=109.0).tolist() == [True]
    assert kept.is_known(ids(7), before=110.0).tolist() == [False]


def test_ids_of_a_window_that_is_not_over_are_not_known():
    kept = IdHorizon(horizon=100.0)
    kept.remember(0.0, 10.0, ids(7))
    assert kept.is_known(ids(7), before=5.0).tolist() == [False]


def test_a_window_that_overlaps_the_last_is_left_out():
    kept = IdHorizon(horizon=100.0)
    kept.remember(0.0, 10.0, ids(7))
    kept.remember(5.0, 15.0, ids(8))
    assert kept.is_known(ids(7, 8), before=20.0).tolist() == [True, False]


def test_horizon_is_spanned_only_after_its_length():
    kept = IdHorizon(horizon=100.0)
    assert not kept.spans(1000.0)
    kept.remember(0.0, 10.0, ids(7))
    assert [kept.spans(99.0), kept.spans(100.0)] == [False, True]


windows = st.lists(st.sets(st.integers(0, 2**64 - 1), max_size=40), min_size=1, max_size=12)


@settings(max_examples=50)
@given(windows)
def test_slices_hold_what_a_plain_set_would(found):
    whole, sliced, plain = IdHorizon(1e9), IdHorizon(1e9, slice_length=30.0), set()
    for i, numbers in enumerate(found):
        start, probe = 10.0 * i, ids(*numbers, 1, 2, 3)
        expected = [int(n) in plain for n in probe]
        assert whole.is_known(probe, start).tolist() == expected
        assert sliced.is_known(probe, start).tolist() == expected
        whole.remember(start, start + 10.0, ids(*numbers))
        sliced.remember(start, start + 10.0, ids(*numbers))
        plain |= numbers


@settings(max_examples=50)
@given(windows)
def test_too_many_ids_cost_precision_and_never_the_horizon(found):
    kept = IdHorizon(1e9, limit=50)
    for i, numbers in enumerate(found):
        kept.remember(10.0 * i, 10.0 * (i + 1), ids(*numbers))
    everything = ids(*(n for numbers in found for n in numbers))
    sampled = kept.is_sampled(everything)
    assert kept.is_known(everything, 1e6).tolist() == sampled.tolist()
    assert int(sampled.sum()) <= 50


@settings(max_examples=30)
@given(windows, windows)
def test_a_restored_horizon_continues_to_the_bit(before, after):
    kept = IdHorizon(70.0, 20.0, limit=60)
    for i, numbers in enumerate(before):
        kept.remember(10.0 * i, 10.0 * (i + 1), ids(*numbers))
    restored = IdHorizon.from_state(through_bytes(kept.state()), 70.0, 20.0)
    restored.limit = 60
    for i, numbers in enumerate(after, len(before)):
        for one in (kept, restored):
            one.remember(10.0 * i, 10.0 * (i + 1), ids(*numbers))
    assert restored.state() == kept.state()


def test_a_trail_keeps_its_last_values_and_drops_who_has_none():
    trail = Trail(2)
    trail.push(1.0, ("a", "b"), np.array([1.0, 2.0]))
    trail.push(2.0, ("b",), np.array([3.0]))
    np.testing.assert_array_equal(trail.of(("a", "b", "c")), [[1.0, 2.0, np.nan], [np.nan, 3.0, np.nan]])
    trail.push(3.0, ("b",), np.array([4.0]))
    assert trail.entities == ("b",)
    assert trail.of(("b",)).tolist() == [[3.0], [4.0]]


def test_a_restored_trail_continues_to_the_bit():
    trail = Trail(3)
    trail.push(1.0, ("a", "b"), np.array([0.1, np.nan]))
    restored = Trail.from_state(through_bytes(trail.state()), 3)
    for one in (trail, restored):
        one.push(2.0, ("a", "c"), np.array([0.2, 0.3]))
    assert restored.state() == trail.state()


def test_normal_silence_is_the_longest_of_its_hour_once_three_days_are_known():
    silence = Silence()
    silence.learn(1, 9, 60.0)
    silence.learn(2, 9, 90.0)
    assert silence.normal(9) == 0.0
    silence.learn(3, 9, 30.0)
    assert [silence.normal(9), silence.normal(10)] == [90.0, 0.0]


def test_silences_are_forgotten_after_four_weeks():
    silence = Silence()
    for day in range(1, 31):
        silence.learn(day, 9, 1000.0 if day == 1 else 10.0)
    assert silence.normal(9) == 10.0


def test_an_earlier_label_does_not_move_the_last_one_back():
    silence = Silence()
    for time in (5.0, 3.0, float("nan")):
        silence.observe(time)
    assert silence.last == 5.0


def test_a_restored_silence_continues_to_the_bit():
    silence = Silence()
    silence.observe(5.0)
    silence.learn(1, 9, 60.0)
    restored = Silence.from_state(through_bytes(silence.state()))
    assert restored.state() == silence.state()
    assert restored.last == 5.0
