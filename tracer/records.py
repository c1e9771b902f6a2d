"""What travels on the topics: the records, versioned, owned by their producer; pure.

Every record is one MessagePack array that opens with `version`, `kind`, `job`, `worker`, `shard`. Later minor additions
append fields with defaults: older readers skip them, newer readers fill them in. How it becomes bytes: `tracer.codec`.
"""

from __future__ import annotations

import enum
import zlib
from typing import Final, Literal, NamedTuple, TypeVar, Union

import msgspec

VERSION: Final = 2  # 1: no CRC; still read
Clock = Literal["sample", "label", "train", "wall"]
Mode = Literal["live", "backfill"]


class Kind(enum.IntEnum):
    """What a record is; the second element of every record."""

    TRACE = 1
    OPEN = 2
    TICK = 3
    SETTING = 4
    FEEDBACK = 5
    EVENT = 6


class Name(NamedTuple):
    """What a point or a sketch measures: a traced quantity, not yet a metric.

    `entity` is `""` for the worker itself, else `kind:name`, such as `feature:tailnum` or `tensor:dense/kernel`.
    """

    clock: Clock
    name: str
    entity: str


class Sketch(msgspec.Struct, array_like=True, frozen=True):
    """One mergeable summary of one pane: `columns` are raw arrays whose meaning `tracer.summaries` fixes per `kind`."""

    kind: str
    clock: Clock
    name: str
    entity: str
    columns: tuple[bytes, ...]


class TraceBatch(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What one worker saw in (a part of) one pane. An empty one proves life.

    Times are seconds since the UTC epoch by the worker's clock. `names` is one blob (see `encode_names`), a cache key;
    `index` (`<u2`) points into it, `value` and `weight` (`<f8`) have one element a point; an empty `weight` means ones.
    """

    version: int = VERSION
    kind: int = Kind.TRACE
    job: str
    worker: str
    shard: int = 0
    shards: int = 1
    incarnation: str
    sequence: int  # 1, 2, 3, ... within an incarnation; given before the bounded queue, so a drop is a gap
    pane: float  # start of the pane that every point and sketch here belongs to
    pane_length: float
    interval: float  # an empty record comes at least this often
    watermark: float  # everything older than this has been sent
    step_first: int = 0
    step_last: int = 0
    mode: Mode = "live"
    final: bool = False
    plans: tuple[tuple[str, int], ...] = ()  # (plan, revision) in force
    captured: int = 0  # points captured so far in this incarnation, for `trace_loss`
    names: bytes = b"\x90"
    index: bytes = b""
    value: bytes = b""
    weight: bytes = b""
    sketches: tuple[Sketch, ...] = ()
    hard: tuple[tuple[str, str, float], ...] = ()  # hard facts: (fact, entity, value): ("nonfinite", "tensor:x", 3.0)
    texts: tuple[str, ...] = ()  # what more to say of each hard fact, in their order; empty: nothing


class Open(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Opens a shard of a job at `start`, so that a shard without workers has state and time; harmless twice."""

    version: int = VERSION
    kind: int = Kind.OPEN
    job: str
    worker: str = ""
    shard: int = 0
    shards: int = 1
    start: float


class Tick(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Time as a record: the host's clock passed `time`. One not above the last is a no-op.

    `leap`: how many seconds the host's clock is ahead of the time that it tells, after a leap that it does not follow.
    """

    version: int = VERSION
    kind: int = Kind.TICK
    job: str
    worker: str = ""
    shard: int = 0
    time: float
    leap: float = 0.0


class Setting(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A change of what answers depend on, effective for windows that end after `effective`. `body` is JSON."""

    version: int = VERSION
    kind: int = Kind.SETTING
    job: str
    worker: str = ""
    shard: int = 0
    name: str
    revision: int
    effective: float
    body: bytes


class Feedback(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What on-call said of a notification; five verdicts are those of StarTree ThirdEye.

    `missed` is said of a series that should have paged: `notification` then names it (`sample/feature:a/null_rate@w1`).
    """

    version: int = VERSION
    kind: int = Kind.FEEDBACK
    job: str
    worker: str = ""
    shard: int = 0
    notification: str
    verdict: Literal["true_alarm", "false_alarm", "expected", "new_trend", "none", "missed"]
    author: str = ""
    comment: str = ""
    time: float = 0.0


class Event(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Something that happened to the job: model pushed, exported, deployed, restarted."""

    version: int = VERSION
    kind: int = Kind.EVENT
    job: str
    worker: str = ""
    shard: int = 0
    name: str
    time: float
    text: str = ""


Record = Union[TraceBatch, Open, Tick, Setting, Feedback, Event]
R = TypeVar("R", TraceBatch, Open, Tick, Setting, Feedback, Event)


def shard_of(worker: str, shards: int) -> int:
    """The shard a worker belongs to, fixed for a run of the job: crc32(worker) mod shards.

    >>> shard_of("worker:3", 1)
    0
    """
    return zlib.crc32(worker.encode()) % shards


def key_of(job: str, shard: int, shards: int) -> str:
    """The key of `traces` and of the operators: the job, or job/shard for a sharded one.

    >>> key_of("ctr", 0, 1), key_of("ctr", 2, 4)
    ('ctr', 'ctr/2')
    """
    return job if shards == 1 else f"{job}/{shard}"
