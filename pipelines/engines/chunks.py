"""A host's snapshot and offset as records of the compacted `state` topic, each below the broker's message limit; pure.

Two slots take turns, so that a snapshot under way replaces nothing of the last one: whatever a crash or the compaction
leaves, one of them is complete. Of the complete ones the furthest holds: a host that was thought dead and still
writes cannot take its successor back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.outputs import MOST

SLOTS: Final = ("a", "b")


class Chunk(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One part of one snapshot."""

    version: int = states.written("chunk")
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
    slot: str


def cut(
    partition: int, slot: str, offset: int, partitions: int, state: bytes, *, most: int = MOST
) -> list[tuple[str, bytes]]:
    """Keys and values to write, in order.

    >>> [key for key, _ in cut(3, "a", 17, 12, b"12345", most=2)]
    ['3/a/0', '3/a/1', '3/a/2']
    """
    digest = hashlib.blake2b(state, digest_size=16).hexdigest()
    count = max(1, -(-len(state) // most))
    chunks = [
        Chunk(
            offset=offset, partitions=partitions, digest=digest, index=i, count=count,
            data=state[i * most : (i + 1) * most],
        )
        for i in range(count)
    ]  # fmt: skip
    return [(f"{partition}/{slot}/{chunk.index}", msgspec.msgpack.encode(chunk)) for chunk in chunks]


def newest(records: Iterable[tuple[str, bytes]]) -> Stored | None:
    """The furthest complete snapshot among the records of one partition, in their order; None if there is none.

    >>> records = cut(3, "a", 17, 12, b"old") + cut(3, "b", 20, 12, b"newer", most=2)
    >>> newest(records).state, newest(records[:-1]).state, newest(records[2:])
    (b'newer', b'old', None)

    Raises:
        StateVersionError: a chunk of another release.
        ValueError: a record is no chunk.
    """
    slots: dict[str, dict[int, Chunk]] = {slot: {} for slot in SLOTS}
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
            complete.append(Stored(chunk.offset, chunk.partitions, state, slot))
    return max(complete, key=lambda stored: stored.offset, default=None)


def other(slot: str) -> str:
    """The slot whose turn it is after this one."""
    return SLOTS[(SLOTS.index(slot) + 1) % len(SLOTS)]
