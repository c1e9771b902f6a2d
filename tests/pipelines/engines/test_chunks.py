"""Snapshots as records: whatever a crash, the compaction or a host thought dead leaves, the right one is read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.engines.chunks import Chunk, cut, newest, other

Records = list[tuple[str, bytes]]


def compacted(records: Records, upto: int) -> Records:
    """What is left when of the first `upto` records only the last of each key stays."""
    last = {key: i for i, (key, _) in enumerate(records[:upto])}
    return [record for i, record in enumerate(records[:upto]) if last[record[0]] == i] + records[upto:]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
def test_the_last_complete_one_survives_a_crash_and_the_compaction(states: list[bytes], data: st.DataObject) -> None:
    records: Records = []
    slot, ends = "b", []
    for offset, state in enumerate(states):
        slot = other(slot)
        records += cut(0, slot, offset, 3, state, most=7)
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


def test_a_snapshot_of_a_newer_release_is_refused_and_not_taken_for_none() -> None:
    [(key, _)] = cut(0, "a", 17, 3, b"state")
    newer = msgspec.msgpack.encode(Chunk(version=2, offset=17, partitions=3, digest="", index=0, count=1, data=b""))
    with pytest.raises(ValueError, match="the state of the chunk has version 2, this release reads version 1"):
        newest([(key, newer)])


@given(st.data())
def test_a_host_that_was_thought_dead_takes_nobody_back(data: st.DataObject) -> None:
    ours = [cut(0, slot, offset, 3, b"ours %d" % offset * 3, most=9) for slot, offset in (("a", 10), ("b", 20))]
    theirs = cut(0, "a", 5, 3, b"theirs, long ago", most=9)
    mixed: Records = []
    queues = [[record for records in ours for record in records], theirs]
    while any(queues):
        mixed.append(data.draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    read = newest(compacted(mixed, len(mixed)))
    assert read is not None
    assert (read.offset, read.state) == (20, b"ours 20" * 3)


def test_what_is_no_snapshot_is_refused() -> None:
    for record in (("3/a/0", b"\xc1"), ("3", b""), ("3/x/0", cut(3, "a", 1, 1, b"")[0][1])):
        with pytest.raises(ValueError, match=r"is not one of a snapshot's|MessagePack|truncated|Expected"):
            newest([record])
