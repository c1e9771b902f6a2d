"""Laws that every summary keeps: merging is exact, ordered where it must be, and survives the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import (
    KINDS,
    Bins,
    Buckets,
    Counts,
    Distinct,
    Errors,
    Groups,
    Heavy,
    Histogram,
    Ids,
    JoinRows,
    LabelBuckets,
    Moments,
    Summary,
    Units,
    ValueCounts,
    ValueErrors,
    decode,
    encode,
    hash_values,
    merge_sketches,
    profile_categorical,
)
from streamgauge.tracer.summaries.columns import Columns
from streamgauge.tracer.summaries.errors import _about

Rows = np.ndarray[Any, Any]  # structured rows: x, y, p, w

values = st.one_of(
    st.integers(-50, 50).map(float), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -0.0, 1e300])
)
row = st.tuples(values, st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0), st.sampled_from([0.5, 1.0, 4.0]))
slices = st.lists(st.lists(row, max_size=25), min_size=1, max_size=6)

Builder = Callable[[Rows], Summary]


def ids_of(rows: Rows) -> Any:
    return hash_values(np.nan_to_num(rows[:, 0]))


EXACT: dict[str, Builder] = {
    "counts": lambda r: Counts.of_numeric(r[:, 0], default=3.0, low=-40.0, high=40.0),
    "counts of categories": lambda r: profile_categorical(r[:, 0].astype(object), default=3.0).counts,
    "histogram": lambda r: Histogram.of(r[:, 0]),
    "distinct": lambda r: Distinct.of(ids_of(r)),
    "heavy": lambda r: Heavy.of(ids_of(r)),
    "ids": lambda r: Ids.of(ids_of(r), modulus=4),
    "bins of numbers": lambda r: Bins.of_numeric(r[:, 0], r[:, 1]),
    "bins of ids": lambda r: Bins.of_ids(ids_of(r), r[:, 1], np.isfinite(r[:, 0])),
    "groups": lambda r: Groups.of(ids_of(r), r[:, 2], r[:, 1], modulus=2),
    "units": lambda r: Units.of(r[:, 1:4]),
    "value errors": lambda r: ValueErrors.of(r[:, 0], r[:, 2], r[:, 1], r[:, 3]),
    "value errors of ids": lambda r: ValueErrors.of(ids_of(r), r[:, 2], r[:, 1], r[:, 3]),
    "value counts": lambda r: ValueCounts.of(r[np.isfinite(r[:, 0]), 0]),
    "labels to join": lambda r: JoinRows.labels(4, ids_of(r), np.nan_to_num(r[:, 0]), r[:, 2]),
    "samples to join": lambda r: JoinRows.samples(2, ids_of(r), np.nan_to_num(r[:, 0]), r[:, 2], r[:, 3], r[:, 0]),
}
FLOATS: dict[str, Builder] = {
    "moments": lambda r: Moments.of(np.clip(r[:, 0], -1e6, 1e6)),
    "errors": lambda r: Errors.of(r[:, 2], np.clip(r[:, 0], -1e6, 1e6), r[:, 3]),
    "buckets": lambda r: Buckets.of(r[:, 2]),
    "label buckets": lambda r: LabelBuckets.of(r[:, 2], r[:, 1]),
    "weighted label buckets": lambda r: LabelBuckets.of(r[:, 2], r[:, 1], r[:, 3]),
}
ALL = EXACT | FLOATS


def table(rows: list[Any]) -> Rows:
    return np.array(rows, np.float64).reshape(-1, 4)


def numbers(summary: Summary) -> list[Any]:
    """Columns as numbers, for comparison with a tolerance; sums about a shift are about 0."""
    if isinstance(summary, Errors):
        sums = np.array([astuple(summary)[2:]])
        return [np.array([summary.rows, summary.invalid]), _about(sums, 0.0)[0, 1:]]
    dtypes = {"moments": "f", "buckets": "ifui", "label_buckets": "ifuiifffff"}[summary.KIND]
    formats, columns = {"i": "<i8", "f": "<f8", "u": "<u2"}, summary.columns()
    return [np.frombuffer(column, formats[d]) for column, d in zip(columns, dtypes[: len(columns)], strict=True)]


def test_every_kind_is_registered_under_its_own_name() -> None:
    assert {kind: cls.KIND for kind, cls in KINDS.items()} == {kind: kind for kind in KINDS}
    assert {build(table([])).KIND for build in ALL.values()} == set(KINDS)


@pytest.mark.parametrize("name", ALL)
@given(rows=st.lists(row, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_summary_survives_the_wire_unchanged(name: str, rows: list[Any]) -> None:
    summary = ALL[name](table(rows))
    sketch = encode(summary, "sample", "profile", "feature:x")
    assert decode(sketch).columns() == summary.columns() == sketch.columns


@pytest.mark.parametrize("name", EXACT)
@given(parts=slices)
@settings(max_examples=40, deadline=None)
def test_the_merge_of_slices_is_the_summary_of_the_whole(name: str, parts: list[Any]) -> None:
    build = EXACT[name]
    summaries = [build(table(part)) for part in parts]
    whole = build(table([row for part in parts for row in part]))
    assert type(whole).merge(summaries).columns() == whole.columns()


@pytest.mark.parametrize("name", EXACT)
@given(parts=slices, data=st.data())
@settings(max_examples=40, deadline=None)
def test_an_exact_merge_is_commutative_and_associative(name: str, parts: list[Any], data: st.DataObject) -> None:
    summaries = [EXACT[name](table(part)) for part in parts]
    merge = type(summaries[0]).merge
    shuffled = data.draw(st.permutations(summaries))
    cut = data.draw(st.integers(0, len(parts)))
    nested = merge([merge(summaries[:cut]), merge(summaries[cut:])]) if 0 < cut < len(parts) else merge(shuffled)
    assert merge(summaries).columns() == merge(shuffled).columns() == nested.columns()


@pytest.mark.parametrize("name", FLOATS)
@given(parts=slices)
@settings(max_examples=40, deadline=None)
def test_float_sums_of_slices_agree_with_the_whole_to_nine_digits(name: str, parts: list[Any]) -> None:
    build = FLOATS[name]
    summaries = [build(table(part)) for part in parts]
    whole = build(table([row for part in parts for row in part]))
    merged = type(whole).merge(summaries)
    for got, expected in zip(numbers(merged), numbers(whole), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-3 if name == "moments" else 1e-9)


@pytest.mark.parametrize("name", ALL)
@given(rows=st.lists(row, max_size=40))
@settings(max_examples=30, deadline=None)
def test_the_empty_summary_is_the_identity_of_merging(name: str, rows: list[Any]) -> None:
    build = ALL[name]
    summary = build(table(rows))
    cls = type(summary)
    assert cls.merge([summary]).columns() == summary.columns()
    assert cls.merge([build(table([])), summary, cls.merge([build(table([]))])]).columns() == summary.columns()


@pytest.mark.parametrize("name", ALL)
def test_merging_nothing_gives_a_summary_that_travels(name: str) -> None:
    cls = type(ALL[name](table([])))
    empty = cls.merge([])
    assert cls.from_columns(empty.columns()).columns() == empty.columns()


@given(parts=slices, data=st.data())
@settings(max_examples=40, deadline=None)
def test_merging_sketches_is_merging_summaries_group_by_group(parts: list[Any], data: st.DataObject) -> None:
    sketches: list[Sketch] = []
    groups: dict[tuple[str, ...], list[Any]] = {}
    for part in parts:
        for name, build in ALL.items():
            summary = build(table(part))
            entity = f"feature:{name}"
            sketches.append(encode(summary, "sample", "profile", entity))
            groups.setdefault((summary.KIND, "sample", "profile", entity), []).append(summary)
    merged = merge_sketches(sketches)
    keys = [(s.kind, s.clock, s.name, s.entity) for s in merged]
    assert keys == sorted(groups)
    for key, sketch in zip(keys, merged, strict=True):
        assert sketch.columns == type(groups[key][0]).merge(groups[key]).columns()


def test_a_sketch_alone_in_its_group_passes_through_untouched() -> None:
    sketch = encode(Counts.of_numeric([1.0]), "sample", "profile", "feature:x")
    assert merge_sketches([sketch])[0] is sketch


def decode_or_reason(sketch: Sketch) -> Any:
    try:
        return decode(sketch)
    except RecordError as error:
        return error.reason


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_bad_bytes_are_a_record_error_or_a_summary_that_merges(name: str, data: st.DataObject) -> None:
    summary = ALL[name](table([(1.0, 1.0, 0.3, 1.0), (2.0, 0.0, 0.9, 0.5), (-3.0, 0.0, 0.1, 4.0)]))
    columns = list(summary.columns())
    place = data.draw(st.integers(0, len(columns) - 1))
    noise = data.draw(st.binary(max_size=24))
    start = data.draw(st.integers(0, len(columns[place])))
    columns[place] = columns[place][:start] + noise
    if data.draw(st.booleans()):
        columns = columns[: data.draw(st.integers(0, len(columns)))]
    damaged: Columns = tuple(columns)
    found = decode_or_reason(Sketch(summary.KIND, "train", "x", "", damaged))
    assert found == "columns" or type(found).merge([found, found, summary]).KIND == summary.KIND


def test_an_unknown_kind_is_a_record_error() -> None:
    stranger = Sketch("tdigest", "sample", "profile", "", ())
    with pytest.raises(RecordError, match="tdigest"):
        decode(stranger)
    with pytest.raises(RecordError, match="tdigest"):
        merge_sketches([stranger, stranger])


def test_torn_columns_in_a_merge_are_a_record_error() -> None:
    good = encode(Histogram.of([1.0, 2.0]), "sample", "profile", "")
    torn = Sketch("histogram", "sample", "profile", "", (good.columns[0], good.columns[1][:-3]))
    with pytest.raises(RecordError, match="columns"):
        merge_sketches([good, torn])
