"""What a training job tells its tracer, as plain values: they cross from the step to the tracer's thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Union

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.tracer.inputs import Array, Column, Floats, Refusal, array_of, tensor_of
from streamgauge.tracer.selection import Emit
from streamgauge.tracer.tasks import Told

CLOCKS: frozenset[str] = frozenset({"sample", "label", "train", "wall"})


class Tensor(NamedTuple):
    """One tensor of one step. `weight`, `gradient` and `update` are arrays, or L2 norms where the framework has them.

    `positives` counts, by unit, the rows with a positive activation among `rows` (0: those of the step).
    """

    weight: ArrayLike | None = None
    gradient: ArrayLike | None = None
    update: ArrayLike | None = None
    positives: ArrayLike | None = None
    rows: int = 0
    nonfinite: int | None = None  # None: counted from the arrays
    touched: ArrayLike | None = None  # of a table, the rows that the update touched; None: the whole weight
    apparent: bool = False  # the update holds those of other workers, too


class Measured(NamedTuple):
    """What is kept of a tensor after the step: norms, counts."""

    weight: float | None
    gradient: float | None
    update: float | None
    nonfinite: int
    positives: Array | None
    rows: int
    touched: float | None
    apparent: bool = False


class Observed(NamedTuple):
    """Samples that the worker saw for the first time."""

    time: float
    rows: int
    features: Mapping[str, Column]
    ids: Array | None
    event_time: Floats | None  # seconds since the epoch, one or one a row; so are the next two
    due: Floats | None
    written: Floats | None
    predictions: Floats | None
    heads: Mapping[str, Told] = {}  # what is said of other heads of the model, by task


class Served(NamedTuple):
    """Rows as they were served, or, without features, what the model that served them says of them as trained on."""

    time: float
    rows: int
    features: Mapping[str, Column] | None
    ids: Array | None
    predictions: Floats | None


class Refused(NamedTuple):
    """An argument or a column of a call that could not be used: `what` is `feature:NAME`, `argument:ids`, ..."""

    time: float
    what: str
    reason: str


class Labelled(NamedTuple):
    """Labels that became known."""

    time: float
    ids: Array
    labels: Array
    task: str = ""  # of another head of the model


class Stepped(NamedTuple):
    """One training step."""

    time: float
    step: int
    rows: int
    loss: float | None
    ids: Array | None
    labels: Array | None
    predictions: Floats | None
    weights: Floats | None
    event_time: Floats | None
    seconds: float | None
    skipped: bool
    tensors: dict[str, Measured]
    features: Mapping[str, Column] | None  # given, even empty: a loop without a join, all three clocks count here
    updated: bool = True  # False: a batch whose gradient is kept for the update of a later one
    heads: Mapping[str, Told] = {}  # what is said of other heads of the model, by task


class Scalar(NamedTuple):
    """A number of the job's own."""

    time: float
    clock: str
    name: str
    entity: str
    value: float
    weight: float


class Tabled(NamedTuple):
    """What a job tells of one of its embedding tables."""

    time: float
    name: str
    told: Mapping[str, float]


class Idled(NamedTuple):
    """Input is awaited and nothing is pending."""

    time: float


class Happened(NamedTuple):
    """Something that happened to the job, such as a model that was pushed."""

    time: float
    name: str
    text: str


class Raw(NamedTuple):
    """A copy of an array that a plan asked for, and in which forms."""

    time: float
    step: int
    collection: str
    name: str
    array: Array
    emits: tuple[Emit, ...] = ("raw",)


Event = Union[Observed, Served, Tabled, Labelled, Refused, Stepped, Scalar, Idled, Happened, Raw]


def measure(tensor: Tensor) -> Measured:
    """Norms and non-finite count of a tensor, without keeping its arrays.

    >>> measure(Tensor(gradient=np.array([3.0, 4.0]))).gradient
    5.0
    """
    found = [_norm(value) for value in (tensor.weight, tensor.gradient, tensor.update)]
    weight, gradient, update = (norm for norm, _ in found)
    touched = weight if tensor.touched is None else _norm(tensor.touched)[0]
    nonfinite = sum(count for _, count in found) if tensor.nonfinite is None else int(tensor.nonfinite)
    if nonfinite < 0 or tensor.rows < 0:
        raise Refusal(f"{nonfinite} non-finite values in {tensor.rows} rows; counts are not negative")
    positives = None if tensor.positives is None else _counts(tensor.positives)
    return Measured(weight, gradient, update, nonfinite, positives, int(tensor.rows), touched, tensor.apparent)


def without_update(tensor: Tensor) -> Tensor:
    """What is true of a tensor where the update was skipped: a gradient that overflowed under a loss scale is none.

    A count of non-finite values that the caller gives is of gradient and weight: of a sound weight none is left.

    >>> without_update(Tensor(weight=2.0, gradient=np.inf, nonfinite=1)).nonfinite
    0
    """
    is_sound = tensor.weight is None or _norm(tensor.weight)[1] == 0
    told = 0 if tensor.nonfinite is not None and is_sound else tensor.nonfinite
    return tensor._replace(gradient=None, update=None, touched=None, nonfinite=told)


def _counts(values: ArrayLike) -> Array:
    """Counts by unit. Raises Refusal for a negative one: a record that held it would be lost as a whole."""
    counts = np.array(array_of(values), np.int64).ravel()
    if len(counts) and counts.min() < 0:
        raise Refusal(f"a unit's count of positive activations is {counts.min()}; give counts of rows")
    return counts


def _norm(value: ArrayLike | None) -> tuple[float | None, int]:
    """L2 norm of an array (a number is one already) and how many of its values are not finite."""
    if value is None:
        return None, 0
    array = tensor_of(value) if not isinstance(value, float) else value
    if not isinstance(array, float) and array.dtype.kind == "c":
        array = np.abs(array)
    if isinstance(array, float) or array.ndim == 0:
        number = float(array)
        return number, 0 if math.isfinite(number) else 1
    flat = array.ravel()
    if flat.dtype.kind != "f" or flat.dtype.itemsize < 4:
        flat = flat.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.dot(flat, flat))
        if np.isfinite(square) and square > 1e-30:
            return float(np.sqrt(square)), 0
        return _exact_norm(flat)


def _exact_norm(flat: Array) -> tuple[float, int]:
    """The slow way, where a float32 square over- or underflows or a value is not finite."""
    nonfinite = len(flat) - int(np.count_nonzero(np.isfinite(flat)))
    largest = float(np.abs(flat).max(initial=0.0))
    if nonfinite or largest == 0.0:
        return (float("nan") if nonfinite else 0.0), nonfinite
    scaled = flat.astype(np.float64) / largest
    return largest * float(np.sqrt(np.dot(scaled, scaled))), 0
