"""Metrics that were known for days and are unknown: told once a domain, over when they are known again or have left.

A value that is missing is never good, so its absence is news of its own. It is told of the job as a whole and only
while something else in the domain is measured: what stops with the whole job or with a worker is told by that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import numpy as np

from streamgauge.anomaly.reference import Bools, Floats
from streamgauge.anomaly.suppression.wording import listed
from streamgauge.anomaly.types import Anomaly, SeriesKey
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.detection.closed import Closed, KeyParts, series_of

KNOWN: Final = 3 * DAY  # a series that is younger is not missed
WINDOWS: Final = 3  # in a row that do not overlap: as long as a missing metric holds its last loss
SURE: Final = 0.9  # share of the slot's days with a value from which on its absence is news
LISTED: Final = 5  # metrics that are named


class Absence(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """An open episode and the series that it is about."""

    told: Anomaly
    keys: tuple[KeyParts, ...]


class State(msgspec.Struct, array_like=True, frozen=True):
    """Everything that is remembered."""

    absent: tuple[tuple[KeyParts, int], ...] = ()
    open: tuple[Absence, ...] = ()


class Vanished:
    """The series of one kind of window that should be known; `overlap` of its windows share their panes."""

    def __init__(self, overlap: int = 1) -> None:
        self._needed = (WINDOWS - 1) * overlap + 1
        self._absent: dict[SeriesKey, int] = {}  # windows in a row without the value that nearly every day had
        self._open: dict[str, Absence] = {}  # by domain

    def tell(
        self, closed: Closed, reach: Floats, watched: Bools, told: Collection[SeriesKey], time: float
    ) -> list[Anomaly]:
        """What is over and what begins with this window.

        `watched` marks the series whose absence may be news, unless something was `told` of them. Those with too few
        rows in a window are not among them: what fewer rows mean is told by what counts rows.
        """
        unknown = np.isnan(closed.value)
        alive = self._alive(closed)
        gone = unknown & watched & (reach >= SURE)
        for row in np.flatnonzero(gone).tolist():
            key = closed.keys[row]
            if not key.worker and key.domain in alive and key not in told:
                self._absent[key] = self._absent.get(key, 0) + 1
        missing = frozenset(closed.keys[row] for row in np.flatnonzero(unknown).tolist())
        self._absent = {key: count for key, count in self._absent.items() if key in missing}
        return [*self._over(closed, missing, time), *self._begun(closed, time)]

    def state(self) -> State:
        """For the snapshot."""
        return State(tuple(self._absent.items()), tuple(self._open.values()))

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._absent = {series_of(key): count for key, count in state.absent}
        self._open = {absence.told.domain: absence for absence in state.open}

    def _alive(self, closed: Closed) -> set[str]:
        measured = np.flatnonzero(np.isfinite(closed.value) & (closed.rows > 0.0)).tolist()
        return {closed.keys[row].domain for row in measured if not closed.keys[row].worker}

    def _over(self, closed: Closed, missing: frozenset[SeriesKey], time: float) -> list[Anomaly]:
        over = [
            domain for domain, absence in self._open.items()
            if not any(series_of(key) in missing for key in absence.keys)
        ]
        return [self._ended(self._open.pop(domain), closed, time) for domain in over]

    def _ended(self, absence: Absence, closed: Closed, time: float) -> Anomaly:
        known = absence.told.key in closed.keys
        text = f"{absence.told.metric} is known again" if known else f"{absence.told.metric} is no longer measured"
        return msgspec.structs.replace(absence.told, time=time, end=closed.start, text=text)

    def _begun(self, closed: Closed, time: float) -> list[Anomaly]:
        news: dict[str, list[SeriesKey]] = {}
        for key, count in sorted(self._absent.items()):
            if count >= self._needed:
                news.setdefault(key.domain, []).append(key)
        begun = []
        for domain, keys in news.items():
            if domain not in self._open:
                told = _told(keys, closed, time)
                self._open[domain] = Absence(told=told, keys=tuple(keys))
                begun.append(told)
        return begun


def _told(keys: Sequence[SeriesKey], closed: Closed, time: float) -> Anomaly:
    first = keys[0]
    names = [f"{key.metric} of {key.entity}" if key.entity else key.metric for key in keys]
    text = f"unknown, though known for days: {listed(names, LISTED)}"
    return Anomaly(
        kind="anomaly", job=first.job, worker="", domain=first.domain, entity=first.entity, metric=first.metric,
        severity="ticket", start=closed.start, time=time, detector="unknown", text=text,
    )  # fmt: skip
