"""What a partition keeps in the compacted topic `state`: a record for each row, and the head that they belong to; pure.

A commit is one Kafka transaction: the rows that changed, tombstones of those that are gone, and the head with the
offset. Read with `read_committed`, whatever a crash or the compaction leaves is one whole commit. Without a transaction
a row's newest value could be one that was never committed, and the compaction would have taken the last that was.

Keys: `3/head`, and `3/row/KEY/NAME/PART`, where a row above a broker's limit has several parts. A release before rows
kept a whole snapshot in chunks (`pipelines.engines.chunks`): those are read, and leave with the first commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from streamgauge.pipelines.engines.chunks import newest
from streamgauge.pipelines.engines.keeping import Place
from streamgauge.pipelines.engines.partition import Commit
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.outputs import MOST
from streamgauge.pipelines.wire.rows import name_of, parts_of

_ROW: Final = "row"
Records = Iterable[tuple[str, bytes]]  # keys and values; an empty value is a tombstone


class Head(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What the rows of one partition belong to."""

    version: int = states.written("partition")
    offset: int  # of the next record of `traces` in this partition: all before it is in the rows
    partitions: int  # that `traces` had: with another number the keys lie elsewhere
    state: bytes  # of the consumer: what the rows of each key come to


class Found(NamedTuple):
    """What was committed last."""

    commit: Commit
    partitions: int


class Written:
    """The records that a partition has in the topic: what a commit has to write, and to take away.

    >>> written = Written(3)
    >>> first = written.records(Commit(7, b"", {("ctr", "pane/10"): b"12345"}), 12, most=2)
    >>> [key for key, _ in first]
    ['3/row/ctr/pane/10/0', '3/row/ctr/pane/10/1', '3/row/ctr/pane/10/2', '3/head']
    >>> written.records(Commit(8, b"", {("ctr", "pane/10"): b"123"}), 12, most=2)[2]
    ('3/row/ctr/pane/10/2', None)
    """

    def __init__(self, partition: int, keys: Iterable[str] = ()) -> None:
        self._partition = partition
        self._rows = {key for key in keys if _is_row(key)}
        self._old = sorted(set(keys) - self._rows - {f"{partition}/head"})  # chunks of a release before rows

    def records(self, commit: Commit, partitions: int, *, most: int = MOST) -> list[tuple[str, bytes | None]]:
        """Keys and values of one transaction, the head last; None is a tombstone."""
        found: list[tuple[str, bytes | None]] = [(key, None) for key in self._old]
        self._old = []
        for place, frame in commit.rows.items():
            found += self._row(_path(self._partition, place), frame or b"", most)
        head = Head(offset=commit.offset, partitions=partitions, state=commit.state)
        return [*found, (f"{self._partition}/head", msgspec.msgpack.encode(head))]

    def _row(self, path: str, frame: bytes, most: int) -> Iterator[tuple[str, bytes | None]]:
        count = -(-len(frame) // most)
        for part in range(count):
            self._rows.add(f"{path}/{part}")
            yield f"{path}/{part}", frame[part * most : (part + 1) * most]
        while f"{path}/{count}" in self._rows:  # it was longer, or it is gone
            self._rows.remove(f"{path}/{count}")
            yield f"{path}/{count}", None
            count += 1


def latest(records: Records) -> dict[str, bytes]:
    """The value of each key that was not taken away."""
    found: dict[str, bytes] = {}
    for key, value in records:
        found.pop(key, None)  # the order of chunks counts
        if value:
            found[key] = value
    return found


def read(partition: int, latest: Mapping[str, bytes]) -> Found | None:
    """What the values of one partition's records say; None if there are none.

    Raises:
        StateVersionError: of another release.
        ValueError: records that are none of ours.
    """
    head = latest.get(f"{partition}/head")
    if head is None:
        old = newest(latest.items())
        return None if old is None else Found(Commit(old.offset, old.state, {}), old.partitions)
    stands = states.read("partition", head, Head)
    return Found(Commit(stands.offset, stands.state, _rows(latest)), stands.partitions)


def _rows(latest: Mapping[str, bytes]) -> dict[Place, bytes | None]:
    parts: dict[Place, dict[int, bytes]] = {}
    for key, value in latest.items():
        if _is_row(key):
            _, _, name, path = key.split("/", 3)
            row, _, part = path.rpartition("/")
            parts.setdefault((parts_of(name)[0], row), {})[int(part)] = value
    return {place: b"".join(found[part] for part in sorted(found)) for place, found in parts.items()}


def _is_row(key: str) -> bool:
    return key.partition("/")[2].startswith(f"{_ROW}/")


def _path(partition: int, place: Place) -> str:
    key, row = place
    return f"{partition}/{_ROW}/{name_of(key)}/{row}"
