"""A shard's report that is too large for a message, in pieces; the second stage puts them together again.

The pieces of a report come in order, perhaps several times, and always with the same bytes: after a crash a shard sends
again from an earlier report or piece on. So what counts is the next one that is missing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import MOST

VERSION: Final = 1


class Piece(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Bytes of a report as `outputs.encode` wrote it; piece 0 to `pieces` - 1."""

    version: int = VERSION
    job: str
    shard: int
    shards: int
    number: int  # the report's
    piece: int
    pieces: int
    clock: float  # the report's
    data: bytes

    @property
    def is_last(self) -> bool:
        """Whether the report is whole with this one."""
        return self.piece == self.pieces - 1


def cut(report: Report) -> list[bytes]:
    """A report as one message, or as the messages of its pieces."""
    data = outputs.encode(report)
    if len(data) <= MOST:
        return [data]
    parts = [data[at : at + MOST] for at in range(0, len(data), MOST)]
    return [
        outputs.encode(Piece(
            job=report.job, shard=report.shard, shards=report.shards, number=report.number, clock=report.clock,
            piece=i, pieces=len(parts), data=part,
        ))
        for i, part in enumerate(parts)
    ]  # fmt: skip


def collect(held: list[Piece], piece: Piece) -> bytes | None:
    """Add a piece to those `held` of one shard, where it is the next one; the report when it is whole, else None."""
    if held and held[0].number != piece.number:
        held.clear()
    if piece.piece != len(held):
        return None
    held.append(piece)
    if not piece.is_last:
        return None
    data = b"".join(one.data for one in held)
    held.clear()
    return data
