"""A record's sketches checked at once are refused as the first of them that `decode` refuses, and only then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import (
    Buckets,
    Counts,
    Distinct,
    Heavy,
    Histogram,
    Moments,
    check,
    decode,
    encode,
    hash_values,
)
from streamgauge.tracer.summaries.checking import are_sound
from streamgauge.tracer.summaries.columns import Columns

NUMBERS = st.lists(st.floats(-1e6, 1e6), max_size=6)
ROWS = st.integers(0, 2**20).map(lambda seed: np.random.default_rng(seed).integers(0, 6_000, seed % 4_000))


@st.composite
def sketches(draw: st.DrawFn) -> list[Sketch]:
    """Some of each kind, empty ones, sparse and dense ones among them."""
    found: list[Sketch] = []
    for i in range(draw(st.integers(0, 4))):
        numbers, hashes = draw(NUMBERS), hash_values(draw(ROWS))
        kinds = (
            Counts.of_numeric(numbers), Moments.of(numbers), Histogram.of(numbers), Distinct.of(hashes),
            Heavy.of(hashes, 64), Buckets.of(np.array([0.1, 0.7])),
        )  # fmt: skip
        found += [encode(one, "stream", one.KIND, f"feature:{i}") for one in kinds]
    return found


@st.composite
def damaged(draw: st.DrawFn) -> list[Sketch]:
    """The same with one column changed: shorter, longer, gone, or another byte."""
    found = draw(sketches().filter(bool))
    at = draw(st.integers(0, len(found) - 1))
    columns = list(found[at].columns)
    column = draw(st.integers(0, len(columns) - 1))
    data = bytearray(columns[column])
    match draw(st.sampled_from(["cut", "longer", "gone", "twice", "byte"])):
        case "cut":
            del data[-draw(st.integers(1, 9)) :]
        case "longer":
            data += draw(st.binary(min_size=1, max_size=9))
        case "byte" if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        case "twice":
            columns.append(b"")
        case _:
            columns.pop()
            column = min(column, len(columns) - 1)
            data = bytearray(columns[column]) if columns else data
    if columns:
        columns[column] = bytes(data)
    old = found[at]
    found[at] = Sketch(old.kind, old.clock, old.name, old.entity, tuple(columns))
    return found


def refused(sketches: Sequence[Sketch], *, at_once: bool) -> str:
    """What is said of them."""
    try:
        if at_once:
            check(sketches)
        else:
            for sketch in sketches:
                decode(sketch)
    except RecordError as error:
        return str(error)
    return ""


@given(sketches())
def test_sound_sketches_need_no_second_look(given: list[Sketch]) -> None:
    assert refused(given, at_once=True) == refused(given, at_once=False) == ""
    for kind in {"counts", "moments", "histogram", "distinct", "heavy"}:
        parts: list[Columns] = [sketch.columns for sketch in given if sketch.kind == kind]
        assert are_sound(kind, parts) or not parts


@given(damaged())
def test_what_is_damaged_is_refused_in_the_words_of_decode(given: list[Sketch]) -> None:
    assert refused(given, at_once=True) == refused(given, at_once=False)


@pytest.mark.parametrize(
    "columns",
    [
        ("heavy", Heavy.of(hash_values(np.arange(3))).columns()),
        ("histogram", Histogram.of([1.0, 2.0, 3.0]).columns()),
        ("distinct", Distinct.of(hash_values(np.arange(3))).columns()),
    ],
)
def test_keys_may_fall_from_one_part_to_the_next_and_not_within_one(columns: tuple[str, Columns]) -> None:
    kind, part = columns
    assert are_sound(kind, [part, part])
    at = 1 if kind == "heavy" else 0
    width = len(part[at]) // 3
    turned = part[at][width:] + part[at][:width]
    assert not are_sound(kind, [part, (*part[:at], turned, *part[at + 1 :])])
