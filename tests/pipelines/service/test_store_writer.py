"""The store writer: everything on the bus reaches the store, whatever is busy, broken or sent twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.anomaly.types import Ack, Matcher, Score, Silence, Unsuppress
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.adapters.sqlite.verify_store import walk_store
from streamgauge.pipelines.ports import StoreBusy, Stored
from streamgauge.pipelines.service.store_writer import StoreWriter
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change, DeadLetter, PointColumns
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import MemoryLog


class Shelf:
    """A store in memory that is busy while told so."""

    identity = ""

    def __init__(self) -> None:
        self.records: list[Stored] = []
        self.is_busy = False

    def write(self, records: Iterable[Stored]) -> None:
        if self.is_busy:
            raise StoreBusy("locked")
        self.records += records

    def close(self) -> None:
        pass


def score(number: int) -> bytes:
    made = Score(job="a", domain="overall", start=0, end=1, micropoints=number, coverage=1, number=number)
    return outputs.encode(made)


def test_a_busy_store_delays_and_loses_nothing() -> None:
    log, shelf = MemoryLog(), Shelf()
    writer = StoreWriter(log, shelf, batch=2)
    log.send([("scores", "a", score(n)) for n in range(5)])
    shelf.is_busy = True
    for _ in range(3):
        with pytest.raises(StoreBusy):
            writer.step()
    assert log.committed("writer")[0] == {}
    shelf.is_busy = False
    while writer.step():
        pass
    assert [record.number for record in shelf.records if isinstance(record, Score)] == [0, 1, 2, 3, 4]
    assert log.committed("writer")[0]["scores"] == 5


def test_a_crash_between_write_and_commit_writes_again() -> None:
    log, shelf = MemoryLog(), Shelf()
    log.send([("scores", "a", score(1))])
    crashed = StoreWriter(log, shelf)
    log.commit = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        crashed.step()
    del log.commit  # type: ignore[attr-defined]
    StoreWriter(log, shelf).step()
    assert len(shelf.records) == 2


def test_what_cannot_be_read_is_a_dead_letter_counted_by_reason_over_restarts() -> None:
    log, shelf = MemoryLog(), Shelf()
    tick = outputs.encode(Tick(job="a", time=1.0))
    log.send([("scores", "a", b"\xc1"), ("scores", "a", score(1)), ("anomalies", "a", tick)])
    writer = StoreWriter(log, shelf)
    while writer.step():
        pass
    assert [type(record).__name__ for record in shelf.records] == ["Score", "DeadLetter"]
    assert writer.dead == StoreWriter(log, shelf).dead == {"unreadable output": 1}


def test_a_dead_letter_that_is_sent_again_after_a_crash_counts_once() -> None:
    log, shelf = MemoryLog(), Shelf()
    letter = outputs.encode(DeadLetter(identity="i", reason="type", text="", topic="traces", key="a", data=b"x"))
    for _ in range(2):
        log.send([("dead-letters", "a", letter)] * 2)
        writer = StoreWriter(log, shelf)
        writer.step()
    assert writer.dead == {"type": 1}


def test_what_the_store_cannot_take_is_a_dead_letter_and_the_rest_is_written(tmp_path: Path) -> None:
    log, store = MemoryLog(), SqliteStore(tmp_path / "store.db")
    columns = dict.fromkeys(("value", "rows", "error", "floor", "reference", "low", "high"), b"")
    points = PointColumns(job="a", window="w", start=0.0, end=1.0, revision=0, number=1, keys=b"\xc1", **columns)
    log.send([("scores", "a", outputs.encode(points)), ("scores", "a", score(1))])
    writer = StoreWriter(log, store)
    while writer.step():
        pass
    assert writer.dead == {"unreadable output": 1}
    store.close()
    query = SqliteQuery(tmp_path / "store.db")
    assert len(query.scores("a", 0.0, 10.0)) == 1
    query.close()


def test_an_unreadable_dead_letter_does_not_breed() -> None:
    log = MemoryLog()
    log.send([("dead-letters", "a", b"\xc1")])
    writer = StoreWriter(log, Shelf())
    while writer.step():
        pass
    assert log.end("dead-letters") == 1


def test_what_people_asked_is_kept_as_changes() -> None:
    log, shelf = MemoryLog(), Shelf()
    asked = [
        Ack(job="a", notification="n1", author="Ada", time=60.0),
        Unsuppress(job="a", episode="e1", time=61.0),
        Silence(id="s1", job="a", matchers=(Matcher("worker", "w1"),), start=62.0, end=3600.0, comment="known"),
    ]
    log.send([("anomalies", "a", outputs.encode(record)) for record in asked])
    StoreWriter(log, shelf).step()
    assert shelf.records == [
        Change(job="a", name="ack", time=60.0, text="n1 by Ada"),
        Change(job="a", name="unsuppress", time=61.0, text="e1"),
        Change(job="a", name="silence", time=62.0, text="s1 until 1970-01-01T01:00:00Z: worker=w1: known"),
    ]


@pytest.mark.parametrize("is_back", [False, True])
def test_of_a_store_that_was_moved_away_under_its_readers_nothing_gets_into_the_new_one(
    tmp_path: Path, is_back: bool
) -> None:
    """Its write-ahead file stays behind, under the new one's name."""
    log, path = MemoryLog(), tmp_path / "store.db"
    writer, query = StoreWriter(log, SqliteStore(path)), SqliteQuery(path)

    def stored(number: int) -> list[float]:
        made = Score(job="a", domain="overall", start=0, end=number, micropoints=1, coverage=1, number=number)
        log.send([("scores", "a", outputs.encode(made))])
        writer.step()
        return [one["end"] for one in query.scores("a", 0.0, 1e12)]

    assert stored(1) == [1.0]
    path.rename(tmp_path / "away.db")
    if is_back:
        SqliteStore(path).close()
    assert [stored(2), stored(3)] == [[2.0], [2.0, 3.0]]
    assert walk_store(path).findings == []
    query.close()


def test_a_store_that_is_deleted_or_replaced_is_told_and_the_new_one_is_filled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a running writer, and between two; a store that is the same is no news."""
    log, path = MemoryLog(), tmp_path / "store.db"
    store = SqliteStore(path)
    writer = StoreWriter(log, store)

    def send(number: int) -> None:
        log.send([("scores", "a", score(number))])
        writer.step()

    send(1)
    for file in (path, path.with_name("store.db-wal"), path.with_name("store.db-shm")):
        file.unlink()
    send(2)
    assert writer.replaced == 1 and "deleted or replaced" in caplog.text
    store.close()
    writer = StoreWriter(log, SqliteStore(path))
    send(3)
    assert writer.replaced == 0
    writer = StoreWriter(log, SqliteStore(tmp_path / "other.db"))
    send(4)
    assert writer.replaced == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (1,)
