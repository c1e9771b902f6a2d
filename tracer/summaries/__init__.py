"""Mergeable summaries: what a tracer folds values into and what the pipelines merge over panes and workers; pure.

Counts, bucket counts, registers and id counts merge exactly in any order. Float sums are folded in the given order.
Heavy hitters and bins are merged k-way, all parts at once, ties by key. Every summary is frozen and travels as raw
little-endian columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Clock, Sketch
from streamgauge.tracer.summaries.batched_merge import BatchedMerge, Book, Identity, identity
from streamgauge.tracer.summaries.bins import Bins
from streamgauge.tracer.summaries.buckets import Buckets
from streamgauge.tracer.summaries.checking import are_sound
from streamgauge.tracer.summaries.columns import Columns, Summary
from streamgauge.tracer.summaries.counts import Counts, Moments, to_floats
from streamgauge.tracer.summaries.distinct import Distinct
from streamgauge.tracer.summaries.errors import Errors
from streamgauge.tracer.summaries.groups import Groups
from streamgauge.tracer.summaries.hashing import (
    Table,
    Tally,
    code_of,
    codes_of,
    combine,
    hash_values,
    is_missing,
    is_sampled,
    tally,
)
from streamgauge.tracer.summaries.heavy import Heavy, Top
from streamgauge.tracer.summaries.histogram import Histogram
from streamgauge.tracer.summaries.ids import Ids
from streamgauge.tracer.summaries.join_rows import JoinRows
from streamgauge.tracer.summaries.labels import LabelBuckets
from streamgauge.tracer.summaries.profile import (
    CategoricalProfile,
    NumericProfile,
    profile_categorical,
    profile_ids,
    profile_numeric,
    tally_codes,
)
from streamgauge.tracer.summaries.units import Units
from streamgauge.tracer.summaries.value_counts import ValueCounts
from streamgauge.tracer.summaries.value_errors import ValueErrors

__all__ = [
    "KINDS",
    "BatchedMerge",
    "Bins",
    "Book",
    "Buckets",
    "CategoricalProfile",
    "Counts",
    "Distinct",
    "Errors",
    "Groups",
    "Heavy",
    "Histogram",
    "Identity",
    "Ids",
    "JoinRows",
    "LabelBuckets",
    "Moments",
    "NumericProfile",
    "Summary",
    "Table",
    "Tally",
    "Top",
    "Units",
    "ValueCounts",
    "ValueErrors",
    "check",
    "code_of",
    "codes_of",
    "combine",
    "decode",
    "encode",
    "hash_values",
    "identity",
    "is_missing",
    "is_sampled",
    "merge_sketches",
    "profile_categorical",
    "profile_ids",
    "profile_numeric",
    "sketches_of",
    "tally",
    "tally_codes",
    "to_floats",
]

KINDS: Final[dict[str, type[Summary]]] = {
    "counts": Counts,
    "moments": Moments,
    "histogram": Histogram,
    "distinct": Distinct,
    "heavy": Heavy,
    "ids": Ids,
    "buckets": Buckets,
    "label_buckets": LabelBuckets,
    "bins": Bins,
    "units": Units,
    "groups": Groups,
    "join_rows": JoinRows,
    "value_counts": ValueCounts,
    "errors": Errors,
    "value_errors": ValueErrors,
}

FEW: Final = 2  # series that are folded faster one by one than all at once


def encode(summary: Summary, clock: Clock, name: str, entity: str) -> Sketch:
    """The summary as it travels."""
    return Sketch(summary.KIND, clock, name, entity, summary.columns())


def decode(sketch: Sketch) -> Summary:
    """The summary that a sketch holds, checked. Raises RecordError("columns") for bad bytes or an unknown kind."""
    return _class(sketch.kind).from_columns(sketch.columns)


def check(sketches: Sequence[Sketch]) -> None:
    """Raise what `decode` raises of the first sketch that it refuses, if there is one."""
    by_kind: dict[str, list[Columns]] = {}
    for sketch in sketches:
        by_kind.setdefault(sketch.kind, []).append(sketch.columns)
    doubtful = {kind for kind, parts in by_kind.items() if not are_sound(kind, parts)}
    if doubtful:
        for sketch in sketches:
            if sketch.kind in doubtful:
                decode(sketch)


def merge_sketches(sketches: Sequence[Sketch]) -> tuple[Sketch, ...]:
    """One sketch for each (kind, clock, name, entity), sorted by it; the parts are folded in the given order.

    Sketches are trusted to have passed `decode` once. Raises RecordError("columns") for columns that do not fold.
    """
    series = set(map(identity, sketches))
    if len(series) == len(sketches):
        return tuple(sorted(sketches, key=identity))
    if len(series) > FEW:
        return sketches_of(BatchedMerge.of(sketches, Book()))
    groups: dict[Identity, list[Sketch]] = {}
    for sketch in sketches:
        groups.setdefault(identity(sketch), []).append(sketch)
    return tuple(_merged(group) for _, group in sorted(groups.items()))


def sketches_of(pile: BatchedMerge) -> tuple[Sketch, ...]:
    """What `merge_sketches` gives of all the sketches in a pile."""
    return tuple(sorted(pile.sketches(_fold), key=identity))


def _merged(group: Sequence[Sketch]) -> Sketch:
    first = group[0]
    if len(group) == 1:
        return first
    columns = _fold(first.kind, [sketch.columns for sketch in group])
    return Sketch(first.kind, first.clock, first.name, first.entity, columns)


def _fold(kind: str, parts: Sequence[Columns]) -> Columns:
    try:
        return _class(kind).fold(parts).columns()
    except (ValueError, IndexError) as error:
        raise RecordError("columns", f"{kind}: {error}") from None


def _class(kind: str) -> type[Summary]:
    found = KINDS.get(kind)
    if found is None:
        raise RecordError("columns", f"sketch kind {kind!r} is unknown, known are {', '.join(KINDS)}")
    return found
