"""Facts that stand: conditions of windows as episodes, from the first window that shows one to the one that ends it.

A series has one episode, whatever says so of it, and a louder condition that joins speaks up. Where something holds of
the whole job it is not told of its workers. Nothing is over until a window says so, or its worker has left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.reference import Bools
from streamgauge.anomaly.types import Anomaly, SeriesKey, Severity
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.stream.absolutes import Condition, Tally
from streamgauge.pipelines.wire import states

FORGET: Final = 2 * DAY  # what no window has said anything about for this long is over
SCORE: Final = 1e9
LOUDNESS: Final[dict[Severity, int]] = {"info": 0, "ticket": 1, "page": 2, "page-now": 3}
_Name = tuple[str, ...]  # a SeriesKey without its job, then what tells conditions of one series apart


class Standing(msgspec.Struct, array_like=True, frozen=True):
    """A condition that holds."""

    start: float  # of the first window that showed it
    seen: float  # start of the last window that said anything of it
    is_told: bool


class _State(msgspec.Struct, array_like=True, frozen=True):
    version: int
    standing: tuple[tuple[_Name, Standing], ...]
    episodes: tuple[Anomaly, ...]
    tallies: dict[str, Tally]
    first: float
    is_burnt_in: bool


class Window(NamedTuple):
    """What the facts must know of a closed window."""

    start: float
    end: float
    time: float  # the deadline that closed it
    left: frozenset[str]  # workers that said goodbye, or are known no longer


class Facts:
    """The standing facts of one job and one kind of window."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.tallies: dict[str, Tally] = {}
        self.first = math.nan  # start of the first window
        self.is_burnt_in = False  # the model has been calibrated once, or has had its time for it
        self._standing: dict[_Name, Standing] = {}
        self._episodes: dict[SeriesKey, Anomaly] = {}

    def settle(self, conditions: Iterable[Condition], window: Window) -> list[Anomaly]:
        """Facts that are over, then those that begin or grow louder, with this window."""
        self.first = window.start if math.isnan(self.first) else self.first
        found = {_name(one): one for one in conditions}
        for name, one in found.items():
            self._stand(name, one, window, is_new=not self._is_of_job(name, found))
        for name in [name for name, one in self._standing.items() if _is_gone(name, one, window)]:
            del self._standing[name]
        due = [name for name in found if name in self._standing and self._is_due(name, found[name], window)]
        begun = [told for name in due for told in self._tell(name, found[name], window)]
        told = {name[:4] for name, one in self._standing.items() if one.is_told}
        over = [key for key in self._episodes if key[1:] not in told]
        return [*(self._end(key, found, window) for key in over), *begun]

    @property
    def open(self) -> Collection[SeriesKey]:
        """The series that a fact is open for."""
        return self._episodes.keys()

    def holds(self, keys: Sequence[SeriesKey]) -> Bools:
        """Which series a fact that pages stands for: their own, and at workers what the whole job has; shape [n]."""
        loud = {key for key, told in self._episodes.items() if LOUDNESS[told.severity] >= LOUDNESS["page"]}
        if not loud:
            return np.zeros(len(keys), dtype=bool)
        return np.array([key in loud or key._replace(worker="") in loud for key in keys], dtype=bool)

    def end(self, time: float) -> list[Anomaly]:
        """End all that is open: there are no more such windows."""
        over = [self._episodes.pop(key) for key in sorted(self._episodes)]
        text = "the window that it was seen in is not configured any more"
        return [msgspec.structs.replace(one, end=max(time, one.start), time=time, text=text) for one in over]

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return msgspec.msgpack.encode(_State(
            states.written("facts"), tuple(self._standing.items()), tuple(self._episodes.values()), self.tallies,
            self.first, self.is_burnt_in,
        ))  # fmt: skip

    def restore(self, data: bytes) -> None:
        """Take the state that `snapshot` gave. Raises StateVersionError."""
        state = states.read("facts", data, _State)
        self._standing = dict(state.standing)
        self._episodes = {told.key: told for told in state.episodes}
        self.tallies, self.first, self.is_burnt_in = state.tallies, state.first, state.is_burnt_in

    def _stand(self, name: _Name, one: Condition, window: Window, *, is_new: bool) -> None:
        """A condition begins to hold, goes on, or ends."""
        old = self._standing.get(name)
        if one.holds is False:
            self._standing.pop(name, None)
        elif old is not None:
            seen = old.seen if math.isnan(one.value) else window.start
            self._standing[name] = Standing(old.start, seen, old.is_told)
        elif one.holds and is_new:
            self._standing[name] = Standing(window.start, window.start, False)

    def _is_of_job(self, name: _Name, found: dict[_Name, Condition]) -> bool:
        """Whether the whole job has what one of its workers has."""
        whole = ("", *name[1:])
        return bool(name[0]) and (whole in self._standing or (whole in found and found[whole].holds is True))

    def _is_due(self, name: _Name, one: Condition, window: Window) -> bool:
        standing = self._standing[name]
        return not standing.is_told and one.holds is True and window.end - standing.start >= one.lasting

    def _tell(self, name: _Name, one: Condition, window: Window) -> list[Anomaly]:
        """An episode that begins or grows louder; one that is as loud already needs no other word."""
        standing = self._standing[name]
        self._standing[name] = Standing(standing.start, standing.seen, True)
        old = self._episodes.get(one.key)
        if old is not None and LOUDNESS[old.severity] >= LOUDNESS[one.severity]:
            return []
        lasting = f" for {one.lasting:g} s" if one.lasting else ""
        told = Anomaly(
            kind="fact", job=self.job, worker=one.key.worker, domain=one.key.domain, entity=one.key.entity,
            metric=one.key.metric, severity=one.severity, start=standing.start if old is None else old.start,
            time=window.time, value=one.value, expected=None if math.isnan(one.bound) else one.bound, score=SCORE,
            detector="limit" if name[-1] else "absolute", text=one.text + lasting,
        )  # fmt: skip
        self._episodes[one.key] = told
        return [told]

    def _end(self, key: SeriesKey, found: dict[_Name, Condition], window: Window) -> Anomaly:
        values = [one.value for one in found.values() if one.key == key]
        now = f"{key.metric} is {values[0]:.3g} now" if values else f"nothing is known of {key.metric} any more"
        return msgspec.structs.replace(self._episodes.pop(key), end=window.start, time=window.time, text=now)


def _name(one: Condition) -> _Name:
    return (*one.key[1:], one.declared)


def _is_gone(name: _Name, one: Standing, window: Window) -> bool:
    return name[0] in window.left or window.start - one.seen >= FORGET
