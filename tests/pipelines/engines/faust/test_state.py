"""A partition's rows as records: whatever a crash or the compaction leaves, one whole commit is read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.engines.faust.state import Head, Written, latest, read
from streamgauge.pipelines.engines.keeping import Place
from streamgauge.pipelines.engines.partition import Commit
from tests.pipelines.engines.test_chunks import compacted, cut

PLACES = st.tuples(st.sampled_from(["ctr", "ads/1", "50%2F"]), st.sampled_from(["head", "pane/10/w%2F1", "pane/20"]))
ROWS = st.dictionaries(PLACES, st.one_of(st.none(), st.binary(min_size=5, max_size=30)), max_size=5)


def as_sent(records: list[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    """A tombstone is read as an empty value."""
    return [(key, value or b"") for key, value in records]


@given(st.lists(ROWS, min_size=1, max_size=6), st.data())
def test_the_last_commit_survives_a_crash_a_restart_and_the_compaction(
    commits: list[dict[Place, bytes | None]], data: st.DataObject
) -> None:
    """What `read_committed` shows are whole transactions; the compaction takes records that a later one replaced."""
    there: list[tuple[str, bytes]] = []
    written, rows = Written(3), dict[Place, bytes]()
    for offset, changed in enumerate(commits):
        if data.draw(st.booleans()):  # the host is another one, and knows what it finds
            there = compacted(there, data.draw(st.integers(0, len(there))))
            written = Written(3, latest(there))
        there += as_sent(written.records(Commit(offset, b"%d" % offset, changed), 12, most=7))
        rows = {place: frame for place, frame in (rows | changed).items() if frame is not None}
    found = read(3, latest(compacted(there, data.draw(st.integers(0, len(there))))))
    last = len(commits) - 1
    assert found is not None
    assert found == ((last, b"%d" % last, rows), 12)


@given(st.binary(max_size=40))
def test_a_snapshot_of_a_release_before_rows_is_read_and_leaves_with_the_first_commit(state: bytes) -> None:
    old = cut(3, "a", 17, 12, state, most=9)
    found = read(3, latest(old))
    assert found == ((17, state, {}), 12)
    written = Written(3, latest(old))
    there = latest(old + as_sent(written.records(Commit(18, b"rows", {("ctr", "state"): b"12345"}), 12)))
    assert sorted(there) == ["3/head", "3/row/ctr/state/0"]
    assert all(value is not None for _, value in written.records(Commit(19, b"", {}), 12))


def test_nothing_is_no_state() -> None:
    assert read(3, {}) is None


def test_a_head_of_a_newer_release_is_refused_and_not_taken_for_none() -> None:
    newer = msgspec.msgpack.encode(Head(version=2, offset=17, partitions=3, state=b""))
    with pytest.raises(ValueError, match="the state of the partition has version 2, this release reads version 1"):
        read(3, {"3/head": newer})


def test_a_release_before_rows_refuses_rows() -> None:
    """Its reader takes every record for a chunk."""
    from streamgauge.pipelines.engines.chunks import newest

    for key, value in Written(3).records(Commit(7, b"", {("ctr", "pane/10"): b"12345"}), 12):
        with pytest.raises(ValueError, match="is not one of a snapshot's"):
            newest([(key, value or b"")])
