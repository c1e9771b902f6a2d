"""Labels joined with samples that other workers saw: on sampled ids, once for the whole job, as its windows close.

Where `labels.across` is declared, workers send the rows of those ids whose hash is 0 modulo it, instead of what each
would make of them alone. They meet here in the join that workers have, too; what it finds is one more share of each
window. Bounded: beyond `CAPACITY` open ids it goes on with fewer of them, by hash, and says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.calendar import shortest
from streamgauge.pipelines.config.schema import HOUR, JobConfig
from streamgauge.pipelines.metrics import Partial, Report
from streamgauge.pipelines.stream import joined
from streamgauge.pipelines.stream.joined import Found
from streamgauge.pipelines.stream.snapshots import put_partial, taken_partial
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, packed, unpacked
from streamgauge.tracer.join_table import FIELDS, WEIGHT
from streamgauge.tracer.joins import Join
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.summaries import JoinRows

Keys = NDArray[np.uint64]
CAPACITY: Final = 262_144  # open ids: 12 MB
NAME: Final = "joined"  # of the change
_ROW: Final = 16_384  # ids of a row of state, at most: 1 MB
_SPARE: Final = 2  # longest windows: those that are closed may still be revised
_PANES: Final = 1_024  # of a row of state


class Joining:
    """The join of one job over all its workers."""

    KIND: ClassVar[str] = "joining"

    def __init__(self, config: JobConfig) -> None:
        self._job, self._keep_rate = config.name, config.labels.keep_rate
        self._shortest = shortest(config.windows)
        self._of_wall = frozenset(i for i, spec in enumerate(config.windows) if spec.kind == "wall")
        self._span = max(spec.length for spec in config.windows) * _SPARE
        self._join = _join(config)
        self._end = -math.inf  # of the last window whose rows were taken
        self._modulus = 0  # the largest that workers used; 0: there was nothing to join yet
        self._said = 0  # the one that was told
        self._shares: dict[float, Partial] = {}  # what was found, by the end of the window

    def share(self, report: Report) -> Partial | None:
        """What was found for a closed window; of the shortest kind its rows are taken first."""
        if report.window == self._shortest:
            self._take(report)
        ends = [end for end in sorted(self._shares) if report.start < end <= report.end]
        if not ends or report.window in self._of_wall:
            return None
        share = joined.share_of(joined.found_in(self._shares[end]) for end in ends)
        return _without_pairs(share) if _has_pairs(report) else share

    def news(self, time: float) -> list[Change]:
        """Said when the share of the ids that are joined becomes another one."""
        modulus = max(self._modulus, self._join.modulus) if self._modulus else 0
        if modulus == self._said:
            return []
        self._said = modulus
        text = (
            f"labels are joined across workers on one id in {modulus}: label_overdue, label_expired, label_delay, "
            "label_flip_rate and all metrics by cohort (@H) are of this sample, and so are their errors"
        )
        return [Change(job=self._job, name=NAME, time=time, text=text)]

    def put_rows(self, rows: Rows) -> None:
        """The join by the hour in which its samples were seen, and what it found."""
        if not self._modulus:
            return
        early = self._join.early
        rows.put_value("head", encoded(
            "joining", self._end, self._modulus, self._said, self._join.modulus,
            early.keys.tobytes(), early.labels.tobytes(), early.since.tobytes(),
        ))  # fmt: skip
        for at, pending in _by_panes(self._join.pending).items():
            rows.put_value(f"pending/{at:09}", encoded("joining pending", pending))
        for path, keys, table in _pieces(*self._join.held()):
            columns = [keys.tobytes(), *(column.tobytes() for column in table.values())]
            rows.put_value(f"samples/{path}", encoded("joining samples", *columns))
        for end, share in self._shares.items():
            put_partial(rows, f"share/{end!r}", share)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put."""
        if "head" not in rows:
            return
        end, self._modulus, self._said, modulus, *early = decoded("joining", rows["head"])
        self._end = end
        keys, table = _samples([value for _, value in sorted(below(rows, "samples").items())])
        self._join.restore(keys, table, self._pane_of(end))
        self._join.modulus = modulus
        for value in below(rows, "pending").values():
            self._join.pending = decoded("joining pending", value)[0]
        self._join.early.put(np.frombuffer(early[0], np.uint64), np.frombuffer(early[1]), np.frombuffer(early[2]))
        self._shares = {float(name): taken_partial(value) for name, value in below(rows, "share").items()}

    def snapshot(self) -> bytes:
        """The whole state as versioned bytes."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken."""
        self.take_rows(unpacked(self.KIND, data))

    def _take(self, report: Report) -> None:
        seen, known = self._rows(report, "sample", "seen"), self._rows(report, "label", "known")
        weighed = self._rows(report, "train", "weighed")
        if not (self._modulus or len(seen.keys) or len(known.keys)):
            return
        if max(seen.modulus, known.modulus) > self._modulus:
            self._modulus = max(seen.modulus, known.modulus)
            self._join.thin(self._modulus, report.start)
        if report.revision:  # what comes late settles samples, and is not told again
            self._late(seen, known)
            self._weigh(weighed.keys, weighed.value)
            return
        found = [Found({"join_modulus": float(max(self._modulus, self._join.modulus))})]
        start = max(self._end, report.start)
        while start < report.end:  # pane by pane, as workers do
            end = min(start + self._join.pane, report.end)
            found += self._open(seen, start, end)
            some = _between(weighed.time, start, end)
            self._weigh(weighed.keys[some], weighed.value[some])  # first: a label comes with its sample's weight
            found += self._label(known, start, end)
            found.append(joined.of_time(self._join.close(end), self._join, self._keep_rate))
            start = self._end = end
        self._shares = {end: share for end, share in self._shares.items() if end > report.end - self._span}
        self._shares[report.end] = joined.share_of(found)

    def _open(self, seen: JoinRows, start: float, end: float) -> Iterator[Found]:
        """Samples of a pane; their labels may have come before them."""
        some = _between(seen.time, start, end)
        keys = seen.keys[some]
        if not len(keys):
            return
        self._join.open(
            start, keys, event=seen.event[some], due=seen.due[some], predictions=seen.value[some], seen=seen.time[some]
        )
        early = self._join.early.take(start, keys)
        if len(early.keys):
            yield self._known(np.full(len(early.keys), start), early.keys, early.labels)

    def _label(self, known: JoinRows, start: float, end: float) -> Iterator[Found]:
        """Labels of a pane."""
        some = _between(known.time, start, end)
        if len(known.keys[some]):
            yield self._known(known.time[some], known.keys[some], known.value[some])

    def _weigh(self, keys: Keys, weights: NDArray[np.float64]) -> None:
        """What samples weigh that were trained on; the last of several holds."""
        slots = self._join.find(keys)
        if (slots >= 0).any():
            self._join.weigh(slots, weights)

    def _late(self, seen: JoinRows, known: JoinRows) -> None:
        """What a revised window has beside what is known already."""
        base = np.where(np.isnan(seen.due), np.where(np.isnan(seen.event), seen.time, seen.event), seen.due)
        kept = base + self._join.labels.timeout >= self._end  # the others may be known, and have expired
        self._join.open(
            self._end, seen.keys[kept], event=seen.event[kept], due=seen.due[kept], predictions=seen.value[kept],
            seen=seen.time[kept],
        )  # fmt: skip
        slots = self._join.find(known.keys)
        new = (slots >= 0) & np.isnan(self._join.column("label", slots))
        self._join.label(known.time[new], known.keys[new], known.value[new])

    def _known(self, times: NDArray[np.float64], keys: NDArray[np.uint64], labels: NDArray[np.float64]) -> Found:
        _, first = np.unique(keys, return_index=True)
        first.sort()  # what the join says is of each id's first label
        known = self._join.label(times, keys, labels)
        slots = self._join.find(keys[first])
        predictions, weights = (self._join.column(name, slots) for name in ("prediction", WEIGHT))
        return joined.of_labels(known, times[first], predictions, weights, self._keep_rate)

    def _rows(self, report: Report, clock: str, name: str) -> JoinRows:
        """The rows of all workers, in an order that does not depend on them; all times lie within the window."""
        rows = JoinRows.fold([
            sketch.columns for share in report.partials for sketch in share.sketches
            if (sketch.kind, sketch.clock, sketch.name) == (JoinRows.KIND, clock, name)
        ])  # fmt: skip
        times = np.clip(rows.time, report.start, np.nextafter(report.end, report.start))
        return dataclasses.replace(rows, time=times)

    def _pane_of(self, end: float) -> int:
        return round(end / self._join.pane) if math.isfinite(end) else -(2**53)


def _join(config: JobConfig) -> Join:
    rule = config.labels
    labels = Labels(
        margin=rule.margin, horizon=rule.horizon, timeout=rule.timeout, hold=rule.hold, capacity=CAPACITY
    )
    return Join(labels, config.pane)


def _between(times: NDArray[np.float64], start: float, end: float) -> slice:
    return slice(int(times.searchsorted(start)), int(times.searchsorted(end)))


def _has_pairs(report: Report) -> bool:
    """Whether workers have pairs of their own, as where one trains on predictions and labels that it was given."""
    return any(
        (sketch.kind, sketch.clock, sketch.name, sketch.entity) == ("label_buckets", "train", "labels", "")
        for share in report.partials for sketch in share.sketches
    )  # fmt: skip


def _without_pairs(share: Partial) -> Partial:
    kept = tuple(sketch for sketch in share.sketches if sketch.clock != "train")
    return Partial(worker="", names=share.names, columns=share.columns, sketches=kept)


def _by_panes(pending: Mapping[int, list[int]]) -> dict[int, dict[int, list[int]]]:
    found: dict[int, dict[int, list[int]]] = {}
    for pane, counts in pending.items():
        found.setdefault(pane // _PANES, {})[pane] = counts
    return found


def _pieces(keys: Keys, table: Mapping[str, Any]) -> Iterator[tuple[str, Keys, Mapping[str, Any]]]:
    """Samples by the hour in which they were seen: most rows of state do not change from window to window."""
    hours = np.floor(table["seen"] / HOUR)
    for hour in np.unique(hours).tolist():
        of_hour = np.flatnonzero(hours == hour)
        for at in range(0, len(of_hour), _ROW):
            rows = of_hour[at : at + _ROW]
            yield f"{int(hour):09}/{at // _ROW:03}", keys[rows], {name: table[name][rows] for name in table}


def _samples(values: Iterable[bytes]) -> tuple[Keys, dict[str, NDArray[np.float64]]]:
    """The samples of rows of state; of those that have no weight yet it is not known."""
    found = [decoded("joining samples", value) for value in values]
    names = FIELDS if all(len(columns) == 1 + len(FIELDS) for columns in found) else (*FIELDS, WEIGHT)
    keys = b"".join(columns[0] for columns in found)
    unknown = [np.full(len(columns[0]) // 8, np.nan).tobytes() for columns in found]
    table = {
        name: np.frombuffer(b"".join((*columns[1:], none)[i] for columns, none in zip(found, unknown, strict=True)))
        for i, name in enumerate(names)
    }
    return np.frombuffer(keys, np.uint64), table
