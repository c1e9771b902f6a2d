"""References that were not learnt window by window: taught with earlier ones, kept until their series come; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from streamgauge.anomaly import scales
from streamgauge.anomaly.reference import Floats, Reference
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.calendar import moment, slots
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.detection.closed import KeyParts, series_of
from streamgauge.pipelines.detection.traits import traits
from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.wire.rows import Rows as StateRows
from streamgauge.pipelines.wire.rows import below, decoded, encoded

State = tuple[tuple[KeyParts, ...], tuple[float, ...]]


class Taught:
    """Series with a reference each, and since when that reaches; all of one window specification."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.keys: tuple[SeriesKey, ...] = ()
        self.first: Floats = np.zeros(0)  # start of the first window with a value, NaN where there was none
        self.reference = Reference(0, slots)

    def add(self, other: Taught) -> None:
        """Series of another one come along; of those that are there already, the newer word holds."""
        new = [i for i, key in enumerate(other.keys) if key not in set(self.keys)]
        index = np.array([*range(len(self.keys)), *(-1 for _ in new)], np.int64)
        self.reference.reindex(index)
        self.keys = (*self.keys, *(other.keys[i] for i in new))
        self.first = np.concatenate([self.first, np.full(len(new), np.nan)])
        place = {key: i for i, key in enumerate(self.keys)}
        mine = np.array([place[key] for key in other.keys], np.int64)
        self.reference.take(mine, other.reference, np.arange(len(other.keys)))
        self.first[mine] = other.first

    def give(self, known: Mapping[SeriesKey, int], reference: Reference, first: Floats) -> Floats:
        """Hand over what concerns the series of `known` (their rows in `reference`); what is left waits.

        A series whose own history is the longer one keeps that. Returns the new begin of each series' history.
        """
        here = np.array([i for i, key in enumerate(self.keys) if key in known], np.int64)
        if not len(here):
            return first
        rows = np.array([known[self.keys[i]] for i in here.tolist()], np.int64)
        longer = ~(first[rows] <= self.first[here])
        reference.take(rows[longer], self.reference, here[longer])
        first = first.copy()
        first[rows[longer]] = self.first[here[longer]]
        rest = np.setdiff1d(np.arange(len(self.keys)), here)
        self.reference.reindex(rest)
        self.keys, self.first = tuple(self.keys[i] for i in rest.tolist()), self.first[rest]
        return first

    def rename(self, job: str) -> None:
        """The same series of a job of another name."""
        self.keys = tuple(key._replace(job=job) for key in self.keys)

    def put_rows(self, rows: StateRows) -> None:
        """All state, exactly; nothing where nothing waits."""
        if not self.keys:
            return
        rows.put_value("taught/keys", encoded("taught", self.keys, self.first.tolist()))
        for name, changes, encode in self.reference.parts():
            rows.put(f"taught/reference/{name}", partial(_part, encode), self.reference, changes)

    @classmethod
    def of_rows(cls, rows: Mapping[str, bytes], slots: int) -> Taught:
        """Exactly what the rows were put of."""
        found = cls(slots)
        if "taught/keys" in rows:
            keys, first = decoded("taught", rows["taught/keys"])
            found.keys, found.first = tuple(map(series_of, keys)), np.array(first, np.float64)
            parts = {name: decoded("reference", value)[0] for name, value in below(rows, "taught/reference").items()}
            found.reference = Reference.of_parts(parts)
        return found


def teach(
    keys: Sequence[SeriesKey], metrics: Sequence[Metric], starts: Floats, values: Floats, config: JobConfig,
    spec: WindowSpec, until: float,
) -> Taught:  # fmt: skip
    """What these windows teach, in their order.

    Args:
        keys: the series.
        metrics: what each measures.
        starts: of the windows, ascending; those from `until` on are left out.
        values: of shape [windows, series], NaN unknown.
        config: the job.
        spec: the windows' kind.
        until: begin of the window that is judged next.
    """
    found = Taught(slots(spec))
    found.keys, found.reference = tuple(keys), Reference(len(keys), slots(spec))
    own = traits(keys, metrics, config, {})
    rows = [i for i, start in enumerate(starts.tolist()) if start < until]
    for i in rows:
        at = moment(float(starts[i]), spec, config.timezone, config.holidays)
        level = scales.forward(own.scale, values[i])
        found.reference.expect(at, own.classed)
        found.reference.learn(at, level, np.isfinite(level))
    found.reference.expect(moment(until, spec, config.timezone, config.holidays), own.classed)
    known = np.isfinite(values[rows])
    found.first = np.where(known.any(axis=0), starts[rows][known.argmax(axis=0)], np.nan) if rows else _unknown(keys)
    return found


def _unknown(keys: Sequence[SeriesKey]) -> Floats:
    return np.full(len(keys), np.nan)


def _part(encode: Callable[[], bytes]) -> bytes:
    return encoded("reference", encode())
