"""The other heads of a multi-task model: what a job declares of each, and what it says of one in a call.

The job's own labels are its first task (clicks). Each other head (conversions over clicks, a like) has labels, delays
and a join of its own, and series of its own: entity `task:NAME`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.domains import PredictionScale
from streamgauge.tracer.inputs import Array, Floats
from streamgauge.tracer.labels import Labels

MOST_TASKS: Final = 16
Of = Literal["all", "positives"]


class Across(Protocol):
    """Of labels, whether they are joined across workers."""

    @property
    def across(self) -> int:
        """One id in so many; 0: they are not."""
        ...


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One more head, and how its labels reach the job; seconds."""

    name: str  # as its series are called: `task:NAME`
    of: Of = "all"  # its samples: all rows, or those whose first label is positive (conversions over clicks)
    expected: float = 0.0  # a label is due so long after its sample (of `positives`: after that was known); 0: never
    labels: Labels = Labels()  # what its labels are, when they are late and for how long they are waited for
    predictions: PredictionScale = "probability"  # what its predictions are


class Declared(Protocol):
    """A declared head, as the tracer or the pipeline's configuration has it."""

    @property
    def name(self) -> str:
        """As its series are called."""
        ...

    @property
    def of(self) -> Of:
        """Its samples."""
        ...

    @property
    def expected(self) -> float:
        """When its labels are due; seconds."""
        ...

    @property
    def labels(self) -> Across:
        """How its labels come."""
        ...


class Head(NamedTuple):
    """What a call says of one head; one value a row of the call, or of `ids`.

    `labels` and `predictions` (from before the update) come from the open ids unless given, `weights` are the call's.
    """

    predictions: ArrayLike | None = None
    labels: ArrayLike | None = None
    weights: ArrayLike | None = None
    loss: float | None = None
    ids: ArrayLike | None = None  # of rows that only this head was trained on; None: those of the call


class Told(NamedTuple):
    """The same as plain values, on their way to the tracer's thread."""

    rows: int
    predictions: Floats | None = None
    labels: Array | None = None
    weights: Floats | None = None
    loss: float | None = None
    ids: Array | None = None
    has_own_rows: bool = False  # `ids` are the head's, not the call's

    def of(self, known: NDArray[np.bool_]) -> Told:
        """The same of some of the rows."""
        columns = (self.predictions, self.labels, self.weights)
        predictions, labels, weights = (None if column is None else column[known] for column in columns)
        return self._replace(predictions=predictions, labels=labels, weights=weights)


def entity_of(task: str) -> str:
    """What the series of a head are of."""
    return f"task:{task}"


def faults_of(tasks: Sequence[Declared], labels: Across) -> Iterator[str]:
    """What the types cannot say, each as `KEY: what is wrong`; `labels` are the job's own.

    >>> list(faults_of([Task(name="cvr"), Task(name="cvr")], Labels()))
    ["tasks[1].name: must be a name of its own without '/', got 'cvr'"]
    """
    if len(tasks) > MOST_TASKS:
        yield f"tasks: has {len(tasks)} entries, at most {MOST_TASKS} are measured"
    names = [one.name for one in tasks]
    for i, one in enumerate(tasks):
        if not one.name or "/" in one.name or names.index(one.name) < i:
            yield f"tasks[{i}].name: must be a name of its own without '/', got {one.name!r}"
        if not 0.0 <= one.expected < float("inf"):
            yield f"tasks[{i}].expected: must be >= 0 s, got {one.expected}"
        if one.labels.across:
            yield f"tasks[{i}].labels.across: only the job's own labels are joined across workers; leave it out"
        if one.of == "positives" and labels.across:
            yield f"tasks[{i}].of: no worker knows the positives where labels are joined across workers; use all"
