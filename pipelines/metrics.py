"""The one shape: a pipeline is a value, its metrics and their rules; pure operators run any pipeline.

A `Metric` is a name, its clock and a pure function from one closed window's merged state to values; a `Rule` says what
a value costs. Adding a metric is one function and one line in its domain's `metrics.py`, scoring it one in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.types import Domain
from streamgauge.pipelines.config.schema import JobConfig, Scope, WindowClass
from streamgauge.tracer.records import Clock, Name

Floats = NDArray[np.float64]
T = TypeVar("T")
Transform = Literal["sqrt", "asin", "log", "identity"]


class Stat(NamedTuple):
    """Folded points of one traced quantity, one element an entity; every array has shape [n]."""

    entities: tuple[str, ...]
    count: Floats  # type: ignore[assignment]  # finite points; a tuple's own `count` is not wanted here
    weight: Floats
    total: Floats  # sum of weight x value
    low: Floats  # +inf where count is 0
    high: Floats  # -inf where count is 0
    nonfinite: Floats  # NaN and inf values, which never enter the others


class Presence(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What membership knows of one worker when a window closes; times in seconds since the epoch."""

    worker: str
    incarnation: str
    state: Literal["live", "behind", "missing", "left"]
    seen: float  # the job's clock when its last record came, or that record's pane if the host was away then
    interval: float
    watermark: float
    joined: float
    restarts: int = 0  # new incarnations within the window
    received: int = 0  # points received in this incarnation
    captured: int = 0  # points its tracer says it captured
    lost: int = 0  # records missing from its sequence


class Values(NamedTuple):
    """What a metric says of one window: one element an entity; NaN is unknown, never good and never bad."""

    entities: tuple[str, ...]
    value: Floats
    rows: Floats  # the evidence, compared with the metric's `minimum`
    error: Floats  # sampling standard error, 0 where it has none
    floor: Floats  # what noise alone would give, 0 where it has none


class View(Protocol):
    """One closed window of one worker, or of the job as a whole (`worker == ""`): what a metric reads."""

    job: str
    worker: str
    start: float
    end: float
    length: float  # covered seconds
    config: JobConfig
    workers: Mapping[str, View]  # everyone's views by name, also in a worker's own
    presences: Mapping[str, Presence]  # everyone's by name, also in a worker's own

    def stat(self, clock: Clock, name: str) -> Stat:
        """The folded points of a traced quantity; no entities where nothing was traced."""
        ...

    def total(self, clock: Clock, name: str) -> float:
        """Sum of an additive quantity of entity `""`, 0.0 where nothing was traced."""
        ...

    def sketches(self, kind: type[T], clock: Clock, name: str) -> Mapping[str, T]:
        """Merged summaries by entity, `kind` one of the classes in `streamgauge.tracer.summaries`."""
        ...

    def reference(self, kind: type[T], clock: Clock, name: str, entity: str) -> T | None:
        """The same summary merged over the reference windows, None while there is none."""
        ...

    def known(self, clock: Clock, name: str) -> Sequence[str]:
        """The entities that the reference holds summaries of, sorted."""
        ...

    def memory(self, name: str, entity: str) -> Any:
        """The ids kept over the horizon for `duplicate_rate` and `new_id_rate` (see `pipelines.stream.memory`)."""
        ...

    def shared(self, name: str, make: Callable[[View], T]) -> T:
        """What `make` gives, once for all views of the window: of what compares workers, the part that all need."""
        ...


class Metric(NamedTuple):
    """One row of the catalogue."""

    name: str
    domain: Domain
    clock: Clock
    compute: Callable[[View], Values]
    unit: str
    minimum: float  # least evidence in `Values.rows`; below it the value is unknown
    window: WindowClass
    doc: str  # the definition, one sentence
    scope: Scope = "both"
    transform: Transform = "identity"  # the scale on which changes are judged: counts sqrt, ratios asin, positive log
    reference: Literal["class", "slot", "none"] = "slot"  # class: same slot and class of day (counts); slot: same slot
    pages: bool = True  # may a change of it page by itself
    additive: bool = False  # an empty window gives 0, not missing
    direction: Literal["both", "up", "down"] = "both"  # which changes are bad
    consecutive: int = 1  # windows in a row that must fire; 2 for what weather and people move (label rate, loss, ...)
    limit: float | None = None  # a declared fact: a value above this (by 3 standard errors) fires without any history


class Rule(NamedTuple):
    """What a value costs: linear from `good` (loss 0) to `bad` (loss 1) on `form(x, ref, error, floor, rows)`.

    `form` returns the excess over noise, never negative; NaN where a reference is needed and missing.
    """

    metric: str
    form: Callable[[Floats, Floats, Floats, Floats, Floats], Floats]
    good: float
    bad: float
    weight: float
    criticality: float = 1.0
    cap_domain: float | None = None  # while the loss is 1 the domain's score is at most this
    cap_overall: float | None = None
    unknown: float = 0.3  # loss after being missing for 3 expected windows, if above the last


class Pipeline(NamedTuple):
    """One domain: its metrics and the rules that score them."""

    domain: Domain
    weight: float  # in the overall score
    metrics: tuple[Metric, ...]
    rules: tuple[Rule, ...]


class Partial(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One worker's fold of one window: what stage 1 hands to stage 2, and what a shard reports.

    `columns` holds float64 [7, n] as raw bytes, rows: count, weight, total, low, high, nonfinite, (spare 0); one column
    a name. `sketches` are `tracer.records.Sketch`, merged to one for each (kind, clock, name, entity), sorted.
    """

    worker: str
    names: tuple[tuple[str, str, str], ...]
    columns: bytes
    sketches: tuple[Any, ...] = ()

    def table(self) -> tuple[tuple[Name, ...], Floats]:
        """The names and the [7, n] float64 view."""
        names = tuple(Name(*name) for name in self.names)  # type: ignore[arg-type]
        return names, np.frombuffer(self.columns, "<f8").reshape(7, len(names))


class Report(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One closed window of one shard, or a revision of one: everything stage 2 needs."""

    version: int = 1
    job: str
    shard: int
    shards: int
    number: int  # 1, 2, 3, ... per shard: stage 2 drops numbers it has
    window: int  # index into the job's WindowSpecs
    start: float
    end: float
    revision: int
    clock: float  # the deadline that closed it
    gap: int = 0  # windows that this one stands for, after a jump (see the architecture, section 7)
    partials: tuple[Partial, ...] = ()
    presences: tuple[Presence, ...] = ()
    revisions: tuple[Report, ...] = ()  # of earlier windows, emitted after this one
