"""Snapshots that releases before rows left as records: the last complete one is read, and what is none is refused."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.engines.chunks import Chunk, newest

Records = list[tuple[str, bytes]]


def cut(partition: int, slot: str, offset: int, partitions: int, state: bytes, most: int = 900_000) -> Records:
    """As the releases before rows wrote a snapshot."""
    digest = hashlib.blake2b(state, digest_size=16).hexdigest()
    parts = [state[at : at + most] for at in range(0, max(1, len(state)), most)]
    about = {"version": 1, "offset": offset, "partitions": partitions, "digest": digest, "count": len(parts)}
    return [
        (f"{partition}/{slot}/{i}", msgspec.msgpack.encode(Chunk(**about, index=i, data=part)))
        for i, part in enumerate(parts)
    ]


def compacted(records: Records, upto: int) -> Records:
    """What is left when of the first `upto` records only the last of each key stays."""
    last = {key: i for i, (key, _) in enumerate(records[:upto])}
    return [record for i, record in enumerate(records[:upto]) if last[record[0]] == i] + records[upto:]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
def test_the_last_complete_one_survives_a_crash_and_the_compaction(states: list[bytes], data: st.DataObject) -> None:
    records: Records = []
    ends = []
    for offset, state in enumerate(states):
        records += cut(0, "ab"[offset % 2], offset, 3, state, most=7)
        ends.append(len(records))
    written = data.draw(st.integers(0, len(records)))
    upto = data.draw(st.integers(0, written))
    read = newest(compacted(records[:written], upto))
    done = sum(end <= written for end in ends)
    if not done:
        assert read is None
        return
    assert read is not None
    assert (read.offset, read.state, read.partitions) == (done - 1, states[done - 1], 3)


def test_what_is_no_snapshot_is_refused() -> None:
    for record in (("3/a/0", b"\xc1"), ("3", b""), ("3/x/0", cut(3, "a", 1, 1, b"")[0][1])):
        with pytest.raises(ValueError, match=r"is not one of a snapshot's|MessagePack|truncated|Expected"):
            newest([record])
