"""The open samples that wait for their labels, and what time says about them: due, overdue, expired, cohorts.

Deadlines are counted in the pane that holds them, whenever the clock gets there, so nothing depends on how often the
tracer looks. A sample is remembered until its due time + timeout: labelled ones too, so that a second label is seen as
one. About 70 bytes and 1 us a sample. Bounded: above `capacity` it goes on with those ids whose hash is 0 modulo a
power of two (`modulus`), an unbiased sample, and with more of them again when it is a quarter full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.batches import by_pane, first_of_each
from streamgauge.tracer.cohorts import Cohorts, Labelled
from streamgauge.tracer.domains import POSITIVE
from streamgauge.tracer.early_labels import EarlyLabels
from streamgauge.tracer.inputs import NA
from streamgauge.tracer.join_table import WEIGHT, JoinTable
from streamgauge.tracer.kept_features import KeptFeatures
from streamgauge.tracer.key_index import KeyIndex
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.outcomes import COUNTS, Deadlines, Known
from streamgauge.tracer.summaries.hashing import is_sampled

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ROOMY: Final = 0.25  # of the capacity: below it twice as many ids have room, and some to spare


class Join:
    """Open ids, by 64-bit hash."""

    def __init__(self, labels: Labels, pane: float) -> None:
        self.labels = labels
        self.overflow = 0  # samples that left because there was no room
        self.modulus = 1  # of the ids that are remembered
        self.kept = KeptFeatures()
        self.pane = pane
        self._index = KeyIndex()
        self._table = JoinTable(exact_labels=labels.are_numbers)
        self._tally: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTS))
        self._expiring: defaultdict[int, list[Keys]] = defaultdict(list)
        self._cohorts = Cohorts(pane)
        self._matured: dict[float, Labelled] = {}  # by the start of the pane, until they are asked for
        self.early = EarlyLabels(labels.hold)

    def __len__(self) -> int:
        """Samples remembered."""
        return len(self._index)

    @property
    def share(self) -> float:
        """How full it is, 0..1."""
        return min(1.0, len(self) / self.labels.capacity)

    @property
    def nbytes(self) -> int:
        """Bytes of the samples and of where they are; what waits for its deadline is 8 more each."""
        return self._index.nbytes + self._table.nbytes + self._cohorts.nbytes

    def open(
        self, now: float, keys: Keys, *, event: Floats | None = None, due: Floats | None = None,
        written: Floats | None = None, predictions: Floats | None = None, features: Mapping[str, NDArray[Any]] = {},
        seen: Floats | None = None,
    ) -> int:
        """Remember new samples; those remembered already are left as they are. Returns how many those were.

        Of a sample of the ids, as many as there were among all of them, about. `seen`: when they were, if not now.
        """
        fresh, repeats = self._fresh(keys)
        new = keys[fresh]
        slots = self._table.allocate(len(new))
        columns = {"event": event, "due": due, "written": written, "prediction": predictions}
        nothing = np.full(len(new), NA)
        rows = {name: nothing if column is None else column[fresh] for name, column in columns.items()}
        since = np.full(len(new), now) if seen is None else seen[fresh]
        rows |= {"seen": since, "label": nothing}
        base = np.where(np.isnan(rows["due"]), np.where(np.isnan(rows["event"]), since, rows["event"]), rows["due"])
        rows["expiry"] = np.maximum(base + self.labels.timeout, since)
        rows["due"] = np.maximum(rows["due"] + self.labels.margin, since)
        rows |= self._table.write(slots, rows)  # what is counted is what is remembered
        self._index.insert(new, slots)
        are_all = len(new) == len(keys)
        self.kept.keep(new, features if are_all else {name: column[fresh] for name, column in features.items()})
        self._schedule(new, slots, rows)
        self._make_room(now)
        return repeats

    def label(self, now: float | Floats, keys: Keys, labels: Floats) -> Known:
        """Labels that became known now, or each at its time. An id that comes twice counts once, then flips."""
        times = np.broadcast_to(np.asarray(now, np.float64), len(keys))
        first = first_of_each(keys)
        if first is None:
            return self._label(times, keys, labels)
        rest = np.ones(len(keys), bool)
        rest[first] = False
        known = self._label(times[first], keys[first], labels[first])
        again = self.label(times[rest], keys[rest], labels[rest])
        return known._replace(flips=known.flips + again.flips)

    def find(self, keys: Keys) -> Slots:
        """Where the samples are kept, -1 where they are not."""
        return self._index.find(keys)

    def column(self, name: str, slots: Slots) -> Floats:
        """One of FIELDS, or the weight, for each slot; NaN for slot -1."""
        return self._table.column(name, slots)

    def predict(self, slots: Slots, predictions: Floats) -> None:
        """Predictions of samples that wait; one that has a prediction keeps it: it was made before."""
        new = (slots >= 0) & np.isnan(self.column("prediction", slots))
        self._table.put("prediction", slots[new], predictions[new])

    def weigh(self, slots: Slots, weights: Floats) -> None:
        """What samples weigh, as they are trained on: their cohort weighs them so, too."""
        self.note(WEIGHT, slots, weights)

    def note(self, name: str, slots: Slots, values: Floats) -> None:
        """Something else to remember of samples that wait; `column` gives it back."""
        held = slots >= 0
        self._table.put(name, slots[held], values[held])

    def cohort(self, pane: float) -> Labelled | None:
        """The labelled samples that became H old in the pane that starts at `pane`; to be asked for once."""
        return self._matured.pop(pane, None)

    def features(self, keys: Keys) -> tuple[Mask, dict[str, NDArray[Any]]]:
        """Of which samples feature values are kept, and the values of these."""
        return self.kept.of(keys)

    def restore(self, keys: Keys, rows: Mapping[str, Floats], closed: int) -> None:
        """Put back samples that an empty join held; `rows` has all FIELDS, panes before `closed` are over."""
        slots = self._table.allocate(len(keys))
        self._table.write(slots, rows)
        self._index.insert(keys, slots)
        self._cohorts.closed = closed
        self._cohorts.add(slots, self._old_at(slots))
        self._expire_later(keys, rows["expiry"])

    @property
    def pending(self) -> dict[int, list[int]]:
        """COUNTS of what is to come, by pane."""
        return {pane: list(self._tally[pane]) for pane in sorted(self._tally)}

    @pending.setter
    def pending(self, counts: Mapping[int, list[int]]) -> None:
        self._tally.update(counts)

    def held(self) -> tuple[Keys, dict[str, Floats]]:
        """Every sample with all FIELDS, in the order in which they were seen."""
        keys, slots = self._index.items()
        order = np.lexsort((keys, self.column("seen", slots)))
        return keys[order], {name: self.column(name, slots[order]) for name in self._table.fields}

    def close(self, end: float) -> list[Deadlines]:
        """Everything that time did up to `end`, the end of a pane: one entry for each pane with something in it."""
        last = round(end / self.pane)
        for pane, slots in self._cohorts.close(last):
            self._mature(pane, slots)
        for pane in sorted(pane for pane in self._expiring if pane < last):
            for keys in self._expiring.pop(pane):
                self._tally[pane][4] += self._expire(keys, pane)
        passed = sorted(pane for pane in self._tally if pane < last)
        if self.modulus > 1 and len(self) < _ROOMY * self.labels.capacity:
            self.modulus //= 2
        rows = [(pane * self.pane, self._tally.pop(pane)) for pane in passed]
        return [Deadlines(start, *counts) for start, counts in rows if any(counts)]

    def _fresh(self, keys: Keys) -> tuple[Mask, int]:
        """Which samples are new, and how many were known already."""
        sampled = is_sampled(keys, self.modulus)
        fresh = sampled & (self._index.find(keys) < 0)
        first = first_of_each(keys)
        if first is not None:
            once = np.zeros(len(keys), bool)
            once[first] = True
            fresh &= once
        return fresh, self.modulus * int(np.count_nonzero(sampled & ~fresh))

    def _schedule(self, keys: Keys, slots: Slots, rows: Mapping[str, Floats]) -> None:
        self._count(0, rows["due"])
        self._count(1, rows["due"])
        self._cohorts.add(slots, self._old(rows["event"], rows["seen"], rows["expiry"]))
        self._expire_later(keys, rows["expiry"])

    def _expire_later(self, keys: Keys, expiry: Floats) -> None:
        for pane, rows in by_pane(np.floor(expiry / self.pane)):
            self._expiring[pane].append(keys[rows])

    def _old_at(self, slots: Slots) -> Floats:
        """When these samples become H old; NaN where the slot is free."""
        return self._old(self.column("event", slots), self.column("seen", slots), self.column("expiry", slots))

    def _old(self, event: Floats, seen: Floats, expiry: Floats) -> Floats:
        old = np.where(np.isnan(event), seen, event) + self.labels.horizon
        return np.minimum(np.maximum(old, seen), expiry)

    def _mature(self, pane: int, slots: Slots) -> None:
        """Count the cohort of a pane, and keep its predictions and labels."""
        slots = slots[self._cohorts.panes(self._old_at(slots)) == pane]
        labels = self.column("label", slots)
        known = ~np.isnan(labels)
        labels = labels[known]
        for column, count in ((2, len(slots)), (3, len(labels)), (5, int(np.count_nonzero(labels > POSITIVE)))):
            if count:
                self._tally[pane][column] += count
        if len(labels):
            known = slots[known]
            weights = self.column(WEIGHT, known) if WEIGHT in self._table.fields else None
            self._matured[pane * self.pane] = Labelled(self.column("prediction", known), labels, weights)

    def _count(self, column: int, deadlines: Floats, sign: int = 1) -> None:
        """Count deadlines in the panes that hold them; one without deadline (NaN) has none."""
        panes = np.floor(deadlines[~np.isnan(deadlines)] / self.pane)
        for pane, rows in by_pane(panes):
            self._tally[pane][column] += sign * len(panes[rows])

    def _label(self, times: Floats, keys: Keys, labels: Floats) -> Known:
        slots = self.find(keys)
        waiting, before = slots >= 0, self.column("label", slots)
        is_new = np.isnan(before)
        late = waiting & is_new & (self.column("expiry", slots) < times)
        self.early.keep(times[~waiting], keys[~waiting], labels[~waiting])
        if late.any():
            self._come_too_late(times[late], keys[late], slots[late])
            slots[late], waiting = -1, waiting & ~late
        settled = waiting & is_new
        self._table.put("label", slots[waiting], labels[waiting])
        start = self.column("event", slots[settled])
        seen = self.column("seen", slots[settled])
        due = self.column("due", slots[settled])
        self._count(1, due[times[settled] <= due], -1)
        delay = np.full(len(keys), np.nan)
        delay[settled] = times[settled] - np.where(np.isnan(start), seen, start)
        changed = before != labels if self.labels.are_numbers else (before > POSITIVE) != (labels > POSITIVE)
        flips = int(np.count_nonzero(~is_new & changed))
        return Known(labels, is_new, flips, int(np.count_nonzero(settled)), delay)

    def _come_too_late(self, times: Floats, keys: Keys, slots: Slots) -> None:
        """The timeout passed within this pane: they have expired."""
        panes, old = np.floor(times / self.pane), self._cohorts.panes(self._old_at(slots))
        for pane, own in by_pane(panes):
            tally = self._tally[pane]
            tally[2] += int(np.count_nonzero(old[own] == pane))  # H old in this pane, and never labelled
            tally[4] += self._forget(keys[own])

    def _expire(self, keys: Keys, pane: int) -> int:
        """Forget those of the keys whose time is up in this pane; how many had no label."""
        distinct = np.unique(keys)  # a sample that left for want of room and came back stands here twice
        gone = np.floor(self.column("expiry", self.find(distinct)) / self.pane) == pane  # NaN where it left before
        return self._forget(distinct[gone])

    def _forget(self, keys: Keys) -> int:
        """How many of the samples had no label."""
        if not len(keys):
            return 0
        slots = self._index.remove(keys)
        self.kept.forget(keys)
        self._table.free(slots)
        return int(np.count_nonzero(np.isnan(self.column("label", slots))))

    def _make_room(self, now: float) -> None:
        """Half of the ids leave, by their hash."""
        while len(self) > self.labels.capacity:
            self.modulus *= 2
            self.overflow += self.thin(self.modulus, now)

    def thin(self, modulus: int, now: float) -> int:
        """Forget the ids whose hash is not 0 modulo it; how many had no label.

        What is still to come for them would be wrong: it is taken back.
        """
        keys, slots = self._index.items()
        out = ~is_sampled(keys, modulus)
        keys, slots = keys[out], slots[out]
        waiting = slots[np.isnan(self.column("label", slots))]
        due = self.column("due", waiting)
        self._count(0, due[due >= now], -1)
        self._count(1, due[due >= now], -1)
        return self._forget(keys)
