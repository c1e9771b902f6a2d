"""Snapshots that Faust hosts of releases before rows left in the `state` topic, in chunks; only for reading those.

Two slots took turns, so that whatever a crash or the compaction left, one of them is complete. Of the complete ones the
furthest holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from streamgauge.pipelines.wire import states

_SLOTS: Final = ("a", "b")


class Chunk(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One part of one snapshot."""

    version: int
    offset: int  # of the next record of `traces` in this partition: all before it is in the state
    partitions: int  # that `traces` had: with another number the keys lie elsewhere
    digest: str  # of the whole state: parts of two snapshots are never mixed
    index: int
    count: int
    data: bytes


class Stored(NamedTuple):
    """What was stored last."""

    offset: int
    partitions: int
    state: bytes


def newest(records: Iterable[tuple[str, bytes]]) -> Stored | None:
    """The furthest complete snapshot among the records of one partition, in their order; None if there is none.

    Raises:
        StateVersionError: a chunk of another release.
        ValueError: a record is no chunk.
    """
    slots: dict[str, dict[int, Chunk]] = {slot: {} for slot in _SLOTS}
    complete: list[Stored] = []
    for key, value in records:
        slot = key.split("/")[1] if key.count("/") == 2 else ""
        if slot not in slots:
            raise ValueError(f"the key {key[:100]!r} is not one of a snapshot's")
        chunk = states.read("chunk", value, Chunk)
        slots[slot][chunk.index] = chunk
        parts = [slots[slot].get(i) for i in range(chunk.count)]
        if all(part is not None and (part.digest, part.offset) == (chunk.digest, chunk.offset) for part in parts):
            state = b"".join(part.data for part in parts if part is not None)
            complete.append(Stored(chunk.offset, chunk.partitions, state))
    return max(complete, key=lambda stored: stored.offset, default=None)
