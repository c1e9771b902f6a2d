"""The open samples that wait for their labels, and what time says about them: due, overdue, expired, cohorts.

Deadlines are counted in the pane that holds them, whenever the clock gets there, so nothing depends on how often the
tracer looks. A sample is remembered until its due time + timeout: labelled ones too, so that a second label is seen as
one. Bounded: above `capacity` the oldest leave and are counted. About 0.5 us a sample to open it, the same to label it.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.domains import Scale
from streamgauge.tracer.inputs import NA

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]

VERSION: Final = 1
FEATURE_BYTES: Final = 64 * 1024 * 1024  # feature values kept for label counts by bin; beyond it none are kept
FIELDS: Final = ("seen", "event", "written", "due", "expiry", "prediction", "label")  # `<f8` each, NaN: unknown
COUNTS: Final = ("due", "overdue", "cohort_rows", "cohort_labelled", "expired")


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """How labels reach the job; seconds."""

    margin: float = 3 * 3600.0  # a label is overdue this long after it was due
    horizon: float = 86400.0  # H of the `@H` cohorts
    scale: Scale = "binary"  # what labels are; the same for every metric
    positive: float | str | None = None  # which of them is positive, where the scale does not say
    timeout: float = 86400.0  # this long after its due time a sample without label is dropped as expired
    capacity: int = 200_000  # samples remembered


class Known(NamedTuple):
    """What a call of `label` brought, row by row of the call's distinct ids."""

    labels: Floats
    is_new: Mask  # the label was not known before
    flips: int  # labels that changed
    settled: int  # new ones of samples that were waiting
    delay: Floats  # label time - sample time, NaN where the sample is not known


class Deadlines(NamedTuple):
    """How many samples passed which deadline in the pane that starts at `pane`."""

    pane: float
    due: int
    overdue: int
    cohort_rows: int
    cohort_labelled: int
    expired: int


class Join:
    """Open ids, by 64-bit hash."""

    def __init__(self, labels: Labels, pane: float) -> None:
        self.labels = labels
        self.overflow = 0  # samples that left because there was no room
        self._pane = pane
        self._slot: dict[int, int] = {}  # by key, oldest first
        self._free: list[int] = []
        self._table: dict[str, Floats] = {name: np.zeros(0) for name in FIELDS}
        self._features: dict[str, NDArray[Any]] = {}
        self._tally: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTS))
        self._expiring: defaultdict[int, list[Keys]] = defaultdict(list)

    def __len__(self) -> int:
        """Samples remembered."""
        return len(self._slot)

    def open(
        self, now: float, keys: Keys, *, event: Floats | None = None, due: Floats | None = None,
        written: Floats | None = None, predictions: Floats | None = None, features: Mapping[str, NDArray[Any]] = {},
    ) -> int:
        """Remember new samples; those remembered already are left as they are. Returns how many those were."""
        fresh = self._fresh(keys)
        new = keys[fresh]
        slots = self._allocate(len(new))
        nothing = np.full(len(new), NA)
        columns = {
            "event": event, "due": due, "written": written, "prediction": predictions,
        }  # fmt: skip
        rows = {name: nothing if column is None else column[fresh] for name, column in columns.items()}
        rows |= {"seen": np.full(len(new), now), "label": nothing}
        base = np.where(np.isnan(rows["due"]), np.where(np.isnan(rows["event"]), now, rows["event"]), rows["due"])
        rows["expiry"] = np.maximum(base + self.labels.timeout, now)
        rows["due"] = np.maximum(rows["due"] + self.labels.margin, now)
        for name in FIELDS:
            self._table[name][slots] = rows[name]
        self._keep_features(slots, fresh, features)
        self._slot.update(zip(new.tolist(), slots.tolist(), strict=True))
        self._schedule(new, rows, now)
        self._evict(now)
        return len(keys) - len(new)

    def label(self, now: float, keys: Keys, labels: Floats) -> Known:
        """Labels that became known now. An id that comes twice counts once, with its first label, then flips."""
        distinct, first = np.unique(keys, return_index=True)
        first.sort()
        known = self._label(now, keys[first], labels[first])
        if len(distinct) < len(keys):
            rest = np.ones(len(keys), bool)
            rest[first] = False
            again = self.label(now, keys[rest], labels[rest])
            known = known._replace(flips=known.flips + again.flips)
        return known

    def find(self, keys: Keys) -> Slots:
        """Where the samples are kept, -1 where they are not."""
        get = self._slot.get
        return np.fromiter((get(key, -1) for key in keys.tolist()), np.int64, len(keys))

    def column(self, name: str, slots: Slots) -> Floats:
        """One of FIELDS for each slot, NaN for slot -1."""
        found = np.full(len(slots), NA)
        held = slots >= 0
        found[held] = self._table[name][slots[held]]
        return found

    def features(self, slots: Slots) -> dict[str, NDArray[Any]]:
        """Kept feature values of slots that exist."""
        return {name: column[slots] for name, column in self._features.items()}

    def close(self, end: float) -> list[Deadlines]:
        """Everything that time did up to `end`, the end of a pane: one entry for each pane with something in it."""
        last = round(end / self._pane)
        for pane in sorted(pane for pane in self._expiring if pane < last):
            for keys in self._expiring.pop(pane):
                self._tally[pane][4] += self._expire(keys, pane)
        passed = sorted(pane for pane in self._tally if pane < last)
        rows = [(pane * self._pane, self._tally.pop(pane)) for pane in passed]
        return [Deadlines(start, *counts) for start, counts in rows if any(counts)]

    def _fresh(self, keys: Keys) -> Mask:
        known = self._slot
        fresh = np.fromiter((key not in known for key in keys.tolist()), bool, len(keys))
        distinct, first = np.unique(keys, return_index=True)
        if len(distinct) < len(keys):
            once = np.zeros(len(keys), bool)
            once[first] = True
            fresh &= once
        return fresh

    def _allocate(self, count: int) -> Slots:
        missing = count - len(self._free)
        if missing > 0:
            size = len(self._table["seen"])
            grown = max(1024, missing, size)
            room = np.full(grown, np.nan)
            self._table = {name: np.concatenate((column, room)) for name, column in self._table.items()}
            self._features = {n: np.concatenate((c, np.zeros(grown, c.dtype))) for n, c in self._features.items()}
            self._free.extend(range(size + grown - 1, size - 1, -1))
        taken = self._free[len(self._free) - count :]
        del self._free[len(self._free) - count :]
        return np.array(taken[::-1], np.int64)

    def _keep_features(self, slots: Slots, fresh: Mask, features: Mapping[str, NDArray[Any]]) -> None:
        size = len(self._table["seen"])
        if 8 * size * len(set(features) | set(self._features)) > FEATURE_BYTES:
            self._features = {}
            return
        features = {name: column for name, column in features.items() if not column.dtype.hasobject}
        for name, column in features.items():
            held = self._features.get(name)
            if held is None or held.dtype != column.dtype:
                held = self._features[name] = np.full(size, np.nan if column.dtype.kind == "f" else 0, column.dtype)
            held[slots] = column[fresh]
        for name in self._features.keys() - features.keys():
            self._features[name][slots] = np.nan if self._features[name].dtype.kind == "f" else 0

    def _schedule(self, keys: Keys, rows: Mapping[str, Floats], now: float) -> None:
        self._count(0, rows["due"])
        self._count(1, rows["due"])
        self._count(2, np.maximum(rows["event"] + self.labels.horizon, now))
        panes = np.floor(rows["expiry"] / self._pane).astype(np.int64)
        for pane in np.unique(panes).tolist():
            self._expiring[pane].append(keys[panes == pane])

    def _count(self, column: int, deadlines: Floats, sign: int = 1) -> None:
        """Count deadlines in the panes that hold them; one without deadline (NaN) has none."""
        panes, counts = np.unique(np.floor(deadlines[~np.isnan(deadlines)] / self._pane), return_counts=True)
        for pane, count in zip(panes.tolist(), counts.tolist(), strict=True):
            self._tally[int(pane)][column] += sign * count

    def _label(self, now: float, keys: Keys, labels: Floats) -> Known:
        slots = self.find(keys)
        waiting = slots >= 0
        late = waiting & (self.column("expiry", slots) < now)
        late &= np.isnan(self.column("label", slots))
        if late.any():  # the timeout passed within this pane: they have expired, and their labels come too late
            self._tally[math.floor(now / self._pane)][4] += self._forget(keys[late])
            slots[late], waiting = -1, waiting & ~late
        before = self.column("label", slots)
        is_new = np.isnan(before)
        settled = waiting & is_new
        self._table["label"][slots[waiting]] = labels[waiting]
        start = self.column("event", slots[settled])
        seen = self.column("seen", slots[settled])
        due = self.column("due", slots[settled])
        self._count(1, due[now <= due], -1)
        horizon = start + self.labels.horizon
        within = horizon[now <= horizon]
        self._count(3, np.maximum(within, seen[now <= horizon]))
        delay = np.full(len(keys), np.nan)
        delay[settled] = now - np.where(np.isnan(start), seen, start)
        flips = int(np.count_nonzero(~is_new & ((before > 0.5) != (labels > 0.5))))
        return Known(labels, is_new, flips, int(np.count_nonzero(settled)), delay)

    def _expire(self, keys: Keys, pane: int) -> int:
        """Forget those of the keys whose time is up in this pane; how many had no label."""
        distinct = np.unique(keys)  # a sample that left for want of room and came back stands here twice
        gone = np.floor(self.column("expiry", self.find(distinct)) / self._pane) == pane
        return self._forget(distinct[gone])

    def _forget(self, keys: Keys) -> int:
        slots = [self._slot.pop(key) for key in keys.tolist()]
        self._free.extend(slots)
        return int(np.count_nonzero(np.isnan(self._table["label"][slots]))) if slots else 0

    def _evict(self, now: float) -> None:
        """Make room: the oldest leave. What is still to come for them would be wrong, so it is taken back."""
        excess = len(self._slot) - self.labels.capacity
        if excess <= 0:
            return
        oldest = np.fromiter(itertools.islice(self._slot, excess), np.uint64, excess)
        slots = self.find(oldest)
        waiting = slots[np.isnan(self.column("label", slots))]
        due = self.column("due", waiting)
        self._count(0, due[due >= now], -1)
        self._count(1, due[due >= now], -1)
        horizon = np.maximum(self.column("event", waiting) + self.labels.horizon, self.column("seen", waiting))
        self._count(2, horizon[horizon >= now], -1)
        self.overflow += self._forget(oldest)
