"""What is evaluated by group and by slice, as declared: features whose values are groups, and slices of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from streamgauge.tracer import served
from streamgauge.tracer.served import Serving

MOST_SLICES: Final = 20
MOST_GROUPS: Final = 4
MOST_FIND: Final = 16
GroupWeight = Literal["rows", "clicks"]


class Slice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows looked at apart: those with a value of one feature, or within its range; missing ones are outside."""

    name: str  # as its series are called: `slice:NAME`
    feature: str  # a feature of the rows
    equals: float | str | None = None  # its value; or one of several rows' values, where it has many
    above: float | None = None  # greater than this
    below: float | None = None  # less than this


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which groups and for which slices the predictions are evaluated."""

    groups: tuple[str, ...] = ()  # features whose value is a group: a user, a session, a request; at most 4
    weight: GroupWeight = "rows"  # of a group in GAUC: its rows, or its positives
    modulus: int = 1  # one group in so many is kept, a power of two; rises by itself where rows are too many
    k: int = 10  # the K of NDCG@K, HR@K and recall@K
    slices: tuple[Slice, ...] = ()  # at most 20
    serving: Serving = Serving()  # what was served against what is trained on
    find: tuple[str, ...] = ()  # features among whose values slices are found; at most 16


def faults_of(evaluation: Evaluation) -> Iterator[str]:
    """What the types cannot say, each as `KEY: what is wrong`.

    >>> list(faults_of(Evaluation(groups=("user",), k=0)))
    ['k: must be in 1..1000, got 0']
    """
    if len(evaluation.groups) > MOST_GROUPS:
        yield f"groups: has {len(evaluation.groups)} features, at most {MOST_GROUPS} are evaluated"
    if not 1 <= evaluation.modulus <= 1 << 32 or evaluation.modulus & (evaluation.modulus - 1):
        yield f"modulus: must be a power of two up to 4294967296, got {evaluation.modulus}"
    if not 1 <= evaluation.k <= 1000:
        yield f"k: must be in 1..1000, got {evaluation.k}"
    if len(evaluation.find) > MOST_FIND:
        yield f"find: has {len(evaluation.find)} features, at most {MOST_FIND} are looked at"
    if len(evaluation.slices) > MOST_SLICES:
        yield f"slices: has {len(evaluation.slices)} entries, at most {MOST_SLICES} are evaluated"
    yield from (f"serving.{text}" for text in served.faults_of(evaluation.serving))
    names = [one.name for one in evaluation.slices]
    for i, one in enumerate(evaluation.slices):
        if not one.name or names.index(one.name) < i:
            yield f"slices[{i}].name: must be a name of its own, got {one.name!r}"
        if one.equals is None and one.above is None and one.below is None:
            yield f"slices[{i}]: says nothing of its rows; add equals, above or below"
        if one.equals is not None and (one.above is not None or one.below is not None):
            yield f"slices[{i}]: has a value and a range; leave equals out, or above and below"
        if one.above is not None and one.below is not None and one.above >= one.below:
            yield f"slices[{i}].above: must be less than below ({one.below:g}), got {one.above:g}"
