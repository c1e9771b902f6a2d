"""Piles: whatever tree of joins, what comes out is the fold of all parts, series by series, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import (
    KINDS,
    BatchedMerge,
    Bins,
    Book,
    Counts,
    Distinct,
    Heavy,
    Ids,
    Moments,
    encode,
    hash_values,
    merge_sketches,
    sketches_of,
)
from tests.tracer.summaries.test_laws import ALL, row, table

NAMES = sorted(ALL)
Part = tuple[str, int, list[Any]]  # a builder, a series, rows
part = st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.lists(row, max_size=12))
panes = st.lists(st.lists(part, max_size=12), min_size=1, max_size=6)


def sketches(pane: list[Part]) -> list[Sketch]:
    return [encode(ALL[name](table(rows)), "sample", name, f"feature:{series}") for name, series, rows in pane]


def one_by_one(parts: list[Sketch]) -> tuple[Sketch, ...]:
    """The reference: every series on its own, by its kind's `fold`; a part alone stays as it is."""
    groups: dict[Any, list[Sketch]] = {}
    for sketch in parts:
        groups.setdefault((sketch.kind, sketch.clock, sketch.name, sketch.entity), []).append(sketch)
    return tuple(
        group[0] if len(group) == 1 else encode(KINDS[key[0]].fold([s.columns for s in group]), *key[1:])
        for key, group in sorted(groups.items())
    )


@given(panes)
@settings(max_examples=100, deadline=None)
def test_merging_all_series_at_once_is_folding_each_on_its_own(drawn: list[list[Part]]) -> None:
    parts = [sketch for pane in drawn for sketch in sketches(pane)]
    assert merge_sketches(parts) == one_by_one(parts)


@given(panes, st.data())
@settings(max_examples=200, deadline=None)
def test_any_tree_of_joins_gives_the_fold_of_all_parts(drawn: list[list[Part]], data: st.DataObject) -> None:
    book = Book()
    piles = [BatchedMerge.of(sketches(pane), book) for pane in drawn]
    while len(piles) > 1:
        start = data.draw(st.integers(0, len(piles) - 2))
        end = data.draw(st.integers(start + 2, len(piles)))
        piles[start:end] = [BatchedMerge.join(piles[start:end])]
    assert sketches_of(piles[0]) == one_by_one([sketch for pane in drawn for sketch in sketches(pane)])


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 9), max_size=30), st.integers(1, 6)), min_size=1))
@settings(max_examples=200, deadline=None)
def test_what_does_not_fit_is_ranked_after_all_parts_are_joined(drawn: list[tuple[int, list[int], int]]) -> None:
    """Capacities and moduli that differ, and so small that something is dropped."""
    parts = []
    for series, ids, size in drawn:
        hashes, labels = hash_values(np.array(ids, np.int64)), np.array(ids) % 2
        entity = f"feature:{series}"
        parts += [
            encode(Heavy.of(hashes, size), "sample", "profile", entity),
            encode(Bins.of_ids(hashes, labels, capacity=size), "train", "bins", entity),
            encode(Ids.of(hashes, 1 << (size - 1)), "sample", "profile", entity),
            encode(Moments.of(ids, shift=float(size % 3) * -0.5), "sample", "profile", entity),
        ]
    book = Book()
    whole = BatchedMerge.join([BatchedMerge.of([sketch], book) for sketch in parts])
    assert merge_sketches(parts) == sketches_of(whole) == one_by_one(parts)


def test_registers_meet_whether_they_came_sparse_or_dense() -> None:
    few, many = (encode(Distinct.of(hash_values(np.arange(n))), "sample", "profile", "") for n in (10, 9_000))
    for parts in ([few, many], [many, many], [few, few], [many, few, few]):
        assert merge_sketches(parts) == one_by_one(parts)


def test_a_register_sent_as_zero_is_none() -> None:
    zero = Sketch("distinct", "sample", "profile", "", (b"\1\0\2\0", b"\0\3"))
    assert merge_sketches([zero, zero]) == one_by_one([zero, zero])


def test_a_joined_pile_is_not_changed_by_what_it_is_joined_to() -> None:
    book = Book()
    one = BatchedMerge.of([encode(Counts(rows=1), "sample", "profile", "a")], book)
    two = BatchedMerge.of([encode(Counts(rows=2), "sample", "profile", name) for name in "ab"], book)
    before = sketches_of(one)
    BatchedMerge.join([one, two])
    assert sketches_of(one) == before
