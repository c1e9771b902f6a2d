"""What metrics remember between windows: ids seen, short trails of past values, the last label.

Everything is bounded. An `IdHorizon` that would keep too many ids samples them: it keeps those whose hash is 0 modulo a
power of two and doubles that modulus, so the horizon stays whole and what it costs is precision. All state is exact and
depends only on the sequence of windows; `state()` is what `from_state` needs to continue to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.metrics import Floats
from streamgauge.tracer.summaries import is_sampled

Hashes = NDArray[np.uint64]
MAX_IDS: Final = 65_536  # 512 kB a horizon
HOURS: Final = 24


class Slice(NamedTuple):
    """The ids of [start, end), sorted and distinct."""

    start: float
    end: float
    ids: Hashes


class IdHorizon:
    """The ids of a trailing horizon, by slices that are forgotten as a whole.

    Args:
        horizon: seconds for which ids are kept.
        slice_length: windows within one multiple of it share a slice (0: one slice a window).
        limit: most ids kept, over all slices.

    >>> kept = IdHorizon(horizon=100.0)
    >>> kept.remember(0.0, 10.0, np.array([3, 5], np.uint64))
    >>> kept.is_known(np.array([5, 6], np.uint64), before=10.0).tolist()
    [True, False]
    """

    def __init__(self, horizon: float, slice_length: float = 0.0, limit: int = MAX_IDS) -> None:
        self.horizon = horizon
        self.slice_length = slice_length
        self.limit = limit
        self.modulus = 1
        self.since = np.inf  # start of the first window ever remembered
        self._slices: list[Slice] = []

    def is_sampled(self, ids: Hashes) -> NDArray[np.bool_]:
        """Which ids this horizon keeps at all."""
        return is_sampled(ids, self.modulus)

    def is_known(self, ids: Hashes, before: float) -> NDArray[np.bool_]:
        """Which ids were seen in the windows that ended at or before `before`, within the horizon."""
        known = np.zeros(len(ids), bool)
        for piece in self._slices:
            if before - self.horizon < piece.end <= before and len(piece.ids):
                at = np.minimum(np.searchsorted(piece.ids, ids), len(piece.ids) - 1)
                known |= piece.ids[at] == ids
        return known

    def spans(self, before: float) -> bool:
        """Whether a whole horizon lies behind `before`."""
        return bool(self.since <= before - self.horizon)

    def remember(self, start: float, end: float, ids: Hashes) -> None:
        """Keep one window's ids (sorted, distinct); a window that overlaps one already kept is left out."""
        if self._slices and start < self._slices[-1].end:
            return
        self.since = min(self.since, start)
        self._slices = [piece for piece in self._slices if piece.end > end - self.horizon]
        self._add(start, end, ids[self.is_sampled(ids)])
        while sum(len(piece.ids) for piece in self._slices) > self.limit and self.modulus < 1 << 62:
            self.modulus *= 2
            self._slices = [piece._replace(ids=piece.ids[self.is_sampled(piece.ids)]) for piece in self._slices]

    def _add(self, start: float, end: float, ids: Hashes) -> None:
        last = self._slices[-1] if self._slices else None
        if last and self.slice_length and last.start // self.slice_length == start // self.slice_length:
            self._slices[-1] = Slice(last.start, end, np.union1d(last.ids, ids))
        else:
            self._slices.append(Slice(start, end, ids))

    @property
    def pieces(self) -> Sequence[Slice]:
        """What is kept, oldest first; a piece is never changed, another one takes its place."""
        return self._slices

    def head(self) -> list[Any]:
        """Everything that is neither an argument of the constructor nor a piece."""
        return [self.modulus, self.since]

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        return [*self.head(), [[p.start, p.end, p.ids.astype("<u8").tobytes()] for p in self._slices]]

    @classmethod
    def from_state(cls, state: Sequence[Any], horizon: float, slice_length: float = 0.0) -> Self:
        """The horizon as it was."""
        kept = cls(horizon, slice_length)
        kept.modulus, kept.since = state[0], state[1]
        kept._slices = [Slice(start, end, np.frombuffer(ids, "<u8")) for start, end, ids in state[2]]
        return kept


class Trail:
    """The last `length` values of some entities, oldest first; NaN where an entity had none.

    >>> trail = Trail(2)
    >>> for step in (1.0, 2.0, 3.0):
    ...     trail.push(step, ("a",), np.array([step]))
    >>> trail.of(("a", "b")).tolist()
    [[2.0, nan], [3.0, nan]]
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.end = -np.inf  # end of the last window that was pushed
        self.entities: tuple[str, ...] = ()
        self.values: Floats = np.zeros((0, 0))

    def push(self, end: float, entities: tuple[str, ...], values: Floats) -> None:
        """Append one row; entities that have no value any more leave."""
        if entities != self.entities:
            names = tuple(sorted({*entities, *self.entities}))
            self.values, values = self.of(names), _align(entities, values[None, :], names)[0]
            self.entities = names
        self.values = np.concatenate([self.values, values[None, :]])[-self.length :]
        alive = np.isfinite(self.values).any(axis=0)
        if not alive.all():
            self.entities = tuple(name for name, stays in zip(self.entities, alive.tolist(), strict=True) if stays)
            self.values = self.values[:, alive]
        self.end = end

    def of(self, entities: tuple[str, ...]) -> Floats:
        """The values of these entities, of shape [k, n], k <= length."""
        return self.values if entities == self.entities else _align(self.entities, self.values, entities)

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        return [self.end, list(self.entities), len(self.values), self.values.astype("<f8").tobytes()]

    @classmethod
    def from_state(cls, state: Sequence[Any], length: int) -> Self:
        """The trail as it was."""
        trail = cls(length)
        trail.end, trail.entities = state[0], tuple(state[1])
        trail.values = np.frombuffer(state[3], "<f8").reshape(state[2], len(trail.entities))
        return trail


class Silence:
    """When the last label came, and the longest silence that is normal at each hour of the local day.

    At each window's end the silence so far is known; the longest of an hour and day is kept, for 28 days. With that
    many days the 99.9th percentile is their maximum.
    """

    DAYS: Final = 28

    def __init__(self) -> None:
        self.last = np.nan
        self._longest: dict[tuple[int, int], float] = {}  # (day, hour) -> seconds

    def normal(self, hour: int) -> float:
        """The longest normal silence at this hour, 0.0 while fewer than three days are known."""
        gaps = [gap for (_, of), gap in self._longest.items() if of == hour]
        return max(gaps) if len(gaps) >= 3 else 0.0

    def observe(self, last: float) -> None:
        """A label came at `last`, or none did (NaN)."""
        self.last = float(np.fmax(self.last, last))

    def learn(self, day: int, hour: int, silence: float) -> None:
        """This silence was normal."""
        self._longest[day, hour] = max(silence, self._longest.get((day, hour), 0.0))
        self._longest = {key: gap for key, gap in self._longest.items() if key[0] > day - self.DAYS}

    def state(self) -> list[Any]:
        """Everything."""
        return [self.last, [[*key, gap] for key, gap in sorted(self._longest.items())]]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        """The silence as it was."""
        silence = cls()
        silence.last = state[0]
        silence._longest = {(day, hour): gap for day, hour, gap in state[1]}
        return silence


class Rates:
    """The usual share of positives: all positives over all labels of the normal windows of 28 local days.

    >>> rates = Rates()
    >>> rates.learn(day=1, end=60.0, positives=3.0, labels=100.0)
    >>> rates.rate
    0.03
    """

    DAYS: Final = 28

    def __init__(self) -> None:
        self.end = -np.inf  # of the last window that was learnt
        self._days: dict[int, tuple[float, float]] = {}  # positives, labels

    @property
    def rate(self) -> float:
        """Positives / labels, 0.0 while there are none."""
        positives, labels = self._sums()
        return positives / labels if labels else 0.0

    def evidence(self, labels: float) -> float:
        """The positives to expect of so many labels, fewer where the rate itself stands on few: 1 / (1/E + 1/P)."""
        expected, positives = labels * self.rate, self._sums()[0]
        return expected * positives / (expected + positives) if expected else 0.0

    def _sums(self) -> tuple[float, float]:
        positives, labels = zip(*self._days.values(), strict=True) if self._days else ((), ())
        return math.fsum(positives), math.fsum(labels)

    def learn(self, day: int, end: float, positives: float, labels: float) -> None:
        """A window that ended at `end` was normal."""
        before = self._days.get(day, (0.0, 0.0))
        self._days[day] = before[0] + positives, before[1] + labels
        self._days = {key: sums for key, sums in self._days.items() if key > day - self.DAYS}
        self.end = end

    def state(self) -> list[Any]:
        """Everything."""
        return [self.end, [[day, *sums] for day, sums in sorted(self._days.items())]]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Self:
        """The rates as they were."""
        rates = cls()
        rates.end = state[0]
        rates._days = {day: (positives, labels) for day, positives, labels in state[1]}
        return rates


def _align(have: tuple[str, ...], values: Floats, want: tuple[str, ...]) -> Floats:
    at = {name: i for i, name in enumerate(have)}
    index = np.array([at.get(name, -1) for name in want], np.int64)
    padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    aligned: Floats = padded[:, index]
    return aligned
