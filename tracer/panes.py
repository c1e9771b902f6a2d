"""One open pane of one worker, and the records it is cut into: at most 4,096 points and about 512 kB each.

Records are drafted in order and stamped together: the last one of a batch carries the watermark, since only then is
everything older sent. Sequences are given here, before any queue that may drop.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np

from streamgauge.tracer.codec import encode_names
from streamgauge.tracer.gathering import Build, Gathering
from streamgauge.tracer.inputs import Column
from streamgauge.tracer.profiles import sketch_units
from streamgauge.tracer.records import Clock, Mode, Name, Sketch, TraceBatch, shard_of
from streamgauge.tracer.summaries import Units

KEPT_NAMES: Final = 20_000  # in the blobs that are kept: at most 10 MB
CUT_POINTS: Final = 4_096
CUT_BYTES: Final = 256_000  # of sketches; with 4,096 points (74 kB) and their names a record stays below 512 kB


class Identity(NamedTuple):
    """Who sends: the same for every record of an incarnation."""

    job: str
    worker: str
    incarnation: str
    shards: int
    pane: float
    interval: float
    mode: Mode


class Point(NamedTuple):
    """One measured value."""

    name: Name
    value: float
    weight: float


class Fact(NamedTuple):
    """A hard fact, and what to say of it."""

    fact: str
    entity: str
    value: float
    text: str


class Draft(NamedTuple):
    """A record to be: everything but its sequence, watermark and plans."""

    pane: float
    steps: tuple[int, int]
    points: list[Point]
    sketches: list[Sketch]
    hard: list[Fact]


class Pane(Protocol):
    """What is measured goes into it: the open pane itself, or the part of it that one head of the model has."""

    @property
    def now(self) -> float:
        """The time that has been reached; seconds."""
        ...

    @property
    def start(self) -> float:
        """Start of the pane; seconds."""
        ...

    def point(self, clock: Clock, name: str, entity: str, value: float, weight: float = 1.0) -> None:
        """One value, kept as it is."""
        ...

    def add(self, clock: Clock, name: str, entity: str, amount: float) -> None:
        """An additive quantity."""
        ...

    def latest(self, clock: Clock, name: str, entity: str, value: float) -> None:
        """A quantity of which only the largest in the pane counts."""
        ...

    def gather(self, clock: Clock, name: str, entity: str, build: Build, *columns: Column) -> None:
        """Rows of a quantity that becomes sketches when the pane ends."""
        ...

    def hard(self, fact: str, entity: str, value: float, text: str = "") -> None:
        """A fact that needs no statistics."""
        ...


class Panes:
    """The pane that is open now. Time only goes forward here: what comes late counts in the open pane."""

    def __init__(self, identity: Identity, now: float) -> None:
        self.identity = identity
        self.now = now
        self.start = self.floor(now)
        self.watermark = self.start
        self.captured = 0
        self.sequence = 0
        self._sent_watermark = self.start
        self._drafts: list[Draft] = []
        self._steps = (0, 0)
        self._clear()

    def floor(self, time: float) -> float:
        """Start of the pane that holds a time."""
        return float(np.floor(time / self.identity.pane)) * self.identity.pane

    def point(self, clock: Clock, name: str, entity: str, value: float, weight: float = 1.0) -> None:
        """One value, kept as it is."""
        self._points.append(Point(Name(clock, name, entity), value, weight))
        if len(self._points) >= CUT_POINTS:
            self._draft(points_only=True)

    def add(self, clock: Clock, name: str, entity: str, amount: float) -> None:
        """An additive quantity: one point a record, whose total is the sum."""
        key = Name(clock, name, entity)
        self._sums[key] = self._sums.get(key, 0.0) + amount

    def latest(self, clock: Clock, name: str, entity: str, value: float) -> None:
        """A quantity of which only the largest in the pane counts."""
        key = Name(clock, name, entity)
        self._latest[key] = max(self._latest.get(key, value), value)

    def gather(self, clock: Clock, name: str, entity: str, build: Build, *columns: Column) -> None:
        """Rows of a quantity that becomes sketches when the pane ends."""
        key = Name(clock, name, entity)
        gathering = self._gathered.get(key)
        if gathering is None:
            gathering = self._gathered[key] = Gathering(build)
        gathering.add(*columns)

    def count_units(self, entity: str, units: Units) -> None:
        """Positive activations of a layer; a layer that changed its width starts anew."""
        parts = self._units.setdefault(entity, [])
        if parts and len(parts[0].positives) != len(units.positives):
            parts.clear()
        parts.append(units)
        if len(parts) >= 64:
            parts[:] = [Units.merge(parts)]

    def hard(self, fact: str, entity: str, value: float, text: str = "") -> None:
        """A fact that needs no statistics: sent at once, once a pane for each entity; `text` says more of it."""
        if (fact, entity) not in self._told:
            self._told.add((fact, entity))
            self._hard.append(Fact(fact, entity, value, text))

    def stepped(self, step: int) -> None:
        """A step ran in this pane."""
        self._steps = (self._steps[0] or step, step)

    @property
    def is_hard(self) -> bool:
        """Whether a fact waits to be sent."""
        return bool(self._hard)

    @property
    def is_owed(self) -> bool:
        """Whether the watermark has moved since it was last sent."""
        return self.watermark > self._sent_watermark

    def end(self, start: float) -> None:
        """Cut the open pane and go on with the one that starts at `start`."""
        self._draft(points_only=False)
        self.start = start
        self._clear()

    def cut(self, *, points_only: bool) -> None:
        """Draft what the open pane holds so far; sketches too unless `points_only`."""
        self._draft(points_only=points_only)

    def stamp(self, plans: tuple[tuple[str, int], ...], *, lost: int, empty: bool, final: bool) -> list[TraceBatch]:
        """The drafted records, `lost` sequences later; an `empty` one if none is there to carry the watermark."""
        drafts, self._drafts = self._drafts, []
        if not drafts and (empty or final or self.is_owed):
            drafts = [Draft(self.start, (0, 0), [], [], [])]
        self.sequence += lost
        return [self._stamp(draft, plans, i == len(drafts) - 1, final) for i, draft in enumerate(drafts)]

    def _stamp(self, draft: Draft, plans: tuple[tuple[str, int], ...], is_last: bool, final: bool) -> TraceBatch:
        if is_last:
            self._sent_watermark = self.watermark
        self.sequence += 1
        self.captured += len(draft.points)
        names = sorted({point.name for point in draft.points})
        index = {name: i for i, name in enumerate(names)}
        weight = np.array([point.weight for point in draft.points], "<f8")
        identity = self.identity
        return TraceBatch(
            job=identity.job, worker=identity.worker, shard=shard_of(identity.worker, identity.shards),
            shards=identity.shards, incarnation=identity.incarnation, sequence=self.sequence, pane=draft.pane,
            pane_length=identity.pane, interval=identity.interval, watermark=self._sent_watermark,
            step_first=draft.steps[0], step_last=draft.steps[1], mode=identity.mode, final=final and is_last,
            plans=plans, captured=self.captured, names=_names(tuple(names)),
            index=np.array([index[point.name] for point in draft.points], "<u2").tobytes(),
            value=np.array([point.value for point in draft.points], "<f8").tobytes(),
            weight=b"" if (weight == 1.0).all() else weight.tobytes(),
            sketches=tuple(draft.sketches), hard=tuple(fact[:3] for fact in draft.hard),
            texts=tuple(fact.text for fact in draft.hard) if any(fact.text for fact in draft.hard) else (),
        )  # fmt: skip

    def _clear(self) -> None:
        self._points: list[Point] = []
        self._sums: dict[Name, float] = {}
        self._latest: dict[Name, float] = {}
        self._gathered: dict[Name, Gathering] = {}
        self._units: dict[str, list[Units]] = {}
        self._hard: list[Fact] = []
        self._told: set[tuple[str, str]] = set()
        self._steps = (0, 0)

    def _draft(self, *, points_only: bool) -> None:
        totals = sorted((self._sums | self._latest).items())
        points = self._points + [Point(name, value, 1.0) for name, value in totals]
        self._points, self._sums, self._latest = [], {}, {}
        sketches = [] if points_only else self._sketches()
        hard, self._hard = self._hard, list[Fact]()
        while points or sketches or hard:
            room, some = CUT_BYTES, list[Sketch]()
            while sketches and (not some or room >= _size(sketches[0])):
                room -= _size(sketches[0])
                some.append(sketches.pop(0))
            self._drafts.append(Draft(self.start, self._steps, points[:CUT_POINTS], some, hard))
            points, hard = points[CUT_POINTS:], []

    def _sketches(self) -> list[Sketch]:
        gathered, self._gathered = self._gathered, {}
        units, self._units = self._units, {}
        found = [sketch for name, rows in sorted(gathered.items()) for sketch in rows.sketches(name)]
        found += [sketch_units(parts, "train", "units", entity) for entity, parts in sorted(units.items())]
        return found


def _size(sketch: Sketch) -> int:
    return sum(map(len, sketch.columns)) + len(sketch.name) + len(sketch.entity) + 32


def _names(names: tuple[Name, ...]) -> bytes:
    """The blob of some names, kept for the next record; names that never come again may not pile up."""
    blob = _blobs.get(names)
    if blob is None:
        blob = encode_names(list(names))
        if len(names) <= KEPT_NAMES // 4:
            if sum(map(len, _blobs)) + len(names) > KEPT_NAMES:
                _blobs.clear()
            _blobs[names] = blob
    return blob


_blobs: dict[tuple[Name, ...], bytes] = {}  # of this process, a cache
