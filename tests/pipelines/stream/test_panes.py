"""Tables, folds and the parts of a record."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.stream.names import Names, Room, map_names, split
from streamgauge.pipelines.stream.panes import MAX_PENDING, Table, Track, fold, merge_sketches, partial_of
from streamgauge.tracer import summaries
from streamgauge.tracer.codec import Points
from streamgauge.tracer.records import Name, Sketch

VALUES = st.floats(allow_nan=True, allow_infinity=True)
POINTS = st.lists(st.tuples(st.integers(0, 5), VALUES, st.sampled_from([0.5, 1.0, 3.0])), max_size=60)


@given(POINTS, st.booleans())
def test_a_table_is_the_loop_over_its_points(points: list[tuple[int, float, float]], is_weighted: bool) -> None:
    table, expected = Table(6), Table(6).columns
    slots = np.array([slot for slot, _, _ in points], np.intp)
    value = np.array([value for _, value, _ in points], np.float64)
    weight = np.array([weight for _, _, weight in points], np.float64)
    with np.errstate(all="ignore"):
        table.apply(slots, value, weight if is_weighted else None)
        for slot, one, by in points:
            _add(expected[:, slot], one, by if is_weighted else 1.0)
    assert np.array_equal(table.columns, expected)


def _add(column: np.ndarray, value: float, weight: float) -> None:  # type: ignore[type-arg]
    if not np.isfinite(value):
        column[5] += 1
        return
    column[:3] += [1.0, weight, np.float64(value) * weight]
    column[3], column[4] = min(column[3], value), max(column[4], value)


def test_wide_tables_give_what_narrow_ones_give() -> None:
    random = np.random.default_rng(1)
    slots, value = random.integers(0, 10, 40), random.normal(size=40)
    narrow, wide = Table(10), Table(10_000)
    narrow.apply(slots, value, None)
    wide.apply(slots, value, None)
    assert np.array_equal(wide.columns[:, :10], narrow.columns)


def test_points_of_both_kinds_in_one_record_part() -> None:
    names = [Name("train", "loss", ""), Name("wall", "cpu", ""), Name("train", "rows", "")]
    stream, wall = Names(), Names()
    mapping = map_names(names, stream, wall, Room(100, 10_000), 0)
    points = Points(np.array([0, 1, 2, 1], np.uint16), np.array([1.0, 2.0, 3.0, 4.0]), None)
    ours, theirs = split(mapping, points, mapping.slots.take(points.index))
    assert ours is not None
    assert theirs is not None
    assert (ours.slots.tolist(), ours.value.tolist()) == ([0, 1], [1.0, 3.0])
    assert (theirs.slots.tolist(), theirs.value.tolist()) == ([0, 0], [2.0, 4.0])


def test_eviction_keeps_what_a_slice_still_holds() -> None:
    track = Track()
    for i in range(4):
        track.names.add(Name("train", f"n{i}", ""), time=i)
    track.slice(100).apply(np.array([1, 3]), np.array([5.0, 7.0]), None)
    assert track.evict(before=3) == 2
    assert [name.name for name in track.names.names] == ["n1", "n3"]
    assert track.slice(100).columns[2].tolist() == [5.0, 7.0]


def test_a_partial_leaves_out_series_without_points() -> None:
    names = Names()
    for i in range(3):
        names.add(Name("train", f"n{i}", ""), time=0)
    table = Table(3)
    assert partial_of("w", names, table) is None
    table.apply(np.array([2, 0]), np.array([1.0, np.nan]), None)
    partial = partial_of("w", names, table)
    assert partial is not None
    assert [name[1] for name in partial.names] == ["n0", "n2"]


def test_many_sketches_of_a_pane_are_merged_in_place() -> None:
    sketch = summaries.encode(summaries.Histogram.of(np.array([1.0])), "wall", "step_time", "")
    table = Table(0)
    for _ in range(MAX_PENDING + 10):
        table.keep([sketch])
    assert len(table.pending) < 20
    (merged,) = fold([table]).pending
    assert merged == merge_sketches([sketch] * (MAX_PENDING + 10))[0]


def test_sketches_that_do_not_fold_stop_nothing() -> None:
    good = summaries.encode(summaries.Histogram.of(np.array([1.0])), "wall", "step_time", "")
    torn = Sketch("histogram", "wall", "other", "", (b"123",))
    merged = merge_sketches([good, torn, good, torn])
    assert [sketch.name for sketch in merged] == ["other", "step_time"]
