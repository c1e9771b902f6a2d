"""All that one key's operator knows: clock and cursors, workers, and the windows that may still be revised."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Partial, Presence, Report
from streamgauge.pipelines.stream.facts import Facts
from streamgauge.pipelines.stream.names import Mapping
from streamgauge.pipelines.stream.panes import Track
from streamgauge.pipelines.stream.watermark import COUNTS, FAR_PAST, Member
from streamgauge.pipelines.stream.windows import Grid, Window, to_micros
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter
from streamgauge.tracer.records import Feedback, Setting

KEPT_MEMBERS: Final = 1_000  # workers remembered after they have gone
KEPT_IDENTITIES: Final = 1_024  # events, feedback and what could not be used, known when they come again
RING: Final = 3  # closed windows of each kind that may still be revised
HOLD_WINDOWS: Final = 3  # of the shortest windows: how long a member that does not move is waited for
Emitted = Report | Anomaly | Change | Counters | DeadLetter | Setting | Feedback


@dataclass(slots=True)
class Worker:
    """One worker: membership, facts, and what it sent for windows that are not done."""

    member: Member
    facts: Facts = field(default_factory=Facts)
    stream: Track = field(default_factory=Track)
    wall: Track = field(default_factory=Track)
    frozen: dict[tuple[int, int], Partial] = field(default_factory=dict)  # (spec, end): passed by it, not yet closed
    next_bound: int = FAR_PAST  # the first bound after `member.passed`
    mappings: dict[bytes, Mapping] = field(default_factory=dict)  # a cache: its loss changes nothing


@dataclass(slots=True)
class Closed:
    """A closed window that joiners and returners may still revise."""

    window: Window
    revision: int
    clock: float
    partials: dict[str, Partial]
    presences: dict[str, Presence]
    dirty: list[str] = field(default_factory=list)  # workers that sent something for it after its close


@dataclass(slots=True)
class Side:
    """The windows that close by one clock: of the workers (stream), or of the job (wall)."""

    grid: Grid
    delay: int  # after the end of a window until it may close
    cursor: int = FAR_PAST  # all windows that end at or before this are closed
    floor: int = FAR_PAST  # windows that ended at or before this were closed in an earlier run of the job
    is_fresh: bool = True  # nothing closed yet in this run: an earlier record may still move the cursor back


@dataclass(slots=True)
class Job:
    """The whole state of one key."""

    config: JobConfig
    shard: int
    stream: Side | None
    wall: Side | None
    ticked: int | None = None  # the last tick
    clock: int | None = None  # the same; None before the first tick of a run, when nothing is known to be ahead
    is_live: bool = False
    is_begun: bool = False  # something was closed in this run
    vacant_since: int | None = None  # the clock when the last member left
    workers: dict[str, Worker] = field(default_factory=dict)
    gone: dict[str, Member] = field(default_factory=dict)  # workers that left long ago: old records are known as such
    rings: dict[int, list[Closed]] = field(default_factory=dict)
    series: int = 0
    name_bytes: int = 0  # of all series: follows from the workers
    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTS))  # of no worker, or of workers long gone
    reports: int = 0  # number of the last report
    number: int = 0  # number of the last output
    settings: dict[str, int] = field(default_factory=dict)  # last revision by name
    recent: list[str] = field(default_factory=list)  # identities of the last events, feedback and dead letters
    pending: bytes = b""  # a configuration that takes effect when the job begins again
    facts: Facts = field(default_factory=Facts)  # of the job itself
    doubted: int | None = None  # a tick far ahead of all that is known, which waits for a second one
    has_second_lives: bool = False  # some worker is one: a cache, so that nobody looks for them where there are none
    renewals: list[int] | None = None  # the members' `renewed`, rising: a cache
    laggard: Member | None = None  # who held windows open the last time: a cache
    out: list[Emitted] = field(default_factory=list)  # what the current record caused, not yet encoded
    pane: int = 0
    max_hold: int = 0
    max_ahead: int = 0
    missing_after: int = 0
    counting: int = 0  # index of the shortest window: counters are emitted when it closes

    def configure(self, config: JobConfig) -> None:
        """Adopt a configuration; only while the job is not live."""
        specs = list(enumerate(config.windows))
        self.config = config
        self.pane = to_micros(config.pane)
        self.max_ahead = to_micros(config.max_ahead)
        self.missing_after = to_micros(config.missing_after)
        shortest = min((spec.length for spec in config.windows), default=config.pane)
        self.max_hold = to_micros(HOLD_WINDOWS * shortest if config.max_hold is None else config.max_hold)
        ranks = [(spec.length, spec.kind != "wall", index) for index, spec in specs]
        self.counting = min(ranks)[2] if ranks else 0
        stream = [item for item in specs if item[1].kind != "wall"]
        wall = [item for item in specs if item[1].kind == "wall"]
        self.stream = _side(self.stream, stream, config.timezone, to_micros(config.allowed_lateness))
        self.wall = _side(self.wall, wall, config.timezone, wall_delay(config))

    def remember(self, identity: str) -> bool:
        """Keep an identity; False if it was kept already."""
        if identity in self.recent:
            return False
        self.recent.append(identity)
        del self.recent[:-KEPT_IDENTITIES]
        return True

    @property
    def lateness(self) -> int:
        """Allowed lateness, microseconds."""
        return to_micros(self.config.allowed_lateness)

    def named_workers(self) -> list[tuple[str, Worker]]:
        """Workers by name: the order of every fold across workers."""
        return sorted(self.workers.items())


def new_job(config: JobConfig, shard: int) -> Job:
    """The state of a key that has seen nothing."""
    job = Job(config, shard, None, None)
    job.configure(config)
    return job


def wall_delay(config: JobConfig) -> int:
    """How long after its end a wall window closes.

    A driver that ticks by panes has all records of a pane on the bus before its tick: no delay. A host that ticks finer
    has not: the last pane's records arrive within the next one, so the window gives them that long. Always whole panes:
    within one, records and ticks may change places.
    """
    panes = math.ceil(config.allowed_lateness / config.pane) + (config.tick < config.pane)
    return panes * to_micros(config.pane)


def _side(old: Side | None, specs: list[tuple[int, WindowSpec]], timezone: str, delay: int) -> Side | None:
    if not specs:
        return None
    grid = Grid(specs, timezone)
    if old is None:
        return Side(grid, delay)
    return Side(grid, delay, cursor=old.cursor, floor=old.floor, is_fresh=old.is_fresh)
