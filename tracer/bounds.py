"""What a record may hold at most, and the error for one that cannot be used; pure.

What comes over the wire is not trusted: a name, a time, a count or a number of shards beyond these bounds would cost
memory or break arithmetic far from here.
"""

from __future__ import annotations

from typing import Final, Literal

Reason = Literal["truncated", "oversized", "version", "kind", "type", "columns", "names", "time", "checksum"]

MAX_BYTES: Final = 4 * 1024 * 1024  # one record; brokers' defaults are 1 MB, the tracer cuts its records at 512 kB
MAX_POINTS: Final = 65_536  # names of a batch: a point's index is a u2
MAX_SHARDS: Final = 4096  # the host of a sharded job opens every one of them
MAX_NAME: Final = 1024  # characters of a name: series are limited by number, so each has to be bounded
_MAX_COUNT: Final = 1 << 62  # of a sequence, a step, a count: the sum of two still fits int64
_MAX_TIME: Final = 1e11  # seconds: the year 5138


class RecordError(ValueError):
    """A record that cannot be used; `reason` is one of the `Reason` words, the message says more."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason: Reason = reason


def check_names(reason: Reason, *names: str) -> None:
    """Raises RecordError for a name that is too long."""
    if max(map(len, names), default=0) > MAX_NAME:
        name = next(name for name in names if len(name) > MAX_NAME)
        raise RecordError(reason, f"a name has {len(name)} characters, at most {MAX_NAME} are read: {name[:40]!r}")


def check_times(**times: float) -> None:
    """Raises RecordError for a time that is not finite or absurd; NaN fails too."""
    for name, time in times.items():
        if not -_MAX_TIME < time < _MAX_TIME:
            raise RecordError("time", f"{name} = {time}")


def check_counts(**counts: int) -> None:
    """Raises RecordError for a negative or absurd count."""
    for name, count in counts.items():
        if not 0 <= count < _MAX_COUNT:
            raise RecordError("columns", f"{name} = {count}")


def check_shards(shard: int, shards: int) -> None:
    """Raises RecordError unless `shard` is one of `shards`, and these are not too many."""
    if not 0 <= shard < shards <= MAX_SHARDS:
        raise RecordError("columns", f"shard {shard} of {shards}, at most {MAX_SHARDS}")
