"""From a closed window's report to metric values: every metric of its class, of each worker and of the job.

`evaluate` is a function of the report and of what was learnt before, and changes nothing; `learn` is called once for
each window after it has been judged. Values below their least evidence are NaN, their evidence stays in `rows`.
Columns are arrays over series; keys and their order are computed once for each set of series.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowClass, WindowSpec
from streamgauge.pipelines.metrics import Floats, Metric, Partial, Report, Values
from streamgauge.pipelines.registry import METRICS, metrics_of, pipelines_of
from streamgauge.pipelines.stream.distributions import SketchKey
from streamgauge.pipelines.stream.layout import Layouts
from streamgauge.pipelines.stream.learning import Knowledge, Slot, normality
from streamgauge.pipelines.stream.pictures import profiles_of
from streamgauge.pipelines.stream.view import JobView, WindowView, job_view
from streamgauge.pipelines.wire.outputs import Change, Profiles
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, packed, unpacked
from streamgauge.tracer.summaries.columns import Columns

KEPT_KEYS: Final = 200_000  # in the sets of series whose order is kept; a cache whose size changes no answer
_KEY_BYTES: Final = 200  # of a key and what goes along with it, about
Block = tuple[str, Metric, Values]  # worker, metric, values
_EVERY: Final = np.ones(0, bool)


class Evaluated(NamedTuple):
    """All values of one closed window; every array has one element a key."""

    window: str  # the WindowSpec's name
    kind: WindowClass
    start: float
    end: float
    revision: int
    length: float
    keys: tuple[SeriesKey, ...]  # sorted
    metrics: tuple[Metric, ...]
    value: Floats  # NaN: unknown
    rows: Floats
    error: Floats
    floor: Floats
    profiles: tuple[Profiles, ...]
    is_present: NDArray[np.bool_] = _EVERY  # the others are known series that got nothing
    spec: int = -1  # place of the WindowSpec in the config
    view: JobView | None = None  # what `Evaluator.learn` reads
    unkept: int = 0  # series that `max_series` has no room for, where there was room before
    failed: Mapping[str, str] = {}  # what went wrong by metric that could not be computed: it is unknown


class Series(NamedTuple):
    """Sorted keys with what goes along with them; `order` sorts the columns of the blocks."""

    keys: tuple[SeriesKey, ...]
    metrics: tuple[Metric, ...]
    order: NDArray[np.int64]
    minimum: Floats


class Known(NamedTuple):
    """The series of one window spec and when each was last there; shape [n]."""

    keys: tuple[SeriesKey, ...]
    seen: Floats


class Evaluator:
    """Evaluates the reports of one job, in their order."""

    KIND: ClassVar[str] = "evaluator"

    def __init__(self, config: JobConfig) -> None:
        self._config = config
        self._knowledge = Knowledge(config)
        self._known: dict[int, Known] = {}
        self._layouts = Layouts()
        self._series: dict[Any, Series] = {}
        self._metrics = {metric.name: metric for pipeline in pipelines_of(config) for metric in pipeline.metrics}

    @property
    def cached_bytes(self) -> int:
        """Orders of series, layouts and merged references, about. Any thread may ask."""
        ordered = _KEY_BYTES * sum(len(kept.keys) for kept in list(self._series.values()))
        return ordered + self._layouts.bytes + self._knowledge.cached_bytes

    def evaluate(self, report: Report, joined: Partial | None = None) -> Evaluated:
        """The values of a closed window, or of a revision of one; `joined` is a share of the job alone."""
        spec = self._config.windows[report.window]
        view = job_view(report, self._config, self._knowledge, self._layouts, joined)
        failed: dict[str, str] = {}
        series, columns, is_present = self._complete(report, *self._columns(spec, view, failed), failed)
        series, columns, is_present, unkept = self._within(report.window, series, columns, is_present)
        value, rows, error, floor = columns
        return Evaluated(
            spec.name, spec.kind, report.start, report.end, report.revision, view.length, series.keys, series.metrics,
            value, rows, error, floor, profiles_of(report, spec, view), is_present, report.window, view,
            unkept, failed,
        )

    def learn(self, evaluated: Evaluated, keep: NDArray[np.bool_]) -> None:
        """Learn from a window after it has been judged; a revision teaches nothing.

        `keep`, of shape [n], says which series were normal: what describes an entity is learnt where all its series
        were. Ids, the last label and which series there are, are remembered in any case.
        """
        if evaluated.revision or evaluated.view is None:
            return
        old = self._known.get(evaluated.spec)
        seen = np.full(len(evaluated.keys), evaluated.end)
        if not evaluated.is_present.all() and old is not None:
            before = dict(zip(old.keys, old.seen.tolist(), strict=True))
            missing = np.flatnonzero(~evaluated.is_present)
            seen[missing] = [before[evaluated.keys[i]] for i in missing.tolist()]
        self._known[evaluated.spec] = Known(evaluated.keys, seen)
        rejected = {evaluated.keys[i] for i in np.flatnonzero(~keep).tolist()}
        self._knowledge.learn(evaluated.spec, evaluated.view, _trailed(evaluated), normality(rejected))

    def give(self, columns: Mapping[SketchKey, Columns], time: float) -> None:
        """Begin with these reference distributions for windows that end after `time`."""
        self._knowledge.give(columns, time)

    def put_rows(self, rows: Rows) -> None:
        """The series that are known, and what was learnt."""
        for i, known in sorted(self._known.items()):
            rows.put(f"keys/{i}", functools.partial(_keys_row, known.keys), known.keys)
            rows.put(f"seen/{i}", functools.partial(encoded, "known", known.seen.tobytes()), known)
        self._knowledge.put_rows(rows)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put."""
        self._known = {
            int(i): Known(
                tuple(SeriesKey(self._config.name, *key) for key in decoded("known", value)[0]),
                np.frombuffer(decoded("known", rows[f"seen/{i}"])[0], "<f8"),
            )
            for i, value in below(rows, "keys").items()
        }
        self._knowledge.take_rows(rows)

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken. Raises StateVersionError."""
        self.take_rows(unpacked(self.KIND, data))

    def inherit(self, old: Evaluator) -> None:
        """Take over what another configuration of the job has learnt, of windows that are the same in both."""
        places = {spec: place for place, spec in enumerate(self._config.windows)}
        self._known = {
            places[spec]: old._known[place]
            for place, spec in enumerate(old._config.windows) if spec in places and place in old._known
        }  # fmt: skip
        self._knowledge.inherit(old._knowledge)

    def _columns(self, spec: WindowSpec, view: JobView, failed: dict[str, str]) -> tuple[Series, Floats]:
        """Every metric of the window's class, of every scope: sorted series, columns of shape [4, n]."""
        blocks = [block for scoped in _scopes(spec, view) for block in _blocks(spec.kind, scoped, failed)]
        signature = tuple((worker, metric.name, values.entities) for worker, metric, values in blocks)
        series = self._series.get(signature)
        if series is None:
            if sum(len(kept.keys) for kept in self._series.values()) > KEPT_KEYS:
                self._series.clear()
            series = self._series[signature] = self._arrange(blocks)
        if not blocks:
            return series, np.zeros((4, 0))
        columns = [np.concatenate([block[2][i] for block in blocks]) for i in range(1, 5)]  # value, rows, error, floor
        table = np.array(columns)[:, series.order]
        table[0, ~np.isfinite(table[0]) | (table[1] < series.minimum)] = np.nan
        return series, table

    def _arrange(self, blocks: Sequence[Block]) -> Series:
        pairs = [
            (SeriesKey(self._config.name, worker, metric.domain, entity, metric.name), metric)
            for worker, metric, values in blocks
            for entity in values.entities
        ]
        order = sorted(range(len(pairs)), key=lambda i: pairs[i][0])
        return self._series_of([pairs[i][0] for i in order], np.array(order, np.int64))

    def _series_of(self, keys: Sequence[SeriesKey], order: NDArray[np.int64]) -> Series:
        metrics = tuple(self._metrics[key.metric] for key in keys)
        minimum = np.array([self._config.minimum.get(metric.name, metric.minimum) for metric in metrics], np.float64)
        return Series(tuple(keys), metrics, order, minimum)

    def _complete(
        self, report: Report, series: Series, table: Floats, failed: Mapping[str, str]
    ) -> tuple[Series, Floats, NDArray[np.bool_]]:
        """Rows for known series that got nothing: 0 where the metric is additive and was computed, else unknown."""
        is_present = np.ones(len(series.keys), bool)
        missing = self._missing(report, series.keys)
        if not missing:
            return series, table, is_present
        blank = np.zeros((4, len(missing)))
        is_zero = [METRICS[key.metric].additive and key.metric not in failed for key in missing]
        blank[0] = np.where(is_zero, 0.0, np.nan)
        keys = [*series.keys, *missing]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
        is_present = np.concatenate([is_present, np.zeros(len(missing), bool)])[order]
        ordered = self._series_of([keys[i] for i in order.tolist()], order)
        return ordered, np.concatenate([table, blank], axis=1)[:, order], is_present

    def _within(
        self, window: int, series: Series, table: Floats, is_present: NDArray[np.bool_]
    ) -> tuple[Series, Floats, NDArray[np.bool_], int]:
        """The series that `max_series` has room for: the known ones first, then those of the job, then by worker."""
        known = self._known.get(window)
        others = sum(len(one.keys) for place, one in self._known.items() if place != window)
        room = max(0, self._config.max_series - others)
        if len(series.keys) <= room:
            return series, table, is_present, 0
        before = frozenset(() if known is None else known.keys)
        ranked = sorted(range(len(series.keys)), key=lambda i: series.keys[i] not in before)
        chosen = np.array(sorted(ranked[:room]), np.int64)
        was_full = len(before) >= room
        kept = self._series_of([series.keys[i] for i in chosen.tolist()], chosen)
        return kept, table[:, chosen], is_present[chosen], 0 if was_full else len(series.keys) - room

    def _missing(self, report: Report, keys: tuple[SeriesKey, ...]) -> list[SeriesKey]:
        known = self._known.get(report.window)
        if known is None or known.keys is keys:
            return []
        present = frozenset(keys)
        left = frozenset(presence.worker for presence in report.presences if presence.state == "left")
        alive = (known.seen > report.end - DAY).tolist()
        return [
            key
            for key, is_alive in zip(known.keys, alive, strict=True)
            if is_alive and key not in present and key.worker not in left
        ]


def unkept(evaluated: Evaluated, config: JobConfig) -> list[Change]:
    """Said once, when the job's series have come to their bound."""
    if not evaluated.unkept:
        return []
    text = f"{evaluated.unkept} series are not kept: max_series of {config.name} is {config.max_series}; raise it"
    return [Change(job=config.name, name="max_series", time=evaluated.end, text=text)]


def failures(evaluated: Evaluated, config: JobConfig) -> list[Change]:
    """Said of each window in which a metric could not be computed: a fault of ours, which stops nothing."""
    texts = [f"{name} ({error})" for name, error in sorted(evaluated.failed.items())]
    if not texts:
        return []
    text = f"could not be computed, and unknown in this window: {', '.join(texts)}; please report it"
    return [Change(job=config.name, name="metric_failed", time=evaluated.end, text=text)]


def _keys_row(keys: tuple[SeriesKey, ...]) -> bytes:
    return encoded("known", [list(key[1:]) for key in keys])


def _scopes(spec: WindowSpec, view: JobView) -> list[WindowView]:
    job: list[WindowView] = [view] if spec.scope != "worker" else []
    return job + (list(view.views.values()) if spec.scope != "job" else [])


def _blocks(kind: WindowClass, view: WindowView, failed: dict[str, str]) -> list[Block]:
    """What each metric makes of a view; one that cannot costs the others nothing, and is named in `failed`."""
    avoided, blocks = "job" if view.worker else "worker", []
    for metric in metrics_of(kind):
        if metric.scope == avoided:
            continue
        try:
            found = metric.compute(view)
        except Exception as error:
            failed.setdefault(metric.name, f"{type(error).__name__}: {error}")
            continue
        if found.entities:
            blocks.append((view.worker, metric, found))
    return blocks


def _trailed(evaluated: Evaluated) -> Mapping[Slot, Floats]:
    """The AUC and its error by worker, for the trail that its volatility is taken from."""
    return {
        (key.worker, "auc", key.entity): np.array([evaluated.error[i], evaluated.value[i]])
        for i, key in enumerate(evaluated.keys)
        if key.metric == "auc"
    }
